"""The power of a device: on, off, and off for a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Power(Protocol):
    """Switches one device."""

    async def on(self) -> None:
        """Give the device power; raise BenchError where that cannot be."""
        ...

    async def off(self) -> None:
        """Cut the device's power; raise BenchError where that cannot be."""
        ...


async def cycle(power: Power, seconds: float) -> None:
    """Cut the power for `seconds`; the device gets it back even where this is cancelled meanwhile."""
    await power.off()
    try:
        await asyncio.sleep(seconds)
    finally:
        await power.on()


class ManualPower:
    """A person switches, asked by `prompt`, which returns when it was done."""

    def __init__(self, device: str, prompt: Callable[[str], Awaitable[None]]) -> None:
        self._device, self._prompt = device, prompt

    async def on(self) -> None:
        """Ask for the power to be switched on."""
        await self._prompt(f"Switch {self._device} ON")

    async def off(self) -> None:
        """Ask for the power to be switched off."""
        await self._prompt(f"Switch {self._device} OFF")


class CallablePower:
    """Power switched by two functions: an emulated device's, or anything a test has at hand."""

    def __init__(self, on: Callable[[], Awaitable[None]], off: Callable[[], Awaitable[None]]) -> None:
        self._on, self._off = on, off

    async def on(self) -> None:
        """Give power."""
        await self._on()

    async def off(self) -> None:
        """Cut it."""
        await self._off()
