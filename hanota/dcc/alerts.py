"""Verified alerts of devices and of the hub: what they do, and in which words which user hears of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    PpmidAlert,
    PpmidFirmwareUpgradeAlert,
)
from hanota.duis.dcc_alert import FirmwareTransferAlert as DuisTransferAlert
from hanota.duis.dcc_alert import TransferResponseCode as DuisTransferCode
from hanota.duis.document import DuisError
from hanota.duis.request import RequestId, ServiceReference
from hanota.gbcs.activate_firmware import MESSAGE_CODE as ACTIVATE_FIRMWARE
from hanota.gbcs.activate_firmware import FutureDatedAlert, decode_command
from hanota.gbcs.alerts import (
    ActivateImageResult,
    FirmwareTransferAlert,
    PpmidFirmwareActivationAlert,
    TransferResponseCode,
)
from hanota.gbcs.meter_alerts import CommandNotSupported, alert_code
from hanota.gbcs.usecases import use_case_title
from hanota.hub.jobs import Trigger

if TYPE_CHECKING:
    from hanota.dcc.exchange import Exchange
    from hanota.dcc.outcomes import Outcomes
    from hanota.dcc.responses import Responses
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message
    from hanota.gbcs.usecases import Payload
    from hanota.hub.hub import Hub
    from hanota.hub.ports import Store

_TRANSFER_CODES: Final = {
    TransferResponseCode.SUCCESS: DuisTransferCode.FILE_TRANSFER_SUCCESS,
    TransferResponseCode.IMAGE_DISCARDED: DuisTransferCode.FIRMWARE_IMAGE_DISCARDED,
    TransferResponseCode.HARDWARE_VERSION_MISMATCH: DuisTransferCode.HARDWARE_VERSION_MISMATCH,
    TransferResponseCode.FILE_TRANSFER_FAILURE: DuisTransferCode.FILE_TRANSFER_FAILURE,
}
_ACTIVATION_CODES: Final = {
    ActivateImageResult.SUCCESS: ActivateImageResultCode.ACTIVATION_SUCCESS,
    ActivateImageResult.FAILURE: ActivateImageResultCode.ACTIVATION_FAILURE,
}


class Alerts:
    """Acts on alerts; CCS08 and CS09 go to the broker, so their user is the one whose job it was."""

    def __init__(
        self,
        dcc: Eui64,
        hub: Hub,
        exchange: Exchange,
        outcomes: Outcomes,
        responses: Responses,
        store: Store,
    ) -> None:
        self._dcc, self._hub, self._exchange, self._outcomes = dcc, hub, exchange, outcomes
        self._responses, self._store = responses, store

    def take(self, device: Eui64, message: Message, octets: bytes, payload: Payload | None) -> None:
        """Act on one verified alert, in the transaction under way."""
        match payload:
            case FutureDatedAlert():
                self._future_dated(device, message, octets, payload)
            case PpmidFirmwareActivationAlert():
                self._ppmid_activated(device, payload)
            case FirmwareTransferAlert():
                self._transferred(payload)
            case CommandNotSupported():
                self._other(device, message, octets)
                self._not_supported(device, payload)
            case _:
                self._other(device, message, octets)

    def _future_dated(self, device: Eui64, message: Message, octets: bytes, alert: FutureDatedAlert) -> None:
        outcome = self._outcomes.executed(device, alert.execution_outcome)
        command = self._exchange.outcome_of(device, message.recipient, alert.originator_counter)
        # The RequestID of a CS06 has its parties and its Originator Counter: it is known after all.
        request_id = RequestId(message.recipient, device, alert.originator_counter)
        self._responses.future_dated_outcome(
            request_id if command is None else command.request_id,
            ServiceReference.ACTIVATE_FIRMWARE,
            alert.alert_code,
            octets,
            outcome,
            alert.execution_outcome.firmware_version.hex().upper(),
        )

    def _ppmid_activated(self, device: Eui64, payload: PpmidFirmwareActivationAlert) -> None:
        request_id = self._request_of(device)
        code = _ACTIVATION_CODES[self._outcomes.ppmid_activated(device, payload)]
        version = payload.firmware_version.hex().upper()
        alert = PpmidAlert(
            device,
            payload.alert_code,
            PpmidFirmwareUpgradeAlert(version, code),
            payload.activation_date_time.as_datetime(),
        )
        user = None if request_id is None else request_id.originator
        self._responses.dcc_alert(device, user, alert, payload.alert_code, str(code), version)

    def _transferred(self, payload: FirmwareTransferAlert) -> None:
        device, code = payload.device, TransferResponseCode(payload.response_code)
        request_id = self._request_of(device)
        version = payload.firmware_version.hex().upper()
        alert = CommsHubAlert(
            self._hub.eui64,
            payload.alert_code,
            DuisTransferAlert(device, version, _TRANSFER_CODES[code], request_id),
            payload.date.as_datetime(),
        )
        user = None if request_id is None else request_id.originator
        self._responses.dcc_alert(device, user, alert, payload.alert_code, code.name.lower(), version)

    def _not_supported(self, device: Eui64, alert: CommandNotSupported) -> None:
        """End the command that waits for a response in vain, and its job where it was to activate."""
        command = self._exchange.not_supported(device, alert.message_code, alert.originator_counter)
        if command is None or alert.message_code != ACTIVATE_FIRMWARE:
            return
        # A cancellation that is not carried out leaves the activation it was to cancel.
        if not decode_command(command.message.payload).is_cancellation:
            reason = "the device does not support CS06 (alert ECS100)"
            self._hub.settle(device, Trigger.OUTCOME_FAILURE, reason)

    def _other(self, device: Eui64, message: Message, octets: bytes) -> None:
        """Pass on to its recipient; where that is the broker, to the user named or else of the last job."""
        user: Eui64 | None = message.recipient
        if user == self._dcc:
            request_id = self._request_of(device)
            last = None if request_id is None else request_id.originator
            user = message.supplementary_remote_party or last
        self._responses.device_alert(
            device, user, message.originator_counter, alert_code(message), octets, use_case_title(message)
        )

    def _request_of(self, device: Eui64) -> RequestId | None:
        """Return the RequestID of the device's newest job, None where it has none of a service user."""
        for job in reversed(self._store.jobs(device=device)):
            try:
                return RequestId.parse(job.request_id)
            except DuisError:
                return None
        return None
