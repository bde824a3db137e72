"""What the Upgrade Server answers to each request of an Upgrade Client.

Choices where the standard leaves one, or where devices in the field need one:

- A refused block is answered Image Block Response ABORT, also for an offset past the end: it ends the
  download in one exchange, where MALFORMED_COMMAND and NO_IMAGE_AVAILABLE make common clients ask on and on.
- A block that is asked longer than what is left is cut at the end of the image and never refused.
- A block request needs no query before it: a device that rebooted, or a hub that did, goes on at its offset.
- An Upgrade End Request is never left unanswered: silence makes common clients activate within seconds.
  SUCCESS is believed only if the block that ends that image was answered to that device in this offer;
  otherwise the answer is to wait, or Default Response ABORT (discard the image) if the offer was withdrawn.
- A query after the download has ended is answered NO_IMAGE_AVAILABLE, or a device that does not change its
  version would download the same image for ever.
- Image Page Request is UNSUP_CLUSTER_COMMAND; the client falls back to block requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    encode_command,
)
from hanota.ota.events import (
    AllBlocksServed,
    AlreadyInstalled,
    BlockServed,
    HardwareVersionMismatch,
    ImageQueried,
    QueryRefused,
    Refusal,
    RequestRefused,
    TransferDelayed,
    TransferStarted,
    UpgradeEndAnswered,
    UpgradeEnded,
    UpgradeEndUnexpected,
)
from hanota.ota.fields import ANY_IMAGE
from hanota.ota.pacing import times_after
from hanota.ota.session import Activation, SessionState, Trigger
from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.commands import OtaCommand
    from hanota.ota.events import OtaEvent
    from hanota.ota.fields import ImageId
    from hanota.ota.session import Session
    from hanota.ota.settings import OtaServerSettings
    from hanota.zcl import ZclFrame


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One ZCL frame to send to one device on the OTA Upgrade cluster."""

    device: Eui64
    data: bytes
    bulk: bool = False
    """Image data, which may wait behind everything else."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command from a device, what the server knows about the device, and what comes of it."""

    device: Eui64
    frame: ZclFrame
    now: float
    session: Session | None
    settings: OtaServerSettings
    within_rate: bool
    has_slot: bool
    outgoing: list[Outgoing] = field(default_factory=list)
    events: list[OtaEvent] = field(default_factory=list)

    def respond(self, command: OtaCommand, *, bulk: bool = False) -> None:
        """Send `command` with the sequence number of the request."""
        self.outgoing.append(Outgoing(self.device, encode_command(command, self.frame.sequence), bulk))

    def default_response(self, status: Status) -> None:
        """Answer the request with a Default Response."""
        self.outgoing.append(Outgoing(self.device, self.frame.default_response(status).encode()))


def answer(request: Request, command: OtaCommand) -> None:
    """Answer `command`: what to send and what to tell is added to `request`."""
    match command:
        case QueryNextImageRequest():
            _answer_query(request, command)
        case ImageBlockRequest():
            _answer_block(request, command)
        case UpgradeEndRequest():
            _answer_upgrade_end(request, command)
        case (
            ImagePageRequest()
            | ImageNotify()
            | QueryNextImageResponse()
            | ImageBlockResponse()
            | UpgradeEndResponse()
        ):
            _refuse_command(request, command)
        case _:
            assert_never(command)


def _refuse_command(request: Request, command: OtaCommand) -> None:
    request.default_response(Status.UNSUP_CLUSTER_COMMAND)
    request.events.append(
        RequestRefused(
            request.device,
            request.now,
            Refusal.UNSUPPORTED,
            Status.UNSUP_CLUSTER_COMMAND,
            type(command).__name__,
        )
    )


