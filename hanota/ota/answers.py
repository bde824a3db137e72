"""What the Upgrade Server answers to each request of an Upgrade Client.

Choices where the standard leaves one, or where devices in the field need one:

- A query after the download has ended is answered NO_IMAGE_AVAILABLE, or a device that does not change its
  version would download the same image for ever.
- A device specific file is there for the device that has its address alone.
- Blocks and pages: see `hanota.ota.blocks`; Upgrade End Requests: see `hanota.ota.endings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.errors import RemoteProtocolError
from hanota.ota.block_size import DeviceModel
from hanota.ota.blocks import answer_block, answer_page, other_image
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.endings import answer_upgrade_end
from hanota.ota.events import (
    AlreadyInstalled,
    DeviceFileQueried,
    HardwareVersionMismatch,
    ImageQueried,
    QueryRefused,
    Refusal,
)
from hanota.ota.fields import ANY_IMAGE
from hanota.ota.general import answer_general, refuse_frame
from hanota.ota.session import Trigger
from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.ota.commands import OtaCommand
    from hanota.ota.request import Request
    from hanota.ota.session import Session


def answer_frame(request: Request) -> bool:
    """Answer the frame: what to send and what to tell is added to `request`; False if it was dropped.

    Of what comes faster than its sender may send, block and page requests alone are answered (to wait).
    """
    if not request.frame.cluster_specific:
        if request.within_rate:
            answer_general(request)
        return request.within_rate
    try:
        command = decode_command(request.frame)
    except RemoteProtocolError as error:
        if request.within_rate:
            refuse_frame(request, error)
        return request.within_rate
    told_to_wait = request.session is not None and isinstance(command, ImageBlockRequest | ImagePageRequest)
    if not (request.within_rate or told_to_wait):
        return False
    _answer(request, command)
    return True


def _answer(request: Request, command: OtaCommand) -> None:
    match command:
        case ImageBlockRequest():
            answer_block(request, command)
        case ImagePageRequest():
            if request.settings.page_requests:
                answer_page(request, command)
            else:
                _refuse_command(request, command)
        case QueryNextImageRequest():
            _answer_query(request, command)
        case UpgradeEndRequest():
            answer_upgrade_end(request, command)
        case QueryDeviceSpecificFileRequest():
            _answer_device_file_query(request, command)
        case (
            ImageNotify()
            | QueryNextImageResponse()
            | ImageBlockResponse()
            | UpgradeEndResponse()
            | QueryDeviceSpecificFileResponse()
        ):
            _refuse_command(request, command)
        case _:
            assert_never(command)


def _refuse_command(request: Request, command: OtaCommand) -> None:
    request.default_response(Status.UNSUP_CLUSTER_COMMAND)
    request.refused(Refusal.UNSUPPORTED, Status.UNSUP_CLUSTER_COMMAND, type(command).__name__)


def _answer_query(request: Request, query: QueryNextImageRequest) -> None:
    device, now, session = request.device, request.now, request.session
    version, hardware = query.image.file_version, query.hardware_version
    reason = _query_refusal(session, query)
    if reason is None and session is not None:
        session.heard(now)
        session.advance(Trigger.QUERY_ANSWERED)
        session.hardware_version = hardware
        model = DeviceModel(session.image.manufacturer_code, session.image.image_type, hardware)
        session.sizer.know(request.book.size(model))
        request.respond(QueryNextImageResponse(Status.SUCCESS, session.image, session.total))
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
    if reason := other_image(session.image, query.image):
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


def _answer_device_file_query(request: Request, query: QueryDeviceSpecificFileRequest) -> None:
    """Offer the file of that manufacturer code and image type, of any version if a wildcard is asked."""
    found = None
    if query.node_address == request.device:
        wanted = query.image
        found = next(
            (
                (image, file)
                for image, file in request.device_files.items()
                if other_image(image, wanted) is None
                and wanted.file_version in (image.file_version, ANY_IMAGE.file_version)
            ),
            None,
        )
    if found is None:
        request.respond(QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE))
    else:
        image, file = found
        request.respond(QueryDeviceSpecificFileResponse(Status.SUCCESS, image, len(file.data)))
    request.events.append(DeviceFileQueried(request.device, request.now, query.image, found is not None))
