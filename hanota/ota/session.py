"""One device's session at the Upgrade Server; its transitions stand in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.ota.block_size import BlockSizer
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile
    from hanota.ota.pacing import TokenBucket
    from hanota.ota.period import BlockPeriod
    from hanota.ota.statistics import TransferMeter


class Activation(Enum):
    """What an Upgrade End Request of SUCCESS is answered (GBCS 11.2.1)."""

    IMMEDIATE = "immediate"
    """PPMID: Upgrade Time is Current Time, the device activates on the hub's word."""
    OUT_OF_BAND = "out_of_band"
    """HCALCS: Upgrade Time 0xFFFFFFFF, however often it asks; it activates on the supplier's CS06."""


class SessionState(Enum):
    """How far the upgrade of one device has come."""

    OFFERED = "offered"
    QUERIED = "queried"
    TRANSFERRING = "transferring"
    HELD = "held"
    """Only the last block is left, which waits for approval."""
    TRANSFERRED = "transferred"
    """The block that ends the image was answered."""
    COMPLETE = "complete"
    """The device sent Upgrade End Request SUCCESS."""
    INSTALLED = "installed"
    """The device says that it runs the offered file version."""
    REFUSED = "refused"
    """The image is not for this device: hardware version, or a downgrade."""
    FAILED = "failed"
    """The device sent an Upgrade End Request with another status."""
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Trigger(Enum):
    """What moves a session."""

    QUERY_ANSWERED = "query_answered"
    QUERY_REFUSED = "query_refused"
    QUERY_OF_INSTALLED = "query_of_installed"
    BLOCK_SERVED = "block_served"
    LAST_BLOCK_HELD = "last_block_held"
    """The block that ends the image was asked for and answered WAIT_FOR_DATA."""
    LAST_BLOCK_SERVED = "last_block_served"
    UPGRADE_END_SUCCESS = "upgrade_end_success"
    UPGRADE_END_FAILURE = "upgrade_end_failure"
    TIME_OUT = "time_out"
    WITHDRAW = "withdraw"


_ENDS: Final = {
    Trigger.QUERY_REFUSED: SessionState.REFUSED,
    Trigger.QUERY_OF_INSTALLED: SessionState.INSTALLED,
    Trigger.UPGRADE_END_FAILURE: SessionState.FAILED,
    Trigger.TIME_OUT: SessionState.EXPIRED,
    Trigger.WITHDRAW: SessionState.WITHDRAWN,
}
_AFTERWARDS: Final = {
    Trigger.QUERY_OF_INSTALLED: SessionState.INSTALLED,
    Trigger.WITHDRAW: SessionState.WITHDRAWN,
}

