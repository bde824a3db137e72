"""Use cases by message code: their names, who may send them, and how their payloads are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.gbcs import activate_firmware, alerts, der, device_log, read_firmware_version
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
)


@dataclass(frozen=True, slots=True)
class UseCase:
    """What GBCS says of the messages with one message code."""

    identifier: str
    """As in GBCS's list of use cases, such as CS06."""
    title: str
    critical: bool = False
    """Whether its messages are signed: categories SME.C.C and SME.A.C."""
    originator_role: RemotePartyRole | None = None
    """The remote party that may send the command; None where hanota does not know a rule."""
    han_only: bool = False
    """Category SME.C.PPMID-GSME: between two devices, no access control broker's MAC."""
    decoders: Mapping[Cra, Callable[[bytes], Payload]] = field(default_factory=dict)
    codes: Mapping[str, type[IntEnum]] = field(default_factory=dict)
    """The payload's fields whose numbers have names."""


USE_CASES: Final[Mapping[int, UseCase]] = {
    device_log.ADD_DEVICE_MESSAGE_CODE: UseCase(
        "CCS01",
        "Add Device to CHF Device Log",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: device_log.decode_add_command,
            Cra.RESPONSE: device_log.decode_add_response,
        },
        codes={"registerDevice": device_log.AccessResult},
    ),
    device_log.REMOVE_DEVICE_MESSAGE_CODE: UseCase(
        "CCS02",
        "Remove Device from CHF Device Log",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: device_log.decode_remove_command,
            Cra.RESPONSE: device_log.decode_remove_response,
        },
        codes={"unregisterDevice": device_log.AccessResult},
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
        codes={"activateImageResponseCode": activate_firmware.ActivateImageResponseCode},
    ),
    0x0018: UseCase("CS14", "Device Addition To / Removal From HAN Whitelist Alerts"),
    0x0090: UseCase("PCS02", "Activate Emergency Credit on GSME from PPMID", han_only=True),
    0x009B: UseCase("PCS01", "Apply Prepayment Top Up to a GSME using PPMID", han_only=True),
    activate_firmware.ALERT_MESSAGE_CODE: UseCase(
        "CS06",
        "Activate Firmware, future dated outcome",
        critical=True,
        decoders={Cra.ALERT: activate_firmware.decode_alert},
        codes={"activateImageResponseCode": activate_firmware.ActivateImageResponseCode},
    ),
    alerts.FIRMWARE_TRANSFER_MESSAGE_CODE: UseCase(
        "CCS08",
        "Firmware Transfer Alert",
        critical=True,
        decoders={Cra.ALERT: alerts.decode_firmware_transfer},
        codes={"responseCode": alerts.TransferResponseCode},
    ),
    read_firmware_version.MESSAGE_CODE: UseCase(
        "CS08",
        "Read PPMID/HCALCS Firmware Version",
        originator_role=RemotePartyRole.ACCESS_CONTROL_BROKER,
        decoders={
            Cra.COMMAND: read_firmware_version.decode_command,
            Cra.RESPONSE: read_firmware_version.decode_response,
        },
        codes={"responseCode": read_firmware_version.ReadResponseCode},
    ),
    alerts.PPMID_ACTIVATION_MESSAGE_CODE: UseCase(
        "CS09",
        "PPMID Firmware Activation Alert",
        critical=True,
        decoders={Cra.ALERT: alerts.decode_ppmid_activation},
        codes={"activateImageResult": alerts.ActivateImageResult},
    ),
}
"""The use cases hanota knows, by message code (GBCS 4.x as RTDS 4.5.0 uses it)."""


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
    """Return the use case's identifier, or the message code where hanota does not know it."""
    use_case = USE_CASES.get(message.message_code)
    return use_case.identifier if use_case else f"{message.message_code:04X}"
