"""What a bench has beside the dongle: the relay board that switches the devices, and their debug consoles."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from hanota.emulator.emulation.terminals import terminal
from hanota.emulator.relay_board import RelayBoard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hanota.emulator.emulation.han import Han
    from hanota.emulator.emulation.member import Member

CHANNELS: Final = 8
"""Relays of the largest board there is; devices beyond are not switched."""


@asynccontextmanager
async def relay_board(han: Han, link: Path) -> AsyncIterator[None]:
    """Offer a relay board at `link`: channel N switches the Nth device of the HAN; raise ConfigError.

    The devices hang on the contacts that are closed at rest, so a board that nobody opens leaves them on.
    """
    members = list(han.members.values())[:CHANNELS]
    moving: set[asyncio.Task[None]] = set()

    def switched(channel: int, closed: bool) -> None:  # noqa: FBT001  # of RelayBoard
        member = members[channel - 1]
        if closed:
            member.power_off()
        else:
            task = asyncio.get_running_loop().create_task(member.power_on())
            moving.add(task)
            task.add_done_callback(moving.discard)

    board = RelayBoard(len(members), switched)
    try:
        async with terminal(link, board.receive):
            yield
    finally:
        for task in moving:
            task.cancel()
        await asyncio.gather(*moving, return_exceptions=True)


@asynccontextmanager
async def consoles(han: Han) -> AsyncIterator[None]:
    """Offer the debug console of each device that has one; raise ConfigError."""
    async with AsyncExitStack() as stack:
        for member in han.members.values():
            if member.entry.console is not None:
                write = await stack.enter_async_context(terminal(member.entry.console, _unheeded))
                member.console = _lines(write)
                stack.callback(_fall_silent, member)
        yield


def _lines(write: Callable[[bytes], None]) -> Callable[[str], None]:
    return lambda text: write(f"{text}\r\n".encode())


def _fall_silent(member: Member) -> None:
    member.console = None


def _unheeded(data: bytes) -> None:
    """Take what is typed: these devices have no commands."""
