"""tests/hardware as on metal: an emulated bench with dongle, relay board and consoles on ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tests.emulator.port_bench_support import port_bench, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("serial_asyncio", reason="needs the extra: pip install -e '.[bench]'")

PORTS = {"ezsp on a pty": ("ezsp", None, False)}
"""Family, EZSP version, and whether it is on TCP; this one in every run, for each takes long."""
ALL_PORTS = PORTS | {
    "znp on a pty": ("znp", None, False),
    "znp on TCP": ("znp", None, True),
    "EZSP 8 on a pty": ("ezsp", 8, False),
    "EZSP 14 on TCP": ("ezsp", 14, True),
    "EZSP 18 on a pty": ("ezsp", 18, False),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "version" in metafunc.fixturenames:
        ports = ALL_PORTS if metafunc.config.getoption("--all-ports") else PORTS
        metafunc.parametrize(("family", "version", "tcp"), ports.values(), ids=ports.keys())


def test_the_whole_of_it_runs_on_a_port_as_it_stands(
    family: str, version: int | None, tcp: bool, tmp_path: Path
) -> None:
    with port_bench(tmp_path, family, version=version, tcp=tcp, devices=("ppmid", "hcalcs")):
        result = run_pytest(tmp_path, "tests/hardware", "--power-off", "0.5")
    assert result.returncode == 0, result.stdout + result.stderr
    skips = [line for line in result.stdout.splitlines() if line.startswith("SKIPPED")]
    assert len(skips) == 2
    assert all("looks into an emulated dongle" in line for line in skips), skips


def test_a_download_with_a_power_cut_leaves_what_the_bench_saw_of_it(tmp_path: Path) -> None:
    with port_bench(tmp_path, "znp") as bench:
        result = run_pytest(
            tmp_path,
            *("tests/hardware", "-k", "power_cut or unplugged_in_mid", "-rs", "--power-off", "0.5"),
            *("--artifacts", str(tmp_path / "left"), "--artifacts-all"),
            *("--junit-xml", str(tmp_path / "junit.xml")),
        )
        info = run_pytest(tmp_path, "--radio-info")
    assert "1 passed, 1 skipped" in result.stdout, result.stdout + result.stderr
    assert "run it without --radio and --bench" in result.stdout

    ours = bench.notices("ppmid")
    cut = ours.index("off the HAN")
    assert any(line.startswith("on the HAN") for line in ours[cut:])
    assert "starting firmware 01000001" in ours[cut:]

    (folder,) = [each for each in (tmp_path / "left").iterdir() if "power_cut" in each.name]
    assert {path.name for path in folder.iterdir()} == {
        *("events.jsonl", "han.pcapng", "hub.sqlite", "radio.log", "ppmid.console.log")
    }
    assert "starting firmware 01000001" in (folder / "ppmid.console.log").read_text()
    properties = etree.parse(tmp_path / "junit.xml").iterfind(".//property")
    names = {each.get("name"): each.get("value") for each in properties}
    assert names["radio"] == bench.url
    assert names["channel"] == "15"
    assert set(names) == {"radio", "firmware", "channel", "image"}

    assert info.returncode == 0, info.stderr
    assert f"firmware   {names['firmware']}" in info.stdout
    assert "next: pytest --radio" in info.stderr
