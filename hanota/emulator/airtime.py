"""What a frame costs on a 2.4 GHz channel, and how large it may be.

Sources: IEEE 802.15.4-2006 6.1 and 7.5.1 (O-QPSK PHY, CSMA-CA), 7.4.2 (MAC constants); ZigBee specification
05-3474-21, 2.2.7 and 4.4 (APS constants and security overhead).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AirSettings:
    """The figures of the medium."""

    octet_time: float = 32e-6
    """Seconds an octet takes at 250 kbit/s."""
    sync_octets: int = 6
    """Preamble 4, start of frame 1, length 1."""
    backoff_period: float = 320e-6
    """aUnitBackoffPeriod: 20 symbols."""
    backoff_exponent: int = 3
    """macMinBE: a station waits 0 .. 2^BE - 1 periods."""
    access_time: float = 320e-6
    """Clear channel assessment (8 symbols) and turnaround (12 symbols)."""
    ack_time: float = 544e-6
    """Turnaround and the 11 octets of a MAC acknowledgement."""
    interframe_spacing: float = 640e-6
    """macMinLIFSPeriod: 40 symbols."""
    frame_retries: int = 3
    """macMaxFrameRetries."""
    aps_retries: int = 3
    """apscMaxFrameRetries."""
    aps_ack_wait: float = 1.6
    """apscAckWaitDuration for a network of 15 hops, seconds."""
    header_octets: int = 45
    """MAC 11, NWK 8, NWK auxiliary 14, MIC 4, APS 8."""
    max_psdu: int = 127
    """aMaxPHYPacketSize."""
    aps_security_octets: int = 9
    """APS auxiliary header 5 and MIC 4."""
    fragment_octets: int = 2
    """APS extended header of a fragment."""
    max_message: int = 1600
    """Largest ASDU a stack will cut into fragments; GBCS tunnels carry up to 1500 octets."""
    route_request_octets: int = 47
    """MAC 11, NWK 8, NWK auxiliary 14, MIC 4, route request 10."""
    data_request_octets: int = 12
    """MAC data request with short addresses, by which a child polls its parent."""
    indirect_persistence: float = 7.68
    """macTransactionPersistenceTime: seconds a parent holds a frame for a child that sleeps."""
    indirect_capacity: int = 8
    """Frames a parent holds for all of its sleeping children."""

    def payload_limit(self, *, secured: bool) -> int:
        """Return the largest ASDU that fits one frame: 82 octets, 73 with APS encryption."""
        return self.max_psdu - self.header_octets - (self.aps_security_octets if secured else 0)

    def block_limit(self, *, secured: bool) -> int:
        """Return the largest block of a fragmented ASDU."""
        return self.payload_limit(secured=secured) - self.fragment_octets

    def airtime(self, octets: int, periods: int, *, acknowledged: bool) -> float:
        """Return the seconds one PSDU of `octets` holds the channel after backing off for `periods`."""
        return (
            periods * self.backoff_period
            + self.access_time
            + (self.sync_octets + octets) * self.octet_time
            + self.interframe_spacing
            + self.ack_time * acknowledged
        )

    def frames(self, payload: int, *, secured: bool) -> list[int]:
        """Return the PSDU lengths that carry an ASDU of `payload` octets, fragmented if it must be."""
        overhead = self.header_octets + (self.aps_security_octets if secured else 0)
        if payload <= self.max_psdu - overhead:
            return [overhead + payload]
        overhead += self.fragment_octets
        room = self.max_psdu - overhead
        return [overhead + min(room, payload - start) for start in range(0, payload, room)]


@dataclass(slots=True)
class AirStatistics:
    """What the medium carried."""

    frames: int = 0
    """Transmissions, repetitions and APS acknowledgements included."""
    octets: int = 0
    """PSDU octets of those transmissions."""
    airtime: float = 0.0
    """Seconds the channel was in use."""
    lost: int = 0
    """Transmissions not received."""
    delivered: int = 0
    """Frames given to a node."""
    refused: int = 0
    """Frames a node dropped for their APS encryption: another link key than its own, or replayed."""
