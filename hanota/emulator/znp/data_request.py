"""A data request of the host (SWRA198 3.1.1.4, 3.1.1.5, 3.1.1.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataRequest:
    """AF_DATA_REQUEST in any of its forms."""

    destination: int
    destination_endpoint: int
    source_endpoint: int
    cluster: int
    sequence: int
    """The host's transaction sequence number, which the confirm repeats."""
    options: int
    payload: bytes = b""
