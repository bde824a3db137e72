"""Every payload of every use case survives its message; no octets make a reader raise but its own error."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat import asn1
from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs import cosem, der, device_log
from hanota.gbcs.activate_firmware import (
    ActivateFirmwareCommand,
    CommandAccepted,
    ExecutionOutcome,
    FutureDatedAlert,
    activate_firmware_precommand,
)
from hanota.gbcs.alerts import FirmwareTransferAlert, PpmidFirmwareActivationAlert
from hanota.gbcs.device_log import AddDevice, AddDeviceResponse, RemoveDevice, RemoveDeviceResponse
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.meter_alerts import alert_code
from hanota.gbcs.octets import MAXIMUM_LENGTH, Reader, encode_length
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionCommand, ReadFirmwareVersionResponse
from hanota.gbcs.usecases import USE_CASES, Payload, decode_payload, payload_to_json

if TYPE_CHECKING:
    from collections.abc import Callable

NULL = b"\x05\x00"
euis = st.binary(min_size=8, max_size=8).map(Eui64)
integers = st.integers(0, 2**63 - 1)
versions = st.binary(min_size=4, max_size=4)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(  # noqa: DTZ001
    lambda moment: asn1.GeneralizedTime(moment.replace(microsecond=0, tzinfo=UTC))
)
outcomes = st.builds(ExecutionOutcome, activate_image_response_code=integers, firmware_version=versions)
invoke_ids = st.integers(0, 2**24 - 1)
u8, u16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)


def null_or_der(payload: object) -> bytes:
    return NULL if isinstance(payload, CommandAccepted | ReadFirmwareVersionCommand) else der.encode(payload)


PAYLOADS: dict[tuple[int, Cra], tuple[st.SearchStrategy[Payload], Callable[[Any], bytes]]] = {
    (0x0001, Cra.COMMAND): (
        st.builds(
            AddDevice, invoke_ids, euis, st.binary(min_size=16, max_size=16), u8, st.integers(0, 0xFFFF)
        ),
        device_log.encode,
    ),
    (0x0001, Cra.RESPONSE): (st.builds(AddDeviceResponse, invoke_ids, u8, u8, u8), device_log.encode),
    (0x0002, Cra.COMMAND): (st.builds(RemoveDevice, invoke_ids, euis), device_log.encode),
    (0x0002, Cra.RESPONSE): (st.builds(RemoveDeviceResponse, invoke_ids, u8), device_log.encode),
    (0x0012, Cra.COMMAND): (
        st.builds(
            ActivateFirmwareCommand,
            manufacturer_image_hash=st.binary(min_size=32, max_size=32),
            originator_counter=integers,
            execution_date_time=st.none() | times,
        ),
        der.encode,
    ),
    (0x0012, Cra.RESPONSE): (st.just(CommandAccepted()) | outcomes, null_or_der),
    (0x00CA, Cra.ALERT): (
        st.builds(
            FutureDatedAlert,
            alert_code=u16,
            execution_date_time=times,
            originator_counter=integers,
            execution_outcome=outcomes,
        ),
        der.encode,
    ),
    (0x0128, Cra.ALERT): (
        st.builds(
            FirmwareTransferAlert,
            alert_code=u16,
            date=times,
            entity_id=euis.map(bytes),
            firmware_version=versions,
            response_code=integers,
        ),
        der.encode,
    ),
    (0x0129, Cra.COMMAND): (st.just(ReadFirmwareVersionCommand()), null_or_der),
    (0x0129, Cra.RESPONSE): (
        st.builds(ReadFirmwareVersionResponse, firmware_version=versions, response_code=integers),
        der.encode,
    ),
    (0x012B, Cra.ALERT): (
        st.builds(
            PpmidFirmwareActivationAlert,
            alert_code=u16,
            activation_date_time=times,
            firmware_version=versions,
            activate_image_result=integers,
        ),
        der.encode,
    ),
}
READ_ONLY = {(0x00CE, Cra.ALERT), (0x00CF, Cra.ALERT), (0x0120, Cra.ALERT)}
"""Alerts of meters' stacks: hanota reads them and makes none."""


def message(message_code: int, cra: Cra, payload: bytes) -> Message:
    return Message(
        cra=cra,
        originator_counter=1,
        originator=Eui64(b"hcalcs-1"),
        recipient=Eui64(b"supplier"),
        message_code=message_code,
        payload=payload,
    )


def test_every_layout_is_among_these() -> None:
    layouts = {(code, cra) for code, use_case in USE_CASES.items() for cra in use_case.decoders}
    assert layouts == PAYLOADS.keys() | READ_ONLY


@pytest.mark.parametrize("kind", PAYLOADS, ids=lambda kind: f"{kind[0]:04X} {kind[1].name.lower()}")
def test_every_payload_survives_its_message(kind: tuple[int, Cra]) -> None:
    payloads, encode = PAYLOADS[kind]

    @given(payloads)
    def survives(payload: Payload) -> None:
        octets = message(*kind, encode(payload)).encode()
        decoded = Message.decode(octets)
        assert decode_payload(decoded) == payload
        assert decoded.encode() == octets
        payload_to_json(payload)

    survives()


@given(st.sampled_from(sorted(USE_CASES)), st.sampled_from(Cra), st.binary(max_size=80))
def test_an_alert_code_is_found_or_not_and_nothing_is_raised(code: int, cra: Cra, payload: bytes) -> None:
    found = alert_code(message(code, cra, payload))
    assert found is None or found.to_bytes(2, "big") in payload


@given(
    st.sampled_from([bytes.fromhex("0f20000007000203128f85090c"), bytes.fromhex("010901"), b""]), st.data()
)
def test_any_alert_of_a_meters_stack_is_read_or_refused_by_one_error(
    head: bytes, data: st.DataObject
) -> None:
    payload = head + data.draw(st.binary(max_size=60))
    for code, cra in READ_ONLY:
        with suppress(RemoteProtocolError):
            decoded = decode_payload(message(code, cra, payload))
            if decoded is not None:
                payload_to_json(decoded)


@given(st.binary(min_size=12, max_size=12))
def test_any_date_time_has_a_text(octets: bytes) -> None:
    assert cosem.text(octets).removesuffix("Z").isalnum()


@given(st.floats(0, 253_402_300_799))
def test_a_time_survives_its_cosem_form(now: float) -> None:
    moment = datetime.fromtimestamp(int(now), UTC)
    assert cosem.text(cosem.date_time(int(now))) == f"{moment.year:04}{moment:%m%d%H%M%S}Z"


@given(euis, euis, st.integers(0, 2**64 - 1), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_a_pre_command_is_made_of_any_request_or_refused_as_ours(
    originator: Eui64, recipient: Eui64, counter: int, when: datetime | None
) -> None:
    try:
        made = activate_firmware_precommand(originator, recipient, counter, bytes(32), when)
    except LocalProtocolError:
        assert counter >= 2**63
        return
    payload = decode_payload(Message.decode(made.encode()))
    assert isinstance(payload, ActivateFirmwareCommand)
    assert payload.originator_counter == counter
    time = payload.execution_date_time
    assert (time and time.as_datetime()) == (when and when.replace(microsecond=0))


@given(st.integers(0, MAXIMUM_LENGTH))
def test_a_length_survives_its_field(length: int) -> None:
    assert Reader(encode_length(length)).length("length") == length


@given(st.binary(min_size=1, max_size=3))
def test_any_octets_are_one_length_field_or_refused(octets: bytes) -> None:
    reader = Reader(octets)
    with suppress(RemoteProtocolError):
        length = reader.length("length")
        assert octets.startswith(encode_length(length))
