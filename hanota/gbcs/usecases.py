"""Use cases by message code: their names, who may send them, and how their payloads are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.gbcs import activate_firmware, alerts, der, device_log, meter_alerts, read_firmware_version
from hanota.gbcs.activate_firmware import (
    ActivateFirmwareCommand,
    CommandAccepted,
    ExecutionOutcome,
    FutureDatedAlert,
)
from hanota.gbcs.alerts import FirmwareTransferAlert, PpmidFirmwareActivationAlert
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.device_log import AddDevice, AddDeviceResponse, RemoveDevice, RemoveDeviceResponse
from hanota.gbcs.message import Cra
from hanota.gbcs.meter_alerts import CommandNotSupported, FirmwareDistributionReceipt
from hanota.gbcs.other_use_cases import OTHER_USE_CASES
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionCommand, ReadFirmwareVersionResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import IntEnum

    from hanota.gbcs.message import Message

Payload = (
    ActivateFirmwareCommand
    | CommandAccepted
    | ExecutionOutcome
    | FutureDatedAlert
    | ReadFirmwareVersionCommand
    | ReadFirmwareVersionResponse
    | FirmwareTransferAlert
    | PpmidFirmwareActivationAlert
    | AddDevice
    | RemoveDevice
    | AddDeviceResponse
    | RemoveDeviceResponse
    | FirmwareDistributionReceipt
    | CommandNotSupported
)


@dataclass(frozen=True, slots=True)
class UseCase:
    """What GBCS says of the messages with one message code."""

    identifier: str | None
    """As in GBCS's list of use cases, such as CS06; None for an alert that belongs to no one use case."""
    title: str
    critical: bool = False
    """Whether its messages are signed: categories SME.C.C and SME.A.C."""
    originator_role: RemotePartyRole | None = None
    """The remote party that may send the command; None where hanota does not know a rule."""
    han_only: bool = False
    """Category SME.C.PPMID-GSME: between two devices, no access control broker's MAC."""
    decoders: Mapping[Cra, Callable[[bytes], Payload | None]] = field(default_factory=dict)
    codes: Mapping[Cra, Mapping[str, type[IntEnum]]] = field(default_factory=dict)
    """The payload's fields whose numbers have names."""


_OWN_USE_CASES: Final = {
    device_log.ADD_DEVICE_MESSAGE_CODE: UseCase(
        "CCS01",
        "Add Device to CHF Device Log",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: device_log.decode_add_command,
            Cra.RESPONSE: device_log.decode_add_response,
        },
        codes={
            Cra.RESPONSE: dict.fromkeys(
                ("registerDevice", "joinTimeout", "enableDisableJoining"), device_log.AccessResult
            )
        },
    ),
    device_log.REMOVE_DEVICE_MESSAGE_CODE: UseCase(
        "CCS02",
        "Remove Device from CHF Device Log",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: device_log.decode_remove_command,
            Cra.RESPONSE: device_log.decode_remove_response,
        },
        codes={Cra.RESPONSE: {"unregisterDevice": device_log.AccessResult}},
    ),
    activate_firmware.MESSAGE_CODE: UseCase(
        "CS06",
        "Activate Firmware",
        critical=True,
        originator_role=RemotePartyRole.SUPPLIER,
        decoders={
            Cra.COMMAND: activate_firmware.decode_command,
            Cra.RESPONSE: activate_firmware.decode_response,
        },
        codes={
            Cra.RESPONSE: {"activateImageResponseCode": activate_firmware.ActivateImageResponseCode},
        },
    ),
    0x0018: UseCase("CS14", "Device Addition To / Removal From HAN Whitelist Alerts"),
    0x0090: UseCase("PCS02", "Activate Emergency Credit on GSME from PPMID", han_only=True),
    0x009B: UseCase("PCS01", "Apply Prepayment Top Up to a GSME using PPMID", han_only=True),
    activate_firmware.ALERT_MESSAGE_CODE: UseCase(
        "CS06",
        "Activate Firmware, future dated outcome",
        critical=True,
        decoders={Cra.ALERT: activate_firmware.decode_alert},
        codes={Cra.ALERT: {"activateImageResponseCode": activate_firmware.ActivateImageResponseCode}},
    ),
    meter_alerts.DLMS_RECEIPT_MESSAGE_CODE: UseCase(
        None,
        "Firmware Distribution Receipt Alert (ESME)",
        critical=True,
        decoders={Cra.ALERT: meter_alerts.decode_dlms_receipt},
    ),
    meter_alerts.GBZ_RECEIPT_MESSAGE_CODE: UseCase(
        None,
        "Firmware Distribution Receipt Alert (GSME)",
        critical=True,
        decoders={Cra.ALERT: meter_alerts.decode_gbz_receipt},
    ),
    meter_alerts.NOT_SUPPORTED_MESSAGE_CODE: UseCase(
        "ECS100",
        "Command not supported by Device",
        decoders={Cra.ALERT: meter_alerts.decode_not_supported},
    ),
    alerts.FIRMWARE_TRANSFER_MESSAGE_CODE: UseCase(
        "CCS08",
        "Firmware Transfer Alert",
        critical=True,
        decoders={Cra.ALERT: alerts.decode_firmware_transfer},
        codes={Cra.ALERT: {"responseCode": alerts.TransferResponseCode}},
    ),
    read_firmware_version.MESSAGE_CODE: UseCase(
        "CS08",
        "Read PPMID/HCALCS Firmware Version",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: read_firmware_version.decode_command,
            Cra.RESPONSE: read_firmware_version.decode_response,
        },
        codes={Cra.RESPONSE: {"responseCode": read_firmware_version.ReadResponseCode}},
    ),
    alerts.PPMID_ACTIVATION_MESSAGE_CODE: UseCase(
        "CS09",
        "PPMID Firmware Activation Alert",
        critical=True,
        decoders={Cra.ALERT: alerts.decode_ppmid_activation},
        codes={Cra.ALERT: {"activateImageResult": alerts.ActivateImageResult}},
    ),
}
"""The use cases of firmware and of the CHF Device Log, and others of which more than the name is known."""

