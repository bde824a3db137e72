"""CCS01 and CCS02: octets by their fields, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.device_log import (
    AccessResult,
    AddDevice,
    AddDeviceResponse,
    DeviceLogPayload,
    RemoveDevice,
    RemoveDeviceResponse,
    add_device_command,
    decode_add_command,
    decode_add_response,
    decode_remove_command,
    decode_remove_response,
    device_log_response,
    encode,
    remove_device_command,
)
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.usecases import decode_payload, payload_to_json, use_case_name

if TYPE_CHECKING:
    from collections.abc import Callable

BROKER, HUB, SUPPLIER = Eui64(b"ac-broke"), Eui64(b"the-hub!"), Eui64(b"supplier")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A5")
INSTALL_CODE = bytes(range(16))
COUNTER = 0x1122334455667788
ADD = AddDevice(0x667788, DEVICE, INSTALL_CODE, 13, 600)

ADD_OCTETS = bytes.fromhex(
    "d9 20667788 00"
    "03 03 0068 00001e0300ff 01  02 0068 00001e0300ff 03  02 0068 00001e0300ff 02"
    "03 02 04 09 08 00db1234567890a5 16 01 09 10 000102030405060708090a0b0c0d0e0f 16 0d"
    "12 0258 03 ff"
)
REMOVE_OCTETS = bytes.fromhex("d9 20667788 00 01 03 0068 00001e0300ff 02 01 09 08 00db1234567890a5")
ADDED_OCTETS = bytes.fromhex("da 20667788 00 00 03 000000 03 0300 0200 0200")
REMOVED_OCTETS = bytes.fromhex("da 20667788 00 00 01 00 01 0300")


def add(install_code: bytes = INSTALL_CODE, device_type: int = 13, join_timeout: int = 600) -> Message:
    return add_device_command(
        BROKER,
        HUB,
        COUNTER,
        SUPPLIER,
        7,
        device=DEVICE,
        install_code=install_code,
        device_type=device_type,
        join_timeout=join_timeout,
    )


def remove() -> Message:
    return remove_device_command(BROKER, HUB, COUNTER, SUPPLIER, 7, DEVICE)


def test_a_device_is_added_by_one_action_and_two_sets() -> None:
    message = add()

    assert message.payload == ADD_OCTETS
    assert (message.message_code, use_case_name(message)) == (0x0001, "CCS01")
    assert (message.supplementary_remote_party, message.supplementary_remote_party_counter) == (SUPPLIER, 7)
    assert decode_payload(message) == ADD


def test_a_device_is_removed_by_one_action() -> None:
    message = remove()

    assert message.payload == REMOVE_OCTETS
    assert (message.message_code, use_case_name(message)) == (0x0002, "CCS02")
    assert decode_payload(message) == RemoveDevice(0x667788, DEVICE)


@pytest.mark.parametrize(
    ("command", "octets", "payload"),
    [
        (add(), ADDED_OCTETS, AddDeviceResponse(0x667788, 0, 0, 0)),
        (remove(), REMOVED_OCTETS, RemoveDeviceResponse(0x667788, 0)),
    ],
    ids=["CCS01", "CCS02"],
)
def test_a_response_repeats_all_of_its_command_but_the_payload(
    command: Message, octets: bytes, payload: AddDeviceResponse | RemoveDeviceResponse
) -> None:
    response = device_log_response(command)

    assert response.payload == octets
    assert decode_payload(response) == payload
    assert payload.succeeded
    assert (response.cra, response.originator, response.recipient) == (Cra.RESPONSE, HUB, BROKER)
    assert (response.originator_counter, response.other_information) == (COUNTER, command.other_information)


@pytest.mark.parametrize("command", [add(), remove()], ids=["CCS01", "CCS02"])
def test_a_refusal_is_a_result_for_each_part(command: Message) -> None:
    payload = decode_payload(device_log_response(command, AccessResult.OTHER_REASON))

    assert isinstance(payload, AddDeviceResponse | RemoveDeviceResponse)
    assert not payload.succeeded
    told = payload_to_json(payload)
    assert isinstance(told, dict)
    assert set(told.values()) == {250}


def test_what_is_told_of_an_addition_has_no_install_code() -> None:
    told = payload_to_json(ADD)

    assert told == {
        "registerDevice": {
            "ieeeAddress": "00db1234567890a5",
            "keyType": "install code",
            "key": "not shown, 16 octets",
            "deviceType": 13,
        },
        "joinTimeout": 600,
        "enableDisableJoining": True,
    }
    assert INSTALL_CODE.hex() not in f"{told}{ADD!r}"
    assert "\\x01\\x02" not in repr(ADD)


@pytest.mark.parametrize("size", [0, 6, 15, 17, 18])
def test_attack_install_code_of_wrong_length(size: int) -> None:
    """One of 18 has its CRC on it, which GBCS leaves out."""
    octets = ADD_OCTETS.replace(b"\x09\x10" + INSTALL_CODE, bytes([9, size]) + bytes(size))

    with pytest.raises(RemoteProtocolError, match=f"an install code has 16 octets, not {size}"):
        decode_add_command(octets)
    with pytest.raises(LocalProtocolError, match=f"an install code has 16 octets, not {size}"):
        add(install_code=bytes(size))


@pytest.mark.parametrize(
    ("decode", "octets"),
    [
        (decode_add_command, ADD_OCTETS),
        (decode_remove_command, REMOVE_OCTETS),
        (decode_add_response, ADDED_OCTETS),
        (decode_remove_response, REMOVED_OCTETS),
    ],
    ids=["CCS01", "CCS02", "CCS01 response", "CCS02 response"],
)
def test_whatever_octets_are_taken_are_encoded_the_same(
    decode: Callable[[bytes], DeviceLogPayload], octets: bytes
) -> None:
    """No octet but those of a value may differ, none may be missing, none be left over."""
    assert encode(decode(octets)) == octets
    for offset in range(len(octets)):
        for altered in (
            octets[:offset],
            octets[:offset] + bytes([octets[offset] ^ 0x41]) + octets[offset + 1 :],
        ):
            try:
                payload = decode(altered)
            except RemoteProtocolError:
                continue
            assert encode(payload) == altered
    with pytest.raises(RemoteProtocolError, match="octets too many"):
        decode(octets + b"\0")


@pytest.mark.parametrize(
    "payload",
    [
        AddDevice(2**24, DEVICE, INSTALL_CODE, 13, 600),
        AddDevice(0, DEVICE, INSTALL_CODE, 256, 600),
        AddDevice(0, DEVICE, INSTALL_CODE, -1, 600),
        AddDevice(0, DEVICE, INSTALL_CODE, 13, 0x10000),
        RemoveDevice(-1, DEVICE),
        RemoveDeviceResponse(0, 256),
    ],
)
def test_a_value_out_of_its_range_is_not_encoded(payload: DeviceLogPayload) -> None:
    with pytest.raises(LocalProtocolError):
        encode(payload)
