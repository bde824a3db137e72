"""`hanota conformance`: what it takes, what it prints, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree
from typer.testing import CliRunner

from hanota.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

BENCH = """
[device.ppmid]
type = "ppmid"
eui64 = "00-DB-12-34-56-78-90-A4"
install_code = "4CB189C98180D60874449EE76EB987458DEA"
"""


def conformance(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["conformance", *arguments])


def test_the_list_names_every_case_with_its_clause() -> None:
    result = conformance("--list")
    assert result.exit_code == 0
    for words in ("resume-50", "GBCS 11.9", "wait-for-data", "ZCL 11.13.8"):
        assert words in result.stdout


def test_an_emulated_device_passes_the_cases_named_and_the_reports_are_written(tmp_path: Path) -> None:
    page, xml = tmp_path / "report.html", tmp_path / "report.xml"
    result = conformance(
        "--device", "00-DB-12-34-56-78-90-A4", "--radio", "ezsp", "--case", "alert", "--case", "download",
        "--report-html", str(page), "--junit", str(xml), "--seed", "3",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "PPMID 00-DB-12-34-56-78-90-A4 on ezsp+emulator://: 2 passed" in result.stdout
    suite = etree.fromstring(xml.read_bytes())
    assert [case.get("name") for case in suite.findall("testcase")] == ["download", "alert"]
    assert suite.find("properties/property[@name='seed']").get("value") == "3"  # type: ignore[union-attr]
    assert page.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "ppmid", "--case", "downlod"), "there is no case 'downlod'"),
        ((), "which device is to be tried?"),
        (("--device", "meter"), "the bench has no device 'meter'"),
        (("--device", "00-DB-12-34-56-78-90-FF"), "the bench has no device"),
        (("--device", "ppmid", "--radio", "carrier-pigeon"), "not a radio URL"),
        (("--device", "ppmid", "--radio", "ezsp:///dev/ttyNOWHERE"), "which devices are behind"),
        (("--device", "ppmid", "--bench", "nowhere.toml"), "cannot read nowhere.toml"),
        (("--device", "ppmid", "--image", "nowhere.ota", "--case", "download"), "image nowhere.ota"),
    ],
)
def test_a_wrong_option_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], words: str) -> None:
    result = conformance(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_dongle_that_is_not_there_is_no_fault_of_the_device(tmp_path: Path) -> None:
    bench = tmp_path / "bench.toml"
    bench.write_text(BENCH)
    result = conformance(
        "--device", "ppmid", "--bench", str(bench), "--radio", f"ezsp://{tmp_path}/ttyHAN",
        "--lab", str(tmp_path / "lab"),
    )  # fmt: skip
    assert result.exit_code == 3
    assert "error:" in result.stderr
