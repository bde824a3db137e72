"""How much of a ZCL frame one 802.15.4 frame carries (ZigBee 05-3474-21; no source route)."""

from __future__ import annotations

from typing import Final

SINGLE_FRAME: Final = 82
"""Octets under the network key: a PSDU of 127 less MAC 11, NWK 8 and 14, MIC 4, APS 8."""
SINGLE_FRAME_ENCRYPTED: Final = 73
"""The same with APS encryption, which costs 9."""


def single_frame(*, encrypted: bool) -> int:
    """Return the most octets that need no fragmentation."""
    return SINGLE_FRAME_ENCRYPTED if encrypted else SINGLE_FRAME
