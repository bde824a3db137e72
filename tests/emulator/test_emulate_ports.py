"""The ports of `hanota emulate`: clients in turn, unplugging, names that are taken."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.emulation.ports import pty_port, tcp_port
from hanota.emulator.line import Direction, Line
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.emulation.ports import Port

    Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def echoing_line() -> Line:
    """A line whose dongle says back what it hears."""
    line = Line()
    line.receive = lambda data: line.write(Direction.TO_HOST, data)
    return line


async def echo(connection: Client, data: bytes) -> bytes:
    reader, writer = connection
    writer.write(data)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(data))


async def read_terminal(path: Path, data: bytes) -> bytes:
    """Open a terminal, write `data`, and return as many octets as come back."""
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(terminal, data)
        await asyncio.sleep(0.1)
        return os.read(terminal, len(data))
    finally:
        os.close(terminal)


async def test_a_pseudo_terminal_stands_at_its_name_and_programs_open_it_in_turn(tmp_path: Path) -> None:
    link = tmp_path / "ttyHAN"
    async with pty_port(echoing_line(), link) as port:
        assert port.name == str(link)
        for data in (b"first", b"second"):
            assert await read_terminal(link, data) == data
    assert not link.is_symlink()


async def test_an_unplugged_pseudo_terminal_is_gone_and_is_back_when_plugged(tmp_path: Path) -> None:
    link = tmp_path / "ttyHAN"
    async with pty_port(echoing_line(), link) as port:
        await port.unplug()
        assert not port.plugged
        assert not link.is_symlink()
        await port.unplug()
        await port.plug()
        await port.plug()
        assert await read_terminal(link, b"again") == b"again"


async def test_a_link_left_behind_is_replaced_a_file_of_the_users_is_not(tmp_path: Path) -> None:
    link = tmp_path / "ttyHAN"
    link.symlink_to("/dev/pts/of-a-killed-emulation")
    async with pty_port(echoing_line(), link):
        assert await read_terminal(link, b"here") == b"here"
    link.write_text("a file of the user's")
    with pytest.raises(ConfigError, match=r"cannot make the link .*ttyHAN: File exists"):
        await pty_port(echoing_line(), link).__aenter__()
    assert link.read_text() == "a file of the user's"
    with pytest.raises(ConfigError, match="No such file or directory"):
        await pty_port(echoing_line(), tmp_path / "nowhere" / "tty").__aenter__()


async def test_the_name_is_left_alone_where_somebody_has_put_something_else(tmp_path: Path) -> None:
    link = tmp_path / "ttyHAN"
    async with pty_port(echoing_line(), link):
        link.unlink()
        link.write_text("a file of the user's")
    assert link.read_text() == "a file of the user's"


@asynccontextmanager
async def client(port: Port) -> AsyncIterator[Client]:
    """A TCP client of the port, closed afterwards."""
    host, number = port.name.removeprefix("tcp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
        await asyncio.sleep(0.02)  # until the port has heard of it


async def is_turned_away(connection: Client) -> bool:
    async with asyncio.timeout(5):
        try:
            return await connection[0].read(1) == b""
        except ConnectionResetError:
            return True


async def test_tcp_takes_one_client_at_a_time_and_the_next_after_it() -> None:
    async with tcp_port(echoing_line(), "127.0.0.1", 0) as port:
        for data in (b"first", b"second"):
            async with client(port) as connection:
                assert await echo(connection, data) == data
                async with client(port) as another:
                    assert await is_turned_away(another)
                assert await echo(connection, data) == data


async def test_an_unplugged_dongle_drops_its_tcp_client_and_takes_one_when_plugged() -> None:
    async with tcp_port(echoing_line(), "127.0.0.1", 0) as port:
        async with client(port) as connection:
            await echo(connection, b"first")
            await port.unplug()
            assert await is_turned_away(connection)
        async with client(port) as connection:
            assert await is_turned_away(connection)
        await port.plug()
        async with client(port) as connection:
            assert await echo(connection, b"again") == b"again"


async def test_a_port_in_use_is_named() -> None:
    async with tcp_port(echoing_line(), "127.0.0.1", 0) as port:
        number = int(port.name.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{number}: in use"):
            await tcp_port(echoing_line(), "127.0.0.1", number).__aenter__()
