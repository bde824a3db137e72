"""What the Upgrade Server makes of general commands: Default Responses, attributes told, and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.ota.attributes import AttributeId, decode_values
from hanota.ota.commands import CommandId
from hanota.ota.events import ClientAttributesTold, DeviceDefaultResponse, Refusal, RequestRefused
from hanota.ota.session import Activation
from hanota.ota.settings import UpgradeActivationPolicy
from hanota.zcl import DefaultResponse, GeneralCommand, Status

if TYPE_CHECKING:
    from hanota.ota.request import Request

_UPGRADE_TIME_REFUSED: Final = DefaultResponse(CommandId.UPGRADE_END_RESPONSE, Status.NOT_AUTHORIZED)


def answer_general(request: Request) -> None:
    """Take in or refuse a command that is not the cluster's own."""
    try:
        match request.frame.command:
            case GeneralCommand.DEFAULT_RESPONSE:
                _take_default_response(request)
            case GeneralCommand.READ_ATTRIBUTES_RESPONSE | GeneralCommand.REPORT_ATTRIBUTES:
                _take_attributes(request)
            case GeneralCommand.WRITE_ATTRIBUTES_RESPONSE:
                pass
            case unknown:
                fault = RemoteProtocolError(
                    f"general command {unknown:#04x}", status=Status.UNSUP_GENERAL_COMMAND
                )
                refuse_frame(request, fault)
    except RemoteProtocolError as error:
        # An answer that cannot be read is not itself answered.
        request.events.append(
            RequestRefused(request.device, request.now, Refusal.MALFORMED, None, str(error))
        )


def refuse_frame(request: Request, error: RemoteProtocolError) -> None:
    """Answer a command that is unknown or cannot be read with a Default Response."""
    status = Status.MALFORMED_COMMAND if error.status is None else Status(error.status)
    reason = Refusal.MALFORMED if status is Status.MALFORMED_COMMAND else Refusal.UNSUPPORTED
    request.default_response(status)
    request.refused(reason, status, str(error))


def _take_default_response(request: Request) -> None:
    response = DefaultResponse.decode(request.frame.payload)
    request.events.append(
        DeviceDefaultResponse(request.device, request.now, response.command, response.status)
    )
    if request.session and response == _UPGRADE_TIME_REFUSED:
        # A PPMID of activation policy "out of band" takes no Upgrade Time but "wait".
        request.session.activation = Activation.OUT_OF_BAND


def _take_attributes(request: Request) -> None:
    values = decode_values(request.frame)
    if values:
        request.events.append(ClientAttributesTold(request.device, request.now, values))
    session = request.session
    if session is None:
        return
    session.period.cluster_revision = values.get(
        AttributeId.CLUSTER_REVISION, session.period.cluster_revision
    )
    if values.get(AttributeId.UPGRADE_ACTIVATION_POLICY) == UpgradeActivationPolicy.OUT_OF_BAND:
        session.activation = Activation.OUT_OF_BAND
