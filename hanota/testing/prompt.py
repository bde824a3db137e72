"""A person who is asked to do something on the bench, while pytest has the terminal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hanota.bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import pytest


def blocking_asker(config: pytest.Config) -> Callable[[str], None] | None:
    """Return what asks a person and returns when Enter was pressed; None where nobody is at the terminal.

    It raises BenchError where the terminal has ended meanwhile.
    """
    if hasattr(config, "workerinput") or not _attended(config):
        return None

    def ask(text: str) -> None:
        with _uncaptured(config):
            try:
                input(f"\n>>> {text} ")
            except EOFError:
                raise BenchError("nobody is at the terminal any more") from None

    return ask


def asker(config: pytest.Config) -> Callable[[str], Awaitable[None]] | None:
    """Return the same for a coroutine, which asks for something to be done; None as above."""
    ask = blocking_asker(config)
    if ask is None:
        return None

    async def prompt(text: str) -> None:
        await asyncio.get_running_loop().run_in_executor(None, ask, f"{text}, then press Enter")

    return prompt


def _attended(config: pytest.Config) -> bool:
    # Past the capture, which has put /dev/null in the terminal's place.
    with _uncaptured(config):
        stdin = sys.__stdin__
        return stdin is not None and stdin.isatty()


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Have the terminal for the length of a `with` block."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    capture.suspend_global_capture(in_=True)
    try:
        yield
    finally:
        capture.resume_global_capture()
