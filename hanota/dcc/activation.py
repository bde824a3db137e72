"""SR 11.3: a request becomes a Pre-Command to sign, and what comes back signed a command (CS06)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hanota.dcc.codes import NOT_NOW, SIGNED_PRE_COMMAND_REFUSED
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.prepared import Done, Prepared
from hanota.duis.response import PreCommand
from hanota.duis.response_code import ResponseCode
from hanota.errors import RemoteProtocolError, UnverifiableError
from hanota.gbcs.activate_firmware import CANCELLATION, decode_command
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import Trigger

if TYPE_CHECKING:
    from hanota.dcc.broker import AccessControlBroker
    from hanota.dcc.exchange import Exchange
    from hanota.duis.request import ActivateFirmware, RequestId, SignedPreCommand
    from hanota.gbcs.message import Message
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal


class Activation:
    """Both halves of Activate Firmware."""

    def __init__(
        self,
        hub: Hub,
        broker: AccessControlBroker,
        exchange: Exchange,
        journal: Journal,
        gbcs_version: str,
    ) -> None:
        self._hub, self._broker, self._exchange = hub, broker, exchange
        self._journal, self._gbcs_version = journal, gbcs_version

    def transform(self, request: ActivateFirmware) -> Prepared:
        """Prepare Command Variant 4; the answer carries the Pre-Command."""
        when = request.execution_date_time
        pre_command = self._broker.activate_firmware(
            request.request_id,
            request.firmware_hash,
            CANCELLATION if request.is_cancellation else when,
        )
        octets = pre_command.encode()
        return Prepared(
            name="Activate Firmware",
            detail={
                "firmware_hash": request.firmware_hash.hex(),
                "execution_date_time": None if when is None else when.isoformat(),
            },
            response_code=ResponseCode.I0,
            content=PreCommand(self._gbcs_version, octets),
            words=None,
            carry_out=partial(self._hand_out, request.request_id, pre_command, len(octets)),
        )

    def send(self, request: SignedPreCommand) -> Prepared:
        """Prepare Command Variant 5: the signature, the counter and the Pre-Command it answers are checked.

        What is refused here uses up nothing: the true one may still come under the same RequestID.
        """
        try:
            command = self._broker.accept(request.gbcs_payload)
            _check_names(request.request_id, command)
        except RemoteProtocolError as error:
            raise _refused(error, SIGNED_PRE_COMMAND_REFUSED) from error
        except UnverifiableError as error:
            raise _refused(error, NOT_NOW) from error
        self._exchange.check_room()
        return Prepared(
            name="Activate Firmware",
            received=EventKind.SIGNED_PRE_COMMAND,
            detail={
                "use_case": "CS06",
                "octets": len(request.gbcs_payload),
                "verified": "supplier's signature, Originator Counter",
            },
            carry_out=partial(self._pass_on, request, command),
        )

    def _hand_out(self, request_id: RequestId, pre_command: Message, octets: int) -> Done:
        self._broker.made(pre_command, request_id)
        self._journal.record(
            EventKind.PRE_COMMAND,
            Party.DCC,
            Party.SERVICE_USER,
            device=request_id.target,
            detail={"request_id": str(request_id), "use_case": "CS06", "octets": octets},
        )
        return Done()

    def _pass_on(self, request: SignedPreCommand, command: Message) -> Done:
        self._broker.passed_on(command)
        self._hub.settle(command.recipient, Trigger.COMMAND_RELAYED)
        activation = decode_command(command.payload)
        if not activation.is_cancellation:  # which takes the time back once the device has accepted it
            when = activation.execution_date_time
            self._hub.jobs.execute_at(
                command.recipient, None if when is None else when.as_datetime().timestamp()
            )
        outcome = self._exchange.send(
            request.request_id, request.service_reference, command, "supplier's signature, ACB MAC"
        )
        return Done(outcome=outcome)


def _check_names(request_id: RequestId, command: Message) -> None:
    named = (request_id.originator, request_id.target, request_id.counter)
    if named != (command.originator, command.recipient, command.originator_counter):
        raise RemoteProtocolError(
            f"RequestID {request_id} does not name the command's parties and Originator Counter: "
            f"{command.originator}:{command.recipient}:{command.originator_counter}"
        )


def _refused(error: RemoteProtocolError | UnverifiableError, code: ResponseCode) -> RequestRejectedError:
    return RequestRejectedError(str(error), code=code, hint=error.hint, may_be_repeated=True)
