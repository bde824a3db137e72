"""Read a document of the DCC by the rules of the DUIS 5.4 schema, those kinds alone that hanota sends."""

from __future__ import annotations

from typing import Final

from hanota.duis import values
from hanota.duis.document import (
    XML_SIGNATURE,
    DocumentLimits,
    DuisError,
    ElementSequence,
    check_root,
    parse_document,
    path,
    text,
)
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse_dcc_alert import dcc_alert, pass_over_throttling
from hanota.duis.parse_inventory import inventory
from hanota.duis.request import ServiceReference
from hanota.duis.response import (
    WARNING_ELEMENTS,
    WARNING_LISTS,
    DccAlertMessage,
    DeviceAlertMessage,
    DspInventory,
    FutureDatedAlertCode,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseBody,
    ResponseContent,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.response_code import ResponseCode

_UNSIGNED_SHORT: Final = 0xFFFF


def parse_response(document: bytes, limits: DocumentLimits | None = None) -> Response:
    """Return the answer, response or alert in a document; raise DuisError.

    The XMLDSig signature may be there and is not checked; numbers of throttled alerts are passed over.
    """
    limits = limits or DocumentLimits()
    root = parse_document(document, limits)
    check_root(root, "Response")
    children = ElementSequence(root)
    header = ElementSequence(children.required("Header"))
    body = ElementSequence(children.required("Body"))
    children.optional("Signature", XML_SIGNATURE)
    children.end()
    request_id, response_id = header.optional("RequestID"), header.optional("ResponseID")
    response = Response(
        values.enumerated(header.required("ResponseCode"), ResponseCode),
        values.date_time(header.required("ResponseDateTime")),
        _body(body, limits),
        request_id=None if request_id is None else values.request_id(request_id),
        response_id=None if response_id is None else values.request_id(response_id),
    )
    header.end()
    body.end()
    return response


def _body(body: ElementSequence, limits: DocumentLimits) -> ResponseBody:
    if (message := body.optional("DeviceAlertMessage")) is not None:
        fields = ElementSequence(message)
        alert_code = values.alert_code(fields.required("AlertCode"))
        pass_over_throttling(fields)
        alert = DeviceAlertMessage(alert_code, values.base64(fields.required("GBCSPayload")))
        fields.end()
        return alert
    if (message := body.optional("DCCAlertMessage")) is not None:
        return DccAlertMessage(dcc_alert(message))
    return _response_message(ElementSequence(body.required("ResponseMessage")), limits)


def _response_message(fields: ElementSequence, limits: DocumentLimits) -> ResponseMessage:
    reference = _service_reference(fields)
    message = ResponseMessage(reference, _content(fields, reference, limits))
    fields.end()
    return message


def _service_reference(fields: ElementSequence) -> ServiceReference | OtherServiceReference:
    reference = text(fields.required("ServiceReference"))
    variant = text(fields.required("ServiceReferenceVariant"))
    if reference not in set(ServiceReference):
        return OtherServiceReference.of(reference, variant)
    if variant != reference:
        raise DuisError(f"ServiceReferenceVariant: expected {reference}, got {variant[:20]!r}")
    return ServiceReference(reference)


def _content(
    fields: ElementSequence, reference: ServiceReference | OtherServiceReference, limits: DocumentLimits
) -> ResponseContent | None:
    if (element := fields.optional("GBCSPayload")) is not None:
        return GbcsPayload(values.base64(element))
    if (element := fields.optional("PreCommand")) is not None:
        parts = ElementSequence(element)
        version = text(parts.required("GBCSVersion"))
        pre_command = PreCommand(version, values.base64(parts.required("GBCSPayload")))
        parts.end()
        return pre_command
    if (element := fields.optional("FutureDatedDeviceAlertMessage")) is not None:
        return _future_dated(ElementSequence(element))
    if (element := fields.optional("DSPInventory")) is not None:
        return DspInventory(inventory(element))
    warning = WARNING_ELEMENTS.get(reference)
    if warning is not None and (element := fields.optional(warning)) is not None:
        return _warning(ElementSequence(element), limits)
    return None


def _future_dated(fields: ElementSequence) -> FutureDatedDeviceAlertMessage:
    element = fields.required("FutureDatedAlertCode")
    code = values.alert_code(element)
    if code not in set(FutureDatedAlertCode):
        raise DuisError(f"{path(element)}: expected 8F66 or 8F67, got {code:04X}")
    message = FutureDatedDeviceAlertMessage(
        FutureDatedAlertCode(code),
        values.base64(fields.required("GBCSPayload")),
        values.unsigned(fields.required("InstructionNumber"), _UNSIGNED_SHORT),
        values.unsigned(fields.required("TotalCommandInstructions"), _UNSIGNED_SHORT),
    )
    fields.end()
    return message


def _warning(fields: ElementSequence, limits: DocumentLimits) -> UpdateFirmwareWarning:
    lists = {}
    for name, element_name in WARNING_LISTS.items():
        if (element := fields.optional(element_name)) is not None:
            lists[name] = values.device_ids(element, limits)
    fields.end()
    return UpdateFirmwareWarning(**lists)
