"""Frames through the coordinator on an emulated dongle, both ways."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.errors import DeliveryError, LocalProtocolError, RadioError
from hanota.eui64 import Eui64
from hanota.hub.ports import Priority
from hanota.radio.application import to_ieee
from hanota.zcl import ClusterId, Direction, ZclFrame
from tests.radio_dongles import DONGLES
from tests.radio_support import DEVICE_ENDPOINT, EPOCH, FRAME, HCALCS, HUB_ENDPOINT, PPMID, SETTINGS, bench

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", DONGLES, ids=str)

TUNNELED = b"\x11\x01\x02\x00\x00" + bytes(range(165))


def test_frames_go_both_ways_encrypted_between_the_true_endpoints(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            frame = await node.hears()
            assert (frame.profile, frame.cluster, frame.payload) == (0x0109, 0x0019, FRAME)
            assert (frame.source_endpoint, frame.destination_endpoint) == (HUB_ENDPOINT, DEVICE_ENDPOINT)
            assert frame.secured
            assert frame.ack
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: b.listener.frames)
            (received,) = b.listener.frames
            assert (received.device, received.cluster, received.data) == (PPMID, 0x0019, FRAME)
            assert received.aps_encrypted
            assert received.at == pytest.approx(EPOCH, abs=60)

    run_virtual(main())


def test_encryption_is_left_out_where_the_caller_says_so(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL, encrypted=False)
            assert not (await node.hears()).secured

    run_virtual(main())


@pytest.mark.parametrize("octets", [74, 82, 83, 182, 220, 221, 1200])
def test_a_message_longer_than_a_frame_goes_both_ways(dongle: Dongle, octets: int) -> None:
    async def main() -> None:
        message = bytes(range(256)) * 5
        async with bench(dongle) as b:
            node = await b.joined()
            await b.radio.send(PPMID, ClusterId.TUNNELING, message[:octets], priority=Priority.CRITICAL)
            assert (await node.hears()).payload == message[:octets]
            await node.say(ClusterId.TUNNELING, message[:octets])
            await b.listener.until(lambda: b.listener.frames)
            (frame,) = b.listener.frames
            assert (frame.data, frame.aps_encrypted) == (message[:octets], True)

    run_virtual(main())


def test_fragments_that_take_longer_than_one_frame_may_are_waited_for(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            b.air.faults[PPMID].latency = 3.0
            await b.radio.send(PPMID, ClusterId.TUNNELING, TUNNELED, priority=Priority.CRITICAL)
            assert [frame.payload for frame in node.received] == [TUNNELED]

    run_virtual(main())


def test_zigpy_can_still_ask_a_smart_energy_device_on_its_own_clusters(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            assert b.radio._session is not None
            device = b.radio._session.app.devices[to_ieee(PPMID)]
            reading = asyncio.ensure_future(
                device.endpoints[DEVICE_ENDPOINT].basic.read_attributes(["zcl_version"])
            )
            asked = ZclFrame.decode((await node.hears()).payload)
            answer = ZclFrame(
                asked.sequence, 0x01, b"\x00\x00\x00\x20\x03", Direction.TO_CLIENT, cluster_specific=False
            )
            await node.say(ClusterId.BASIC, answer.encode())
            success, _ = await reading
            assert success == {"zcl_version": 3}

    run_virtual(main())


def test_a_frame_too_large_to_fragment_is_refused_and_harms_nothing(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            with pytest.raises(LocalProtocolError, match="1601 octets; the limit is 1600"):
                await b.radio.send(PPMID, ClusterId.TUNNELING, bytes(1601), priority=Priority.CRITICAL)
            await b.radio.send(PPMID, ClusterId.TUNNELING, bytes(1600), priority=Priority.CRITICAL)
            assert len((await node.hears()).payload) == 1600

    run_virtual(main())


def test_the_result_of_one_frame_is_never_taken_for_anothers(dongle: Dongle) -> None:
    """zigpy-znp tells confirmations apart by the packet tsn alone, and would swap these."""

    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined()
            gone = await b.joined(HCALCS)
            gone.power_off()
            devices = [PPMID, HCALCS] * 6
            results = await asyncio.gather(
                *(
                    b.radio.send(device, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
                    for device in devices
                ),
                return_exceptions=True,
            )
            assert [isinstance(result, DeliveryError) for result in results] == [False, True] * 6

    run_virtual(main())


def test_zigpys_own_packets_share_no_number_with_the_hubs(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined()
            gone = await b.joined(HCALCS)
            gone.power_off()
            assert b.radio._session is not None
            app = b.radio._session.app
            sending = [
                b.radio.send(HCALCS, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL),
                app.request(
                    next(d for d in app.devices.values() if bytes(d.ieee.serialize()) == PPMID.to_zigbee()),
                    profile=0x0109,
                    cluster=0,
                    src_ep=3,
                    dst_ep=5,
                    sequence=app._sequence._next,
                    data=b"\x00\x01\x00",
                ),
            ]
            first, second = await asyncio.gather(*sending, return_exceptions=True)
            assert isinstance(first, DeliveryError)
            assert not isinstance(second, BaseException)

    run_virtual(main())


def test_a_coordinator_without_room_gets_the_frame_again_until_it_has(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            dongle.limit_in_flight(b.ncp, 1)
            payloads = [bytes((0x19, number, 0x05)) for number in range(8)]
            await asyncio.gather(
                *(
                    b.radio.send(PPMID, ClusterId.OTA_UPGRADE, payload, priority=Priority.NORMAL)
                    for payload in payloads
                )
            )
            assert sorted(frame.payload for frame in node.received) == payloads

    run_virtual(main())


def test_a_critical_frame_passes_the_blocks_that_wait(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            blocks = [
                asyncio.ensure_future(
                    b.radio.send(PPMID, ClusterId.OTA_UPGRADE, bytes((n,)) * 60, priority=Priority.BULK)
                )
                for n in range(40)
            ]
            await asyncio.sleep(0.02)
            await b.radio.send(PPMID, ClusterId.TUNNELING, TUNNELED, priority=Priority.CRITICAL)
            before = [frame.cluster for frame in node.received].index(ClusterId.TUNNELING)
            await asyncio.gather(*blocks)
            assert before < 16

    run_virtual(main())


def test_more_frames_than_the_setting_allows_are_refused_not_queued(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle, replace(SETTINGS, sends_waiting=4)) as b:
            await b.joined()
            results = await asyncio.gather(
                *(
                    b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.BULK)
                    for _ in range(6)
                ),
                return_exceptions=True,
            )
            refused = [result for result in results if result is not None]
            assert [str(error) for error in refused] == ["4 frames wait for the coordinator"] * 2
            assert all(isinstance(error, RadioError) for error in refused)

    run_virtual(main())


def test_a_device_that_is_not_there_is_a_delivery_error_within_a_bounded_time(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(DeliveryError) as caught:
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert caught.value.hint
            assert loop.time() - began == pytest.approx(SETTINGS.locate_timeout, abs=1)

    run_virtual(main())


def test_a_cluster_the_device_does_not_have_is_a_delivery_error_at_once(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined()
            with pytest.raises(DeliveryError, match="no Smart Energy endpoint with cluster 0x0702"):
                await b.radio.send(PPMID, ClusterId.METERING, FRAME, priority=Priority.NORMAL)

    run_virtual(main())


@pytest.mark.parametrize("cluster", [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING])
def test_unencrypted_ota_and_tunneling_frames_are_refused_at_the_radio(dongle: Dongle, cluster: int) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await node.say(
                cluster, ZclFrame(7, 0x01, disable_default_response=False).encode(), encrypted=False
            )
            await b.listener.until(lambda: b.listener.refused)
            assert b.listener.frames == []
            assert b.radio.refused == {"sent without APS encryption": 1}
            answer = await node.hears()
            assert answer.secured
            assert ZclFrame.decode(answer.payload).payload == b"\x01\x7e"

    run_virtual(main())


def test_a_repeated_frame_is_passed_on_each_time(dongle: Dongle) -> None:
    """zigpy would drop the second within 10 s, and a client that repeats a block request would wait."""

    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            for _ in range(3):
                await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: len(b.listener.frames) == 3)

    run_virtual(main())


def test_a_device_reads_the_time_from_the_hub(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            read = ZclFrame(9, 0x00, b"\x00\x00\x01\x00", cluster_specific=False)
            await node.say(ClusterId.TIME, read.encode())
            frame = await node.hears()
            assert frame.secured
            payload = ZclFrame.decode(frame.payload).payload
            utc = int.from_bytes(payload[4:8], "little") + 946_684_800
            assert utc == pytest.approx(EPOCH, abs=60)
            assert payload[8:] == bytes.fromhex("0100 00 18 09")

    run_virtual(main())


def test_a_flood_of_time_reads_is_answered_within_bounds_and_others_are_still_served(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle, replace(SETTINGS, answers_waiting=4)) as b:
            node = await b.joined()
            other = await b.joined(HCALCS)
            read = ZclFrame(9, 0x00, b"\x00\x00", cluster_specific=False).encode()
            flood = [asyncio.ensure_future(node.say(ClusterId.TIME, read)) for _ in range(50)]
            await asyncio.sleep(0.05)
            assert len(b.radio._answers.tasks) <= 4
            await b.radio.send(HCALCS, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await other.hears()).payload == FRAME
            await asyncio.gather(*flood)

    run_virtual(main())


def test_a_sender_that_goes_away_leaves_no_frame_behind(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined()
            sending = asyncio.ensure_future(
                b.radio.send(Eui64(bytes(8)), ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            )
            await asyncio.sleep(1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert b.radio._outbound._waiting == 0

    run_virtual(main())
