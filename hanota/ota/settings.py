"""Limits, times and policies of the Upgrade Server and the Upgrade Client, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class OtaServerSettings:
    """Every limit and time of the Upgrade Server; times in seconds."""

    block_size: int = 48
    """Most octets of a block. With APS encryption and no source route a frame has room for 56; 48 leaves room
    for a few relays, and AES-encrypted images need a multiple of 16."""
    sessions: int = 64
    """Offers held at once, ended ones included; a Device Log holds far fewer devices."""
    concurrent_transfers: int = 4
    """Devices that are served blocks at once; the others are told WAIT_FOR_DATA. They share one air."""
    wait_seconds: int = 60
    """How long a device waits for a transfer slot before it asks again; common clients clamp to an hour."""
    requests_per_second: float = 1000.0
    """Frames a second taken from one device; a 250 kbit/s radio carries some 50."""
    request_burst: int = 1000
    """Frames taken from one device at once, and from all strangers together."""
    flood_wait_seconds: int = 1
    """How long a device that asks for blocks faster than that is told to wait."""
    notify_intervals: tuple[int, ...] = (30, 120, 600, 3600)
    """Times between Image Notify commands until the device asks; the last one repeats. The first are short
    because a notify may simply be lost, the last is an hour because a PPMID may sleep."""
    query_jitter: int = 100
    """The Image Notify's jitter: 100 makes every device ask."""
    stall_seconds: int = 300
    """Silence after which a transfer is told stalled, loses its slot and is notified again. Clients erase
    their flash for up to a minute before the first block, and come back from an abort after five."""
    session_timeout: int = 24 * 3600
    """Silence after which an offer expires."""
    session_lifetime: int = 7 * 24 * 3600
    """Age at which an offer expires however often the device asks: slow retrieval must hold no session."""
    pending: int = 1024
    """Frames, or events, that the owner may leave undrained before requests are dropped."""


class UpgradeActivationPolicy(IntEnum):
    """Attribute 0x000B: who tells the client to activate."""

    SERVER = 0
    OUT_OF_BAND = 1
    """Something else than the Upgrade Server, such as CS06; any Upgrade Time but "wait" is NOT_AUTHORIZED."""


class UpgradeTimeoutPolicy(IntEnum):
    """Attribute 0x000C: what the client does if its Upgrade End Request stays unanswered."""

    APPLY = 0
    DO_NOT_APPLY = 1


@dataclass(frozen=True, slots=True)
class OtaClientSettings:
    """Every limit, time and policy of the Upgrade Client; times in seconds."""

    maximum_data_size: int = 63
    """Octets asked for in a block: what common clients ask."""
    minimum_block_period: int | None = 0
    """Sent with each Image Block Request, as common clients do; None leaves the field out."""
    response_timeout: float = 5.0
    """How long a request waits for its answer."""
    attempts: int = 10
    """Times a query or block request is sent before the download fails."""
    upgrade_end_attempts: int = 10
    """Times an Upgrade End Request is sent before the timeout policy decides."""
    new_sequence_on_retry: bool = False
    """Whether a repeated request takes a new sequence number; the answer to the first one is then ignored."""
    minimum_wait: float = 1.0
    """Least wait after WAIT_FOR_DATA, so that a Request Time of now makes no busy loop."""
    wait_limit: float = 3600.0
    """Longest wait after WAIT_FOR_DATA: the standard has a client ask at least every hour."""
    past_time_delay: float = 300.0
    """Wait if a server sends a Request Time or an Upgrade Time before its Current Time, which is an error."""
    held_interval: float = 3600.0
    """Time between Upgrade End Requests while the answer is to wait."""
    image_size: int = 10_240_000
    """Most octets a server may announce: what the client has room for."""
    allow_downgrade: bool = False
    """Whether an image of a lower file version than the current one is taken."""
    resume_with_query: bool = True
    """Whether `resume` queries first, or asks for the next block at once; both exist in the field."""
    upgrade_activation_policy: UpgradeActivationPolicy = UpgradeActivationPolicy.SERVER
    upgrade_timeout_policy: UpgradeTimeoutPolicy = UpgradeTimeoutPolicy.DO_NOT_APPLY
    """Not the attribute's default: a silent hub must not make a GB device activate."""
