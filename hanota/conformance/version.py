"""Which version a device runs, as it says itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hanota.conformance.errors import RigTimeoutError
from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.hub.events import EventKind

if TYPE_CHECKING:
    from hanota.conformance.rig import Rig, RigDevice

_AGAIN: Final = 5.0
"""Seconds between questions to a device that may be starting."""
_ATTRIBUTES: Final = 15.0
"""Seconds for a device to answer Read Attributes."""


async def running_version(
    rig: Rig, device: RigDevice, seconds: float, wanted: int | None = None
) -> int | None:
    """Ask until the device runs `wanted`; return the last version told, None where none was.

    CurrentFileVersion of its Upgrade Client is asked for, and CS08 where it has no such attribute: either
    alone may be what a case is about.
    """
    last: int | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                told = await attribute_version(rig, device)
                if told is None:
                    told = await read_version(rig, device)
                last = last if told is None else told
                if last is not None and (wanted is None or last == wanted):
                    return last
                await asyncio.sleep(_AGAIN)
    except TimeoutError:
        return last


async def read_version(rig: Rig, device: RigDevice) -> int | None:
    """Return what a verified CS08 response tells, None where none came."""
    try:
        return int.from_bytes(await rig.read_version(device), "big")
    except (NoResponseError, RequestRejectedError):
        return None


async def attribute_version(rig: Rig, device: RigDevice) -> int | None:
    """Return CurrentFileVersion of the device's Upgrade Client, None where it does not tell it."""
    since = rig.last_event
    rig.hub.read_client_attributes(device.eui64)
    try:
        await rig.until(lambda: rig.seen(EventKind.CLIENT_ATTRIBUTES, device, since=since), _ATTRIBUTES)
    except RigTimeoutError:
        return None
    value = rig.seen(EventKind.CLIENT_ATTRIBUTES, device, since=since)[-1].detail.get("current_file_version")
    return int(value, 16) if isinstance(value, str) else None
