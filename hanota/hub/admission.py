"""Who belongs to the HAN: devices come into the Device Log, are let join, and are taken out again.

What the radio has to do of it has a row until it is done: a device may join for as long as its window's row
says, and one that was removed is told to leave until it is heard to. So neither a process that is killed nor
a coordinator that is lost between the row and the radio makes the journal untrue.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, RadioError
from hanota.hub.events import EventKind, Party
from hanota.hub.ports import JoinWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from typing import Any

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.device_log import DeviceLog
    from hanota.hub.events import Json
    from hanota.hub.journal import Journal
    from hanota.hub.link_keys import LinkKeys
    from hanota.hub.ports import DeviceLogEntry, HanRadio, Store

_REMOVED: Final = "removed from the Device Log"
LEAVE_PATIENCE: Final = 24 * 3600.0
"""Seconds for which a removed device is told to leave at each start. One that is on hears it at the first of
them; one that was off announces itself when it comes back, and is told then in any case."""


class Admission:
    """Keeps Device Log, link keys and coordinator in step; the radio is told what is committed."""

    def __init__(
        self,
        radio: HanRadio,
        device_log: DeviceLog,
        link_keys: LinkKeys,
        store: Store,
        journal: Journal,
        clock: Clock,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        storing: Callable[[], AbstractContextManager[None]],
        cancel: Callable[[Eui64, str], None],
        forget: Callable[[Eui64], None],
    ) -> None:
        """`cancel` ends a device's job, `forget` whatever else is in memory of a device that was removed."""
        self._radio, self._device_log, self._link_keys = radio, device_log, link_keys
        self._store, self._journal, self._clock = store, journal, clock
        self._spawn, self._storing = spawn, storing
        self._cancel, self._forget = cancel, forget
        self._opened: set[Eui64] = set()
        """Whose windows the radio keeps, or is opening: it does so over its own losses."""

    def __contains__(self, device: Eui64) -> bool:
        return device in self._device_log

    async def add(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Put a device into the Device Log and let it alone join; raise RadioError, StoreError."""
        with self._journal.transaction():
            self._device_log.add(entry)
            self._put_window(entry.device, join_seconds)
        self._opened.add(entry.device)
        try:
            await self._permit_joining(entry, join_seconds)
        except RadioError:
            self._close(entry.device)
            raise

    def expect(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Have a device of the Device Log let in by the next `resume`, with the install code it has now.

        Raise StoreError.
        """
        with self._journal.transaction():
            if entry not in self._device_log.entries:
                self._device_log.add(entry)
            self._put_window(entry.device, join_seconds)

    def admit(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Do as `add`, but let the device join once this is committed; where it cannot, the journal says so.

        Raise StoreError.
        """
        with self._journal.transaction():
            self._device_log.add(entry)
            self._put_window(entry.device, join_seconds)
            self._journal.after_commit(partial(self._open, entry, join_seconds))

    def remove(self, device: Eui64) -> None:
        """Take a device out: its job ends, its link key is void, and it is told to leave.

        Raise LocalProtocolError where it is not there, StoreError where nothing was done.
        """
        if device not in self:
            raise LocalProtocolError(f"{device} is not in the Device Log")
        with self._journal.transaction():
            self._cancel(device, _REMOVED)
            if device in self._link_keys.established:
                self._link_keys.lose(device, _REMOVED)
            self._device_log.remove(device)
            self._store.put_leaving(device, self._clock.now())
            self._journal.after_commit(partial(self._forget, device))
            self._journal.after_commit(partial(self._opened.discard, device))
            self._journal.after_commit(partial(self._radio.remove, device))

    # -- what the radio tells ----------------------------------------------------------------------------

    def joined(self, device: Eui64) -> None:
        """Note that a device joined: it is expected no more; raise StoreError."""
        with self._journal.transaction():
            self._close(device)
            self._journal.record(EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, device=device)

    def closed(self, device: Eui64) -> None:
        """Hear that a device may not join any more; raise StoreError."""
        self._close(device)

    def left(self, device: Eui64) -> None:
        """Note that a device left: it need not be told to any more; raise StoreError."""
        with self._journal.transaction():
            self._store.remove_leaving(device)
            self._journal.record(EventKind.DEVICE_LEFT, Party.DEVICE, Party.HUB, device=device)

    def resume(self) -> None:
        """Have the radio do what it has not done yet: after its start, and when it is there again.

        A window is opened for the time that is left of it. Raise StoreError.
        """
        now = self._clock.now()
        windows = self._store.join_windows()
        for entry in self._device_log.entries:
            window = windows.get(entry.device)
            if window is None:
                continue
            left = window.left(now)
            if left <= 0:
                self._close(entry.device)
            elif entry.device not in self._opened:
                self._open(entry, max(1, round(left)))
        for device, at in self._store.leaving().items():
            if at + LEAVE_PATIENCE <= now:
                self._store.remove_leaving(device)
            else:
                self._radio.remove(device)

    # -- inside ------------------------------------------------------------------------------------------

    def _put_window(self, device: Eui64, seconds: float) -> None:
        self._store.remove_leaving(device)
        self._store.put_join_window(device, JoinWindow(self._clock.now() + seconds, seconds))

    def _close(self, device: Eui64) -> None:
        self._store.remove_join_window(device)
        self._opened.discard(device)

    def _open(self, entry: DeviceLogEntry, seconds: float) -> None:
        self._opened.add(entry.device)
        self._spawn(self._try_to_permit_joining(entry, seconds))

    async def _permit_joining(self, entry: DeviceLogEntry, seconds: float) -> None:
        await self._radio.permit_joining(entry.device, entry.install_code, seconds)
        self._note(EventKind.JOIN_PERMITTED, entry.device, seconds=seconds)

    async def _try_to_permit_joining(self, entry: DeviceLogEntry, seconds: float) -> None:
        """Open a window; where the radio cannot, the row stays for when it is there again."""
        with self._storing():
            try:
                await self._permit_joining(entry, seconds)
            except RadioError as error:
                self._opened.discard(entry.device)
                self._note(EventKind.JOIN_NOT_PERMITTED, entry.device, reason=str(error))

    def _note(self, kind: EventKind, device: Eui64, **detail: Json) -> None:
        self._journal.record(kind, Party.HUB, Party.HUB, device=device, detail=detail)
