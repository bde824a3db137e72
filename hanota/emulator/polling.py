"""How an end device minds its parent: it asks for its frames, and looks for another parent when it is gone.

Source: ZigBee specification 05-3474-21, 3.6.8 (data polls), 3.6.10 (keeping a parent).
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

from hanota.emulator.association import JoinRefusedError


@dataclass(frozen=True, slots=True)
class PollSettings:
    """When an end device asks its parent."""

    interval: float
    """Seconds between polls, where nothing is awaited."""
    fast: float
    """Seconds between polls while a response is awaited."""
    awake: float
    """Seconds after the last frame sent for which a response is awaited."""
    failures: int
    """Polls in a row without answer after which the parent is taken for lost."""


class Polling:
    """The polls of one end device while it is switched on."""

    def __init__(
        self,
        settings: PollSettings,
        poll: Callable[[], Awaitable[bool]],
        rejoin: Callable[[], Awaitable[None]],
    ) -> None:
        """`poll` tells whether the parent answered; `rejoin` finds another or raises JoinRefusedError."""
        self._settings, self._poll, self._rejoin = settings, poll, rejoin
        self._sending = 0
        self._awake_until = float("-inf")
        self._woken = asyncio.Event()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Poll fast from now until some time after the block: it sends a frame."""
        self._sending += 1
        self._woken.set()
        try:
            yield
        finally:
            self._sending -= 1
            self._awake_until = asyncio.get_running_loop().time() + self._settings.awake

    async def run(self) -> None:
        """Poll for ever."""
        failures = 0
        while True:
            await self._pause()
            failures = 0 if await self._poll() else failures + 1
            if failures >= self._settings.failures:
                with suppress(JoinRefusedError):  # the next polls fail too, and it tries again
                    await self._rejoin()
                failures = 0

    async def _pause(self) -> None:
        if self._is_awake():
            await asyncio.sleep(self._settings.fast)
            return
        self._woken.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.interval):
                await self._woken.wait()
                await asyncio.sleep(self._settings.fast)

    def _is_awake(self) -> bool:
        return self._sending > 0 or asyncio.get_running_loop().time() < self._awake_until
