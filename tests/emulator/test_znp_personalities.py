"""The firmwares of the emulated Z-Stack coordinator, as the stock zigpy-znp application finds them."""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import zigpy.types as t
import zigpy_znp.commands as c
import zigpy_znp.types as znp_t
from zigpy.exceptions import NetworkNotFormed
from zigpy_znp.exceptions import CommandNotRecognized, InvalidCommandResponse

from hanota.emulator.air import Air
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.emulator.serialx_handler import published
from hanota.emulator.znp.coordinator import ResetReason, ZnpCoordinator
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import NvItem, NvTable
from hanota.emulator.znp.personality import PERSONALITIES, Z_STACK_3_0, Z_STACK_3_30
from hanota.emulator.znp.unpi import UnpiDecoder
from hanota.eui64 import Eui64
from tests.emulator.znp_support import (
    DEVICE_ENDPOINT,
    HUB,
    HUB_ENDPOINT,
    OTA,
    PPMID,
    SMART_ENERGY,
    RecordingApplication,
    ScriptedNode,
    configuration,
    hub,
    join,
    packet,
    started,
)

if TYPE_CHECKING:
    from hanota.emulator.znp.personality import Personality
    from hanota.emulator.znp.unpi import MtFrame

both = pytest.mark.parametrize("personality", PERSONALITIES.values(), ids=list(PERSONALITIES))
SET_LINK_KEY = c.ZDO.SetLinkKey.Req


def dongle(personality: Personality, air: Air, kept: ZnpCoordinator | None = None) -> ZnpCoordinator:
    """A coordinator, new or with the memory of `kept`."""
    nvram = None if kept is None else kept.nvram.copy()
    return ZnpCoordinator(air, eui64=HUB, personality=personality, nvram=nvram)


def device(number: int) -> ScriptedNode:
    return ScriptedNode(Eui64(PPMID[:7] + bytes((PPMID[7] + number,))))


def link_key(number: int) -> bytes:
    return bytes(range(number, 16 + number))


async def establish(application: RecordingApplication, node: ScriptedNode, key: bytes) -> None:
    """What host and device do once key establishment gave them `key`."""
    ieee = t.EUI64(node.eui64.to_zigbee())
    request = SET_LINK_KEY(NWK=node.nwk, IEEE=ieee, LinkKeyData=t.KeyData(key))
    await application._znp.request(request, RspStatus=znp_t.Status.SUCCESS)
    node.link_key = key


async def talks(application: RecordingApplication, node: ScriptedNode) -> None:
    """See an encrypted frame go each way."""
    greeting = b"to " + node.eui64
    await application.send_packet(packet(application, node, greeting))
    assert [frame.secured for frame in node.received if frame.payload == greeting] == [True]
    answer = b"from " + node.eui64
    await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, answer, encrypted=True)
    await asyncio.sleep(0.1)
    assert [heard.src.address for heard in application.packets if heard.data.serialize() == answer] == [
        node.nwk
    ]
    node.received.clear()
    application.packets.clear()


@pytest.mark.parametrize(
    ("personality", "version", "model", "nib"),
    [(Z_STACK_3_30, 3.30, "CC2652", 116), (Z_STACK_3_0, 3.0, "CC2531", 110)],
    ids=["3.30", "3.0"],
)
def test_a_host_finds_release_chip_and_network_of_a_coordinator_it_forms(
    personality: Personality, version: float, model: str, nib: int
) -> None:
    async def scenario() -> None:
        air = Air()
        async with hub(air, dongle(personality, air)) as (application, ncp):
            assert application._znp.version == version
            assert application.state.node_info.model == model
            info = application.state.network_info
            assert (info.channel, info.pan_id, bytes(info.network_key.key)) == (15, 0x8C54, bytes(range(16)))
            assert str(application.state.node_info.ieee) == "00:12:4b:00:aa:bb:cc:dd"
            assert len(ncp.nvram.items[NvItem.NIB]) == nib
            assert ncp.network_up
            assert ncp.statistics.malformed_commands == 0

    run_virtual(scenario())


