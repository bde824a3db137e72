"""Limits, times and policies of the Upgrade Server and the Upgrade Client, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from hanota.ota.client_quirks import ClientQuirks


@dataclass(frozen=True, slots=True)
class OtaServerSettings:
    """Every limit and time of the Upgrade Server; times in seconds."""

    block_size: int = 48
    """Most octets of a block where the owner does not say what fits. With APS encryption and no source route
    a frame has room for 56; 48 leaves room for a few relays."""
    smallest_block: int = 16
    """Blocks are not reduced below this: common clients want the first block to hold the fields of the header
    that they check, and fail at 7 octets."""
    block_steps: tuple[int, ...] = (50, 48, 40, 32, 16)
    """Sizes that a block is reduced to, those that devices in the field are known to need."""
    failures_to_shrink: int = 3
    """Times that a block is lost before the next ones are smaller; once or twice is ordinary loss."""
    blocks_to_learn: int = 16
    """Blocks in a row that a smaller size has to carry before it is remembered for the device's model."""
    models: int = 256
    """Models whose block size is remembered."""
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
    hold_seconds: int = 240
    """How long a device whose last block waits for approval is told to wait; also how late a release may be
    noticed. Below `stall_seconds`, since a held device is none that is silent."""
    period_attempts: int = 3
    """Times a client is told a Minimum Block Period that its requests do not take up."""
    page_requests: bool = True
    """Whether Image Page Requests are served; UNSUP_CLUSTER_COMMAND makes a client ask block by block."""
    page_window: int = 4
    """Responses of one page that may be under way at once; with four the air is the bound, not the line."""
    pages_window: int = 8
    """Responses of all pages that may be under way at once: dongles have buffers for 8 to 16."""
    page_confirm_seconds: float = 1.0
    """How long a response that is not confirmed counts as under way."""
    page_lag_seconds: float = 1.0
    """A block of a page that waits longer than this for a place is skipped: the air is others' at the moment,
    and the client asks for what it misses when it expects the page to have ended."""
    device_files: int = 64
    """Device specific files held at once."""
    notify_payload_type: int = 3
    """Fields of an Image Notify after the jitter: 3 names manufacturer, image type and file version."""
    broadcast_devices: int = 0
    """Devices that wait for one image before a broadcast Image Notify stands for their unicast ones; 0 for
    never, since a broadcast cannot be APS encrypted and GB devices take nothing else."""
    broadcast_queries: int = 10
    """Devices that are to ask at once after a broadcast: the jitter is what makes it so many of all."""
    notify_intervals: tuple[int, ...] = (30, 120, 600, 3600)
    """Times between Image Notify commands until the device asks; the last one repeats. The first are short
    because a notify may simply be lost, the last is an hour because a PPMID may sleep."""
    query_jitter: int = 100
    """The Image Notify's jitter: 100 makes every device ask."""
    stall_seconds: int = 300
    """Silence after which a transfer is told stalled, loses its slot and is notified again. Clients erase
    their flash for up to a minute before the first block, and come back from an abort after five."""
    session_timeout: int = 24 * 3600
    """Silence, once the device has asked, after which an offer expires; before, it may be switched off."""
    session_lifetime: int = 7 * 24 * 3600
    """Age at which an offer expires, whether the device never asks or asks for ever: slow retrieval must hold
    no session."""
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
    """Attribute 0x0009 at first, in the unit of `cluster_revision`; sent with each Image Block Request, as
    common clients do. None leaves the field out and takes none from the server."""
    cluster_revision: int = 4
    """Attribute 0xFFFD: the newest. In 2 the Minimum Block Period counts seconds."""
    page_size: int | None = None
    """Octets asked for by Image Page Requests, None for blocks only; those that use pages ask for 1024."""
    page_data_size: int = 32
    """Octets of a block of a page, as those clients ask."""
    page_spacing: int = 50
    """Milliseconds between the blocks of a page, as those clients ask."""
    page_timeout: float = 5.0
    """Silence after which what misses of a page is asked for block by block."""
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
    quirks: ClientQuirks = field(default_factory=ClientQuirks)
