"""The devices of the settings, and of an emulated bench: in the Device Log, let in until they have joined."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from hanota.duis.inventory import DeviceStatus
from hanota.errors import RadioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.daemon.build import Parts
    from hanota.eui64 import Eui64
    from hanota.hub.ports import DeviceLogEntry

logger = logging.getLogger(__name__)

_AWAITED: Final = frozenset({DeviceStatus.PENDING, DeviceStatus.WHITELISTED})
"""The states of a device that has never joined."""


def expect_devices(parts: Parts) -> None:
    """Have devices of the Device Log that have never joined let in at the hub's start, for all their time.

    Of the windows of other devices the hub leaves what was left.
    """
    known = {entry.device for entry in parts.hub.device_log}
    for entry, seconds in _wanted(parts):
        if entry.device in known and _is_awaited(parts, entry.device):
            parts.hub.expect(entry, seconds)


async def add_devices(parts: Parts) -> None:
    """Add the devices that are not in the Device Log, and let them join."""
    known = {entry.device for entry in parts.hub.device_log}
    for entry, seconds in _wanted(parts):
        if entry.device in known:
            continue
        known.add(entry.device)
        try:
            await parts.hub.add_device(entry, seconds)
        except RadioError as error:
            logger.warning("%s cannot join before the next start: %s", entry.device, error)


def _wanted(parts: Parts) -> Iterator[tuple[DeviceLogEntry, float]]:
    for section in parts.settings.devices:
        if section.entry is not None:
            yield section.entry, section.join_seconds
    if parts.emulated is not None:
        for entry in parts.emulated.device_log:
            yield entry, parts.settings.emulation.join_seconds


def _is_awaited(parts: Parts, device: Eui64) -> bool:
    if parts.emulated is not None and parts.settings.emulation.state is None:
        return True  # dongle and devices begin anew each time
    record = parts.inventory.device(device)
    return record is not None and record.status in _AWAITED
