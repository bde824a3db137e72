"""Jobs: one image for one device, and the one table of how a job may move."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64


class JobState(StrEnum):
    """Where a job stands."""

    ACCEPTED = "accepted"
    NOTIFIED = "notified"
    QUERIED = "queried"
    TRANSFERRING = "transferring"
    TRANSFERRED = "transferred"
    HELD = "held"
    ACTIVATING = "activating"
    ACTIVATED = "activated"
    REJECTED = "rejected"
    INVALID_IMAGE = "invalid_image"
    ABORTED = "aborted"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_end(self) -> bool:
        """Tell whether nothing can follow."""
        return not TRANSITIONS[self]


class Trigger(StrEnum):
    """What moves a job."""

    IMAGE_NOTIFY = "Image Notify sent"
    QUERY = "Query Next Image answered with the image"
    BLOCK = "Image Block served"
    UPGRADE_END = "Upgrade End Request SUCCESS"
    TOLD_TO_WAIT = "Upgrade End Response 0xFFFFFFFF"
    TOLD_TO_ACTIVATE = "Upgrade End Response with a time"
    COMMAND_RELAYED = "Activate Firmware (CS06) handed to the device"
    HASH_MISMATCH = "CS06 response hashMismatch, the image stays held"
    ACTIVATION_CANCELLED = "CS06 cancellation accepted"
    OUTCOME_SUCCESS = "activation reported successful"
    OUTCOME_FAILURE = "activation reported failed"
    NOT_FOR_DEVICE = "the image does not fit the device"
    INVALID_IMAGE = "Upgrade End Request INVALID_IMAGE"
    ABORT = "Upgrade End Request ABORT or another failure"
    RETRY = "the download failed and is tried again"
    EXPIRE = "time ran out"
    CANCEL = "cancelled or replaced"


class JobKind(StrEnum):
    """Which of the two ways of SECMP0007 the job goes."""

    PPMID = "PPMID"
    """Service Request 11.4: distribution and activation combined."""
    HCALCS = "HCALCS"
    """Service Request 11.1; activation waits for CS06 (11.3)."""


_S, _T = JobState, Trigger

_ANY_TIME: Final[Mapping[Trigger, JobState]] = {
    _T.NOT_FOR_DEVICE: _S.REJECTED,
    _T.EXPIRE: _S.EXPIRED,
    _T.CANCEL: _S.CANCELLED,
    _T.ABORT: _S.ABORTED,
}
# Until it has the image a device may ask again from any point: after a reboot, or a lost answer.
_TRANSFER: Final[Mapping[Trigger, JobState]] = {
    **_ANY_TIME,
    _T.QUERY: _S.QUERIED,
    _T.BLOCK: _S.TRANSFERRING,
    _T.UPGRADE_END: _S.TRANSFERRED,
    _T.INVALID_IMAGE: _S.INVALID_IMAGE,
    _T.RETRY: _S.ACCEPTED,
}

TRANSITIONS: Final[Mapping[JobState, Mapping[Trigger, JobState]]] = {
    _S.ACCEPTED: {**_TRANSFER, _T.IMAGE_NOTIFY: _S.NOTIFIED},
    _S.NOTIFIED: {**_TRANSFER, _T.IMAGE_NOTIFY: _S.NOTIFIED},
    _S.QUERIED: {**_TRANSFER, _T.IMAGE_NOTIFY: _S.QUERIED},
    _S.TRANSFERRING: {**_TRANSFER, _T.IMAGE_NOTIFY: _S.TRANSFERRING},
    # The device has the image and CCS08 has said so: what it asks for late or again takes nothing back.
    _S.TRANSFERRED: {
        **_ANY_TIME,
        _T.INVALID_IMAGE: _S.INVALID_IMAGE,
        _T.UPGRADE_END: _S.TRANSFERRED,
        _T.TOLD_TO_WAIT: _S.HELD,
        _T.TOLD_TO_ACTIVATE: _S.ACTIVATING,
        # The hub was cut off before it could tell the device to wait; CCS08 had invited CS06 already.
        _T.COMMAND_RELAYED: _S.ACTIVATING,
    },
    _S.HELD: {
        **_ANY_TIME,
        _T.INVALID_IMAGE: _S.INVALID_IMAGE,
        _T.UPGRADE_END: _S.HELD,
        _T.TOLD_TO_WAIT: _S.HELD,
        _T.COMMAND_RELAYED: _S.ACTIVATING,
    },
    _S.ACTIVATING: {
        **_ANY_TIME,
        _T.UPGRADE_END: _S.ACTIVATING,
        _T.TOLD_TO_WAIT: _S.ACTIVATING,
        _T.TOLD_TO_ACTIVATE: _S.ACTIVATING,
        _T.COMMAND_RELAYED: _S.ACTIVATING,
        _T.HASH_MISMATCH: _S.HELD,
        _T.ACTIVATION_CANCELLED: _S.HELD,
        _T.OUTCOME_SUCCESS: _S.ACTIVATED,
        _T.OUTCOME_FAILURE: _S.FAILED,
    },
    _S.ACTIVATED: {},
    _S.REJECTED: {},
    _S.INVALID_IMAGE: {},
    _S.ABORTED: {},
    _S.EXPIRED: {},
    _S.CANCELLED: {},
    _S.FAILED: {},
}
"""The whole life of a job; README's diagram is made from this table and a test walks every pair."""


def follow(state: JobState, trigger: Trigger) -> JobState:
    """Return the state after `trigger`; raise LocalProtocolError where the table has no such move."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise LocalProtocolError(f"a job that is {state} cannot take: {trigger}") from None


class JobPriority(IntEnum):
    """Whose image blocks go first: those of lower priority wait as long as one of higher is served."""

    LOW = -1
    NORMAL = 0
    HIGH = 1


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What the one who asks for an update may decide."""

    priority: JobPriority = JobPriority.NORMAL
    upgrade_at: float | None = None
    """When a PPMID is to activate the image (Unix seconds); None: as soon as it has it."""
    needs_approval: bool = False
    """Whether the last block is kept back until the job is approved."""
    allow_downgrade: bool = False
    """Whether a device that runs a higher version may be given the image."""
    expires_at: float | None = None
    """When the job ends unless the device has the image (Unix seconds); None: by the hub's settings."""


@dataclass(frozen=True, slots=True)
class Job:
    """One image for one device. `image` is the SHA-256 of the Upgrade Image file, `reason` why it ended."""

    id: int
    request_id: str
    kind: JobKind
    device: Eui64
    image: bytes
    firmware_version: bytes
    manufacturer_image_hash: bytes
    state: JobState
    created: float
    updated: float
    reason: str = ""
    options: JobOptions = JobOptions()
    approved_at: float | None = None
    paused: bool = False
    failures: int = 0
    """Downloads that the device gave up."""
    retry_at: float | None = None
    """When the image is offered again after the last of them."""
    abort_told: bool = False
    """Whether the device has acknowledged the ABORT that ended a cancelled download."""
    execution_at: float | None = None
    """When the device executes the CS06 it was sent (Unix seconds); None: at once, or unknown."""

    @property
    def has_image(self) -> bool:
        """Tell whether the device has the whole image and has not run it yet."""
        return self.state in (JobState.TRANSFERRED, JobState.HELD, JobState.ACTIVATING)

    @property
    def waits_for_approval(self) -> bool:
        """Tell whether somebody has to approve it before the device may have its last block."""
        return self.options.needs_approval and self.approved_at is None
