"""The counters of the stack (EmberCounterType)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

COUNTERS: Final = 40
"""EMBER_COUNTER_TYPE_COUNT."""
_WRAP: Final = 0xFFFF


class Counter(IntEnum):
    """Those the emulated firmware counts."""

    MAC_RX_BROADCAST = 0
    MAC_TX_BROADCAST = 1
    MAC_RX_UNICAST = 2
    MAC_TX_UNICAST_SUCCESS = 3
    MAC_TX_UNICAST_FAILED = 5
    APS_DATA_RX_BROADCAST = 6
    APS_DATA_TX_BROADCAST = 7
    APS_DATA_RX_UNICAST = 8
    APS_DATA_TX_UNICAST_SUCCESS = 9
    APS_DATA_TX_UNICAST_FAILED = 11
    JOIN_INDICATION = 16
    APS_FRAME_COUNTER_FAILURE = 22
    APS_LINK_KEY_NOT_AUTHORIZED = 24
    APS_DECRYPTION_FAILURE = 26
    ALLOCATE_PACKET_BUFFER_FAILURE = 27


class Counters:
    """Sixteen-bit counters that wrap."""

    def __init__(self) -> None:
        self._values = [0] * COUNTERS

    def count(self, *counters: Counter) -> None:
        """Count one more of each."""
        for counter in counters:
            self._values[counter] = (self._values[counter] + 1) & _WRAP

    def clear(self) -> None:
        """Set all to zero."""
        self._values = [0] * COUNTERS

    def encode(self) -> bytes:
        """Return them as readCounters has them."""
        return struct.pack(f"<{COUNTERS}H", *self._values)
