"""The APS header of EZSP messages: EmberApsFrame and its options (UG100, structures)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final

from hanota.emulator.aps import Fragment

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame

_HEADER: Final = struct.Struct("<HHBBHHB")
APS_HEADER_OCTETS: Final = _HEADER.size


class ApsOption(IntFlag):
    """Options of a message."""

    NONE = 0
    ENCRYPTION = 0x0020
    RETRY = 0x0040
    """An APS acknowledgement is asked for."""
    ENABLE_ROUTE_DISCOVERY = 0x0100
    ZDO_RESPONSE_REQUIRED = 0x4000
    FRAGMENT = 0x8000


@dataclass(frozen=True, slots=True)
class ApsHeader:
    """EmberApsFrame."""

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    options: ApsOption = ApsOption.NONE
    group: int = 0
    """Multicast group; of a fragment its index below the number of them all."""
    sequence: int = 0

    @classmethod
    def decode(cls, data: bytes, offset: int = 0) -> ApsHeader:
        """Read the structure; raise struct.error if it is cut short."""
        profile, cluster, source, destination, options, group, sequence = _HEADER.unpack_from(data, offset)
        return cls(profile, cluster, source, destination, ApsOption(options), group, sequence)

    @classmethod
    def of(cls, frame: ApsFrame, options: ApsOption = ApsOption.NONE) -> ApsHeader:
        """Describe a frame from the air to the host."""
        options |= ApsOption.ENABLE_ROUTE_DISCOVERY
        if frame.secured:
            options |= ApsOption.ENCRYPTION
        if frame.ack:
            options |= ApsOption.RETRY
        group = 0
        if frame.fragment is not None:
            options |= ApsOption.FRAGMENT
            # Only the first block's extended header carries the number of blocks.
            group = frame.fragment.index or frame.fragment.count << 8
        return cls(
            frame.profile,
            frame.cluster,
            frame.source_endpoint,
            frame.destination_endpoint,
            options,
            group,
            frame.sequence,
        )

    @property
    def fragment(self) -> Fragment | None:
        """The block that the host sends with this header."""
        if not self.options & ApsOption.FRAGMENT:
            return None
        return Fragment(index=self.group & 0xFF, count=self.group >> 8)

    @property
    def acknowledged_blocks(self) -> list[int]:
        """The blocks that a reply with this header acknowledges: the first one and a bit for each."""
        first, mask = self.group & 0xFF, self.group >> 8
        return [first + number for number in range(8) if mask >> number & 1]

    def encode(self) -> bytes:
        """Return the structure's 11 octets."""
        return _HEADER.pack(
            self.profile,
            self.cluster,
            self.source_endpoint,
            self.destination_endpoint,
            self.options,
            self.group,
            self.sequence,
        )
