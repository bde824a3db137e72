"""What devices say, believed only when it is verified: then it moves jobs and becomes alerts.

A message is believed only when all of this holds:

1. it parses, its originator is the device whose tunnel it came through (or the hub), and its signature or MAC
   is that device's;
2. a response answers a command that waits for one;
3. an alert's counter is higher than that of every alert of the device before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from hanota.dcc.alerts import Alerts
from hanota.dcc.counters import stored_counters
from hanota.dcc.outcomes import Outcomes
from hanota.errors import RemoteProtocolError, UnverifiableError, VerificationError
from hanota.gbcs.activate_firmware import (
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    FutureDatedAlert,
    decode_command,
)
from hanota.gbcs.alerts import (
    ActivateImageResult,
    FirmwareTransferAlert,
    PpmidFirmwareActivationAlert,
    TransferResponseCode,
)
from hanota.gbcs.message import Message, Shape
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
)
from hanota.gbcs.usecases import decode_payload, payload_to_json, use_case_name
from hanota.gbcs.verification import verify_from_device
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from datetime import datetime
    from enum import IntEnum

    from hanota.dcc.exchange import Command, Exchange
    from hanota.dcc.responses import Responses
    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.gbcs.usecases import Payload
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store

_ALERT_COUNTER: Final = "alert"
"""The highest counter of a device's alerts so far."""


class Incoming:
    """Takes every GBCS message that comes from the HAN."""

    def __init__(
        self,
        dcc: Eui64,
        hub: Hub,
        exchange: Exchange,
        responses: Responses,
        keystore: KeyStore,
        store: Store,
        journal: Journal,
    ) -> None:
        self._hub, self._exchange, self._keystore = hub, exchange, keystore
        self._store, self._journal = store, journal
        self._outcomes = Outcomes(hub)
        self._alerts = Alerts(dcc, hub, exchange, self._outcomes, responses, store)
        self._responses = responses

    def take(self, device: Eui64, octets: bytes) -> None:
        """Verify one message and act on it; what is not believed is noted and changes nothing."""
        try:
            message = verify_from_device(octets, device, self._keystore)
            payload = decode_payload(message)
            _check_codes(payload)
            command = self._check_expected(device, message, payload)
        except (RemoteProtocolError, UnverifiableError) as error:
            self._hub.refusals.record(
                EventKind.GBCS_REFUSED, Party.DEVICE, Party.DCC, device=device, detail={"reason": str(error)}
            )
            return
        with self._journal.transaction():
            if command is None:
                self._store.raise_counter(_ALERT_COUNTER, device, message.originator_counter)
                self._received(device, message, octets, payload)
                self._alerts.take(device, message, octets, payload)
            else:
                self._received(device, message, octets, payload)
                self._response(device, message, octets, payload, command)

    def _check_expected(self, device: Eui64, message: Message, payload: Payload | None) -> Command | None:
        """Return the command that a response answers, None for a new alert; raise VerificationError."""
        match message.shape:
            case Shape.RESPONSE:
                command = self._exchange.awaited(device, message)
                if command is None:
                    raise VerificationError(
                        f"a {use_case_name(message)} response to nothing that waits for one"
                    )
                return command
            case Shape.ALERT:
                stored_counters(self._store, _ALERT_COUNTER, message).check(
                    device, message.originator_counter
                )
                if isinstance(payload, FirmwareTransferAlert) and device != self._hub.eui64:
                    raise VerificationError(f"CCS08 is the hub's to send, not {device}'s")
                return None
            case Shape.PRE_COMMAND | Shape.SIGNED_PRE_COMMAND | Shape.COMMAND:
                raise VerificationError("a device sends responses and alerts, no commands")
            case _:
                assert_never(message.shape)

    def _response(
        self, device: Eui64, message: Message, octets: bytes, payload: Payload | None, command: Command
    ) -> None:
        outcome, version = "received", ""
        execution: datetime | None = None
        match payload:
            case ExecutionOutcome():
                outcome, version = self._outcomes.executed(device, payload), payload.firmware_version.hex()
            case CommandAccepted():
                request = decode_command(command.message.payload)
                outcome = self._outcomes.accepted(device, request)
                if request.is_cancellation:
                    self._exchange.superseded(command)
                elif request.execution_date_time is not None:
                    execution = request.execution_date_time.as_datetime()
            case ReadFirmwareVersionResponse():
                outcome, version = self._outcomes.read(device, payload), payload.firmware_version.hex()
            case _:
                pass
        if execution is None:
            self._exchange.answered(command, message)
        else:
            self._exchange.accepted(command, message, execution)
            self._hub.jobs.execute_at(device, execution.timestamp())
        self._responses.response(
            command.request_id, command.service_reference, octets, outcome, version.upper()
        )

    def _received(self, device: Eui64, message: Message, octets: bytes, payload: Payload | None) -> None:
        self._journal.record(
            EventKind.GBCS_RECEIVED,
            Party.HUB if device == self._hub.eui64 else Party.DEVICE,
            Party.DCC,
            device=device,
            detail={
                "use_case": use_case_name(message),
                "message": message.shape.value,
                "octets": len(octets),
                "message_octets": octets.hex(),
                "originator_counter": message.originator_counter,
                "verified": "signature" if message.signature else "MAC",
                "payload": message.payload.hex() if payload is None else payload_to_json(payload),
            },
        )


def _check_codes(payload: Payload | None) -> None:
    """Raise RemoteProtocolError for a code GBCS does not give: to the parser it is any INTEGER."""
    match payload:
        case ExecutionOutcome(activate_image_response_code=code):
            _check_code(ActivateImageResponseCode, code)
        case FutureDatedAlert(execution_outcome=ExecutionOutcome(activate_image_response_code=code)):
            _check_code(ActivateImageResponseCode, code)
        case ReadFirmwareVersionResponse(response_code=code):
            _check_code(ReadResponseCode, code)
        case PpmidFirmwareActivationAlert(activate_image_result=code):
            _check_code(ActivateImageResult, code)
        case FirmwareTransferAlert(response_code=code):
            _check_code(TransferResponseCode, code)
        case _:
            return


def _check_code(codes: type[IntEnum], value: int) -> None:
    if value not in set(codes):
        raise RemoteProtocolError(f"{value} is no {codes.__name__}")
