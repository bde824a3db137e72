"""What the Upgrade Server answers to Image Block Requests and Image Page Requests.

Choices where the standard leaves one, or where devices in the field need one:

- A refused request is answered Image Block Response ABORT, also for an offset past the end: it ends the
  download in one exchange, where MALFORMED_COMMAND and NO_IMAGE_AVAILABLE make common clients ask on and on.
- What is asked beyond the end of the image is cut off and never refused.
- No query is needed before: a device that rebooted, or a hub that did, goes on at its offset. But where the
  offer took the place of another file of the same version, nothing on the wire tells the two apart: then the
  device begins with the first block, or is told ABORT.
- An offer that waits for approval is held by WAIT_FOR_DATA on the last block: the one hold that common
  clients keep for days and that can still be released or cancelled.
- A block request ends a page under way: its client has gone over to what it misses.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from hanota.ota.block_size import DeviceModel
from hanota.ota.commands import CommandId, ImageBlockResponse, ImagePageRequest, WaitForData
from hanota.ota.events import (
    AllBlocksServed,
    BlockServed,
    BlockSizeLearnt,
    Refusal,
    TransferDelayed,
    TransferHeld,
    TransferStarted,
)
from hanota.ota.pacing import times_after
from hanota.ota.pages import Page
from hanota.ota.request import Outgoing
from hanota.ota.session import SessionState, Trigger
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.ota.commands import ImageBlockRequest
    from hanota.ota.events import OtaEvent
    from hanota.ota.fields import ImageId
    from hanota.ota.pages import Pages
    from hanota.ota.request import Request
    from hanota.ota.session import Session
    from hanota.ota.slots import Admission

_BLOCK: Final = Struct("<BBBBHHIIB")
"""ZCL header and the fields before the data, at one go: it is made for every block."""
_TO_CLIENT_CLUSTER_SPECIFIC: Final = 0x19
"""ZCL frame control: cluster specific, server to client, no Default Response: a frame less a block."""
_NOT_STARTED: Final = frozenset({SessionState.OFFERED, SessionState.QUERIED})


def encode_block(sequence: int, image: ImageId, offset: int, data: bytes) -> bytes:
    """Return the ZCL frame of an Image Block Response that carries `data`."""
    head = _BLOCK.pack(
        _TO_CLIENT_CLUSTER_SPECIFIC,
        sequence,
        CommandId.IMAGE_BLOCK_RESPONSE,
        Status.SUCCESS,
        image.manufacturer_code,
        image.image_type,
        image.file_version,
        offset,
        len(data),
    )
    return head + data


def answer_block(request: Request, command: ImageBlockRequest) -> None:
    """Answer with a block, WAIT_FOR_DATA or ABORT."""
    if command.image in request.device_files:
        _answer_device_file_block(request, command)
        return
    session = _admitted(request, command)
    if session is None:
        return
    now, start, total = request.now, command.file_offset, session.total
    request.pages.end(request.device)
    learnt = session.sizer.asked(start, session.meter.block_size)
    if learnt is not None:
        _learn(request, session, learnt)
    size = session.sizer.size(command.maximum_data_size, request.room, session.block_multiple)
    end = min(start + size, total)
    if session.held and end == total:
        _hold(request, session, command.minimum_block_period)
        return
    if (period := session.period.to_tell(command.minimum_block_period)) is not None:
        times = times_after(now, 0)
        request.respond(ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(*times, period)))
        return
    request.slots.served(request.device, end - start, now)
    data = encode_block(request.frame.sequence, session.image, start, session.file.data[start:end])
    request.outgoing.append(Outgoing(request.device, data, bulk=True))
    serve(session, start, end, now, request.events)


def answer_page(request: Request, command: ImagePageRequest) -> None:
    """Begin the page, or answer WAIT_FOR_DATA or ABORT."""
    session = _admitted(request, command)
    if session is None:
        return
    if session.held and command.file_offset + command.maximum_data_size >= session.total:
        _hold(request, session, None)
        return
    request.slots.served(request.device, 0, request.now)
    request.pages.begin(
        Page(
            request.device,
            request.frame.sequence,
            command.file_offset,
            min(command.file_offset + command.page_size, session.total),
            command.maximum_data_size,
            command.response_spacing / 1000,
            request.now,
            request.room,
        )
    )


def send_page_blocks(
    pages: Pages,
    sessions: Mapping[Eui64, Session],
    slots: Admission,
    now: float,
    outgoing: list[Outgoing],
    events: list[OtaEvent],
) -> None:
    """Send what is due of the pages under way, as far as the window lets it."""
    while page := pages.due(now):
        session, start = sessions[page.device], page.offset
        size = session.sizer.size(page.maximum_data_size, page.room, session.block_multiple)
        end = min(start + size, page.end)
        session.heard(now)
        if session.held and end == session.total:
            pages.end(page.device)
        elif pages.skip(page, end - start, now):
            session.meter.skipped += 1
        else:
            slots.served(page.device, end - start, now)
            data = encode_block(page.sequence, session.image, start, session.file.data[start:end])
            outgoing.append(Outgoing(page.device, data, bulk=True, page=True))
            pages.sent(page, end - start, now)
            serve(session, start, end, now, events)


def serve(session: Session, start: int, end: int, now: float, events: list[OtaEvent]) -> None:
    """Note that the octets from `start` to `end` were answered, and tell it."""
    device, total = session.device, session.total
    if session.state in _NOT_STARTED:
        events.append(TransferStarted(device, now, start, total))
    if start == 0:
        session.from_start = False
    repeated = session.meter.block(start, end, now)
    events.append(BlockServed(device, now, start, end - start, total, repeated))
    if session.advance(Trigger.LAST_BLOCK_SERVED if end == total else Trigger.BLOCK_SERVED) and end == total:
        events.append(AllBlocksServed(device, now))


def other_image(offered: ImageId, image: ImageId) -> Refusal | None:
    """Return why `image` cannot be what is offered, by manufacturer code and image type."""
    if image.manufacturer_code != offered.manufacturer_code:
        return Refusal.OTHER_MANUFACTURER
    if image.image_type != offered.image_type:
        return Refusal.OTHER_IMAGE_TYPE
    return None


def _admitted(request: Request, command: ImageBlockRequest | ImagePageRequest) -> Session | None:
    """Return the session to serve, or None once the request was answered otherwise."""
    session, now = request.session, request.now
    reason = _refusal(request, command)
    if reason is not None or session is None:
        request.respond(ImageBlockResponse(Status.ABORT))
        request.refused(reason or Refusal.NOT_OFFERED, Status.ABORT, str(command.image))
        return None
    session.heard(now)
    seconds = (
        request.slots.wait(request.device, now)
        if request.within_rate
        else request.settings.flood_wait_seconds
    )
    if seconds is None:
        return session
    _wait(request, session, seconds, _period_of(command))
    return None


def _refusal(request: Request, command: ImageBlockRequest | ImagePageRequest) -> Refusal | None:
    session = request.session
    if session is None:
        return Refusal.NOT_OFFERED
    if not session.accepts(Trigger.BLOCK_SERVED):
        return Refusal.ENDED
    if command.image != session.image:
        return other_image(session.image, command.image) or Refusal.OTHER_FILE_VERSION
    if command.node_address is not None and command.node_address != request.device:
        return Refusal.OTHER_NODE_ADDRESS
    if session.from_start and command.file_offset > 0:
        return Refusal.OTHER_CONTENTS
    if command.file_offset >= session.total:
        return Refusal.OFFSET_PAST_END
    if command.maximum_data_size == 0 or (isinstance(command, ImagePageRequest) and not command.page_size):
        return Refusal.NO_DATA_ASKED
    return None


def _period_of(command: ImageBlockRequest | ImagePageRequest) -> int | None:
    return None if isinstance(command, ImagePageRequest) else command.minimum_block_period


def _wait(request: Request, session: Session, seconds: int, period: int | None) -> None:
    """Have the device ask again; the period is its own, since some take no answer without the field."""
    session.meter.waits += 1
    wait = WaitForData(*times_after(request.now, seconds), period)
    request.respond(ImageBlockResponse(Status.WAIT_FOR_DATA, wait))
    request.events.append(TransferDelayed(request.device, request.now, seconds))


def _hold(request: Request, session: Session, period: int | None) -> None:
    """Have the device wait with its last block; it needs no slot meanwhile."""
    request.slots.free(request.device)
    if session.advance(Trigger.LAST_BLOCK_HELD):
        request.events.append(TransferHeld(request.device, request.now))
    _wait(request, session, request.settings.hold_seconds, period)


def _learn(request: Request, session: Session, size: int) -> None:
    image = session.image
    model = DeviceModel(image.manufacturer_code, image.image_type, session.hardware_version)
    request.book.learn(model, size)
    request.events.append(BlockSizeLearnt(request.device, request.now, model, size))


def _answer_device_file_block(request: Request, command: ImageBlockRequest) -> None:
    """Serve a device specific file; it is small, and no offer stands behind it."""
    data, settings = request.device_files[command.image].data, request.settings
    start = command.file_offset
    reason = None
    if start >= len(data):
        reason = Refusal.OFFSET_PAST_END
    elif command.maximum_data_size == 0:
        reason = Refusal.NO_DATA_ASKED
    elif command.node_address is not None and command.node_address != request.device:
        reason = Refusal.OTHER_NODE_ADDRESS
    if reason is not None:
        request.respond(ImageBlockResponse(Status.ABORT))
        request.refused(reason, Status.ABORT, str(command.image))
        return
    if not request.within_rate:
        times = times_after(request.now, settings.flood_wait_seconds)
        request.respond(ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(*times)))
        return
    block = data[start : start + min(command.maximum_data_size, settings.block_size)]
    frame = encode_block(request.frame.sequence, command.image, start, block)
    request.outgoing.append(Outgoing(request.device, frame, bulk=True))
