"""What the modelled line and air allow at most, computed from their figures alone.

Sources: SWRA198 (MT frames), UG100 and UG101 (EZSP frames, ASH), 802.15.4 and ZigBee as `AirSettings` has
them. Processors cost nothing here; a back-off is its mean, as the bound is of many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.emulator.line import BITS_PER_OCTET

if TYPE_CHECKING:
    from hanota.emulator.airtime import AirSettings

BLOCK_REQUEST = 19
"""Octets of ZCL frame: header 3, payload 14, minimum block period 2."""
PAGE_REQUEST = 21
"""Octets of ZCL frame: header 3, payload 18."""
BLOCK_OVERHEAD = 17
"""Octets of an Image Block Response beside its data: ZCL header 3, payload 14."""


@dataclass(frozen=True)
class Wire:
    """Octets that the serial protocol of a dongle has around messages."""

    send: int
    """Beside the ZCL frame of one that goes out."""
    answer: int
    """Of the answer that has to come before the next command."""
    sent: int
    """Of the word of what became of it."""
    incoming: int
    """Beside the ZCL frame of one that came in."""
    stuffing: float = 0.0
    """Octets that have to be escaped, of all."""


WIRES = {
    "znp": Wire(send=25, answer=6, sent=8, incoming=25),
    # Six of 256 values are escaped, and ASH makes every octet random.
    "ezsp-v13": Wire(send=25, answer=11, sent=26, incoming=28, stuffing=6 / 256),
    "ezsp-v14": Wire(send=26, answer=14, sent=30, incoming=40, stuffing=6 / 256),
}


@dataclass(frozen=True)
class Link:
    """A dongle on a line, and how the devices of its network talk."""

    wire: Wire
    baudrate: int
    air: AirSettings
    encrypted: bool
    acknowledged: bool
    """At APS, in both directions."""

    def on_wire(self, octets: int) -> float:
        """Seconds that so many octets take on the line."""
        return octets * (1 + self.wire.stuffing) * BITS_PER_OCTET / self.baudrate

    def on_air(self, zcl: int) -> float:
        """Seconds that a ZCL frame takes on the air, its APS acknowledgement not included."""
        (psdu,) = self.air.frames(zcl, secured=self.encrypted)
        return self._airtime(psdu)

    @property
    def aps_ack(self) -> float:
        """Seconds of an APS acknowledgement, 0 where there is none."""
        if not self.acknowledged:
            return 0.0
        return self._airtime(self.air.header_octets + self.air.aps_security_octets * self.encrypted)

    def _airtime(self, psdu: int) -> float:
        backoff = ((1 << self.air.backoff_exponent) - 1) / 2
        return self.air.airtime(psdu, 0, acknowledged=True) + backoff * self.air.backoff_period


def one_by_one(link: Link, block: int) -> float:
    """Octets a second of one client that asks for a block when it has the last."""
    request, response = link.on_air(BLOCK_REQUEST), link.on_air(BLOCK_OVERHEAD + block)
    host = link.on_wire(link.wire.incoming + BLOCK_REQUEST + link.wire.send + BLOCK_OVERHEAD + block)
    # While the octets pass the line, the air carries the APS acknowledgement of the request.
    return block / (request + max(host, link.aps_ack) + response + link.aps_ack)


def together(link: Link, block: int, clients: int) -> float:
    """Octets a second of all of several clients that ask block by block: their air or the line is full."""
    air = link.on_air(BLOCK_REQUEST) + link.on_air(BLOCK_OVERHEAD + block) + 2 * link.aps_ack
    to_ncp = link.on_wire(link.wire.send + BLOCK_OVERHEAD + block + link.wire.answer)
    to_host = link.on_wire(link.wire.incoming + BLOCK_REQUEST + link.wire.answer + link.wire.sent)
    return min(block / max(air, to_ncp, to_host), clients * one_by_one(link, block))


def page(link: Link, block: int, size: int) -> float:
    """Octets a second of one client that asks for pages of `size` octets, its responses back to back.

    A command waits for the answer to the last one, so the line is taken both ways in turn.
    """
    responses = [BLOCK_OVERHEAD + min(block, size - start) for start in range(0, size, block)]
    arrived = link.on_wire(link.wire.incoming + PAGE_REQUEST)
    handed, off_air = arrived - link.on_wire(link.wire.answer), max(arrived, link.aps_ack)
    for response in responses:
        handed += link.on_wire(link.wire.answer + link.wire.send + response)
        off_air = max(off_air, handed) + link.on_air(response)
    return size / (link.on_air(PAGE_REQUEST) + off_air)
