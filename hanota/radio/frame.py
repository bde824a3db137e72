"""An application frame from a device as the radio hands it on: plain values, none of the radio library's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One ASDU with its APS addressing."""

    nwk: int
    """Short address of the sender."""
    source_endpoint: int
    endpoint: int
    profile: int
    cluster: int
    data: bytes
    encrypted: bool
    """Whether it came under APS encryption."""
    unicast: bool
    lqi: int | None = None
    rssi: int | None = None
