"""Consoles and relays on real pseudo terminals, through pyserial-asyncio."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.bench.console import Console
from hanota.bench.errors import BenchError
from hanota.bench.relay import RelayPower
from hanota.bench.serial_port import SerialPort
from hanota.emulator.relay_board import RelayBoard

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("serial_asyncio", reason="needs the extra: pip install -e '.[bench]'")


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(theirs)
        os.close(ours)


async def test_a_relay_moves_at_the_other_end_of_the_line() -> None:
    moved: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
    board = RelayBoard(1, lambda channel, closed: moved.put_nowait((channel, closed)))
    with terminal() as (ours, path):
        asyncio.get_running_loop().add_reader(ours, lambda: board.receive(os.read(ours, 64)))
        port = await SerialPort.open(path, 9600)
        await RelayPower(port, 1).on()
        assert await asyncio.wait_for(moved.get(), 5) == (1, True)
        await port.close()
        asyncio.get_running_loop().remove_reader(ours)


async def test_a_console_reads_and_types() -> None:
    with terminal() as (ours, path):
        console = Console("ppmid")
        port = await SerialPort.open(path, 115200, console.feed)
        console.attach(port)
        os.write(ours, b"login: ")
        await console.expect("login: $", 5)
        await console.send_line("root")
        assert os.read(ours, 64) == b"root\r\n"  # blocks, and fails, unless the driver has it by now
        await port.close()


async def test_a_port_has_one_user() -> None:
    with terminal() as (_, path):
        port = await SerialPort.open(path, 9600)
        with pytest.raises(BenchError, match="cannot open") as caught:
            await SerialPort.open(path, 9600)
        assert "another program" in str(caught.value.hint)
        await port.close()


async def test_a_port_that_is_closed_is_told_of_by_the_next_write() -> None:
    with terminal() as (_, path):
        port = await SerialPort.open(path, 9600)
        await port.close()
        with pytest.raises(BenchError, match="unplugged"):
            await port.write(b"\xa0\x01\x01\xa2")


async def test_a_port_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(BenchError, match="cannot open /dev/none"):
        await SerialPort.open("/dev/none", 9600)
