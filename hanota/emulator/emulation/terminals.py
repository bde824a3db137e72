"""Pseudo terminals with a name: serial ports of what is no dongle, and the links that name any of them."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

READ_OCTETS: Final = 4096
"""Octets taken at once: the kernel's own buffer."""


@contextmanager
def linked(link: Path, target: str) -> Iterator[None]:
    """Have `link` lead to a terminal for the length of a `with` block.

    Raise ConfigError if its name is taken. A link was left behind by one that was killed, and is replaced; a
    file never is.
    """
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(target)
    except OSError as error:
        raise ConfigError(
            f"cannot make the link {link}: {error.strerror}", hint="choose another name"
        ) from error
    try:
        yield
    finally:
        # Unless somebody has put something else there.
        if link.is_symlink() and link.readlink() == Path(target):
            link.unlink()


@asynccontextmanager
async def terminal(link: Path, received: Callable[[bytes], None]) -> AsyncIterator[Callable[[bytes], None]]:
    """Offer a terminal at `link`; `received` gets what comes, the function given writes; raise ConfigError.

    What nobody reads is dropped when the kernel's buffer is full, as a serial line would lose it.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)

    def write(data: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(ours, data)

    try:
        with linked(link, os.ttyname(theirs)):
            loop.add_reader(ours, lambda: received(os.read(ours, READ_OCTETS)))
            try:
                yield write
            finally:
                loop.remove_reader(ours)
    finally:
        os.close(theirs)
        os.close(ours)
