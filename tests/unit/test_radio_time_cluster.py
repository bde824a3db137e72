"""The hub's Time cluster server, octet by octet (ZCL 3.12; GBCS 9.1.3)."""

from __future__ import annotations

import pytest

from hanota.radio.time_cluster import respond
from hanota.zcl import DefaultResponse, Direction, GeneralCommand, Status, ZclFrame

NOON = 946_684_800 + 0x2C000000
LIMIT = 73


def read(*attributes: int) -> ZclFrame:
    payload = b"".join(attribute.to_bytes(2, "little") for attribute in attributes)
    return ZclFrame(0x42, GeneralCommand.READ_ATTRIBUTES, payload, cluster_specific=False)


def test_time_and_status_are_served_as_gbcs_has_them() -> None:
    response = respond(read(0x0000, 0x0001), NOON, LIMIT)
    assert response is not None
    assert response.encode() == bytes.fromhex("18 42 01  0000 00 E2 0000002C  0100 00 18 09")


def test_an_attribute_that_is_not_there_has_a_record_of_its_own() -> None:
    response = respond(read(0x0007, 0x0001), NOON, LIMIT)
    assert response is not None
    assert response.payload == bytes.fromhex("0700 86  0100 00 18 09")


def test_a_response_never_outgrows_one_encrypted_frame() -> None:
    response = respond(read(*[0x0000] * 100), NOON, LIMIT)
    assert response is not None
    assert len(response.encode()) <= LIMIT
    assert len(response.payload) == 8 * 8


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ZclFrame(1, 0x00), Status.UNSUP_CLUSTER_COMMAND),
        (ZclFrame(1, GeneralCommand.WRITE_ATTRIBUTES, cluster_specific=False), Status.UNSUP_GENERAL_COMMAND),
        (
            ZclFrame(1, GeneralCommand.READ_ATTRIBUTES, b"\x00", cluster_specific=False),
            Status.MALFORMED_COMMAND,
        ),
        (ZclFrame(1, 0x00, manufacturer_code=0x1234), Status.UNSUP_MANUF_CLUSTER_COMMAND),
    ],
)
def test_what_is_not_served_gets_a_default_response_that_says_why(request_: ZclFrame, status: Status) -> None:
    response = respond(request_, NOON, LIMIT)
    assert response is not None
    assert response.is_default_response
    assert DefaultResponse.decode(response.payload) == DefaultResponse(request_.command, status)


def test_no_reply_storm_a_default_response_and_a_servers_frame_get_no_answer() -> None:
    assert respond(read().default_response(Status.FAILURE), NOON, LIMIT) is None
    assert respond(ZclFrame(1, 0x0A, b"", Direction.TO_CLIENT, cluster_specific=False), NOON, LIMIT) is None
