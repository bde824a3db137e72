"""Device specific files (ZCL OTA Upgrade, Query Device Specific File): each for one device, over restarts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.hub.events import EventKind
from hanota.ota.image import ImageShape, parse_image

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.ota.server import OtaServer

logger = logging.getLogger(__name__)


class DeviceFiles:
    """What the store has of them, and the Upgrade Server serves; `OtaServerSettings.device_files` at most."""

    def __init__(self, server: OtaServer, store: Store, journal: Journal) -> None:
        self._server, self._store, self._journal = server, store, journal
        self._served: set[Eui64] = set()
        self._load()
        journal.on_rollback(self._load)
        journal.subscribe(self._follow)

    def add(self, device: Eui64, data: bytes) -> None:
        """Have an OTA file of sub-elements ready for `device`, which is not notified, to ask for.

        One with the same image identity is replaced. Raise RemoteProtocolError for octets that are no such
        file, LocalProtocolError for too many of them or a device that is not in the Device Log, StoreError.
        """
        file = parse_image(data, ImageShape.TAGGED)
        if all(entry.device != device for entry in self._store.devices()):
            raise LocalProtocolError(f"{device} is not in the Device Log", hint="add it first")
        with self._journal.transaction():
            self._store.put_device_file(device, file.header.image_id, file.data)
            self._served.add(device)
            self._server.add_device_file(device, file)

    def remove(self, device: Eui64) -> None:
        """Have no device specific file for `device` any more; raise StoreError."""
        self._store.remove_device_files(device)
        self._forget(device)

    def _load(self) -> None:
        for device in tuple(self._served):
            self._forget(device)
        for device, data in self._store.device_files():
            try:
                self._server.add_device_file(device, parse_image(data, ImageShape.TAGGED))
            except (RemoteProtocolError, LocalProtocolError) as error:
                # Of an earlier start, with a higher limit perhaps: the hub does without it.
                logger.warning("a device specific file of %s is not served: %s", device, error)
            self._served.add(device)

    def _follow(self, event: Event) -> None:
        # The rows went with the entry in the Device Log.
        if event.kind is EventKind.DEVICE_REMOVED and event.device is not None:
            self._forget(event.device)

    def _forget(self, device: Eui64) -> None:
        self._served.discard(device)
        self._server.remove_device_files(device)
