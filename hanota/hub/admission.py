"""Who belongs to the HAN: devices come into the Device Log, are let join, and are taken out again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError, RadioError
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from typing import Any

    from hanota.eui64 import Eui64
    from hanota.hub.device_log import DeviceLog
    from hanota.hub.events import Json
    from hanota.hub.journal import Journal
    from hanota.hub.link_keys import LinkKeys
    from hanota.hub.ports import DeviceLogEntry, HanRadio

_REMOVED = "removed from the Device Log"


class Admission:
    """Keeps Device Log, link keys and coordinator in step; the radio is told what is committed."""

    def __init__(
        self,
        radio: HanRadio,
        device_log: DeviceLog,
        link_keys: LinkKeys,
        journal: Journal,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        storing: Callable[[], AbstractContextManager[None]],
        cancel: Callable[[Eui64, str], None],
        forget: Callable[[Eui64], None],
    ) -> None:
        """`cancel` ends a device's job, `forget` whatever else is in memory of a device that was removed."""
        self._radio, self._device_log, self._link_keys = radio, device_log, link_keys
        self._journal, self._spawn, self._storing = journal, spawn, storing
        self._cancel, self._forget = cancel, forget

    def __contains__(self, device: Eui64) -> bool:
        return device in self._device_log

    async def add(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Put a device into the Device Log and let it alone join; raise RadioError, StoreError."""
        self._device_log.add(entry)
        await self._permit_joining(entry, join_seconds)

    def admit(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Do as `add`, but let the device join once this is committed; where it cannot, the journal says so.

        Raise StoreError.
        """
        with self._journal.transaction():
            self._device_log.add(entry)
            self._journal.after_commit(lambda: self._spawn(self._try_to_permit_joining(entry, join_seconds)))

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
            self._journal.after_commit(partial(self._forget, device))
            self._journal.after_commit(partial(self._radio.remove, device))

    async def _permit_joining(self, entry: DeviceLogEntry, seconds: float) -> None:
        await self._radio.permit_joining(entry.device, entry.install_code, seconds)
        self._note(EventKind.JOIN_PERMITTED, entry.device, seconds=seconds)

    async def _try_to_permit_joining(self, entry: DeviceLogEntry, seconds: float) -> None:
        with self._storing():
            try:
                await self._permit_joining(entry, seconds)
            except RadioError as error:
                self._note(EventKind.JOIN_NOT_PERMITTED, entry.device, reason=str(error))

    def _note(self, kind: EventKind, device: Eui64, **detail: Json) -> None:
        self._journal.record(kind, Party.HUB, Party.HUB, device=device, detail=detail)
