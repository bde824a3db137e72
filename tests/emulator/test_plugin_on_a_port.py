"""tests/hardware as on metal: an emulated bench with dongle, relay board and console on terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from hanota.emulator.emulation.entries import PPMID

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("serial_asyncio", reason="needs the extra: pip install -e '.[bench]'")

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds for what takes some 25 on a machine that does nothing else."""
CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
HAN = f"""
[dongle]
baudrate = 1000000

[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
install_code = "{CODE}"
suite = 2
autojoin = 0.3
console = "ttyPPMID"
"""
BENCH = """
features = ["made-images"]
keystore = "lab"

[radio]
url = "{radio}://{folder}/ttyHAN?baudrate=1000000"
credentials = "hub.toml"

[device.ppmid]
type = "ppmid"
eui64 = "{ppmid}"
install_code = "env:PLUGIN_TEST_CODE"
power = {{ driver = "relay", port = "{folder}/ttyRelay", channel = 1, normally_closed = true }}
console = {{ port = "{folder}/ttyPPMID" }}
"""


@contextmanager
def emulated_bench(folder: Path, radio: str) -> Iterator[list[str]]:
    """Run `hanota emulate` in `folder`; the list has what it printed once it has ended."""
    (folder / "han.toml").write_text(HAN, encoding="utf-8")
    (folder / "bench.toml").write_text(
        BENCH.format(radio=radio, folder=folder, ppmid=PPMID), encoding="utf-8"
    )
    options = (
        *("--han", "han.toml", "--pty", "ttyHAN", "--relay", "ttyRelay"),
        *("--lab", "lab", "--hub-credentials", "hub.toml"),
    )
    process = subprocess.Popen(
        (sys.executable, "-m", "hanota", "emulate", "--radio", radio, *options),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []
    assert process.stdout is not None
    try:
        while "credentials" not in (line := process.stdout.readline()):
            assert line, f"it ended after {told}"
            told.append(line)
        yield told
    finally:
        process.send_signal(signal.SIGTERM)
        told += process.communicate(timeout=30)[0].splitlines()


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest of the project with the bench in `folder`."""
    return subprocess.run(
        (
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--bench",
            str(folder / "bench.toml"),
            *options,
        ),
        cwd=ROOT,
        env=os.environ | {"PLUGIN_TEST_CODE": CODE},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
def test_a_download_with_a_power_cut_runs_on_a_port_as_it_stands(radio: str, tmp_path: Path) -> None:
    with emulated_bench(tmp_path, radio) as told:
        result = run_pytest(
            tmp_path,
            *("tests/hardware", "-k", "power_cut or unplugged_in_mid", "-rs", "--power-off", "0.5"),
            *(
                "--artifacts",
                str(tmp_path / "left"),
                "--artifacts-all",
                "--junit-xml",
                str(tmp_path / "junit.xml"),
            ),
        )
        info = run_pytest(tmp_path, "--radio-info")
    assert "1 passed, 1 skipped" in result.stdout, result.stdout + result.stderr
    assert "run it without --radio and --bench" in result.stdout

    ours = [line.split(str(PPMID), 1)[1].strip() for line in told if f"Z {PPMID} " in line]
    cut = next(number for number, line in enumerate(ours) if line == "off the HAN")
    assert any(line.startswith("on the HAN") for line in ours[cut:])
    assert "starting firmware 01000001" in ours[cut:]

    (folder,) = [each for each in (tmp_path / "left").iterdir() if "power_cut" in each.name]
    assert {path.name for path in folder.iterdir()} == {
        *("events.jsonl", "han.pcapng", "hub.sqlite", "radio.log", "ppmid.console.log")
    }
    assert "starting firmware 01000001" in (folder / "ppmid.console.log").read_text()
    properties = etree.parse(tmp_path / "junit.xml").iterfind(".//property")
    names = {each.get("name"): each.get("value") for each in properties}
    assert names["radio"] == f"{radio}://{tmp_path}/ttyHAN?baudrate=1000000"
    assert names["channel"] == "15"
    assert set(names) == {"radio", "firmware", "channel", "image"}

    assert info.returncode == 0, info.stderr
    assert f"firmware   {names['firmware']}" in info.stdout
    assert "next: pytest --radio" in info.stderr
