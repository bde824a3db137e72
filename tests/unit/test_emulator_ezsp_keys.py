"""The emulated EmberZNet co-processor, spoken to in EZSP: keys, tokens, addresses."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.aps_security import ApsRefusal
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key
from tests.emulator.ezsp_host import (
    ENCRYPTION,
    SMART_ENERGY,
    Host,
    play,
)
from tests.emulator.znp_support import HUB, INSTALL_CODE, OTA, PPMID

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame

each_version = pytest.mark.parametrize("version", [13, 14])


@each_version
def test_the_link_key_table_has_a_fixed_size_and_one_entry_for_a_partner(version: int) -> None:
    async def scenario(host: Host) -> None:
        key, partner = bytes(range(16)), PPMID.to_zigbee()
        assert await host.command(0x0075, partner + b"\x01") == b"\xff"
        assert await host.command(0x010E, b"\x03" + partner + key) == bytes(4)
        assert await host.command(0x0075, partner + b"\x01") == b"\x03"
        assert await host.command(0x010E, b"\x04" + partner + key) == b"\x21\x00\x00\x00"
        assert await host.command(0x010E, b"\x03" + partner + key[::-1]) == bytes(4)
        assert await host.command(0x010E, b"\x00" + HUB.to_zigbee() + key) == b"\x21\x00\x00\x00"
        assert await host.command(0x010E, b"\x0c" + bytes(8) + key) == b"\x27\x00\x00\x00"
        for index in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11):
            answer = await host.command(0x010E, bytes((index,)) + index.to_bytes(8, "little") + key)
            assert answer == bytes(4)
        assert await host.command(0x0076, b"\x03") == host.ok
        assert await host.command(0x0076, b"\x03") == host.status(0xB1, 0x27)
        assert await host.command(0x0075, partner + b"\x01") == b"\xff"
        assert await host.command(0x00B1) == host.ok
        assert host.ncp.nvram.link_keys == {}

    play(scenario, version)


def test_keys_are_exported_in_the_layout_of_version_13() -> None:
    async def scenario(host: Host) -> None:
        key, partner = bytes(range(16)), PPMID.to_zigbee()
        await host.command(0x010E, b"\x01" + partner + key)
        by_index = await host.command(0x010F, b"\x01")
        assert (by_index[:24], by_index[-4:], len(by_index)) == (partner + key, bytes(4), 40)
        assert (await host.command(0x010F, b"\x02"))[-4:] == b"\x2d\x00\x00\x00"
        by_partner = await host.command(0x010D, partner)
        assert (by_partner[:17], by_partner[-4:]) == (key + b"\x01", bytes(4))
        network = struct.pack("<BBH8sBBI", 1, 0, 0, bytes(8), 0, 0, 0)
        assert await host.command(0x0114, network) == bytes(range(16)) + bytes(4)
        assert await host.command(0x0116) == bytes(4) + b"\x01\x00\x00\x00" + bytes(4)
        transient = await host.command(0x0113, partner)
        assert transient[18:34] == install_code_key(INSTALL_CODE)
        assert 290 < int.from_bytes(transient[44:46], "little") < 300

    play(scenario)


def test_keys_are_exported_in_the_layout_of_version_14() -> None:
    async def scenario(host: Host) -> None:
        key, partner = bytes(range(16)), PPMID.to_zigbee()
        link = struct.pack("<BBH8sBBI", 4, 1, 0, partner, 0, 3, 0)
        assert await host.command(0x0115, link + key) == bytes(4) + link
        by_index = await host.command(0x010F, b"\x01")
        assert by_index[:38] == bytes(4) + link + key
        assert len(by_index) == 50
        assert (await host.command(0x010F, b"\x02")) == b"\x2d\x00\x00\x00" + bytes(46)
        centre = struct.pack("<BBH8sBBI", 2, 0, 0, bytes(8), 0, 0, 0)
        assert await host.command(0x0114, centre) == bytes(4) + bytes(range(16, 32)) + centre
        assert await host.command(0x0110, link) == bytes(4)
        assert (await host.command(0x010C, link))[:4] == bytes(4)

    play(scenario, 14)


def test_keys_and_network_survive_a_new_dongle_with_the_old_memory() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x010E, b"\x03" + PPMID.to_zigbee() + bytes(range(16)))
        copy = Host(nvram=host.ncp.nvram.copy())
        await copy.start()
        assert copy.ncp.keys.key(PPMID) == bytes(range(16))
        assert copy.ncp.nvram.network == host.ncp.nvram.network
        await copy.command(0x00B1)
        assert host.ncp.keys.key(PPMID) == bytes(range(16))
        copy.ncp.stop()

    play(scenario)


@each_version
def test_a_key_is_told_with_its_frame_counters_and_import_sets_the_incoming_one_to_zero(version: int) -> None:
    async def scenario(host: Host) -> None:
        entry = b"\x01" + PPMID.to_zigbee() + bytes(range(16))
        await host.command(0x010E, entry)
        host.device.link_key = bytes(range(16))
        for _ in range(3):
            await host.device.send(SMART_ENERGY, OTA, 5, 3, b"counted")
        assert await host.send(b"counted", options=ENCRYPTION) == host.ok
        assert await metadata(host) == (1, host.device.aps_frame_counter)
        await host.command(0x010E, entry)
        assert await metadata(host) == (1, 0)

    async def metadata(host: Host) -> tuple[int, int]:
        context = struct.pack("<BBH8sBBI", 4, 1, 0, PPMID.to_zigbee(), 0, 3, 0)
        answer = await host.command(0x010C, context)
        _, outgoing, incoming, _ = struct.unpack_from("<HIIH", answer, 4 if version == 14 else 8)
        return outgoing, incoming

    play(scenario, version)


@each_version
def test_dropped_frames_are_in_the_counters_of_the_stack(version: int) -> None:
    async def scenario(host: Host) -> None:
        heard: list[ApsFrame] = []

        def overhear(frame: ApsFrame) -> list[ApsFrame]:
            heard.append(frame)
            return [frame]

        host.air.intercept = overhear
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"once")
        host.air.intercept = None
        await host.command(0x00F1)
        assert not await host.air.inject(heard[0])
        await host.command(0x010E, b"\x01" + PPMID.to_zigbee() + bytes(range(16)))
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"under the join key", ack=False)
        await host.command(0x0076, b"\x01")
        await host.command(0x006B)
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"no key", ack=False)
        counters = struct.unpack("<40H", await host.command(0x00F1))
        assert (counters[22], counters[26], counters[24]) == (1, 1, 1)

    play(scenario, version)


def test_a_device_joining_afresh_leaves_the_key_table_to_the_host() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x010E, b"\x01" + PPMID.to_zigbee() + bytes(range(16)))
        await host.device.join(host.air)
        assert host.ncp.keys.key(PPMID) == bytes(range(16))
        assert host.device.link_key == install_code_key(INSTALL_CODE)

    play(scenario)


def test_the_stack_opens_a_frame_with_the_key_of_whom_it_takes_its_short_address_for() -> None:
    async def scenario(host: Host) -> None:
        victim = Eui64.parse("00-DB-12-34-56-78-90-A5")
        await host.command(0x010E, b"\x00" + PPMID.to_zigbee() + host.device.link_key)
        await host.command(0x010E, b"\x01" + victim.to_zigbee() + bytes(range(16)))
        await host.start()  # it knows no address now
        nwk = struct.pack("<H", host.device.nwk)
        await host.command(0x0082, b"\x00" + victim.to_zigbee() + nwk + b"\x00")
        assert await host.command(0x0061, nwk) == host.ok + victim.to_zigbee()
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"not his", ack=False)
        assert host.ncp.aps_refused == {ApsRefusal.WRONG_KEY: 1}

    play(scenario)


@each_version
def test_an_eui64_written_as_a_token_is_taken_up_at_the_next_reset(version: int) -> None:
    async def scenario(host: Host) -> None:
        other, token = Eui64.parse("11-22-33-44-55-66-77-88"), struct.pack("<II", 0xE12A, 0)
        assert await host.command(0x0102, token) == host.ok + struct.pack("<I", 8) + b"\xff" * 8
        write = token + struct.pack("<I", 8) + other.to_zigbee()
        assert await host.command(0x0103, write) == host.ok
        assert await host.command(0x0103, token + struct.pack("<I", 2) + b"ab") == host.status(0x02, 0x21)
        assert await host.command(0x0026) == HUB.to_zigbee()
        await host.reset()
        assert host.ncp.eui64 == other

    play(scenario, version)


def test_tokens_of_the_stack_are_views_of_the_network() -> None:
    async def scenario(host: Host) -> None:
        management = struct.pack("<II", 0x0001_E125, 0)
        answer = await host.command(0x0102, management)
        assert answer == b"\x00" + struct.pack("<IIHBB", 8, 1 << 15, 0, 0, 0)
        await host.command(0x0103, management + struct.pack("<IIHBB", 8, 1 << 15, 0, 9, 0))
        assert (await host.command(0x0028))[17] == 9
        node = await host.command(0x0102, struct.pack("<II", 0x0001_EE64, 0))
        assert node[5:] == struct.pack("<HbBBBH8s", 0x8C54, 8, 15, 2, 1, 0, HUB.to_zigbee())
        centre = await host.command(0x0102, struct.pack("<II", 0x0001_E124, 0))
        assert centre[5:15] == b"\x84\x00" + HUB.to_zigbee()
        assert await host.command(0x0102, struct.pack("<II", 0x0001_FFFF, 0)) == b"\x03"

    play(scenario)


def test_a_manufacturing_token_is_written_once() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x000B, b"\x01") == b"\x10hanota" + b"\xff" * 10
        assert await host.command(0x000B, b"\x0c") == b"\x08" + b"\xff" * 8
        assert await host.command(0x000C, b"\x0c\x08" + bytes(range(8))) == b"\x00"
        assert await host.command(0x000C, b"\x0c\x08" + bytes(8)) == b"\x70"
        assert await host.command(0x000C, b"\x0c\x02ab") == b"\x02"
        assert await host.command(0x000B, b"\x0c") == b"\x08" + bytes(range(8))
        assert await host.command(0x000B, b"\x7f") == b"\x00"

    play(scenario)


@each_version
def test_a_device_not_heard_since_a_reset_must_be_in_the_address_table_to_be_sent_secured_frames(
    version: int,
) -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x010E, b"\x00" + PPMID.to_zigbee() + host.device.link_key)
        await host.start()
        assert await host.send(b"whose key?", options=ENCRYPTION) == host.status(0xA6, 0x0C0A)
        entry = struct.pack("<B8sHB", 1, PPMID.to_zigbee(), host.device.nwk, 1)
        answer = await host.command(0x0082, entry)
        assert answer == host.ok + b"\xff" * 10 + b"\x00"
        assert await host.send(b"his", options=ENCRYPTION) == host.ok
        assert host.device.received[-1].payload == b"his"
        assert await host.command(0x007F, PPMID.to_zigbee()) == (bytes(4) if version == 14 else b"\x01")
        await host.start()  # the table is not kept
        assert await host.send(b"whose key?", options=ENCRYPTION) == host.status(0xA6, 0x0C0A)

    play(scenario, version)


def test_the_address_table_of_version_13() -> None:
    async def scenario(host: Host) -> None:
        other = bytes(range(8))
        assert await host.command(0x005C, b"\x02" + other) == b"\x00"
        assert await host.command(0x005D, b"\x02\x34\x12") == b""
        assert await host.command(0x005E, b"\x02") == other
        assert await host.command(0x005F, b"\x02") == b"\x34\x12"
        assert await host.command(0x005F, b"\x03") == b"\xff\xff"
        assert await host.command(0x0060, other) == b"\x34\x12"
        assert await host.command(0x0061, b"\x34\x12") == b"\x00" + other
        assert await host.command(0x0061, b"\x35\x12") == b"\x03" + b"\xff" * 8
        assert await host.command(0x0060, b"\xee" * 8) == b"\xff\xff"
        assert await host.command(0x005C, b"\x10" + other) == b"\xb1"
        assert await host.command(0x005B, b"\x02") == b"\x00"

    play(scenario)


def test_the_address_table_of_version_14() -> None:
    async def scenario(host: Host) -> None:
        other = bytes(range(8))
        assert await host.command(0x005C, b"\x02" + other + b"\x34\x12") == bytes(4)
        assert await host.command(0x005E, b"\x02") == bytes(4) + b"\x34\x12" + other
        assert await host.command(0x005E, b"\x03") == b"\x2d\x00\x00\x00" + b"\xff" * 10
        assert await host.command(0x0060, other) == bytes(4) + b"\x34\x12"
        assert await host.command(0x0060, b"\xee" * 8) == b"\x2d\x00\x00\x00\xff\xff"
        assert await host.command(0x007F, other) == b"\x01\x00\x00\x00"
        assert await host.command(0x007E, other + b"\x01") == bytes(4)
        assert await host.command(0x007F, other) == bytes(4)
        assert await host.frame(struct.pack("<BBHB", 0, 1, 0x005F, 2)) == (0x0058, b"\x31\x00\x00\x00")

    play(scenario, 14)


def test_a_device_with_a_new_short_address_is_followed_in_the_address_table() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x0082, struct.pack("<B8sHB", 0, PPMID.to_zigbee(), 0x0BAD, 0))
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"here")
        await asyncio.sleep(0.1)
        assert await host.command(0x005F, b"\x00") == struct.pack("<H", host.device.nwk)

    play(scenario)
