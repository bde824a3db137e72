"""How much of a ZCL frame one 802.15.4 frame carries (ZigBee 05-3474-21)."""

from __future__ import annotations

from typing import Final

SINGLE_FRAME: Final = 82
"""Octets under the network key: a PSDU of 127 less MAC 11, NWK 8 and 14, MIC 4, APS 8."""
SINGLE_FRAME_ENCRYPTED: Final = 73
"""The same with APS encryption, which costs 9."""


SOURCE_ROUTE: Final = 2
"""What a source route costs beside its relays: their count and the index of the next."""
RELAY: Final = 2
"""What each relay of a source route costs."""


def single_frame(*, encrypted: bool, relays: int = 0) -> int:
    """Return the most octets that need no fragmentation, over a source route of so many relays."""
    room = SINGLE_FRAME_ENCRYPTED if encrypted else SINGLE_FRAME
    return room - SOURCE_ROUTE - RELAY * relays if relays else room
