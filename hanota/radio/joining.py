"""The join window: the network is open while a device of the Device Log is expected, and no longer.

Whoever knows an expected EUI-64 may guess at its install code: each guess is a join that the trust centre
tells of and that comes to nothing. After so many of them the device is expected no more.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zigpy.types as t

from hanota.radio.application import to_ieee

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.radio.application import HanApplication
    from hanota.radio.settings import RadioSettings

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Expected:
    link_key: bytes = field(repr=False)
    until: float
    attempts: int = 0


class JoinWindow:
    """Opens the network for devices with a key, again and again while one is expected, then closes it."""

    def __init__(self, settings: RadioSettings, clock: Clock, refused: Callable[[Eui64, str], None]) -> None:
        """`refused` hears whose joins came to nothing, and why."""
        self._settings, self._clock, self._refused = settings, clock, refused
        self._expected: dict[Eui64, _Expected] = {}
        self._shut_out: set[Eui64] = set()
        self._changed = asyncio.Event()
        # Opening and closing are several commands each, which must not mix.
        self._door = asyncio.Lock()

    async def expect(self, app: HanApplication, device: Eui64, link_key: bytes, seconds: float) -> None:
        """Expect `device` for `seconds`; return when the network is open for it."""
        self._shut_out.discard(device)
        self._expected[device] = _Expected(link_key, self._clock.now() + seconds)
        try:
            await self._open(app, device)
        except BaseException:
            self._expected.pop(device, None)
            raise
        self._changed.set()

    def arrived(self, device: Eui64) -> None:
        """Expect a device no more: it has joined."""
        if self._expected.pop(device, None) is not None:
            self._changed.set()

    def attempted(self, device: Eui64) -> None:
        """Hear that a device was sent the network key under that of its install code.

        One that can read it arrives. With one attempt more than the settings allow it is shut out.
        """
        expected = self._expected.get(device)
        if expected is None:
            return
        expected.attempts += 1
        if expected.attempts > self._settings.join_attempts:
            del self._expected[device]
            self._shut_out.add(device)
            self._refused(
                device,
                f"{self._settings.join_attempts} joins failed, is its install code right?"
                " It may not join any more",
            )
            self._changed.set()

    async def keep(self, app: HanApplication) -> None:
        """Keep the network open on `app` for whoever is expected, until cancelled."""
        for device in tuple(self._expected):
            await self._attempt(self._open(app, device))
        while True:
            self._changed.clear()
            await self._shut_out_all(app)
            if not self._expected:
                await self._changed.wait()
                continue
            now = self._clock.now()
            soonest = min(expected.until for expected in self._expected.values())
            try:
                async with asyncio.timeout(max(0.0, min(soonest - now, self._settings.join_rearm))):
                    await self._changed.wait()
            except TimeoutError:
                await self._lapse(app)
            if not self._expected:
                await self._attempt(self._close(app))

    async def _lapse(self, app: HanApplication) -> None:
        """Drop those whose time is up and open the network again for the others."""
        now = self._clock.now()
        for device, expected in tuple(self._expected.items()):
            if expected.until <= now:
                logger.info("%s did not join in time", device)
                del self._expected[device]
                if expected.attempts:
                    self._refused(
                        device, f"{expected.attempts} joins failed in its time, is its install code right?"
                    )
            else:
                await self._attempt(self._open(app, device))

    async def _shut_out_all(self, app: HanApplication) -> None:
        """Take their keys from those who may not join any more, and open the network again for the others."""
        if not self._shut_out:
            return
        for device in tuple(self._shut_out):
            await self._attempt(self._shut(app, device))
        for device in tuple(self._expected):
            await self._attempt(self._open(app, device))
        if not self._expected:
            await self._attempt(self._close(app))

    async def _attempt(self, work: Awaitable[None]) -> None:
        """Do without what fails here: the window is opened again in time, and closes by itself."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
            logger.warning("join window: %s", str(error) or type(error).__name__)

    async def _open(self, app: HanApplication, device: Eui64) -> None:
        async with self._door:
            expected = self._expected[device]
            # Longer than the re-arming period by a margin, so that the network does not close in between.
            seconds = min(expected.until - self._clock.now(), self._settings.join_rearm + 10)
            key = t.KeyData.deserialize(expected.link_key)[0]
            await app.permit_with_link_key(to_ieee(device), key, max(1, round(seconds)))

    async def _shut(self, app: HanApplication, device: Eui64) -> None:
        async with self._door:
            if device in self._shut_out:
                await app.shut_out(to_ieee(device))
                self._shut_out.discard(device)

    async def _close(self, app: HanApplication) -> None:
        async with self._door:
            if not self._expected:
                await app.permit(0)
