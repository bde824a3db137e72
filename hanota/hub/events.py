"""Events: what happened, in the one order everybody shares (`seq`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hanota.eui64 import Eui64

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


class Party(StrEnum):
    """Who said or did something."""

    SERVICE_USER = "service user"
    DCC = "DCC"
    HUB = "hub"
    DEVICE = "device"
    RADIO = "radio"


class EventKind(StrEnum):
    """What happened; the part before the dot is the subsystem."""

    RADIO_STATE = "radio.state"
    FRAME_REFUSED = "radio.frame_refused"

    DEVICE_ADDED = "device_log.added"
    DEVICE_REMOVED = "device_log.removed"
    JOIN_PERMITTED = "han.join_permitted"
    JOIN_NOT_PERMITTED = "han.join_not_permitted"
    DEVICE_JOINED = "han.joined"
    DEVICE_LEFT = "han.left"

    KEY_ESTABLISHED = "key_establishment.established"
    KEY_ESTABLISHMENT_FAILED = "key_establishment.failed"
    LINK_KEY_LOST = "key_establishment.link_key_lost"

    REQUEST_RECEIVED = "service_request.received"
    REQUEST_ACKNOWLEDGED = "service_request.acknowledged"
    REQUEST_REJECTED = "service_request.rejected"
    PRE_COMMAND = "service_request.pre_command"
    SIGNED_PRE_COMMAND = "service_request.signed_pre_command"
    RESPONSE_RETURNED = "service_request.response"
    DEVICE_ALERT = "service_request.device_alert"
    DCC_ALERT = "service_request.dcc_alert"

    DOCUMENT_DELIVERED = "outbox.delivered"
    DOCUMENT_GIVEN_UP = "outbox.given_up"

    DEVICE_STATUS = "inventory.device_status"
    PRODUCT_LISTED = "products_list.listed"
    PRODUCT_WITHDRAWN = "products_list.withdrawn"
    PRODUCT_REMOVED = "products_list.removed"

    DAEMON_STARTED = "daemon.started"
    DAEMON_STOPPING = "daemon.stopping"
    STORE_PRUNED = "store.pruned"

    JOB_STATE = "job.state"
    JOB_APPROVED = "job.approved"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    IMAGE_ADDED = "image.added"
    IMAGE_RETIRED = "image.retired"
    IMAGE_NOTIFY = "ota.image_notify"
    IMAGE_QUERIED = "ota.query_next_image"
    TRANSFER_PROGRESS = "ota.progress"
    TRANSFER_STALLED = "ota.stalled"
    TRANSFER_DELAYED = "ota.wait_for_data"
    TRANSFER_HELD = "ota.last_block_held"
    TRANSFER_ABORTED = "ota.abort_delivered"
    BLOCK_SIZE_LEARNT = "ota.block_size_learnt"
    CLIENT_ATTRIBUTES = "ota.client_attributes"
    DEVICE_FILE_QUERIED = "ota.query_device_specific_file"
    DEVICE_FILE_ENDED = "ota.device_specific_file_ended"
    UPGRADE_END = "ota.upgrade_end_request"
    UPGRADE_END_ANSWERED = "ota.upgrade_end_response"
    OTA_REFUSED = "ota.refused"

    TUNNEL_OPENED = "tunnel.opened"
    TUNNEL_CLOSED = "tunnel.closed"
    TUNNEL_FAILED = "tunnel.failed"
    GBCS_SENT = "gbcs.sent"
    GBCS_DELIVERED = "gbcs.delivered"
    GBCS_RECEIVED = "gbcs.received"
    GBCS_REFUSED = "gbcs.refused"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal; `at` is Unix seconds, `job` the job's id where there is one."""

    seq: int
    at: float
    kind: EventKind
    source: Party
    target: Party
    device: Eui64 | None = None
    job: int | None = None
    detail: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the event as one flat JSON object: the form of `--json` and of test artefacts."""
        return {
            "seq": self.seq,
            "at": iso(self.at),
            "kind": str(self.kind),
            "from": str(self.source),
            "to": str(self.target),
            "device": None if self.device is None else str(self.device),
            "job": self.job,
            **self.detail,
        }