@both
def test_a_network_its_devices_and_their_keys_survive_host_and_dongle(personality: Personality) -> None:
    async def scenario() -> None:
        air, by_code, established = Air(), device(0), device(1)
        async with hub(air, dongle(personality, air)) as (application, ncp):
            await join(application, air, by_code)
            await join(application, air, established)
            await establish(application, established, b"\x5a" * 16)
            await talks(application, established)
        restarted = dongle(personality, air, ncp)
        with published("znp0", restarted) as url:
            async with started(url, form=False) as application:
                assert application.state.network_info.pan_id == 0x8C54
                await talks(application, by_code)
                await talks(application, established)
        restarted.stop()

    run_virtual(scenario())


@both
def test_a_device_joins_with_its_install_code_and_a_stranger_with_a_wrong_one_does_not(
    personality: Personality,
) -> None:
    async def scenario() -> None:
        air, node, stranger = Air(), device(0), device(1)
        async with hub(air, dongle(personality, air)) as (application, _):
            with pytest.raises(JoinRefusedError, match="install code"):
                await join(application, air, stranger, code=bytes(16))
            await join(application, air, node)
            await asyncio.sleep(10)
            assert "00:db:12:34:56:78:90:a4" in application.joined
            await talks(application, node)

    run_virtual(scenario())


@both
@pytest.mark.parametrize("target", PERSONALITIES.values(), ids=[f"to-{name}" for name in PERSONALITIES])
def test_a_backup_restored_to_another_dongle_of_either_release_goes_on_with_the_same_devices(
    personality: Personality, target: Personality
) -> None:
    async def scenario() -> None:
        air, nodes = Air(), [device(number) for number in range(3)]
        async with hub(air, dongle(personality, air)) as (application, ncp):
            for number, node in enumerate(nodes):
                await join(application, air, node)
                await establish(application, node, link_key(number))
            backup = await application.backups.create_backup(load_devices=True)
        keys = {str(key.partner_ieee): bytes(key.key) for key in backup.network_info.key_table}
        assert keys == {
            str(t.EUI64(node.eui64.to_zigbee())): link_key(number) for number, node in enumerate(nodes)
        }
        other = ZnpCoordinator(air, eui64=Eui64.parse("00-12-4B-00-00-00-00-02"), personality=target, seed=9)
        with published("znp0", other) as url:
            application = RecordingApplication(configuration(url))
            await application.connect()
            await application.backups.restore_backup(backup, counter_increment=0)
            await application.disconnect()
            async with started(url, form=False) as application:
                assert other.eui64 == ncp.eui64
                assert application.state.network_info.pan_id == 0x8C54
                for node in nodes:
                    await talks(application, node)
                await join(application, air, device(7))
                again = await application.backups.create_backup(load_devices=True)
                restored = zip(again.network_info.key_table, backup.network_info.key_table, strict=False)
                for now, before in restored:
                    assert (now.partner_ieee, now.key) == (before.partner_ieee, before.key)
                    assert now.tx_counter > before.tx_counter
        other.stop()

    run_virtual(scenario())


@both
def test_a_coordinator_told_to_forget_its_network_has_none(personality: Personality) -> None:
    async def scenario() -> None:
        air, node = Air(), device(0)
        async with hub(air, dongle(personality, air)) as (application, ncp):
            await join(application, air, node)
            await application.reset_network_info()
            await asyncio.sleep(1)
            with pytest.raises(NetworkNotFormed):
                await application.load_network_info()
            assert ncp.security.devices == {}
            assert not ncp.network_up

    run_virtual(scenario())


def test_the_older_release_does_not_know_the_commands_of_the_later_ones_tables() -> None:
    async def scenario() -> None:
        air = Air()
        async with hub(air, dongle(Z_STACK_3_0, air)) as (application, ncp):
            unknown = ncp.statistics.unknown_commands
            with pytest.raises(CommandNotRecognized):
                await application._znp.nvram.read(item_id=NvTable.ADDRMGR, sub_id=0, item_type=t.Bytes)
            assert ncp.statistics.unknown_commands == unknown + 1

    run_virtual(scenario())


