"""A person who is asked to do something on the bench, while pytest has the terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from hanota.bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest


def asker(config: pytest.Config) -> Callable[[str], Awaitable[None]] | None:
    """Return what asks a person and returns when it was done; None where nobody is at the terminal."""
    capture = config.pluginmanager.getplugin("capturemanager")
    stdin = sys.__stdin__
    if hasattr(config, "workerinput") or stdin is None or not stdin.isatty():
        return None

    def ask(text: str) -> None:
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        try:
            input(f"\n>>> {text}, then press Enter ")
        except EOFError:
            raise BenchError("nobody is at the terminal any more") from None
        finally:
            if capture is not None:
                capture.resume_global_capture()

    async def prompt(text: str) -> None:
        await asyncio.get_running_loop().run_in_executor(None, ask, text)

    return prompt
