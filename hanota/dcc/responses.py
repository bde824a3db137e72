"""What service users are told later: responses, device and DCC alerts, journalled and queued at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.dcc.counters import next_counter
from hanota.duis.request import RequestId
from hanota.duis.response import (
    DccAlertMessage,
    DeviceAlertMessage,
    FutureDatedAlertCode,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    Response,
    ResponseMessage,
)
from hanota.duis.response_code import ResponseCode
from hanota.hub.events import EventKind, Party
from hanota.timestamps import utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hanota.clock import Clock
    from hanota.dcc.outbox import Outbox
    from hanota.duis.dcc_alert import DccAlert
    from hanota.duis.request import ServiceReference
    from hanota.duis.response import ResponseContent
    from hanota.eui64 import Eui64
    from hanota.hub.events import Json
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store

_ALERT_COUNTER: Final = "DCC alert"
"""The counter at the end of the ResponseID of the DCC's own alerts."""


class Responses:
    """Tells service users; each call belongs into the transaction of what it tells of."""

    def __init__(self, dcc: Eui64, outbox: Outbox, store: Store, journal: Journal, clock: Clock) -> None:
        self._dcc, self._outbox, self._store = dcc, outbox, store
        self._journal, self._clock = journal, clock

    def response(
        self,
        request_id: RequestId,
        reference: ServiceReference,
        octets: bytes,
        outcome: str,
        firmware_version: str = "",
    ) -> None:
        """Give a device's response to the user who asked for it."""
        self._record_response(request_id, reference, outcome, {"firmware_version": firmware_version})
        self._put_response(ResponseCode.I0, request_id, reference, GbcsPayload(octets))

    def no_response(
        self, request_id: RequestId, reference: ServiceReference, code: ResponseCode, reason: str
    ) -> None:
        """Tell that a request ends without the device's response."""
        detail = {"response_code": str(code)}
        self._record_response(request_id, reference, f"no response: {reason}", detail)
        self._put_response(code, request_id, reference, None)

    def future_dated_outcome(
        self,
        request_id: RequestId,
        reference: ServiceReference,
        alert_code: int,
        octets: bytes,
        outcome: str,
        firmware_version: str,
    ) -> None:
        """Tell how a future dated command ended: the alert 00CA of its device."""
        device = request_id.target
        self._record_alert(EventKind.DEVICE_ALERT, device, alert_code, outcome, firmware_version)
        if alert_code in set(FutureDatedAlertCode):
            content = FutureDatedDeviceAlertMessage(FutureDatedAlertCode(alert_code), octets)
            self._put_response(ResponseCode.I0, request_id, reference, content)

    def device_alert(
        self,
        device: Eui64,
        user: Eui64 | None,
        counter: int,
        alert_code: int | None,
        octets: bytes,
        outcome: str,
    ) -> None:
        """Pass on an alert as it came."""
        self._record_alert(EventKind.DEVICE_ALERT, device, alert_code, outcome)
        if user is not None and alert_code is not None:
            message = DeviceAlertMessage(alert_code, octets)
            self._outbox.put(
                user,
                Response(ResponseCode.I0, self._now(), message, response_id=RequestId(device, user, counter)),
            )

    def dcc_alert(
        self,
        device: Eui64,
        user: Eui64 | None,
        alert: DccAlert,
        alert_code: int | None,
        outcome: str,
        firmware_version: str,
    ) -> None:
        """Tell what the DCC says by itself of `device`."""
        name = alert.body_element
        told = {"alert": name, "dcc_alert_code": str(alert.dcc_alert_code)}
        self._record_alert(EventKind.DCC_ALERT, device, alert_code, outcome, firmware_version, told)
        if user is not None:
            counter = next_counter(self._store, _ALERT_COUNTER, self._dcc)
            self._outbox.put(
                user,
                Response(
                    ResponseCode.I0,
                    self._now(),
                    DccAlertMessage(alert),
                    response_id=RequestId(self._dcc, user, counter),
                ),
            )

    def _put_response(
        self,
        code: ResponseCode,
        request_id: RequestId,
        reference: ServiceReference,
        content: ResponseContent | None,
    ) -> None:
        response_id = RequestId(request_id.target, request_id.originator, request_id.counter)
        body = ResponseMessage(reference, content)
        self._outbox.put(
            request_id.originator, Response(code, self._now(), body, request_id, response_id=response_id)
        )

    def _now(self) -> datetime:
        return utc(self._clock.now())

    def _record_response(
        self, request_id: RequestId, reference: ServiceReference, outcome: str, detail: dict[str, str]
    ) -> None:
        self._journal.record(
            EventKind.RESPONSE_RETURNED,
            Party.DCC,
            Party.SERVICE_USER,
            device=request_id.target,
            detail={
                "request_id": str(request_id),
                "service_reference": str(reference),
                "outcome": outcome,
                **detail,
            },
        )

    def _record_alert(
        self,
        kind: EventKind,
        device: Eui64,
        code: int | None,
        outcome: str,
        firmware_version: str = "",
        dcc_alert: Mapping[str, Json] | None = None,
    ) -> None:
        detail: dict[str, Json] = {**(dcc_alert or {}), "outcome": outcome}
        if code is not None or dcc_alert is None:
            detail["alert_code"] = "unknown" if code is None else f"{code:04X}"
        if firmware_version:
            detail["firmware_version"] = firmware_version
        self._journal.record(kind, Party.DCC, Party.SERVICE_USER, device=device, detail=detail)