def test_the_older_release_holds_three_established_keys_and_refuses_a_fourth() -> None:
    async def scenario() -> None:
        air, nodes = Air(), [device(number) for number in range(4)]
        async with hub(air, dongle(Z_STACK_3_0, air)) as (application, _):
            for number, node in enumerate(nodes):
                await join(application, air, node)
                if number < 3:
                    await establish(application, node, link_key(number))
            with pytest.raises(InvalidCommandResponse):
                await establish(application, nodes[3], link_key(3))
            for node in nodes:
                await talks(application, node)

    run_virtual(scenario())


def test_the_older_release_has_neither_nib_nor_address_table_before_it_has_a_network() -> None:
    new = Z_STACK_3_0.factory_new(tclk_seed=bytes(16))
    assert not {NvItem.NIB, NvItem.ADDRMGR, NvItem.APS_LINK_KEY_TABLE} & new.items.keys()

    async def scenario() -> None:
        air = Air()
        async with hub(air, dongle(Z_STACK_3_0, air)) as (_, ncp):
            items = ncp.nvram.items
            assert Nib.decode(items[NvItem.NIB]).formed
            assert len(items[NvItem.ADDRMGR]) == 124 * 11
            assert len(items[NvItem.APS_LINK_KEY_TABLE]) == 2 + 3 * 5

    run_virtual(scenario())


@dataclass
class Overheard:
    """The indications of a dongle."""

    frames: list[MtFrame] = field(default_factory=list)
    _decoder: UnpiDecoder = field(default_factory=UnpiDecoder)

    def observe(self, _at: float, way: Direction, data: bytes) -> None:
        if way is Direction.TO_HOST:
            self.frames += self._decoder.feed(data)

    def of(self, command: tuple[int, int]) -> list[bytes]:
        return [
            frame.data
            for frame in self.frames
            if (frame.type << 5 | frame.subsystem, frame.command) == command
        ]


@both
@pytest.mark.parametrize("reason", ResetReason)
def test_a_reset_tells_its_reason_and_the_release(personality: Personality, reason: ResetReason) -> None:
    async def scenario() -> None:
        air, overheard = Air(), Overheard()
        async with hub(air, dongle(personality, air)) as (_, ncp):
            ncp.line.observe = overheard.observe
            ncp.reset(reason)
            await asyncio.sleep(0.1)
            assert overheard.of((0x41, 0x80)) == [bytes((reason,)) + personality.version]

    run_virtual(scenario())


@both
def test_the_leds_are_switched_when_a_host_asks(
    personality: Personality, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        air = Air()
        ncp = dongle(personality, air)
        with published("znp0", ncp) as url:
            config = configuration(url)
            config["znp_config"]["led_mode"] = "off"
            application = RecordingApplication(config)
            await application.startup(auto_form=True)
            await application.shutdown()
        ncp.stop()

    run_virtual(scenario())
    assert "LED control" not in caplog.text


@both
@pytest.mark.parametrize(("request_cluster", "indication"), [(0x0000, (0x45, 0x80)), (0x0001, (0x45, 0x81))])
def test_an_address_response_without_children_counts_none_and_hosts_can_read_it(
    personality: Personality,
    request_cluster: int,
    indication: tuple[int, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        air, node, overheard = Air(), device(0), Overheard()
        async with hub(air, dongle(personality, air)) as (application, ncp):
            await join(application, air, node)
            await asyncio.sleep(10)
            ncp.line.observe = overheard.observe
            caplog.clear()
            (known,) = (d for d in application.devices.values() if d.nwk == node.nwk)
            request = known.zdo.NWK_addr_req if request_cluster == 0 else known.zdo.IEEE_addr_req
            subject = known.ieee if request_cluster == 0 else known.nwk
            status, ieee, nwk, *_ = await request(subject, 0, 0)
            assert (status, ieee, nwk) == (0, known.ieee, known.nwk)
            expected = struct.pack("<B8sHBB", 0, node.eui64.to_zigbee(), node.nwk, 0, 0)
            assert overheard.of(indication) == [expected]
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    run_virtual(scenario())
