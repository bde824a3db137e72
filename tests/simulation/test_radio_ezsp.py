"""What is particular to EmberZNet coordinators, and what bellows lacks or breaks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zigpy.types as t

from hanota.emulator.air import Air, ApsFrame
from hanota.emulator.aps import Fragment
from hanota.emulator.ezsp.ash import ResetCode
from hanota.emulator.ezsp.configuration import ConfigId, PolicyId
from hanota.emulator.ezsp.frames import FrameId
from hanota.emulator.ezsp.nvram import LinkKey
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import NodeSettings
from hanota.errors import DeliveryError, LocalProtocolError, RadioError
from hanota.eui64 import Eui64
from hanota.hub.ports import Priority, RadioState
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId
from tests.radio_dongles import EzspDongle
from tests.radio_support import (
    DEVICE_ENDPOINT,
    FRAME,
    HCALCS,
    HUB_ENDPOINT,
    INSTALL_CODES,
    PPMID,
    SETTINGS,
    ScriptedNode,
    bench,
)

if TYPE_CHECKING:
    from hanota.emulator.ezsp.coordinator import EzspCoordinator
    from hanota.emulator.ezsp.frames import Command
    from tests.radio_support import Bench

DONGLES = (EzspDongle(13), EzspDongle(14))
pytestmark = pytest.mark.parametrize("dongle", DONGLES, ids=str)
MESSAGE = bytes(range(256)) * 5


def ncp_of(b: Bench) -> EzspCoordinator:
    from hanota.emulator.ezsp.coordinator import EzspCoordinator

    assert isinstance(b.ncp, EzspCoordinator)
    return b.ncp


def test_the_trust_centre_is_closed_and_holds_no_joining_key_outside_a_window(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            ncp = ncp_of(b)
            for _ in range(2):
                assert ncp.configuration.policy(PolicyId.TRUST_CENTER_POLICY) == 0x00
                assert ncp.keys.transient() == {}
                await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
                assert ncp.configuration.policy(PolicyId.TRUST_CENTER_POLICY) == 0x11
                assert list(ncp.keys.transient()) == [PPMID]
                await asyncio.sleep(70)

    run_virtual(main())


def test_the_link_key_of_a_device_outlives_its_join_window_and_a_restart_of_both(dongle: EzspDongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        async with bench(dongle, air=air, ncp=ncp) as b:
            node = await b.joined()
            other = await b.joined(HCALCS)
            await asyncio.sleep(1000)
            await b.still_works(node)
            await b.still_works(other)
        ncp.reset()
        async with bench(dongle, air=air, ncp=ncp) as b:
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).secured
        assert [key.eui64 for key in ncp.nvram.link_keys.values()] == [PPMID, HCALCS]

    run_virtual(main())


def test_a_device_that_joins_again_has_one_link_key(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            for _ in range(3):
                await asyncio.sleep(30)
                await node.leave()
                await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
                await node.join(b.air)
            await asyncio.sleep(1)
            assert list(ncp_of(b).nvram.link_keys) == [0]
            await b.still_works(node)

    run_virtual(main())


def test_a_full_key_table_gives_way_for_a_device_of_the_device_log_alone(
    dongle: EzspDongle, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            ncp = ncp_of(b)
            size = ncp.configuration[ConfigId.KEY_TABLE_SIZE]
            for index in range(size):
                ncp.nvram.link_keys[index] = LinkKey(Eui64(bytes(7) + bytes((index + 1,))), bytes(16))
            b.listener.admitted.update(entry.eui64 for entry in ncp.nvram.link_keys.values())
            await b.joined()
            await asyncio.sleep(1)
            assert "no room for the link key of 00-DB-12-34-56-78-90-A4" in caplog.text
            b.listener.admitted.discard(ncp.nvram.link_keys[5].eui64)
            await b.joined(HCALCS)
            await asyncio.sleep(1)
            assert ncp.nvram.link_keys[5].eui64 == HCALCS
            assert len(ncp.nvram.link_keys) == size

    with caplog.at_level(logging.ERROR, "hanota"):
        run_virtual(main())


def test_the_coordinator_knows_which_device_sleeps_and_where_each_is(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            awake = await b.joined()
            sleeper = ScriptedNode(HCALCS, settings=NodeSettings(sleep=5))
            await b.radio.permit_joining(HCALCS, INSTALL_CODES[HCALCS], 60)
            await sleeper.join(b.air)
            await b.listener.until(lambda: HCALCS in b.listener.joined)
            for node in (awake, sleeper):
                await b.radio.send(node.eui64, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
                assert (await node.hears()).payload == FRAME
            table = ncp_of(b).addresses._table.values()
            assert {(entry.eui64, entry.nwk, entry.extended_timeout) for entry in table} == {
                (PPMID, awake.nwk, False),
                (HCALCS, sleeper.nwk, True),
            }

    run_virtual(main())


def test_a_coordinator_that_forgot_where_devices_are_is_told_when_it_is_back(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle, replace(SETTINGS, discoveries=1)) as b:
            nodes = [await b.joined(), await b.joined(HCALCS)]
            b.ncp.reset()
            await b.until_state(RadioState.ONLINE)
            await asyncio.sleep(0.1)
            table = ncp_of(b).addresses._table.values()
            assert {entry.eui64: entry.nwk for entry in table} == {node.eui64: node.nwk for node in nodes}
            for node in nodes:
                await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: len(b.listener.frames) == 2)

    run_virtual(main())


def test_messages_in_blocks_to_many_devices_at_once_arrive_whole_through_a_coordinator_with_little_room(
    dongle: EzspDongle,
) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            nodes = [await b.joined(), await b.joined(HCALCS)]
            dongle.limit_in_flight(b.ncp, 1)
            await asyncio.gather(
                *(
                    b.radio.send(node.eui64, ClusterId.TUNNELING, MESSAGE[:1000], priority=Priority.CRITICAL)
                    for node in nodes
                )
            )
            assert [[frame.payload for frame in node.received] for node in nodes] == [[MESSAGE[:1000]]] * 2

    run_virtual(main())


async def say_block(node: ScriptedNode, counter: int, index: int, count: int, data: bytes) -> None:
    """Send one block of a message to the hub, encrypted."""
    await node._transmit(
        ApsFrame(
            source=node.nwk,
            destination=0x0000,
            source_endpoint=DEVICE_ENDPOINT,
            destination_endpoint=HUB_ENDPOINT,
            profile=PROFILE_SMART_ENERGY,
            cluster=ClusterId.TUNNELING,
            payload=data,
            link_key=node.link_key,
            sequence=counter,
            ack=True,
            fragment=Fragment(index, count),
        )
    )


def test_a_flood_of_first_blocks_is_bounded_and_another_device_is_still_heard(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            flooder = await b.joined()
            other = await b.joined(HCALCS)
            assert b.radio._session is not None
            blocks = b.radio._session.app._ezsp.blocks
            largest = 0

            async def watch() -> None:
                nonlocal largest
                while True:
                    largest = max(largest, len(blocks.reassembly), len(blocks._tasks))
                    await asyncio.sleep(0.01)

            watching = asyncio.ensure_future(watch())
            flood = [
                asyncio.ensure_future(say_block(flooder, counter, 0, 255, bytes(60)))
                for counter in range(200)
            ]
            await other.say(ClusterId.TUNNELING, MESSAGE[:1200])
            await b.listener.until(lambda: b.listener.frames)
            assert b.listener.frames[0].data == MESSAGE[:1200]
            await asyncio.gather(*flood)
            watching.cancel()
            assert largest == SETTINGS.fragmentation.messages
            await b.still_works(flooder)

    run_virtual(main())


def test_a_changed_duplicate_block_drops_the_whole_message_and_is_reported(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await say_block(node, 200, 0, 3, bytes(60))
            await say_block(node, 200, 1, 3, bytes(60))
            await say_block(node, 200, 1, 3, bytes((1,)) * 60)
            await say_block(node, 200, 2, 3, bytes(60))
            assert b.listener.frames == []
            reason = "malformed: block 1 came again with other octets"
            assert (PPMID, ClusterId.TUNNELING, reason) in b.listener.refused
            await b.still_works(node)

    run_virtual(main())


def test_blocks_that_arrive_in_disorder_and_twice_make_one_message(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            for index in (2, 1, 1, 0, 2):
                data = MESSAGE[60 * index : min(60 * index + 60, 150)]
                await say_block(node, 201, index, 3, data)
            await b.listener.until(lambda: b.listener.frames)
            await asyncio.sleep(5)
            assert [frame.data for frame in b.listener.frames] == [MESSAGE[:150]]

    run_virtual(main())


def test_a_message_in_blocks_whose_device_goes_away_is_a_delivery_error(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            asyncio.get_running_loop().call_later(0.05, node.power_off)
            with pytest.raises(DeliveryError, match="not delivered"):
                await b.radio.send(PPMID, ClusterId.TUNNELING, MESSAGE[:1200], priority=Priority.CRITICAL)

    run_virtual(main())


def test_a_frame_that_the_coordinator_never_confirms_is_a_delivery_error(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined()
            ncp_of(b).messaging._sent = lambda *_: None  # type: ignore[method-assign]
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(DeliveryError, match="does not confirm"):
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert loop.time() - began == pytest.approx(SETTINGS.confirm_timeout, abs=1)

    run_virtual(main())


def test_no_oversize_packet_whoever_sends_it_harms_the_link(dongle: EzspDongle) -> None:
    """bellows counts a frame that it then cannot send, and the coordinator takes none of the next ones."""

    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            assert b.radio._session is not None
            app = b.radio._session.app
            for mode, address in (
                (t.AddrMode.NWK, node.nwk),
                (t.AddrMode.Broadcast, t.BroadcastAddress.ALL_DEVICES),
            ):
                packet = t.ZigbeePacket(
                    src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(0)),
                    src_ep=t.uint8_t(HUB_ENDPOINT),
                    dst=t.AddrModeAddress(addr_mode=mode, address=address),
                    dst_ep=t.uint8_t(DEVICE_ENDPOINT),
                    profile_id=t.uint16_t(PROFILE_SMART_ENERGY),
                    cluster_id=t.uint16_t(ClusterId.TUNNELING),
                    data=t.SerializableBytes(bytes(2000)),
                )
                with pytest.raises(LocalProtocolError, match="2000 octets"):
                    await app.send_packet(packet)
            with pytest.raises(LocalProtocolError, match="ASH carries 256"):
                await app._ezsp.setMfgToken(0, bytes(250))
            await b.still_works(node)
            assert b.radio.state is RadioState.ONLINE

    run_virtual(main())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ResetCode.WATCHDOG, "the coordinator restarted (RESET_WATCHDOG)"),
        (ResetCode.ASSERT, "the coordinator restarted (RESET_ASSERT)"),
    ],
)
def test_a_restart_is_reported_with_its_reason(dongle: EzspDongle, code: ResetCode, reason: str) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            asyncio.get_running_loop().call_soon(ncp_of(b).reset, code)
            assert await b.until_state(RadioState.LOST, 1) == reason
            await b.until_state(RadioState.ONLINE)

    run_virtual(main())


def test_a_coordinator_that_acknowledges_and_answers_nothing_is_noticed(dongle: EzspDongle) -> None:
    """bellows takes 100 s for it."""

    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            ncp = ncp_of(b)
            handle, ncp._handle = ncp._handle, lambda payload: None  # type: ignore[method-assign]
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await b.until_state(RadioState.LOST, 60) == "the coordinator does not answer"
            assert loop.time() - began < 15
            ncp._handle = handle  # type: ignore[method-assign]
            await b.until_state(RadioState.ONLINE)
            await b.still_works(node)

    run_virtual(main())


def test_a_coordinator_whose_network_went_down_is_noticed_and_brought_up_again(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            ncp_of(b).go_off_air()
            reason = await b.until_state(RadioState.LOST, 15)
            assert reason == "the coordinator's network is down (NO_NETWORK)"
            await b.until_state(RadioState.ONLINE)
            await b.still_works(node)

    run_virtual(main())


def test_a_coordinator_that_restarts_by_itself_when_its_port_is_opened_is_started_all_the_same(
    dongle: EzspDongle,
) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        opened = ncp.line.open

        def open_and_restart(host: object) -> None:
            opened(host)  # type: ignore[arg-type]
            asyncio.get_running_loop().call_later(0.002, ncp.reset)

        ncp.line.open = open_and_restart  # type: ignore[method-assign]
        async with bench(dongle, air=air, ncp=ncp) as b:
            await b.still_works(await b.joined())
            assert [state for state, _ in b.listener.states] == [RadioState.STARTING, RadioState.ONLINE]

    run_virtual(main())


@pytest.mark.parametrize("fault", ["one octet at a time", "corrupted", "lost"])
def test_a_bad_serial_line_is_healed_by_ash(dongle: EzspDongle, fault: str) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            for line in (b.ncp.line.to_host, b.ncp.line.to_ncp):
                line.one_octet_reads = fault == "one octet at a time"
                line.corrupt = 0.02 * (fault == "corrupted")
                line.lose = 0.02 * (fault == "lost")
            for _ in range(5):
                await b.radio.send(PPMID, ClusterId.TUNNELING, MESSAGE[:1200], priority=Priority.CRITICAL)
                assert (await node.hears()).payload == MESSAGE[:1200]
                await node.say(ClusterId.TUNNELING, MESSAGE[:1200])
            await b.listener.until(lambda: len(b.listener.frames) == 5)
            assert {frame.data for frame in b.listener.frames} == {MESSAGE[:1200]}

    run_virtual(main())


def test_malformed_frames_from_the_coordinator_are_dropped(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            # A block that ends in its APS frame, one in its message, and frames of no shape at all.
            header = bytes(7) + b"\x00\x80" + bytes(3)
            for body in (header, header + bytes(20) + b"\xff", b"", b"\x00"):
                ncp_of(b).call_back(FrameId.INCOMING_MESSAGE_HANDLER, body)
            await asyncio.sleep(1)
            assert b.listener.frames == []
            await b.still_works(node)

    run_virtual(main())


def test_a_thousand_messages_reuse_their_tags_without_a_mix_up(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            for _ in range(10):
                await asyncio.gather(
                    *(
                        b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
                        for _ in range(100)
                    )
                )
            assert len(node.received) == 1000

    run_virtual(main())


@pytest.mark.parametrize("policy", [0x00, 0x05], ids=["trust centre", "trust centre key request"])
def test_firmware_that_does_not_close_its_trust_centre_is_refused_by_name(
    dongle: EzspDongle, policy: int
) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        execute = ncp._execute

        def deaf(command: Command) -> bytes:
            if (command.frame_id, command.parameters[:1]) == (0x0055, bytes((policy,))):
                command = replace(command, parameters=bytes((policy, 0x03)))
            return execute(command)

        ncp._execute = deaf  # type: ignore[method-assign]
        with pytest.raises(RadioError, match="POLICY") as refused:
            async with bench(dongle, air=air, ncp=ncp):
                pass
        assert "firmware" in str(refused.value.hint)

    run_virtual(main())
