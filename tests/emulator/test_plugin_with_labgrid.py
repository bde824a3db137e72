"""labgrid's own plugin and drivers beside ours: its environment file gives power and console."""

from __future__ import annotations

import os
import pty
import subprocess
from importlib.util import find_spec
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.emulator.port_bench_support import (
    PATIENCE,
    port_bench,
    pytest_command,
    pytest_environment,
    run_pytest,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("labgrid") is None, reason="needs labgrid: pip install -e '.[labgrid]'"
)

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --strict-markers -p no:cacheprovider
filterwarnings = error
"""
RELAY = {"on": "\\240\\001\\000\\241", "off": "\\240\\001\\001\\242"}
"""Four octets to the relay board, in octal: channel 1 open and closed, on the contact closed at rest."""


def environment(folder: Path, target: str, *drivers: str) -> None:
    """Write labgrid's environment file, with the device's console as a resource."""
    indented = "\n".join(f"      {driver}" for driver in drivers)
    text = f"""
targets:
  {target}:
    resources:
      RawSerialPort: {{port: "{folder}/tty-ppmid", speed: 115200}}
    drivers:
{indented}
"""
    (folder / "env.yaml").write_text(text, encoding="utf-8")


def folder_of_tests(folder: Path, text: str) -> Path:
    """Write a folder of tests that has nothing of the project's."""
    place = folder / "tests"
    place.mkdir(exist_ok=True)
    (place / "pytest.ini").write_text(INI, encoding="utf-8")
    (place / "test_it.py").write_text(dedent(text), encoding="utf-8")
    return place


def external_power(folder: Path) -> tuple[str, ...]:
    # Off takes longer than one read of the console: neither may get into the other's way.
    on, off = (f"sh -c \"printf '{RELAY[each]}' > {folder}/ttyRelay\"" for each in ("on", "off"))
    return ("ExternalPowerDriver:", f"  cmd_on: {on}", f'  cmd_off: {off[:-1]}; sleep 0.3"')


POWER_CUT = """
    import pytest
    from hanota.bench.errors import ConsoleTimeoutError

    async def test_power_cut(ppmid, power, console, target):
        assert type(target).__module__.startswith("labgrid.")
        await power.off()
        await console.expect("off the HAN", 20)
        await power.on()
        await console.expect("on the HAN", 20)

    async def test_console_says_nothing_of_the_test_before(ppmid, console):
        with pytest.raises(ConsoleTimeoutError):
            await console.expect("off the HAN", 0.1)

    @pytest.mark.lg_feature("not there")
    async def test_skipped_by_labgrid(rig): raise RuntimeError
"""


def test_labgrids_drivers_switch_the_power_and_read_the_console(tmp_path: Path) -> None:
    with port_bench(tmp_path, "znp", drivers=False) as bench:
        environment(tmp_path, "main", "SerialDriver: {}", *external_power(tmp_path))
        place = folder_of_tests(tmp_path, POWER_CUT)
        result = run_pytest(
            *(tmp_path, "test_it.py", "-vv", "-rs", "--power-off", "0.5"),
            *("--lg-env", str(tmp_path / "env.yaml")),
            *("--artifacts", str(tmp_path / "left"), "--artifacts-all"),
            cwd=place,
        )
    assert "2 passed, 1 skipped" in result.stdout, result.stdout + result.stderr
    assert "unsupported feature(s): not there" in result.stdout
    noticed = bench.notices("ppmid")
    cut = noticed.index("off the HAN")
    assert any(line.startswith("on the HAN") for line in noticed[cut:])
    (folder,) = (each for each in (tmp_path / "left").iterdir() if "power_cut" in each.name)
    assert "off the HAN" in (folder / "ppmid.console.log").read_text()


BY_HAND = """
    async def test_power_cut(ppmid, power, console):
        await power.off()
        await console.expect("off the HAN", 20)
        await power.on()
        await console.expect("on the HAN", 20)
"""


def test_a_person_is_asked_by_labgrids_manual_power_driver(tmp_path: Path) -> None:
    """The environment is named by LG_ENV, its target is named as the device, its console is a program."""
    with port_bench(tmp_path, "ezsp", drivers=False):
        console = f'ExternalConsoleDriver: {{cmd: "cat {tmp_path}/tty-ppmid"}}'
        environment(tmp_path, "ppmid", console, "ManualPowerDriver: {}")
        place = folder_of_tests(tmp_path, BY_HAND)
        person, terminal = pty.openpty()
        with subprocess.Popen(
            pytest_command(tmp_path, "test_it.py", "-rs", "--power-off", "0.1"),
            cwd=place,
            env=pytest_environment() | {"LG_ENV": str(tmp_path / "env.yaml"), "PYTHONUNBUFFERED": "1"},
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            said = obeying(process, person, tmp_path / "ttyRelay")
            status = process.wait(PATIENCE)
        os.close(person)
        os.close(terminal)
    assert status == 0, said
    assert "1 passed" in said, said
    assert "ppmid: Turn the target ppmid OFF and press enter" in said


def obeying(process: subprocess.Popen[bytes], person: int, relay: Path) -> str:
    """Switch and press Enter as the process asks, until its end; return all it said."""
    said, done = "", 0
    assert process.stdout is not None
    while octets := process.stdout.read1():  # type: ignore[attr-defined]  # a pipe's reader is buffered
        said += octets.decode()
        while (asked := said.find(" and press enter", done)) >= 0:
            word = said[:asked].rsplit(" ", 1)[1].lower()
            done = asked + 1
            relay.write_bytes(RELAY[word].encode().decode("unicode_escape").encode("latin-1"))
            os.write(person, b"\n")
    return said
