"""`hanota emulate` as users run it: a process of its own, opened by stock zigpy-znp, ended by a signal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import stat
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import zigpy.types as t
from typer.testing import CliRunner

from hanota.cli.main import app
from hanota.daemon.lab import Lab
from hanota.emulator.emulation.entries import default_han
from hanota.emulator.emulation.lab_credentials import make_lab_credentials
from hanota.gbcs.reference_test_data import HUB, PPMID
from hanota.zse.cbke import Suite, read_credentials, write_credentials
from hanota.zse.install_code import install_code_key, parse_install_code
from tests.emulator import ezsp_support
from tests.emulator.znp_support import started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = f"""
[dongle]
baudrate = 1000000

[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
autojoin = 0.2
"""


class Emulation:
    """A running `hanota emulate` and the lines it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, text: str, seconds: float = 20) -> str:
        """Return the next line with `text` in it."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while line := (await self.process.stdout.readline()).decode().rstrip():
                    self.lines.append(line)
                    if text in line:
                        return line
        except TimeoutError:
            pass
        raise AssertionError(f"no line with {text!r} but {self.lines}")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(10):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def emulation(
    folder: Path, *options: str, stdin: int = asyncio.subprocess.DEVNULL
) -> AsyncIterator[Emulation]:
    """Run `hanota emulate` in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hanota", "emulate", *options),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
    )
    running = Emulation(process)
    try:
        yield running
    finally:
        await running.end(signal.SIGKILL)


async def test_a_host_forms_a_network_and_a_device_joins_with_the_code_on_its_label(tmp_path: Path) -> None:
    (tmp_path / "han.toml").write_text(QUICK)
    options = ("--tcp", ":0", "--han", "han.toml", "--state", "state.json")
    async with emulation(tmp_path, *options) as running:
        port = (await running.until("adapter zstack")).split("tcp://127.0.0.1:")[1].split()[0]
        label = (await running.until("install code")).split("install code ")[1]
        key = t.KeyData(install_code_key(parse_install_code(label)))
        async with started(f"socket://127.0.0.1:{port}") as application:
            ieee = t.EUI64(PPMID.to_zigbee())
            window = asyncio.create_task(application.permit_with_link_key(ieee, key, time_s=60))
            assert str(PPMID) in await running.until("on the HAN as")
            window.cancel()
            await asyncio.gather(window, return_exceptions=True)
        assert await running.end() == 0
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600

    # A restart: the network is the same, and the device is on it without a join.
    async with emulation(tmp_path, *options) as running:
        port = (await running.until("adapter zstack")).split("tcp://127.0.0.1:")[1].split()[0]
        assert str(PPMID) in await running.until("on the HAN as")
        async with started(f"socket://127.0.0.1:{port}", form=False) as application:
            assert application.state.network_info.pan_id == 0x8C54
        assert await running.end(signal.SIGINT) == 0


async def test_the_hubs_credentials_are_written_once_for_the_hub_alone(tmp_path: Path) -> None:
    (tmp_path / "han.toml").write_text(QUICK + "suite = 2\n")
    options = ("--tcp", ":0", "--han", "han.toml")
    path = tmp_path / "hub.toml"
    async with emulation(tmp_path, *options) as running:
        await running.until("suite 2: --hub-credentials FILE writes what the hub needs for it")
        assert await running.end() == 0
    for _ in range(2):
        async with emulation(tmp_path, *options, "--hub-credentials", "hub.toml") as running:
            await running.until("hub's credentials for key establishment in hub.toml")
            assert await running.end() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    site = read_credentials(path)
    assert (site.subject, set(site.suites)) == (HUB, set(Suite))


async def test_a_lab_gives_hub_and_devices_their_keys(tmp_path: Path) -> None:
    options = ("--tcp", ":0", "--lab", "lab", "--hub-credentials", "hub.toml")
    async with emulation(tmp_path, *options) as running:
        await running.until("hub's credentials for key establishment in hub.toml")
    lab = Lab.at(tmp_path / "lab")
    assert read_credentials(tmp_path / "hub.toml") == lab.site(HUB)
    async with emulation(tmp_path, *options[:4]) as running:
        await running.until(f'keys of the lab in lab; a hub with keys.lab = "{tmp_path / "lab"}" knows them')


