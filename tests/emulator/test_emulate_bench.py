"""What `hanota emulate` offers beside the dongle: a relay board and consoles, by the bench's drivers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.bench.console import Console
from hanota.bench.power import cycle
from hanota.bench.relay import RelayPower, RelaySettings
from hanota.bench.serial_port import SerialPort
from hanota.emulator.emulation.bench_ports import consoles, relay_board
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from tests.emulator.emulate_support import make_han

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.emulation.han import Han

pytest.importorskip("serial_asyncio", reason="needs the extra: pip install -e '.[bench]'")

TWO = f"""
[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
autojoin = false
console = "ttyPPMID"

[[device]]
kind = "hcalcs"
eui64 = "{HCALCS}"
autojoin = false
"""


@asynccontextmanager
async def relay(folder: Path, channel: int, *, normally_closed: bool = True) -> AsyncIterator[RelayPower]:
    port = await SerialPort.open(str(folder / "ttyRelay"), 9600)
    try:
        yield RelayPower(port, channel, RelaySettings(normally_closed=normally_closed))
    finally:
        await port.close()


def contents(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def until_switched(han: Han, **wanted: bool) -> None:
    names = {"ppmid": PPMID, "hcalcs": HCALCS}
    async with asyncio.timeout(5):
        while any(han.member(names[name]).switched_on is not on for name, on in wanted.items()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_channel_switches_its_device_alone_and_all_are_on_at_first(tmp_path: Path) -> None:
    han = make_han(TWO, tmp_path)
    async with relay_board(han, tmp_path / "ttyRelay"), relay(tmp_path, 2) as power:
        await power.off()
        await until_switched(han, ppmid=True, hcalcs=False)
        await power.on()
        await until_switched(han, ppmid=True, hcalcs=True)
        await cycle(power, 0.01)
        await until_switched(han, hcalcs=True)
    assert not (tmp_path / "ttyRelay").is_symlink()


async def test_what_a_device_says_comes_on_its_console(tmp_path: Path) -> None:
    han = make_han(TWO, tmp_path)
    async with consoles(han):
        console = Console("ppmid")
        port = await SerialPort.open(str(tmp_path / "ttyPPMID"), 115200, console.feed)
        han.member(PPMID).node.notice("starting firmware 01000001")
        han.member(HCALCS).node.notice("not here")
        await console.expect(r"^starting firmware 01000001\r\n", 5)
        await port.write(b"help\r\n")
        han.member(PPMID).node.notice("still here")
        await console.expect("^still here", 5)
        await port.close()
    han.member(PPMID).node.notice("nobody listens")
    assert contents(tmp_path) == []


async def test_a_console_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    han = make_han(TWO, tmp_path)
    async with consoles(han):
        for number in range(2000):
            han.member(PPMID).node.notice(f"line {number}")


async def test_a_name_that_is_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ttyRelay").write_text("mine")
    with pytest.raises(ConfigError, match="cannot make the link"):
        async with relay_board(make_han(TWO, tmp_path), tmp_path / "ttyRelay"):
            pass
    assert (tmp_path / "ttyRelay").read_text() == "mine"