USE_CASES: Final[Mapping[int, UseCase]] = {
    **{code: UseCase(identifier, title) for code, (identifier, title) in OTHER_USE_CASES.items()},
    **_OWN_USE_CASES,
}
"""Use cases by message code (GBCS 4.x as RTDS 4.5.0 uses it)."""


def decode_payload(message: Message) -> Payload | None:
    """Return the payload's fields, None where hanota has no layout for it; raise RemoteProtocolError."""
    use_case = USE_CASES.get(message.message_code)
    decoder = use_case.decoders.get(message.cra) if use_case else None
    return decoder(message.payload) if decoder else None


def payload_to_json(payload: Payload) -> der.Json:
    """Return a payload by its ASN.1 names (X.697): a NULL is null, a CHOICE an object of its alternative.

    One in DLMS goes by the names of its object's methods and attributes, and without the install code.
    """
    match payload:
        case ReadFirmwareVersionCommand():
            return None
        case CommandAccepted():
            return {"commandAccepted": None}
        case ExecutionOutcome():
            return {"executionOutcome": der.to_json(payload)}
        case AddDevice():
            # Without the key: what is decoded gets into logs, and an install code admits to the HAN.
            return {
                "registerDevice": {
                    "ieeeAddress": payload.ieee_address.hex(),
                    "keyType": "install code",
                    "key": f"not shown, {len(payload.key)} octets",
                    "deviceType": payload.device_type,
                },
                "joinTimeout": payload.join_timeout,
                "enableDisableJoining": True,
            }
        case RemoveDevice():
            return {"unregisterDevice": {"ieeeAddress": payload.ieee_address.hex()}}
        case AddDeviceResponse():
            return {
                "registerDevice": payload.register_device,
                "joinTimeout": payload.join_timeout,
                "enableDisableJoining": payload.enable_disable_joining,
            }
        case RemoveDeviceResponse():
            return {"unregisterDevice": payload.unregister_device}
        case _:
            return der.to_json(payload)


def may_be_shown(message: Message) -> bool:
    """Tell whether a message's octets may stand in a log: those of a CCS01 command have an install code."""
    return (message.message_code, message.cra) != (device_log.ADD_DEVICE_MESSAGE_CODE, Cra.COMMAND)


def use_case_name(message: Message) -> str:
    """Return the use case's identifier, or the message code where there is none."""
    use_case = USE_CASES.get(message.message_code)
    return (use_case and use_case.identifier) or f"{message.message_code:04X}"


def use_case_title(message: Message) -> str:
    """Return message code, identifier and title, as far as hanota knows them."""
    use_case = USE_CASES.get(message.message_code)
    if use_case is None:
        return f"{message.message_code:04X} a use case hanota does not know"
    return " ".join(filter(None, (f"{message.message_code:04X}", use_case.identifier, use_case.title)))