def _answer_query(request: Request, query: QueryNextImageRequest) -> None:
    device, now, session = request.device, request.now, request.session
    version, hardware = query.image.file_version, query.hardware_version
    reason = _query_refusal(session, query)
    if reason is None and session is not None:
        session.heard(now)
        session.advance(Trigger.QUERY_ANSWERED)
        request.respond(QueryNextImageResponse(Status.SUCCESS, session.image, len(session.file.data)))
        request.events.append(ImageQueried(device, now, version, hardware))
        return
    request.respond(QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
    request.events.append(QueryRefused(device, now, reason or Refusal.NOT_OFFERED, version))
    if session is None:
        return
    supported = session.file.header.hardware_versions
    if reason is Refusal.INSTALLED:
        if session.advance(Trigger.QUERY_OF_INSTALLED):
            request.events.append(AlreadyInstalled(device, now, version))
    elif reason is Refusal.HARDWARE_VERSION and hardware is not None and supported is not None:
        if session.advance(Trigger.QUERY_REFUSED):
            request.events.append(
                HardwareVersionMismatch(device, now, hardware, supported.minimum, supported.maximum)
            )
    elif reason is Refusal.DOWNGRADE:
        session.advance(Trigger.QUERY_REFUSED)


def _query_refusal(session: Session | None, query: QueryNextImageRequest) -> Refusal | None:
    if session is None:
        return Refusal.NOT_OFFERED
    if reason := _other_image(session, query.image):
        return reason
    if query.image.file_version == session.image.file_version:
        return Refusal.INSTALLED
    if not session.accepts(Trigger.QUERY_ANSWERED):
        return Refusal.ENDED
    supported = session.file.header.hardware_versions
    hardware = query.hardware_version
    if hardware is not None and supported is not None and hardware not in supported:
        return Refusal.HARDWARE_VERSION
    if query.image.file_version > session.image.file_version and not session.allow_downgrade:
        return Refusal.DOWNGRADE
    return None


def _other_image(session: Session, image: ImageId) -> Refusal | None:
    if image.manufacturer_code != session.image.manufacturer_code:
        return Refusal.OTHER_MANUFACTURER
    if image.image_type != session.image.image_type:
        return Refusal.OTHER_IMAGE_TYPE
    return None


def _answer_block(request: Request, command: ImageBlockRequest) -> None:
    device, now, session = request.device, request.now, request.session
    reason = _block_refusal(request, command)
    if reason is not None or session is None:
        request.respond(ImageBlockResponse(Status.ABORT))
        request.events.append(
            RequestRefused(device, now, reason or Refusal.NOT_OFFERED, Status.ABORT, str(command.image))
        )
        return
    session.heard(now)
    settings = request.settings
    if not (request.within_rate and request.has_slot):
        seconds = settings.wait_seconds if request.within_rate else settings.flood_wait_seconds
        request.respond(ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(*times_after(now, seconds))))
        request.events.append(TransferDelayed(device, now, seconds))
        return
    total = len(session.file.data)
    start = command.file_offset
    end = min(start + min(command.maximum_data_size, settings.block_size), total)
    block = ImageBlock(session.image, start, session.file.data[start:end])
    request.respond(ImageBlockResponse(Status.SUCCESS, block), bulk=True)
    if session.state in (SessionState.OFFERED, SessionState.QUERIED):
        request.events.append(TransferStarted(device, now, start, total))
    session.block_at = now
    request.events.append(BlockServed(device, now, start, end - start, total, end <= session.served))
    session.served = max(session.served, end)
    if session.advance(Trigger.LAST_BLOCK_SERVED if end == total else Trigger.BLOCK_SERVED) and end == total:
        request.events.append(AllBlocksServed(device, now))


def _block_refusal(request: Request, command: ImageBlockRequest) -> Refusal | None:
    session = request.session
    if session is None:
        return Refusal.NOT_OFFERED
    if not session.accepts(Trigger.BLOCK_SERVED):
        return Refusal.ENDED
    if reason := _other_image(session, command.image):
        return reason
    if command.image.file_version != session.image.file_version:
        return Refusal.OTHER_FILE_VERSION
    if command.node_address not in (None, request.device):
        return Refusal.OTHER_NODE_ADDRESS
    if command.file_offset >= len(session.file.data):
        return Refusal.OFFSET_PAST_END
    if command.maximum_data_size == 0:
        return Refusal.NO_DATA_ASKED
    return None


def _answer_upgrade_end(request: Request, command: UpgradeEndRequest) -> None:
    device, now, session = request.device, request.now, request.session
    if command.status == Status.SUCCESS:
        trigger = Trigger.UPGRADE_END_SUCCESS
    else:
        trigger = Trigger.UPGRADE_END_FAILURE
        request.default_response(Status.SUCCESS)
    if session is None or command.image not in (None, session.image) or not session.accepts(trigger):
        request.events.append(UpgradeEndUnexpected(device, now, command.status, command.image))
        if command.status == Status.SUCCESS:
            _hold(request, command)
        return
    session.heard(now)
    if session.advance(trigger):
        request.events.append(UpgradeEnded(device, now, command.status))
    if command.status == Status.SUCCESS:
        match session.activation:
            case Activation.IMMEDIATE:
                _answer_upgrade_time(request, session.image, times_after(now, 0))
            case Activation.OUT_OF_BAND:
                _answer_upgrade_time(request, session.image, (times_after(now, 0)[0], NEVER))
            case _:
                assert_never(session.activation)


def _hold(request: Request, command: UpgradeEndRequest) -> None:
    """Keep a device from activating an image that is not known to be transferred, or no longer wanted.

    ABORT has it discard the image: where the offer is withdrawn, and where it is this very image, kept from
    an earlier offer perhaps; it is notified again then and fetches the octets that are offered now.
    """
    session = request.session
    withdrawn = session is not None and session.state is SessionState.WITHDRAWN
    if withdrawn or (session is not None and session.live and command.image in (None, session.image)):
        request.default_response(Status.ABORT)
        return
    _answer_upgrade_time(request, command.image or ANY_IMAGE, (times_after(request.now, 0)[0], NEVER))


def _answer_upgrade_time(request: Request, image: ImageId, times: tuple[int, int]) -> None:
    current_time, upgrade_time = times
    request.respond(UpgradeEndResponse(image, current_time, upgrade_time))
    request.events.append(UpgradeEndAnswered(request.device, request.now, upgrade_time))
