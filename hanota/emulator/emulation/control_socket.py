"""The control socket: one JSON object a line in, one a line out."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.emulation.sockets import UnixAddress, listening

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.emulation.control import Control
    from hanota.emulator.memory import Json

LONGEST_LINE: Final = 4096
"""Octets of a request; longer ones are answered with an error and end the connection."""
READ_OCTETS: Final = 1024


@asynccontextmanager
async def control_socket(control: Control, path: Path) -> AsyncIterator[None]:
    """Take commands at the unix socket `path` for the length of a `with` block; raise ConfigError."""
    async with listening(UnixAddress(path), partial(_serve, control)):
        yield


async def _serve(control: Control, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection's requests, each before the next is read."""
    kept = b""
    try:
        while data := await reader.read(READ_OCTETS):
            *lines, kept = (kept + data).split(b"\n")
            for line in lines:
                await _answer(writer, await _execute(control, line))
            if len(kept) > LONGEST_LINE:
                error = f"a line has at most {LONGEST_LINE} octets"
                await _answer(writer, {"ok": False, "error": error})
                break
    except ConnectionError:
        pass  # nobody is there to be answered
    finally:
        writer.close()


async def _execute(control: Control, line: bytes) -> dict[str, Json]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"ok": False, "error": "not JSON", "hint": 'write {"command": "status"} and a line feed'}
    return await control.execute(request)


async def _answer(writer: asyncio.StreamWriter, answer: dict[str, Json]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()
