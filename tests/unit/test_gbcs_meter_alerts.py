"""Alerts in DLMS and GBZ: of a meter's stack, read for what they say of firmware and of commands."""

from __future__ import annotations

import pytest

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs import cosem
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.meter_alerts import CommandNotSupported, FirmwareDistributionReceipt, alert_code
from hanota.gbcs.usecases import Payload, decode_payload, payload_to_json, use_case_name, use_case_title

DEVICE = Eui64.parse("00-0D-6F-00-0A-00-00-01")
SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
HASH = bytes(range(32))
NEW_YEAR = "07df 01 01 ff 00 00 00 00 8000 ff"
DLMS_RECEIPT = f"0f 20000fa0 00 0203 12 8f72 090c {NEW_YEAR} 0920 {HASH.hex()}"
GBZ_RECEIPT = f"0109 01 8f1c {473_385_600:08x} 0920 {HASH.hex()}"
NOT_SUPPORTED = f"0f 20000fa0 00 0203 12 8f85 090c {NEW_YEAR} 090a 0012 00000000000186a0"


def alert(message_code: int, payload: str) -> Message:
    return Message(
        cra=Cra.ALERT,
        originator_counter=4000,
        originator=DEVICE,
        recipient=SUPPLIER,
        message_code=message_code,
        payload=bytes.fromhex(payload),
    )


def payload_of(message_code: int, payload: str) -> Payload | None:
    return decode_payload(alert(message_code, payload))


@pytest.mark.parametrize(
    ("message_code", "payload", "code"), [(0x00CE, DLMS_RECEIPT, 0x8F72), (0x00CF, GBZ_RECEIPT, 0x8F1C)]
)
def test_a_receipt_alert_tells_the_outcome_and_the_hash(message_code: int, payload: str, code: int) -> None:
    receipt = payload_of(message_code, payload)

    assert isinstance(receipt, FirmwareDistributionReceipt)
    assert payload_to_json(receipt) == {
        "alertCode": code,
        "timeStamp": "20150101000000Z",
        "calculatedManufacturerImageHash": HASH.hex(),
    }


def test_a_device_names_the_command_it_does_not_support() -> None:
    told = payload_of(0x0120, NOT_SUPPORTED)

    assert isinstance(told, CommandNotSupported)
    assert (told.alert_code, told.message_code, told.originator_counter) == (0x8F85, 0x0012, 100_000)
    assert use_case_name(alert(0x0120, NOT_SUPPORTED)) == "ECS100"


def test_an_alert_of_a_form_nobody_knows_is_passed_over_and_not_refused() -> None:
    assert payload_of(0x0120, "0109 01 8f85 1c377f80 0012") is None
    assert alert_code(alert(0x0120, "0109 01 8f85 1c377f80 0012")) == 0x8F85


@pytest.mark.parametrize(
    ("message_code", "payload"),
    [
        (0x00CE, DLMS_RECEIPT[:-2]),
        (0x00CE, DLMS_RECEIPT + "00"),
        (0x00CE, DLMS_RECEIPT.replace("0203", "0204")),
        (0x00CE, DLMS_RECEIPT.replace("0920", "0921")),
        (0x00CE, GBZ_RECEIPT),
        (0x00CF, GBZ_RECEIPT[:-2]),
        (0x00CF, GBZ_RECEIPT + "00"),
        (0x00CF, DLMS_RECEIPT),
        (0x0120, NOT_SUPPORTED[:-2]),
        (0x0120, NOT_SUPPORTED + "00"),
        (0x0120, NOT_SUPPORTED.replace("090a", "090b")),
    ],
)
def test_what_is_cut_short_or_too_long_is_refused(message_code: int, payload: str) -> None:
    with pytest.raises(RemoteProtocolError):
        payload_of(message_code, payload)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (NEW_YEAR, "20150101000000Z"),
        ("07ea 0b 15 06 11 1e 3b ff 0000 00", "20261121173059Z"),
        ("0001 01 01 ff 00 00 00 00 8000 ff", "00010101000000Z"),
        ("ffff ff ff ff ff ff ff ff 8000 ff", "ffffffffffffffffff8000ff"),
        ("07df 02 1e ff 00 00 00 00 8000 ff", "07df021eff000000008000ff"),
        ("07df 01 01 ff 00 00 00 32 8000 ff", "07df0101ff000000328000ff"),
        ("07df 01 01 ff 00 00 00 00 003c ff", "07df0101ff00000000003cff"),
        ("00" * 9 + "8000ff", "00" * 9 + "8000ff"),
    ],
)
def test_a_date_time_is_a_time_only_where_it_is_one_in_utc(octets: str, said: str) -> None:
    assert cosem.text(bytes.fromhex(octets)) == said


@pytest.mark.parametrize(
    ("message_code", "name", "title"),
    [
        (0x0059, "ECS52", "0059 ECS52 Read ESME/SAPC/Comms Hub Firmware Version"),
        (0x0102, "CS02b", "0102 CS02b Update Security Credentials (supplier by supplier)"),
        (0x00CC, "00CC", "00CC Future dated outcome, DLMS"),
        (0x00CE, "00CE", "00CE Firmware Distribution Receipt Alert (ESME)"),
        (0x7777, "7777", "7777 a use case hanota does not know"),
    ],
)
def test_a_message_of_another_use_case_is_called_by_its_name(
    message_code: int, name: str, title: str
) -> None:
    message = alert(message_code, DLMS_RECEIPT)
    assert (use_case_name(message), use_case_title(message)) == (name, title)
