"""Parties, images and messages of the tests of hub and DCC: who takes part, with keys of a lab CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.eui64 import Eui64
from hanota.gbcs.activate_firmware import (
    ActivateImageResponseCode,
    ExecutionOutcome,
    activate_firmware_response,
)
from hanota.gbcs.alerts import ActivateImageResult, ppmid_activation_alert
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Message
from hanota.hub.jobs import JobKind
from hanota.ota.build import build_ppmid_image, build_signed_image
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.ota.signature import supplier_signer

if TYPE_CHECKING:
    from hanota.gbcs.certificates import Credentials
    from hanota.ota.image import OtaFile


EPOCH = 1_800_000_000.0
_CA = LabCa(EPOCH, seed=b"hub tests")
SUPPLIER = _CA.issue_organisation(Eui64(b"supplier"), RemotePartyRole.SUPPLIER, "Supplier")
OTHER_SUPPLIER = _CA.issue_organisation(Eui64(b"supplie2"), RemotePartyRole.SUPPLIER, "Other supplier")
BROKER = _CA.issue_organisation(Eui64(b"ac-broke"), RemotePartyRole.ACCESS_CONTROL_BROKER, "ACB")
HUB = _CA.issue_device(Eui64(b"comms-hb"))
PPMID = _CA.issue_device(Eui64(b"ppmid--1"))
HCALCS = _CA.issue_device(Eui64(b"hcalcs-1"))
NEIGHBOUR = _CA.issue_device(Eui64(b"hcalcs-2"))
"""A second HCALCS in the same Device Log."""
STRANGER = _CA.issue_device(Eui64(b"stranger"))
"""A device that no Device Log names."""

MANUFACTURER = 0x121D
OLD_VERSION, NEW_VERSION = 0x0100_0000, 0x0100_0001
HARDWARE = HardwareVersions(1, 5)


def header(kind: JobKind, version: int = NEW_VERSION, destination: Eui64 | None = None) -> OtaHeader:
    image_type = IMAGE_TYPE_PPMID if kind is JobKind.PPMID else IMAGE_TYPE_HCALCS
    return OtaHeader(
        MANUFACTURER,
        image_type,
        version,
        hardware_versions=HARDWARE,
        upgrade_file_destination=destination,
    )


def image(
    kind: JobKind, version: int = NEW_VERSION, size: int = 200, destination: Eui64 | None = None
) -> OtaFile:
    """Return an Upgrade Image of `kind`, its Manufacturer Image made of `size` octets."""
    octets = bytes((version + index) & 0xFF for index in range(size))
    if kind is JobKind.PPMID:
        return build_ppmid_image(header(kind, version, destination), octets)
    return build_signed_image(
        header(kind, version, destination), octets, supplier_signer(SUPPLIER.signing_key)
    )


PPMID_IMAGE = image(JobKind.PPMID)
HCALCS_IMAGE = image(JobKind.HCALCS)


def hub_trust() -> KeyStore:
    """Return what the hub holds of others: the broker's certificates."""
    keys = KeyStore()
    keys.add_public(BROKER)
    return keys


def dcc_keys() -> KeyStore:
    """Return what the DCC holds: the broker's own keys and everybody's certificates."""
    keys = KeyStore()
    keys.add(BROKER)
    for party in (SUPPLIER, OTHER_SUPPLIER, HUB, PPMID, HCALCS, NEIGHBOUR):
        keys.add_public(party)
    return keys


def outcome(
    command: Message | bytes,
    code: ActivateImageResponseCode = ActivateImageResponseCode.SUCCESS,
    version: int = NEW_VERSION,
    by: Credentials = HCALCS,
) -> Message:
    """Return the CS06 response of the device `by` to `command`."""
    message = Message.decode(command) if isinstance(command, bytes) else command
    payload = ExecutionOutcome(activate_image_response_code=code, firmware_version=version.to_bytes(4, "big"))
    return sign(activate_firmware_response(message, payload, EPOCH), by.signing_key)


def activation_alert(
    counter: int = 1,
    version: int = NEW_VERSION,
    result: ActivateImageResult = ActivateImageResult.SUCCESS,
    by: Credentials = PPMID,
) -> Message:
    """Return the CS09 alert of the PPMID `by`."""
    alert = ppmid_activation_alert(
        by.eui64,
        BROKER.eui64,
        counter,
        firmware_version=version.to_bytes(4, "big"),
        result=result,
        now=EPOCH,
    )
    return sign(alert, by.signing_key)


def with_device_mac(message: Message, by: Credentials) -> Message:
    """Return a response with the MAC of the device `by` for the broker."""
    return protect(message, by.agreement_key, BROKER.agreement_certificate.public_key)
