"""The command line of zigpy, `zigpy radio znp|ezsp`, on the emulated dongles."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.tty import served_on_pty, served_on_tcp
from tests.emulator.emulate_support import living, make_han

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(find_spec("zigpy_cli") is None, reason="zigpy-cli is not installed")

RUN_SECONDS = 60
QUICK = "[dongle]\nbaudrate = 1000000"
COUNTER_INCREMENT = 5000
"""Frames that zigpy adds to the counter of a network it restores."""


async def zigpy(radio: str, port: str, *command: str, fails: bool = False) -> str:
    """Run `zigpy radio RADIO PORT COMMAND` to its end and return what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from zigpy_cli.__main__ import cli; cli()", "radio", radio, port, *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
    assert bool(process.returncode) == fails, output.decode()
    return output.decode()


def fields(info: str) -> dict[str, str]:
    """Return what `info` says, by name."""
    lines = (line.partition(":") for line in info.splitlines())
    return {name: value.strip() for name, _, value in lines}


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
async def test_a_network_that_zigpy_formed_moves_to_another_dongle_by_backup_and_restore(
    radio: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.json"
    first = make_han(QUICK, tmp_path, radio=radio)
    async with living(first), served_on_pty(first.dongle.line) as port:
        assert "NetworkNotFormed" in await zigpy(radio, port, "info", fails=True)
        await zigpy(radio, port, "form")
        formed = fields(await zigpy(radio, port, "info"))
        await zigpy(radio, port, "backup", str(backup))
    assert json.loads(backup.read_text())["pan_id"] == formed["PAN ID"].removeprefix("0x").lower()

    second = make_han(QUICK, tmp_path, radio=radio)
    async with living(second):
        async with served_on_pty(second.dongle.line) as port:
            await zigpy(radio, port, "restore", str(backup))
        async with served_on_tcp(second.dongle.line) as port:
            restored = fields(await zigpy(radio, port, "info"))
    counter = "Network key counter"
    assert int(restored.pop(counter)) == int(formed.pop(counter)) + COUNTER_INCREMENT
    assert restored == formed
