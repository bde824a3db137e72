"""The stock bellows application on the emulated co-processor, in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import zigpy.types as t
from bellows.ash import NcpFailure
from zigpy.exceptions import DeliveryError, NetworkNotFormed

from hanota.emulator.air import Air, TxStatus
from hanota.emulator.ezsp.ash import ResetCode
from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.emulator.serialx_handler import published
from hanota.emulator.zdo import SimpleDescriptor
from tests.emulator.ezsp_support import (
    DEVICE_ENDPOINT,
    HUB,
    HUB_ENDPOINT,
    OTA,
    PPMID,
    SMART_ENERGY,
    VERSIONS,
    ScriptedNode,
    formed_memory,
    hub,
    join,
    packet,
    started,
)

if TYPE_CHECKING:
    from tests.emulator.ezsp_support import RecordingApplication

ENCRYPTED = t.TransmitOptions.APS_Encryption
ACKNOWLEDGED = t.TransmitOptions.ACK

each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.mark.parametrize("version", [13, 14, 16, 17, 18])
def test_a_new_dongle_is_formed_with_the_settings_asked_for(version: int) -> None:
    async def scenario() -> None:
        new = EzspCoordinator(Air(), eui64=HUB, version=version)
        async with hub(new.air, version, new) as (application, ncp):
            info = application.state.network_info
            assert (info.channel, info.pan_id, bytes(info.network_key.key)) == (15, 0x8C54, bytes(range(16)))
            assert str(application.state.node_info.ieee) == "00:12:4b:00:aa:bb:cc:dd"
            assert application.state.node_info.manufacturer == "hanota"
            assert info.metadata["ezsp"]["stack_version"] == version
            assert ncp.network_up
            assert ncp.statistics.unknown_commands == ncp.statistics.malformed_commands == 0

    run_virtual(scenario())


@each_version
def test_forming_loses_the_endpoints_and_a_second_start_registers_them(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        ncp = EzspCoordinator(air, eui64=HUB, version=version)
        with published("ezsp0", ncp) as url:
            async with started(url) as application:
                assert ncp.endpoints == {}
                await join(application, air, node)
                await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, b"nobody there")
                assert application.packets == []
                assert ncp.statistics.unregistered_endpoint == 1
            async with started(url, form=False) as application:
                assert HUB_ENDPOINT in ncp.endpoints
                await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, b"here", encrypted=False)
                await asyncio.sleep(0.1)
                assert application.packets[-1].data.serialize() == b"here"
        ncp.stop()

    run_virtual(scenario())


@each_version
def test_a_dongle_without_a_network_says_so(version: int) -> None:
    async def scenario() -> None:
        ncp = EzspCoordinator(Air(), eui64=HUB, version=version)
        with published("ezsp0", ncp) as url, pytest.raises(NetworkNotFormed):
            async with started(url, form=False):
                pass
        ncp.stop()

    run_virtual(scenario())


@each_version
def test_a_network_survives_the_host_and_the_dongle(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, ncp):
            await join(application, air, node)
            await application._ezsp.importLinkKey(0, t.EUI64(PPMID.to_zigbee()), t.KeyData(node.link_key))
        restarted = EzspCoordinator(air, eui64=HUB, version=version, nvram=ncp.nvram.copy())
        async with hub(air, version, restarted) as (application, _):
            assert application.state.network_info.pan_id == 0x8C54
            await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, b"I am still here")
            await application.send_packet(packet(application, node, b"after"))
            assert node.received[-1].payload == b"after"
            assert node.received[-1].secured

    run_virtual(scenario())


@each_version
def test_a_device_joins_with_its_install_code_and_its_descriptors_are_read(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(10)
            assert application.joined == ["00:db:12:34:56:78:90:a4"]
            (device,) = (d for d in application.devices.values() if d.nwk == node.nwk)
            assert device.manufacturer_id == 0x1234
            assert device.endpoints[DEVICE_ENDPOINT].profile_id == SMART_ENERGY
            assert list(device.endpoints[DEVICE_ENDPOINT].out_clusters) == [OTA]
            assert await node.match_descriptor(OTA) == (0, HUB_ENDPOINT)

    run_virtual(scenario())


@each_version
def test_stock_zigpy_interviews_a_device_to_the_end_unless_its_profile_is_smart_energy(version: int) -> None:
    async def scenario(profile: int) -> bool:
        endpoint = SimpleDescriptor(DEVICE_ENDPOINT, profile, 0x0402, (0x0003,), ())
        outputs = SimpleDescriptor(DEVICE_ENDPOINT, profile, 0x0402, (0x0003,), (OTA,))
        air, node = Air(), ScriptedNode(endpoint=endpoint if profile == 0x0104 else outputs)
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(120)
            return "00:db:12:34:56:78:90:a4" in application.interviewed

    assert run_virtual(scenario(0x0104))
    assert not run_virtual(scenario(SMART_ENERGY))


@each_version
def test_stranger_joins_with_a_wrong_install_code_is_not_let_in(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            with pytest.raises(JoinRefusedError, match="install code"):
                await join(application, air, node, code=bytes(16))
            assert not node.joined
            await asyncio.sleep(60)
            assert application.interviewed == {str(application.state.node_info.ieee)}

    run_virtual(scenario())


@each_version
def test_stranger_joins_without_a_registered_install_code_is_not_let_in(version: int) -> None:
    async def scenario() -> None:
        air = Air()
        async with hub(air, version) as (application, _):
            stranger = ScriptedNode(eui64=HUB.parse("00-DB-12-34-56-78-90-FF"))
            await application.permit_with_link_key(
                t.EUI64(PPMID.to_zigbee()), t.KeyData(bytes(16)), time_s=60
            )
            with pytest.raises(JoinRefusedError, match="holds no key"):
                await stranger.join(air)
            await asyncio.sleep(1)
            assert application.joined == []

    run_virtual(scenario())


@each_version
def test_a_device_is_refused_before_the_window_opens_and_after_it_closed(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            with pytest.raises(JoinRefusedError, match="permits"):
                await node.join(air)
            await application.permit(20)
            await asyncio.sleep(21)
            with pytest.raises(JoinRefusedError, match="permits"):
                await node.join(air)

    run_virtual(scenario())


@each_version
@pytest.mark.parametrize("octets", [1, 50, 73])
@pytest.mark.parametrize("options", [ACKNOWLEDGED, ACKNOWLEDGED | ENCRYPTED])
def test_messages_of_one_frame_pass_both_ways_with_and_without_aps_encryption(
    version: int, octets: int, options: t.TransmitOptions
) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        message = bytes(range(octets))
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await application.send_packet(packet(application, node, message, tx_options=options))
            assert node.received[-1].payload == message
            assert node.received[-1].secured == (ENCRYPTED in options)
            status = await node.send(
                SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, message, encrypted=ENCRYPTED in options
            )
            assert status is TxStatus.SUCCESS
            await asyncio.sleep(0.1)
            incoming = application.packets[-1]
            assert incoming.data.serialize() == message
            assert incoming.src.address == node.nwk
            assert (incoming.src_ep, incoming.dst_ep, incoming.profile_id) == (5, 3, SMART_ENERGY)
            assert (ENCRYPTED in incoming.tx_options) == (ENCRYPTED in options)

    run_virtual(scenario())


@each_version
@pytest.mark.parametrize(("options", "octets"), [(ACKNOWLEDGED, 83), (ACKNOWLEDGED | ENCRYPTED, 74)])
def test_one_octet_more_than_a_frame_holds_is_too_long(
    version: int, options: t.TransmitOptions, octets: int
) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await application.send_packet(packet(application, node, bytes(octets - 1), tx_options=options))
            with pytest.raises(DeliveryError, match="MESSAGE_TOO_LONG"):
                await application.send_packet(packet(application, node, bytes(octets), tx_options=options))

    run_virtual(scenario())


def test_bellows_puts_a_long_message_together_in_version_13_and_loses_it_in_14() -> None:
    async def scenario(version: int) -> tuple[TxStatus, list[bytes]]:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            status = await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, bytes(range(150)))
            await asyncio.sleep(0.1)
            return status, [packet.data.serialize() for packet in application.packets]

    assert run_virtual(scenario(13)) == (TxStatus.SUCCESS, [bytes(range(150))])
    # bellows 1.2 acknowledges the blocks to a wrong address, so the device gives up.
    assert run_virtual(scenario(14)) == (TxStatus.APS_NO_ACK, [])


@each_version
def test_a_device_whose_key_the_dongle_does_not_share_cannot_be_sent_secured_frames(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, ncp):
            await join(application, air, node)
            node.link_key = bytes(16)
            with pytest.raises((DeliveryError, TimeoutError)):
                await application.send_packet(packet(application, node, b"secret"))
            assert air.statistics.refused > 0
            ncp.keys.reset()
            with pytest.raises(DeliveryError, match="APS_ENCRYPTION_ERROR"):
                await application.send_packet(packet(application, node, b"secret"))
            assert not any(frame.payload == b"secret" for frame in node.received)

    run_virtual(scenario())


@each_version
def test_a_key_for_joining_expires_unless_it_is_made_a_link_key(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, ncp):
            await join(application, air, node)
            await asyncio.sleep(ncp.configuration[ConfigId.TRANSIENT_KEY_TIMEOUT_S] + 1)
            with pytest.raises(DeliveryError, match="APS_ENCRYPTION_ERROR"):
                await application.send_packet(packet(application, node, b"too late"))
            await application._ezsp.importLinkKey(0, t.EUI64(PPMID.to_zigbee()), t.KeyData(node.link_key))
            await application.send_packet(packet(application, node, b"in time"))
            assert node.received[-1].payload == b"in time"

    run_virtual(scenario())


@each_version
def test_more_messages_than_the_dongle_holds_are_refused_and_the_others_arrive(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, ncp):
            await join(application, air, node)
            await asyncio.sleep(10)
            ncp.configuration._config[ConfigId.APS_UNICAST_MESSAGE_COUNT] = 2
            air.faults[node.eui64].latency = 0.5
            sends = [
                application.send_packet(packet(application, node, bytes((number,)), tsn=number))
                for number in range(6)
            ]
            results = await asyncio.gather(*sends, return_exceptions=True)
            refused = [result for result in results if isinstance(result, DeliveryError)]
            assert len(refused) == 4
            assert all("MAX_MESSAGE_LIMIT_REACHED" in str(error) for error in refused)
            assert len([frame for frame in node.received if frame.cluster == OTA]) == 2

    run_virtual(scenario())


@each_version
def test_a_device_out_of_reach_is_a_failed_delivery(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            node.power_off()
            with pytest.raises(DeliveryError, match="DELIVERY_FAILED"):
                await application.send_packet(packet(application, node, b"unheard"))

    run_virtual(scenario())


@each_version
def test_an_unplugged_dongle_is_a_lost_connection(version: int) -> None:
    async def scenario() -> None:
        async with hub(Air(), version) as (application, ncp):
            ncp.line.unplug()
            async with asyncio.timeout(1):
                assert isinstance(await application.lost, OSError)

    run_virtual(scenario())


@each_version
def test_a_silent_dongle_is_found_out_by_unacknowledged_frames(version: int) -> None:
    async def scenario() -> float:
        async with hub(Air(), version) as (application, ncp):
            loop = asyncio.get_running_loop()
            ncp.line.to_host.muted = True
            began = loop.time()
            async with asyncio.timeout(60):
                assert isinstance(await application.lost, NcpFailure)
            return loop.time() - began

    assert run_virtual(scenario()) < 25


@each_version
@pytest.mark.parametrize("reason", [ResetCode.WATCHDOG, ResetCode.ASSERT])
def test_a_dongle_that_resets_itself_in_the_middle_is_a_lost_connection_with_the_reason(
    version: int, reason: ResetCode
) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, ncp):
            await join(application, air, node)
            sending = asyncio.ensure_future(application.send_packet(packet(application, node, b"lost")))
            await asyncio.sleep(0.005)
            ncp.reset(reason)
            async with asyncio.timeout(1):
                error = await application.lost
            assert isinstance(error, NcpFailure)
            assert int(error.code) == reason
            assert not ncp.network_up
            assert await node.send(SMART_ENERGY, OTA, 5, 3, b"lost") is TxStatus.NO_ROUTE
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            ncp.line.close(ncp.line._host)  # type: ignore[arg-type]  # the host that lost it

    run_virtual(scenario())


@each_version
def test_one_octet_reads_and_garbage_between_frames_change_nothing(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        ncp = EzspCoordinator(air, eui64=HUB, version=version)
        ncp.line.to_host.one_octet_reads = ncp.line.to_ncp.one_octet_reads = True
        ncp.line.to_host.manipulate = lambda data: [b"\x00\x1a", data]
        ncp.line.to_ncp.manipulate = lambda data: [b"\x55\xff\x1a", data]
        async with hub(air, version, ncp) as (application, _):
            await join(application, air, node)
            await application.send_packet(packet(application, node, b"through"))
            assert node.received[-1].payload == b"through"

    run_virtual(scenario())


@each_version
def test_corrupted_and_lost_octets_are_healed_and_no_message_is_lost_or_doubled(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(seed=3), ScriptedNode()
        ncp = EzspCoordinator(air, eui64=HUB, version=version, seed=3)
        async with hub(air, version, ncp) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(10)
            for faults in (ncp.line.to_host, ncp.line.to_ncp):
                faults.corrupt, faults.lose = 0.05, 0.02
            sent = [bytes((number,)) * 40 for number in range(60)]
            for message in sent:
                await _send_until_delivered(application, node, message)
                await node.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, message)
            await asyncio.sleep(5)
            assert not application.lost.done()
            assert [frame.payload for frame in node.received if frame.cluster == OTA] == sent
            heard = [packet for packet in application.packets if packet.cluster_id == OTA]
            assert [packet.data.serialize() for packet in heard] == sent
            assert ncp.ash.statistics.naks_sent > 0
            assert ncp.ash.statistics.retransmissions > 0

    run_virtual(scenario())


async def _send_until_delivered(
    application: RecordingApplication, node: ScriptedNode, message: bytes
) -> None:
    """bellows may give up (after 3 s) while the report is repeated; the message arrives all the same."""
    try:
        await application.send_packet(packet(application, node, message))
    except TimeoutError:
        assert node.received[-1].payload == message


@each_version
def test_a_device_that_leaves_is_reported(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(10)
            await node.leave()
            await asyncio.sleep(1)
            assert application.left == ["00:db:12:34:56:78:90:a4"]

    run_virtual(scenario())


@each_version
def test_a_device_told_to_leave_goes(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(10)
            await application.remove(t.EUI64(node.eui64.to_zigbee()))
            await asyncio.sleep(10)
            assert not node.joined

    run_virtual(scenario())


@each_version
def test_a_backup_restored_to_another_dongle_gives_it_network_keys_and_identity(version: int) -> None:
    async def scenario() -> None:
        air, node = Air(), ScriptedNode()
        async with hub(air, version) as (application, _):
            await join(application, air, node)
            await application._ezsp.importLinkKey(2, t.EUI64(PPMID.to_zigbee()), t.KeyData(node.link_key))
            backup = await application.backups.create_backup(load_devices=True)
        other = HUB.parse("00-12-4B-00-11-22-33-44")
        bench = EzspCoordinator(Air(), eui64=other, version=version)
        async with hub(bench.air, version, bench) as (application, _):
            await application.backups.restore_backup(backup)
        spare = EzspCoordinator(air, eui64=other, version=version, nvram=bench.nvram.copy())
        async with hub(air, version, spare) as (application, _):
            assert spare.eui64 == HUB
            info = application.state.network_info
            assert (info.pan_id, bytes(info.network_key.key)) == (0x8C54, bytes(range(16)))
            assert info.network_key.tx_counter >= backup.network_info.network_key.tx_counter + 10_000
            # bellows 1.2 reads the answer of EZSP 14 in the order of 13, and so finds no link key to keep.
            assert spare.keys.key(PPMID) == (node.link_key if version == 13 else None)
            await application.send_packet(packet(application, node, b"same device", tx_options=ACKNOWLEDGED))
            assert node.received[-1].payload == b"same device"

    run_virtual(scenario())


@each_version
def test_an_energy_scan_hears_every_channel_asked_for(version: int) -> None:
    async def scenario() -> None:
        async with hub(Air(), version) as (application, _):
            energy = await application.energy_scan(t.Channels.ALL_CHANNELS, duration_exp=2, count=1)
            assert sorted(energy) == list(range(11, 27))

    run_virtual(scenario())


@pytest.mark.parametrize(("version", "hours"), [(13, 10), (14, 2)])
def test_hours_of_watchdog_find_nothing_wrong(version: int, hours: int) -> None:
    async def scenario() -> None:
        async with hub(Air(), version) as (application, ncp):
            await asyncio.sleep(hours * 3600)
            assert not application.lost.done()
            assert ncp.ash.statistics.retransmissions == 0
            assert application.state.counters["ezsp_counters"]["EZSP_FREE_BUFFERS"].value == 240

    run_virtual(scenario())


def test_the_same_seed_gives_the_same_octets_at_the_same_times() -> None:
    async def scenario(seed: int) -> str:
        air, node = Air(seed=seed), ScriptedNode()
        air.faults[node.eui64].loss = 0.3
        # A network formed before: for a new one bellows draws the hashed link key from os.urandom.
        ncp = EzspCoordinator(air, eui64=HUB, nvram=formed_memory(), seed=seed)
        trace = hashlib.sha256()

        def observe(now: float, way: Any, data: bytes) -> None:
            trace.update(f"{now:.6f}{way.value}".encode() + data)

        ncp.line.observe = observe
        async with hub(air, 13, ncp) as (application, _):
            await join(application, air, node)
            for number in range(20):
                await application.send_packet(packet(application, node, bytes((number,)) * 60))
        return trace.hexdigest()

    first = run_virtual(scenario(1))
    assert first == run_virtual(scenario(1))
    assert first != run_virtual(scenario(2))
