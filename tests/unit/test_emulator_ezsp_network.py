"""The emulated EmberZNet co-processor, spoken to in EZSP: the network, joining and leaving."""

from __future__ import annotations

import asyncio
import struct

import pytest

from hanota.emulator.air import TxStatus
from hanota.emulator.ezsp.ash import ResetCode
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.zse.install_code import install_code_key
from tests.emulator.ezsp_host import (
    INITIAL_SECURITY,
    PARAMETERS,
    SMART_ENERGY,
    Host,
    play,
)
from tests.emulator.znp_support import (
    DEVICE_ENDPOINT,
    HUB,
    HUB_ENDPOINT,
    INSTALL_CODE,
    OTA,
    PPMID,
    ScriptedNode,
)

each_version = pytest.mark.parametrize("version", [13, 14])
WILDCARD = b"\xff" * 8 + b"ZigBeeAlliance09" + b"\x00"


@each_version
def test_a_network_is_formed_described_left_and_gone(version: int) -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x0018) == b"\x02"
        assert await host.command(0x0027) == b"\x00\x00"
        assert await host.command(0x0028) == host.ok + b"\x01" + PARAMETERS
        assert await host.command(0x0069) == host.ok + b"\x84\x00" + HUB.to_zigbee()
        assert await host.command(0x0017, bytes(2)) == host.status(0x70, 0x02)
        assert await host.command(0x0020, b"\x00" * host.is_sl) == host.ok
        assert host.told(0x0019) == [host.status(0x91, 0x16)]
        assert await host.command(0x0018) == b"\x00"
        assert (await host.command(0x0028))[:-21] == host.status(0x93, 0x17)
        assert await host.command(0x0017, bytes(2)) == host.status(0x93, 0x17)
        assert await host.send(b"x") == host.status(0x91, 0x16)
        assert await host.device.send(SMART_ENERGY, OTA, 5, 3, b"x") is TxStatus.NO_ROUTE

    play(scenario, version)


def test_a_network_needs_security_a_channel_and_gets_what_was_left_open_at_random() -> None:
    async def scenario() -> None:
        host = Host()
        await host.reset()
        await host.frame(bytes((0, 0, 13)))
        assert await host.command(0x001E, PARAMETERS) == b"\xa8"
        await host.command(0x0068, INITIAL_SECURITY)
        assert await host.command(0x001E, PARAMETERS[:11] + b"\x0a" + PARAMETERS[12:]) == b"\x02"
        assert await host.command(0x001E, bytes(8) + b"\xff\xff" + PARAMETERS[10:]) == b"\x00"
        formed = (await host.command(0x0028))[2:]
        assert formed[:8] != bytes(8)
        assert formed[8:10] != b"\xff\xff"
        assert await host.command(0x001E, PARAMETERS) == b"\x70"
        host.ncp.stop()

    run_virtual(scenario())


def test_a_token_reset_forgets_network_keys_and_counters() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x010E, b"\x00" + PPMID.to_zigbee() + bytes(16))
        await host.send(b"x")
        assert await host.command(0x0077, bytes(2)) == b""
        await host.reset()
        nvram = host.ncp.nvram
        assert (nvram.network, nvram.link_keys, nvram.network_frame_counter) == (None, {}, 0)

    play(scenario)


def test_an_energy_scan_takes_its_time_and_reports_every_channel() -> None:
    async def scenario(host: Host) -> None:
        mask = struct.pack("<I", 1 << 11 | 1 << 26)
        assert await host.command(0x001A, b"\x00" + mask + b"\x03", wait=1) == b"\x00"
        assert [data[0] for data in host.told(0x0048)] == [11, 26]
        assert host.told(0x001C) == [b"\x1a\x00"]
        assert await host.command(0x001A, b"\x00" + bytes(4) + b"\x03") == b"\x35"
        assert await host.command(0x001A, b"\x00" + mask + b"\x0f") == b"\x33"
        assert await host.command(0x001A, b"\x00" + mask + b"\x08") == b"\x00"
        assert await host.command(0x001A, b"\x00" + mask + b"\x08") == b"\x3d"
        assert await host.command(0x001D, wait=20) == b"\x00"
        assert host.told(0x001C) == []

    play(scenario)


@each_version
def test_a_reset_is_announced_with_its_reason_and_closes_the_network(version: int) -> None:
    async def scenario(host: Host) -> None:
        host.ncp.reset(ResetCode.WATCHDOG)
        await asyncio.sleep(0.1)
        assert host.ash.resets == [ResetCode.SOFTWARE, ResetCode.WATCHDOG]
        assert not host.ncp.network_up
        assert host.ncp.endpoints == {}
        with pytest.raises(JoinRefusedError):
            await host.device.join(host.air)

    play(scenario, version)


@each_version
def test_the_join_window_is_reported_when_it_opens_and_when_it_closes_by_itself(version: int) -> None:
    async def scenario() -> None:
        host = Host(version)
        await host.start()
        await host.open_window(seconds=30)
        assert host.told(0x0019) == [host.status(0x9C, 0x0C18)]
        await host.listen(31)
        assert host.told(0x0019) == [host.status(0x9D, 0x0C19)]
        assert not host.ncp.joining.permits_joining
        await host.open_window(seconds=255)
        await host.listen(100_000)
        assert host.ncp.joining.permits_joining
        host.ncp.stop()

    run_virtual(scenario())