async def test_bellows_forms_a_network_on_the_ezsp_dongle_behind_a_terminal(tmp_path: Path) -> None:
    async with emulation(tmp_path, "--radio", "ezsp", "--pty", "ttyHAN") as running:
        await running.until("adapter ember")
        async with ezsp_support.started(str(tmp_path / "ttyHAN")) as application:
            assert application.state.network_info.pan_id == 0x8C54
        assert await running.end() == 0


async def test_without_a_file_there_are_two_devices_behind_a_terminal_and_commands_are_taken(
    tmp_path: Path,
) -> None:
    async with emulation(tmp_path, "--pty", "ttyHAN", "--control", "control") as running:
        await running.until("dongle 00-DB-12-34-56-78-90-A2 at ttyHAN")
        await running.until("ppmid    00-DB-12-34-56-78-90-A4 install code ")
        await running.until("hcalcs   00-DB-12-34-56-78-90-A5 install code ")
        await running.until("commands at control")
        assert (tmp_path / "ttyHAN").is_symlink()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control")
        writer.write(b'{"command": "unplug"}\n')
        assert json.loads(await reader.readline()) == {"ok": True}
        assert not (tmp_path / "ttyHAN").is_symlink()
        writer.write(b'{"command": "plug"}\n')
        assert json.loads(await reader.readline()) == {"ok": True}
        assert (tmp_path / "ttyHAN").is_char_device()
        writer.close()
        assert await running.end() == 0
    assert contents(tmp_path) == []


async def test_keys_are_heeded_on_a_terminal_which_is_left_as_it_was(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        before = os.get_blocking(theirs), termios_of(theirs)
        async with emulation(tmp_path, "--tcp", ":0", stdin=theirs) as running:
            await running.until("j join all")
            for key, told in (
                ("j", "join: no network permits joining"),
                ("u", "unplug: done"),
                ("u", "plug: done"),
                ("b", "break: done"),
                ("b", "heal: done"),
                ("r", "reset: done"),
                ("s", "network_up False"),
                ("?", "j join all"),
            ):
                os.write(ours, key.encode())
                await running.until(told)
            os.write(ours, b"xyz\xffq")
            async with asyncio.timeout(10):
                assert await running.process.wait() == 0
        assert (os.get_blocking(theirs), termios_of(theirs)) == before
    finally:
        os.close(ours)
        os.close(theirs)


def contents(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def termios_of(terminal: int) -> list[object]:
    import termios

    return termios.tcgetattr(terminal)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "say where the dongle is to be found, in one way"),
        (["--tcp", ":1", "--pty", "tty"], "say where the dongle is to be found, in one way"),
        (["--tcp", "here"], "not a TCP port: 'here'"),
        (["--tcp", ":70000"], "not a TCP port: ':70000'"),
        (["--tcp", ":0", "--radio", "deconz"], "no emulated dongle speaks 'deconz'"),
        (["--tcp", ":0", "--han", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--tcp", ":0", "--state", "nowhere/state"], "cannot write nowhere/state"),
        (["--tcp", ":0", "--control", "/nowhere/control"], "cannot listen on unix:/nowhere/control"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["emulate", *options])
    assert result.exit_code == 1
    assert told in result.stderr


def test_credentials_of_another_authority_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    lab = make_lab_credentials(default_han(), now=0, seed=1)
    write_credentials(path, lab.hub)
    result = CliRunner().invoke(app, ["emulate", "--tcp", ":0", "--hub-credentials", str(path)])
    assert "is there already, with other credentials" in result.stderr.replace("\n", " ")
    assert read_credentials(path) == lab.hub


def test_a_state_file_that_is_none_is_not_overwritten(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for content in ("not JSON", "[]"):
        state.write_text(content)
        result = CliRunner().invoke(app, ["emulate", "--tcp", ":0", "--state", str(state)])
        assert "is no state file" in result.stderr.replace("\n", "")
        assert state.read_text() == content
