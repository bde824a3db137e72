"""The emulated EmberZNet co-processor in EZSP 8 to 12: the key frames that the security manager replaced."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.ezsp.frames import FIRMWARE
from hanota.zse.install_code import install_code_key
from tests.emulator.ezsp_host import ENCRYPTION, SMART_ENERGY, Host, play
from tests.emulator.znp_support import HUB, INSTALL_CODE, OTA, PPMID

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

INVALID_COMMAND = 0x0058
OLDER = sorted(version for version in FIRMWARE if version < 13)
each_version = pytest.mark.parametrize("version", OLDER)

KEY = bytes(range(16))
OK, INVALID_CALL, INDEX_OUT_OF_RANGE = b"\x00", b"\x70", b"\xb1"
KEY_INVALID, INVALID_ADDRESS, TABLE_FULL, ERASED = b"\xb2", b"\xb3", b"\xb4", b"\xb6"
ADD_OR_UPDATE, GET_KEY, GET_ENTRY, SET_ENTRY = 0x0066, 0x006A, 0x0071, 0x0072
FIND, ERASE, ADD_TRANSIENT, GET_TRANSIENT, GET_TRANSIENT_AT = 0x0075, 0x0076, 0x00AF, 0x00CE, 0x006D
LINK_KEY, MASTER_KEY = b"\x01", b"\x00"


def partner(number: int) -> bytes:
    return number.to_bytes(8, "little")


def key_struct(answer: bytes) -> tuple[int, int, bytes, int, int, int, bytes]:
    """Bitmask, type, key, outgoing and incoming frame counter, sequence, partner."""
    assert answer[:1] == OK
    fields: tuple[int, int, bytes, int, int, int, bytes] = struct.unpack("<HB16sIIB8s", answer[1:])
    return fields


@each_version
def test_a_link_key_goes_to_its_partners_index_or_to_the_first_free_one(version: int) -> None:
    async def scenario(host: Host) -> None:
        for number in (1, 2, 3):
            assert await host.command(ADD_OR_UPDATE, partner(number) + LINK_KEY + KEY) == OK
        assert await host.command(ERASE, b"\x01") == OK
        assert await host.command(ADD_OR_UPDATE, partner(3) + LINK_KEY + KEY[::-1]) == OK
        assert await host.command(FIND, partner(3) + LINK_KEY) == b"\x02"
        assert key_struct(await host.command(GET_ENTRY, b"\x02"))[2] == KEY[::-1]
        assert await host.command(ADD_OR_UPDATE, PPMID.to_zigbee() + LINK_KEY + KEY) == OK
        assert await host.command(FIND, PPMID.to_zigbee() + LINK_KEY) == b"\x01"
        assert host.ncp.keys.key(PPMID) == KEY

    play(scenario, version)


@each_version
def test_a_full_key_table_takes_no_other_partner_and_changes_nothing(version: int) -> None:
    async def scenario(host: Host) -> None:
        for number in range(1, 13):
            assert await host.command(ADD_OR_UPDATE, partner(number) + LINK_KEY + KEY) == OK
        before = dict(host.ncp.nvram.link_keys)
        assert await host.command(ADD_OR_UPDATE, partner(13) + LINK_KEY + KEY) == TABLE_FULL
        assert host.ncp.nvram.link_keys == before
        assert await host.command(ADD_OR_UPDATE, partner(7) + LINK_KEY + KEY[::-1]) == OK

    play(scenario, version)


@each_version
@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        (PPMID.to_zigbee() + MASTER_KEY + KEY, INVALID_CALL),
        (PPMID.to_zigbee() + LINK_KEY + bytes(16), KEY_INVALID),
        (PPMID.to_zigbee() + LINK_KEY + b"\xff" * 16, KEY_INVALID),
        (bytes(8) + LINK_KEY + KEY, INVALID_ADDRESS),
        (b"\xff" * 8 + LINK_KEY + KEY, INVALID_ADDRESS),
        (HUB.to_zigbee() + LINK_KEY + KEY, INVALID_ADDRESS),
    ],
    ids=["master key", "zero key", "erased key", "nobody", "everybody", "itself"],
)
def test_what_is_no_link_key_of_a_partner_is_refused(version: int, parameters: bytes, status: bytes) -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(ADD_OR_UPDATE, parameters) == status
        assert host.ncp.nvram.link_keys == {}

    play(scenario, version)


@each_version
def test_entries_are_set_and_read_by_index(version: int) -> None:
    async def scenario(host: Host) -> None:
        entry = PPMID.to_zigbee() + LINK_KEY + KEY
        assert await host.command(SET_ENTRY, b"\x05" + entry) == OK
        _, kind, key, _, _, _, owner = key_struct(await host.command(GET_ENTRY, b"\x05"))
        assert (kind, key, owner) == (5, KEY, PPMID.to_zigbee())
        assert await host.command(SET_ENTRY, b"\x0c" + entry) != OK
        assert (await host.command(GET_ENTRY, b"\x04"))[:1] == ERASED
        assert (await host.command(GET_ENTRY, b"\x0c"))[:1] == INDEX_OUT_OF_RANGE
        assert (
            len(await host.command(GET_ENTRY, b"\x04")) == len(await host.command(GET_ENTRY, b"\x05")) == 37
        )

    play(scenario, version)


@each_version
def test_a_key_is_told_with_its_frame_counters_and_an_update_sets_the_incoming_one_to_zero(
    version: int,
) -> None:
    async def scenario(host: Host) -> None:
        entry = PPMID.to_zigbee() + LINK_KEY + KEY
        await host.command(ADD_OR_UPDATE, entry)
        host.device.link_key = KEY
        for _ in range(3):
            await host.device.send(SMART_ENERGY, OTA, 5, 3, b"counted")
        assert await host.send(b"counted", options=ENCRYPTION) == host.ok
        assert key_struct(await host.command(GET_ENTRY, b"\x00"))[3:5] == (1, host.device.aps_frame_counter)
        await host.command(ADD_OR_UPDATE, entry)
        assert key_struct(await host.command(GET_ENTRY, b"\x00"))[3:5] == (1, 0)

    play(scenario, version)


@each_version
def test_network_key_and_trust_centre_key_are_read_by_type(version: int) -> None:
    async def scenario(host: Host) -> None:
        network = host.ncp.nvram.network
        assert network is not None
        assert key_struct(await host.command(GET_KEY, b"\x03"))[1:3] == (3, network.network_key)
        centre = key_struct(await host.command(GET_KEY, b"\x01"))
        assert (centre[2], centre[6]) == (network.trust_centre_key, HUB.to_zigbee())
        assert (await host.command(GET_KEY, b"\x02"))[:1] == INVALID_CALL

    play(scenario, version)


@each_version
def test_a_device_joins_with_a_transient_key_which_expires(version: int) -> None:
    async def scenario(host: Host) -> None:
        # The device of the bench has joined already, with its own.
        assert await transient(host, PPMID) == install_code_key(INSTALL_CODE)
        assert await host.command(ADD_TRANSIENT, partner(9) + KEY) == OK
        answer = await host.command(GET_TRANSIENT, partner(9))
        assert (answer[1:9], answer[9:25]) == (partner(9), KEY)
        assert 290 < int.from_bytes(answer[27:29], "little") <= 300
        assert (await host.command(GET_TRANSIENT_AT, b"\x01"))[1:25] == partner(9) + KEY
        assert (await host.command(GET_TRANSIENT_AT, b"\x02"))[:1] == b"\x03"
        await host.command(0x006B)
        assert (await host.command(GET_TRANSIENT, partner(9)))[:1] == b"\x03"

    async def transient(host: Host, device: Eui64) -> bytes:
        return (await host.command(GET_TRANSIENT, device.to_zigbee()))[9:25]

    play(scenario, version)


@pytest.mark.parametrize("version", sorted(FIRMWARE))
def test_each_version_has_the_key_frames_of_its_time_and_no_others(version: int) -> None:
    async def scenario(host: Host) -> None:
        for frame, known in ((GET_ENTRY, version < 13), (0x010F, version >= 13)):
            answer, _ = await host.frame(struct.pack("<BBH", 0, 1, frame) + b"\x00")
            assert answer == (frame if known else INVALID_COMMAND)

    play(scenario, version)


@pytest.mark.parametrize(("version", "octets"), [(8, 15), (9, 15), (10, 19), (13, 19)])
def test_child_data_grew_by_the_time_left_in_version_10(version: int, octets: int) -> None:
    async def scenario(host: Host) -> None:
        assert len(await host.command(0x004A, b"\x00")) == octets

    play(scenario, version)
