"""What devices say, believed only when it is verified: then it moves jobs and becomes alerts.

A message is believed only when all of this holds:

1. it parses, its originator is the device whose tunnel it came through (or the hub), and its signature or MAC
   is that device's;
2. a response answers a command that waits for one;
3. an alert's counter is higher than that of every alert of the device before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from hanota.dcc.counters import stored_counters
from hanota.errors import RemoteProtocolError, UnverifiableError, VerificationError
from hanota.gbcs.activate_firmware import (
    ActivateFirmwareCommand,
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
from hanota.hub.jobs import JobState, Trigger

if TYPE_CHECKING:
    from enum import IntEnum

    from hanota.dcc.exchange import Command, Exchange
    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.gbcs.usecases import Payload
    from hanota.hub.events import Json
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store

_ALERT_COUNTER: Final = "alert"
"""The highest counter of a device's alerts so far."""


class Incoming:
    """Takes every GBCS message that comes from the HAN."""

    def __init__(
        self, hub: Hub, exchange: Exchange, keystore: KeyStore, store: Store, journal: Journal
    ) -> None:
        self._hub, self._exchange, self._keystore = hub, exchange, keystore
        self._store, self._journal = store, journal

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
                self._alert(device, message, payload)
            else:
                self._response(device, message, payload, command)
        # After the commit: whoever waits, waits on where nothing could be stored.
        if command is not None:
            self._exchange.answered(command, message)

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

    # -- responses ---------------------------------------------------------------------------------------

    def _response(self, device: Eui64, message: Message, payload: Payload | None, command: Command) -> None:
        self._received(device, message)
        match payload:
            case ExecutionOutcome():
                outcome = self._executed(device, payload)
            case CommandAccepted():
                outcome = self._accepted(device, decode_command(command.message.payload))
            case ReadFirmwareVersionResponse():
                outcome = self._version_read(device, payload)
            case _:
                outcome = "received"
        self._returned(device, command, outcome, payload)

    def _version_read(self, device: Eui64, response: ReadFirmwareVersionResponse) -> str:
        """A device that runs the job's version has activated it, though its own word of that was lost."""
        code = ReadResponseCode(response.response_code)
        if code is ReadResponseCode.SUCCESS and self._runs_what_it_was_to_activate(
            device, response.firmware_version
        ):
            self._hub.settle_activation(device, response.firmware_version)
        return code.name.lower()

    def _runs_what_it_was_to_activate(self, device: Eui64, firmware_version: bytes) -> bool:
        job = self._hub.jobs.open_job(device)
        return (
            job is not None and job.state is JobState.ACTIVATING and firmware_version == job.firmware_version
        )

    def _accepted(self, device: Eui64, command: ActivateFirmwareCommand) -> str:
        if command.is_cancellation:
            self._hub.settle(device, Trigger.ACTIVATION_CANCELLED)
            return "commandAccepted: the future dated activation is cancelled"
        return "commandAccepted: the alert 00CA follows at the execution time"

    def _executed(self, device: Eui64, outcome: ExecutionOutcome) -> str:
        code = ActivateImageResponseCode(outcome.activate_image_response_code)
        match code:
            case ActivateImageResponseCode.SUCCESS:
                self._hub.settle_activation(device, outcome.firmware_version)
            case ActivateImageResponseCode.HASH_MISMATCH:
                self._hub.settle(device, Trigger.HASH_MISMATCH)
            case ActivateImageResponseCode.NO_IMAGE_HELD if self._runs_what_it_was_to_activate(
                device, outcome.firmware_version
            ):
                # The response to an earlier command was lost: nothing is held because it runs already.
                self._hub.settle_activation(device, outcome.firmware_version)
            case ActivateImageResponseCode.NO_IMAGE_HELD | ActivateImageResponseCode.ACTIVATION_FAILURE:
                self._hub.settle(device, Trigger.OUTCOME_FAILURE, f"CS06 outcome {code.name.lower()}")
            case _:
                assert_never(code)
        return code.name.lower()

    # -- alerts ------------------------------------------------------------------------------------------

    def _alert(self, device: Eui64, message: Message, payload: Payload | None) -> None:
        self._store.raise_counter(_ALERT_COUNTER, device, message.originator_counter)
        self._received(device, message)
        match payload:
            case FutureDatedAlert():
                outcome = self._executed(device, payload.execution_outcome)
                version = payload.execution_outcome.firmware_version
                self._told(EventKind.DEVICE_ALERT, device, payload.alert_code, outcome, version)
            case PpmidFirmwareActivationAlert():
                outcome = self._ppmid_activated(device, payload)
                self._told(
                    EventKind.DCC_ALERT,
                    device,
                    payload.alert_code,
                    outcome,
                    payload.firmware_version,
                    "PPMIDAlert",
                )
            case FirmwareTransferAlert():
                self._transferred(payload)
            case _:
                outcome = f"message code {message.message_code:04X}, of a use case hanota does not know"
                self._told(EventKind.DEVICE_ALERT, device, None, outcome, b"")

    def _ppmid_activated(self, device: Eui64, alert: PpmidFirmwareActivationAlert) -> str:
        if ActivateImageResult(alert.activate_image_result) is ActivateImageResult.SUCCESS:
            self._hub.settle_activation(device, alert.firmware_version)
            return "ActivationSuccess"
        self._hub.settle(device, Trigger.OUTCOME_FAILURE, "CS09: activation failed")
        return "ActivationFailure"

    def _transferred(self, alert: FirmwareTransferAlert) -> None:
        outcome = TransferResponseCode(alert.response_code).name.lower()
        self._told(
            EventKind.DCC_ALERT,
            alert.device,
            alert.alert_code,
            outcome,
            alert.firmware_version,
            "CommsHubAlert",
        )

    # -- the journal -------------------------------------------------------------------------------------

    def _received(self, device: Eui64, message: Message) -> None:
        payload = decode_payload(message)
        self._journal.record(
            EventKind.GBCS_RECEIVED,
            Party.HUB if device == self._hub.eui64 else Party.DEVICE,
            Party.DCC,
            device=device,
            detail={
                "use_case": use_case_name(message),
                "message": message.shape.value,
                "octets": len(message.encode()),
                "originator_counter": message.originator_counter,
                "verified": "signature" if message.signature else "MAC",
                "payload": message.payload.hex() if payload is None else payload_to_json(payload),
            },
        )

    def _returned(self, device: Eui64, command: Command, outcome: str, payload: Payload | None) -> None:
        match payload:
            case ExecutionOutcome() | ReadFirmwareVersionResponse():
                version = payload.firmware_version.hex().upper()
            case _:
                version = ""
        self._journal.record(
            EventKind.RESPONSE_RETURNED,
            Party.DCC,
            Party.SERVICE_USER,
            device=device,
            detail={
                "request_id": str(command.request_id),
                "service_reference": command.service_reference,
                "outcome": outcome,
                "firmware_version": version,
            },
        )

    def _told(
        self, kind: EventKind, device: Eui64, code: int | None, outcome: str, version: bytes, alert: str = ""
    ) -> None:
        detail: dict[str, Json] = {
            "alert": alert,
            "alert_code": "unknown" if code is None else f"{code:04X}",
            "outcome": outcome,
            "firmware_version": version.hex().upper(),
        }
        self._journal.record(kind, Party.DCC, Party.SERVICE_USER, device=device, detail=detail)


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