TRANSITIONS: Final[Mapping[SessionState, Mapping[Trigger, SessionState]]] = {
    SessionState.OFFERED: _ENDS
    | {
        Trigger.QUERY_ANSWERED: SessionState.QUERIED,
        Trigger.BLOCK_SERVED: SessionState.TRANSFERRING,
        Trigger.LAST_BLOCK_HELD: SessionState.HELD,
        Trigger.LAST_BLOCK_SERVED: SessionState.TRANSFERRED,
    },
    SessionState.QUERIED: _ENDS
    | {
        Trigger.QUERY_ANSWERED: SessionState.QUERIED,
        Trigger.BLOCK_SERVED: SessionState.TRANSFERRING,
        Trigger.LAST_BLOCK_HELD: SessionState.HELD,
        Trigger.LAST_BLOCK_SERVED: SessionState.TRANSFERRED,
    },
    SessionState.TRANSFERRING: _ENDS
    | {
        Trigger.QUERY_ANSWERED: SessionState.TRANSFERRING,
        Trigger.BLOCK_SERVED: SessionState.TRANSFERRING,
        Trigger.LAST_BLOCK_HELD: SessionState.HELD,
        Trigger.LAST_BLOCK_SERVED: SessionState.TRANSFERRED,
    },
    # A device that lost its octets while it was held asks from the start again.
    SessionState.HELD: _ENDS
    | {
        Trigger.QUERY_ANSWERED: SessionState.HELD,
        Trigger.BLOCK_SERVED: SessionState.TRANSFERRING,
        Trigger.LAST_BLOCK_HELD: SessionState.HELD,
        Trigger.LAST_BLOCK_SERVED: SessionState.TRANSFERRED,
    },
    SessionState.TRANSFERRED: _ENDS
    | {
        Trigger.QUERY_ANSWERED: SessionState.TRANSFERRED,
        Trigger.BLOCK_SERVED: SessionState.TRANSFERRED,
        Trigger.LAST_BLOCK_SERVED: SessionState.TRANSFERRED,
        Trigger.UPGRADE_END_SUCCESS: SessionState.COMPLETE,
    },
    # A held device never times out, and a block request that was late on the air does it no harm.
    SessionState.COMPLETE: _AFTERWARDS
    | {
        Trigger.BLOCK_SERVED: SessionState.COMPLETE,
        Trigger.LAST_BLOCK_SERVED: SessionState.COMPLETE,
        Trigger.UPGRADE_END_SUCCESS: SessionState.COMPLETE,
        Trigger.UPGRADE_END_FAILURE: SessionState.FAILED,
    },
    SessionState.INSTALLED: _AFTERWARDS,
    SessionState.REFUSED: _AFTERWARDS,
    SessionState.FAILED: _AFTERWARDS | {Trigger.UPGRADE_END_FAILURE: SessionState.FAILED},
    SessionState.EXPIRED: _AFTERWARDS,
    SessionState.WITHDRAWN: _AFTERWARDS,
}
"""What each state accepts; a pair that is not there is refused and changes nothing."""

LIVE: Final = frozenset(
    {
        SessionState.OFFERED,
        SessionState.QUERIED,
        SessionState.TRANSFERRING,
        SessionState.HELD,
        SessionState.TRANSFERRED,
    }
)
"""States whose session is still notified, stalls and expires."""


@dataclass(slots=True, eq=False)
class Session:
    """One offer of one file to one device; the Upgrade Server's own record."""

    device: Eui64
    file: OtaFile
    image: ImageId
    activation: Activation
    allow_downgrade: bool
    requests: TokenBucket
    sizer: BlockSizer
    meter: TransferMeter
    period: BlockPeriod
    offered_at: float
    held: bool
    """Whether the last block waits for `OtaServer.release`."""
    block_multiple: int
    """Of what a block's octets are a multiple, where its device decrypts block by block."""
    upgrade_at: float | None
    """When a device that activates on the server's word is to do so, None for at once; Unix seconds."""
    expires_at: float
    from_start: bool = False
    """Whether the first block has to be asked for first: the device may hold octets of another file."""
    hardware_version: int | None = None
    """What the device's last query said."""
    state: SessionState = SessionState.OFFERED
    heard_at: float | None = None
    """When the device last asked for this image."""
    notify_at: float | None = None
    """When the next Image Notify is due; None while the device is heard."""
    notified: int = 0
    """Image Notify commands since the device was last heard."""

    def accepts(self, trigger: Trigger) -> bool:
        """Tell whether the table has an answer for `trigger` in this state."""
        return trigger in TRANSITIONS[self.state]

    def advance(self, trigger: Trigger) -> bool:
        """Take the table's transition, if it has one; tell whether the state is another one now."""
        before = self.state
        self.state = TRANSITIONS[before].get(trigger, before)
        return self.state is not before

    @property
    def total(self) -> int:
        """Octets of the image."""
        return len(self.file.data)

    @property
    def live(self) -> bool:
        """Whether the device still has something to ask for."""
        return self.state in LIVE

    def heard(self, now: float) -> None:
        """Note that the device is asking: it needs no Image Notify until it stalls."""
        self.heard_at = now
        self.notify_at = None
        self.notified = 0