@each_version
def test_a_join_is_reported_before_the_device_has_proved_its_key(version: int) -> None:
    async def scenario() -> None:
        host = Host(version)
        await host.start()
        await host.command(0x0111, PPMID.to_zigbee() + bytes(16) + b"\x00")
        await host.open_window()
        with pytest.raises(JoinRefusedError, match="install code"):
            await host.device.join(host.air)
        await host.listen(0.1)
        (told,) = host.told(0x0024)
        assert told[2:] == PPMID.to_zigbee() + bytes((1, 0, 0, 0))
        host.ncp.stop()

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("policy", "wildcard", "admitted"),
    [
        pytest.param(0x11, False, False, id="install code key wanted, none for this device"),
        pytest.param(0x11, True, False, id="install code key wanted, one for everybody"),
        pytest.param(0x01, True, True, id="any key, one for everybody"),
        pytest.param(0x00, True, False, id="joins not allowed"),
    ],
)
def test_stranger_joins_as_the_trust_centre_policy_says(policy: int, wildcard: bool, admitted: bool) -> None:
    async def scenario() -> None:
        host = Host()
        await host.start()
        if wildcard:
            await host.command(0x0111, WILDCARD)
        await host.open_window(policy)
        with pytest.raises(JoinRefusedError, match="install code" if admitted else "holds no key"):
            await host.device.join(host.air)
        await host.listen(0.1)
        (told,) = host.told(0x0024)
        assert told[11] == (0 if admitted else 2)
        host.ncp.stop()

    run_virtual(scenario())


def test_a_join_flood_fills_the_transient_keys_and_evicts_nobody() -> None:
    async def scenario(host: Host) -> None:
        answers = []
        for number in range(40):
            key = number.to_bytes(8, "little") + bytes((number,) * 16) + b"\x00"
            answers.append(await host.command(0x0111, key))
        assert answers.count(bytes(4)) == 11
        assert answers[-1] == b"\x1a\x00\x00\x00"
        assert host.ncp.keys.key(PPMID) == install_code_key(INSTALL_CODE)
        await host.listen(301)
        assert await host.command(0x0111, WILDCARD) == bytes(4)  # they expire

    play(scenario)


@each_version
def test_an_end_device_is_a_child_and_a_router_is_none(version: int) -> None:
    async def scenario() -> None:
        host = Host(version)
        host.device.capabilities = 0x8C  # end device, mains, always listening
        await host.start()
        await host.join()
        child = struct.pack("<8sBHBBBI", PPMID.to_zigbee(), 3, host.device.nwk, 0, 0, 0, 0)
        assert await host.command(0x004A, b"\x00") == host.ok + child
        assert await host.command(0x004A, b"\x01") == host.status(0x93, 0x17) + bytes(18)
        nwk = host.device.nwk
        await host.device.leave()
        await host.listen(0.1)
        (told,) = host.told(0x0023)
        assert told == struct.pack("<BBH8sB", 0, 0, nwk, PPMID.to_zigbee(), 3)
        assert host.ncp.nvram.children == {}
        host.ncp.stop()

    run_virtual(scenario())


def test_children_survive_a_reset_and_can_be_restored() -> None:
    async def scenario(host: Host) -> None:
        child = struct.pack("<8sBHBBBI", PPMID.to_zigbee(), 4, 0x1234, 0, 0, 0, 0)
        assert await host.command(0x00AC, b"\x05" + child) == b"\x00"
        assert await host.command(0x00AC, b"\x20" + child) == b"\xb1"
        token = struct.pack("<8sHB", PPMID.to_zigbee(), 0x1234, 0x80)
        asked = struct.pack("<II", 0x0001_0580, 5)
        assert await host.command(0x0102, asked) == b"\x00\x0b\x00\x00\x00" + token
        await host.start()
        assert await host.command(0x004A, b"\x05") == b"\x00" + child
        assert host.ncp.addresses.eui64(0x1234) == PPMID

    play(scenario)


@each_version
def test_a_device_that_leaves_is_reported(version: int) -> None:
    async def scenario(host: Host) -> None:
        nwk = host.device.nwk
        await host.device.leave()
        await host.listen(0.1)
        assert host.told(0x0024) == [struct.pack("<H8sBBH", nwk, PPMID.to_zigbee(), 2, 3, 0)]

    play(scenario, version)


def test_a_device_the_host_removes_leaves() -> None:
    async def scenario(host: Host) -> None:
        data = struct.pack("<H", host.device.nwk) + PPMID.to_zigbee() * 2
        assert await host.command(0x00A8, data, wait=1) == b"\x00"
        assert not host.device.joined

    play(scenario)


def test_a_device_joining_afresh_gets_its_old_address() -> None:
    async def scenario(host: Host) -> None:
        nwk = host.device.nwk
        await host.device.join(host.air)
        assert host.device.nwk == nwk

    play(scenario)


def test_a_device_behind_a_router_is_reported_with_its_parent_and_known_by_its_announcement_only() -> None:
    async def scenario(host: Host) -> None:
        far = ScriptedNode(HUB.parse("00-DB-12-34-56-78-90-B5"))
        far.capabilities = 0x8C  # end device, always listening
        host.air.link(HUB, far.eui64).in_range = False
        await host.command(0x0111, far.eui64.to_zigbee() + install_code_key(INSTALL_CODE) + b"\x00")
        await host.open_window()
        await far.join(host.air)
        await host.listen(0.2)
        told = [data for data in host.told(0x0024) if data[2:10] == far.eui64.to_zigbee()]
        assert [data[12:] for data in told] == [struct.pack("<H", host.device.nwk)]
        assert host.told(0x0023) == []  # it is no child of the coordinator's
        assert host.ncp.addresses.nwk(far.eui64) == far.nwk
        await host.start()
        await far.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, b"relayed", encrypted=False)
        await host.listen(0.2)
        assert [contents for _, _, contents in host.incoming()] == [b"relayed"]
        assert host.ncp.addresses.nwk(far.eui64) is None

    play(scenario)
