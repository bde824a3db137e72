"""What the Upgrade Server answers to an Upgrade End Request: always something.

Silence makes common clients activate within seconds. SUCCESS is believed only if the block that ends that
image was answered to that device in this offer; otherwise the answer is to wait, or Default Response ABORT
(discard the image) if the offer was withdrawn.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, assert_never

from hanota.ota.commands import NEVER, UpgradeEndResponse
from hanota.ota.events import DeviceFileEnded, UpgradeEndAnswered, UpgradeEnded, UpgradeEndUnexpected
from hanota.ota.fields import ANY_IMAGE
from hanota.ota.pacing import times_after
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.quirks import wants_wildcards
from hanota.ota.session import Activation, SessionState, Trigger
from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.ota.commands import UpgradeEndRequest
    from hanota.ota.request import Request
    from hanota.ota.session import Session


def answer_upgrade_end(request: Request, command: UpgradeEndRequest) -> None:
    """Answer `command`."""
    device, now, session = request.device, request.now, request.session
    if command.status == Status.SUCCESS:
        trigger = Trigger.UPGRADE_END_SUCCESS
    else:
        trigger = Trigger.UPGRADE_END_FAILURE
        request.default_response(Status.SUCCESS)
    if command.image is not None and command.image in request.device_files:
        request.events.append(DeviceFileEnded(device, now, command.image, command.status))
        if command.status == Status.SUCCESS:
            request.respond(UpgradeEndResponse(command.image, *times_after(now, 0)))
        return
    if session is None or command.image not in (None, session.image) or not session.accepts(trigger):
        request.events.append(UpgradeEndUnexpected(device, now, command.status, command.image))
        if command.status == Status.SUCCESS:
            _hold(request, command)
        return
    session.heard(now)
    if session.advance(trigger):
        request.events.append(UpgradeEnded(device, now, command.status))
    if command.status == Status.SUCCESS:
        _answer(request, upgrade_time(session, now))


def upgrade_time(session: Session, now: float) -> UpgradeEndResponse:
    """Return what a device that has its image is told: when to activate it, or to wait."""
    image = ANY_IMAGE if wants_wildcards(session.image, QUIRKS) else session.image
    match session.activation:
        case Activation.IMMEDIATE:
            seconds = 0 if session.upgrade_at is None else max(0, ceil(session.upgrade_at - now))
            return UpgradeEndResponse(image, *times_after(now, seconds))
        case Activation.OUT_OF_BAND:
            return UpgradeEndResponse(image, times_after(now, 0)[0], NEVER)
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
    _answer(request, UpgradeEndResponse(command.image or ANY_IMAGE, times_after(request.now, 0)[0], NEVER))


def _answer(request: Request, response: UpgradeEndResponse) -> None:
    request.respond(response)
    request.events.append(UpgradeEndAnswered(request.device, request.now, response.upgrade_time))
