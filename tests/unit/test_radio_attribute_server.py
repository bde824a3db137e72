"""The hub's attribute servers, octet by octet (ZCL 2.5, 3.12; GBCS 9.1.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.radio.attribute_server import respond
from hanota.radio.served_clusters import SERVED, attributes
from hanota.zcl import ClusterId, DefaultResponse, Direction, GeneralCommand, Status, ZclFrame
from hanota.zse.cbke import Suite

NOON = 946_684_800 + 0x2C000000
LIMIT = 73
TIME = attributes(ClusterId.TIME, NOON, ())
BASIC = attributes(ClusterId.BASIC, NOON, ())


def general(command: int, payload: str | bytes = b"") -> ZclFrame:
    octets = bytes.fromhex(payload) if isinstance(payload, str) else payload
    return ZclFrame(0x42, command, octets, cluster_specific=False)


def read(*numbers: int) -> ZclFrame:
    return general(
        GeneralCommand.READ_ATTRIBUTES, b"".join(number.to_bytes(2, "little") for number in numbers)
    )


def answer(frame: ZclFrame, limit: int = LIMIT) -> bytes:
    response = respond(frame, TIME, limit)
    assert response is not None
    assert response.direction is Direction.TO_CLIENT
    return response.payload


def test_time_and_status_are_served_as_gbcs_has_them() -> None:
    response = respond(read(0x0000, 0x0001), TIME, LIMIT)
    assert response is not None
    assert response.encode() == bytes.fromhex("18 42 01  0000 00 E2 0000002C  0100 00 18 09")


@pytest.mark.parametrize(
    ("suites", "bits"), [((Suite.ONE,), "0100"), ((Suite.TWO,), "0200"), (tuple(Suite), "0300")]
)
def test_the_suites_of_the_credentials_are_served_as_bits(suites: tuple[Suite, ...], bits: str) -> None:
    response = respond(read(0x0000), attributes(ClusterId.KEY_ESTABLISHMENT, NOON, suites), LIMIT)
    assert response is not None
    assert response.payload == bytes.fromhex("0000 00 31" + bits)


def test_an_attribute_that_is_not_there_has_a_record_of_its_own() -> None:
    assert answer(read(0x0007, 0x0001)) == bytes.fromhex("0700 86  0100 00 18 09")


def test_a_response_never_outgrows_one_encrypted_frame() -> None:
    response = respond(read(*[0x0000] * 100), TIME, LIMIT)
    assert response is not None
    assert len(response.encode()) <= LIMIT
    assert len(response.payload) == 8 * 8


def test_attributes_are_discovered_in_portions() -> None:
    first = respond(general(GeneralCommand.DISCOVER_ATTRIBUTES, "0000 03"), BASIC, LIMIT)
    assert first is not None
    assert first.command == GeneralCommand.DISCOVER_ATTRIBUTES_RESPONSE
    assert first.payload == bytes.fromhex("00  0000 20  0400 42  0500 42")
    rest = respond(general(GeneralCommand.DISCOVER_ATTRIBUTES, "0600 FF"), BASIC, LIMIT)
    assert rest is not None
    assert rest.payload == bytes.fromhex("01  0700 30  1100 30")


@pytest.mark.parametrize(
    "command", [GeneralCommand.WRITE_ATTRIBUTES, GeneralCommand.WRITE_ATTRIBUTES_UNDIVIDED]
)
def test_no_attribute_can_be_written(command: int) -> None:
    written = respond(general(command, "0000 E2 01020304  0900 42 02 4142  0100 18 00"), TIME, LIMIT)
    assert written is not None
    assert written.command == GeneralCommand.WRITE_ATTRIBUTES_RESPONSE
    assert written.payload == bytes.fromhex("88 0000  86 0900  88 0100")


def test_a_value_of_unknown_type_ends_what_can_be_told_of_a_write() -> None:
    assert answer(general(GeneralCommand.WRITE_ATTRIBUTES, "0000 48 01020304")) == bytes.fromhex("8D 0000")


def test_a_write_that_wants_no_response_gets_none() -> None:
    assert respond(general(GeneralCommand.WRITE_ATTRIBUTES_NO_RESPONSE, "0100 18 00"), TIME, LIMIT) is None


def test_nothing_is_reported() -> None:
    wanted = "00 0000 E2 0A00 2C01 01000000  00 0900 30 0A00 2C01  01 0100 3C00"
    assert answer(general(GeneralCommand.CONFIGURE_REPORTING, wanted)) == bytes.fromhex(
        "8C 00 0000  86 00 0900  8C 01 0100"
    )


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ZclFrame(1, 0x00), Status.UNSUP_CLUSTER_COMMAND),
        (general(GeneralCommand.REPORT_ATTRIBUTES), Status.UNSUP_GENERAL_COMMAND),
        (general(GeneralCommand.READ_ATTRIBUTES, "00"), Status.MALFORMED_COMMAND),
        (general(GeneralCommand.WRITE_ATTRIBUTES, "0000 E2 01"), Status.MALFORMED_COMMAND),
        (general(GeneralCommand.DISCOVER_ATTRIBUTES, "0000"), Status.MALFORMED_COMMAND),
        (ZclFrame(1, 0x00, manufacturer_code=0x1234), Status.UNSUP_MANUF_CLUSTER_COMMAND),
    ],
)
def test_what_is_not_served_gets_a_default_response_that_says_why(request_: ZclFrame, status: Status) -> None:
    response = respond(request_, TIME, LIMIT)
    assert response is not None
    assert response.is_default_response
    assert DefaultResponse.decode(response.payload) == DefaultResponse(request_.command, status)


def test_no_reply_storm_a_default_response_and_a_servers_frame_get_no_answer() -> None:
    assert respond(read().default_response(Status.FAILURE), TIME, LIMIT) is None
    assert respond(ZclFrame(1, 0x0A, b"", Direction.TO_CLIENT, cluster_specific=False), TIME, LIMIT) is None


@given(st.integers(0, 0xFF), st.binary(max_size=200), st.sampled_from(sorted(SERVED)))
def test_no_command_raises_or_is_answered_with_more_than_a_frame(
    command: int, payload: bytes, cluster: int
) -> None:
    response = respond(general(command, payload), attributes(cluster, NOON, tuple(Suite)), LIMIT)
    assert response is None or len(response.encode()) <= LIMIT
