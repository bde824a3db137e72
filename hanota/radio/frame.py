"""Application frames as the radio hands them on: plain values, none of the radio library's."""

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


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One ASDU on its way to the coordinator, with its APS addressing."""

    nwk: int
    """Short address of the destination, or a NWK broadcast address."""
    source_endpoint: int
    endpoint: int
    profile: int
    cluster: int
    data: bytes
    encrypted: bool
    """Whether it is to go under APS encryption."""
    acknowledged: bool
    """Whether the device is asked to acknowledge it at APS."""
