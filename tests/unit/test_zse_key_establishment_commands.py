"""Commands of Key Establishment (0x0800): the octets of SEP Annex C."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, Suite
from hanota.zse.key_establishment.commands import (
    ConfirmKey,
    EphemeralData,
    InitiateKeyEstablishment,
    TerminateKeyEstablishment,
    decode_command,
    encode_command,
    suite_bits,
)


@pytest.mark.parametrize(
    ("command", "octets"),
    [
        (InitiateKeyEstablishment(0x0002, 10, 6, bytes(74)), "11 07 00 0200 0A 06" + "00" * 74),
        (InitiateKeyEstablishment(0x0001, 3, 6, bytes(48)), "11 07 00 0100 03 06" + "00" * 48),
        (EphemeralData(b"\x02" + bytes(21)), "11 07 01 02" + "00" * 21),
        (ConfirmKey(bytes(range(16))), "11 07 02 000102030405060708090A0B0C0D0E0F"),
        (TerminateKeyEstablishment(4, 30, 3), "11 07 03 04 1E 0300"),
    ],
)
def test_a_command_has_the_octets_of_the_standard(command: EphemeralData, octets: str) -> None:
    frame = encode_command(command, Direction.TO_SERVER, 7)
    assert frame.encode() == bytes.fromhex(octets)
    assert decode_command(ZclFrame.decode(frame.encode()), Direction.TO_SERVER) == command


def test_a_suite_2_initiate_fits_one_frame_without_source_route() -> None:
    frame = encode_command(InitiateKeyEstablishment(2, 10, 10, bytes(74)), Direction.TO_SERVER, 0)
    assert len(frame.encode()) == 81


@pytest.mark.parametrize(
    ("command", "payload"),
    [(0, b"\x01\x00\x0a"), (1, bytes(23)), (2, bytes(15)), (2, bytes(17)), (3, bytes(3))],
)
def test_a_payload_of_a_wrong_length_is_malformed(command: int, payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_command(ZclFrame(1, command, payload), Direction.TO_SERVER)
    assert caught.value.status == Status.MALFORMED_COMMAND


def test_a_command_is_unsupported_that_the_cluster_has_not_or_not_in_that_direction() -> None:
    for frame in (ZclFrame(1, 4), ZclFrame(1, 3, bytes(4), Direction.TO_CLIENT)):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_command(frame, Direction.TO_SERVER)
        assert caught.value.status == Status.UNSUP_CLUSTER_COMMAND
    with pytest.raises(RemoteProtocolError) as caught:
        decode_command(ZclFrame(1, 3, bytes(4), manufacturer_code=0x121D), Direction.TO_SERVER)
    assert caught.value.status == Status.UNSUP_MANUF_CLUSTER_COMMAND


def test_a_field_out_of_range_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        TerminateKeyEstablishment(4, 256, 3).encode()


def test_a_terminate_of_a_status_nobody_knows_is_still_a_terminate() -> None:
    assert TerminateKeyEstablishment.decode(bytes.fromhex("09000100")).known_status is None
    known = TerminateKeyEstablishment.decode(bytes.fromhex("06000100")).known_status
    assert known is KeyEstablishmentStatus.INVALID_CERTIFICATE


def test_suites_are_told_by_a_bit_each() -> None:
    assert suite_bits([Suite.TWO]) == 2
    assert suite_bits(Suite) == 3


def test_a_mac_is_not_shown_where_the_command_is() -> None:
    assert "ab" * 4 not in repr(ConfirmKey(b"\xab" * 16))
    assert "\\xab" not in repr(ConfirmKey(b"\xab" * 16))
