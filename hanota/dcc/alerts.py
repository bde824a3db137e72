"""Verified alerts of devices and of the hub: what they do, and in which words which user hears of them."""

from __future__ import annotations

import re
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
from hanota.duis.values import ALERT_CODE_SIZE
from hanota.gbcs.activate_firmware import FutureDatedAlert
from hanota.gbcs.alerts import (
    ActivateImageResult,
    FirmwareTransferAlert,
    PpmidFirmwareActivationAlert,
    TransferResponseCode,
)

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

_ALERT_CODE_PLACES: Final = {0x00CE: 9, 0x00CF: 3}
"""Where the Alert Code is in the firmware distribution receipt alerts: DLMS and GBZ have no INTEGER."""
_FIRST_INTEGER: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02(?:\x02|\x03\x00)([\x00-\xff]{2})", re.DOTALL
)
"""A SEQUENCE whose first member is an INTEGER of 16 bits."""


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

    def _other(self, device: Eui64, message: Message, octets: bytes) -> None:
        """Pass on to its recipient, or where that is the broker to the user of the device's last job."""
        request_id = self._request_of(device)
        user: Eui64 | None = message.recipient
        if user == self._dcc:
            user = None if request_id is None else request_id.originator
        outcome = f"message code {message.message_code:04X}, of a use case hanota does not know"
        self._responses.device_alert(
            device, user, message.originator_counter, alert_code(message), octets, outcome
        )

    def _request_of(self, device: Eui64) -> RequestId | None:
        """Return the RequestID of the device's newest job, None where it has none of a service user."""
        for job in reversed(self._store.jobs(device=device)):
            try:
                return RequestId.parse(job.request_id)
            except DuisError:
                return None
        return None


def alert_code(message: Message) -> int | None:
    """Return the Alert Code of an alert of another use case, None where it is not to be found.

    It is the first INTEGER of a SEQUENCE in DER (GBCS Annex 3), or at its place in the firmware alerts of
    meters (RTDS 4.5.0).
    """
    payload = message.payload
    if (place := _ALERT_CODE_PLACES.get(message.message_code)) is not None:
        code = payload[place : place + ALERT_CODE_SIZE]
        return int.from_bytes(code, "big") if len(code) == ALERT_CODE_SIZE else None
    found = _FIRST_INTEGER.match(payload)
    return None if found is None else int.from_bytes(found[1], "big")
