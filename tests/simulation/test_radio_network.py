"""The coordinator's network on an emulated dongle: forming, joining, and who is kept out."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.emulator.air import Air
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.errors import RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.radio import Coordinator, NetworkSettings, RadioUrl
from hanota.zcl import ClusterId
from tests.radio_dongles import DONGLES, HUB, Network
from tests.radio_support import (
    EPOCH,
    FRAME,
    HCALCS,
    INSTALL_CODES,
    NETWORK_KEY,
    PPMID,
    SETTINGS,
    Listener,
    ScriptedNode,
    bench,
)

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", DONGLES, ids=str)


def test_a_new_coordinator_forms_the_network_of_the_settings_under_its_own_eui64(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle, replace(SETTINGS, network=replace(SETTINGS.network, channel=20))) as b:
            assert dongle.network(b.ncp) == Network(20, 0x8C54, HUB, NETWORK_KEY)
            assert b.radio.eui64 == HUB
            assert [state for state, _ in b.listener.states] == [RadioState.STARTING, RadioState.ONLINE]

    run_virtual(main())


def test_a_network_without_a_key_in_the_settings_gets_a_random_one(dongle: Dongle) -> None:
    async def main() -> bytes:
        async with bench(dongle, replace(SETTINGS, network=NetworkSettings())) as b:
            return dongle.network(b.ncp).key

    assert run_virtual(main()) != run_virtual(main())


def test_a_restarted_hub_goes_on_with_its_network_and_finds_its_devices_by_eui64(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        async with bench(dongle, air=air, ncp=ncp) as b:
            node = await b.joined()
        network = dongle.network(ncp)
        other = replace(SETTINGS, network=NetworkSettings(channel=26, network_key=bytes(16)))
        async with bench(dongle, other, air=air, ncp=ncp) as b:
            assert dongle.network(ncp) == network
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).payload == FRAME

    run_virtual(main())


def test_a_restarted_hub_identifies_a_device_that_speaks_first(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        async with bench(dongle, air=air, ncp=ncp) as b:
            node = await b.joined()
        async with bench(dongle, air=air, ncp=ncp) as b:
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: b.listener.joined == [PPMID])
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: b.listener.frames)
            assert b.listener.frames[0].device == PPMID

    run_virtual(main())


def test_a_device_joins_with_its_install_code_and_only_zdo_is_spoken_to_it(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await asyncio.sleep(30)
            assert b.listener.joined == [PPMID]
            assert node.received == []

    run_virtual(main())


def test_the_network_closes_when_the_last_expected_device_has_joined(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            for device in (PPMID, HCALCS):
                await b.radio.permit_joining(device, INSTALL_CODES[device], 600)
            for device in (PPMID, HCALCS):
                assert b.ncp.joining.permits_joining
                await ScriptedNode(device).join(b.air)
                await b.listener.until(partial(b.listener.joined.__contains__, device))
            await asyncio.sleep(1)
            assert not b.ncp.joining.permits_joining

    run_virtual(main())


def test_a_window_longer_than_zigbee_allows_stays_open_for_its_time_and_no_longer(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            loop = asyncio.get_running_loop()
            opened = loop.time()
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 1000)
            while loop.time() < opened + 999:
                assert b.ncp.joining.permits_joining
                await asyncio.sleep(1)
            await asyncio.sleep(3)
            assert not b.ncp.joining.permits_joining

    run_virtual(main())


def test_wrong_install_code_does_not_join(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.radio.permit_joining(PPMID, bytes(16), 60)
            with pytest.raises(JoinRefusedError):
                await ScriptedNode(PPMID).join(b.air)
            await asyncio.sleep(60)
            assert b.listener.joined == []

    run_virtual(main())


def test_right_install_code_of_another_device_does_not_join(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            imposter = ScriptedNode(HCALCS)
            imposter.link_key = ScriptedNode(PPMID).link_key
            with pytest.raises(JoinRefusedError):
                await imposter.join(b.air)

    run_virtual(main())


def test_a_stranger_with_the_well_known_key_never_joins_while_one_window_ends_and_another_is_open(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            stranger = ScriptedNode(HCALCS)
            stranger.link_key = b"ZigBeeAlliance09"
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 20)
            other = type(PPMID)(bytes(7) + b"\x01")
            await b.radio.permit_joining(other, bytes(16), 600)
            for _ in range(60):
                with pytest.raises(JoinRefusedError, match="no key"):
                    await stranger.join(b.air)
                await asyncio.sleep(9)

    run_virtual(main())


def test_permit_never_opens_the_network_whoever_calls_it(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        tap = dongle.tap(ncp)
        async with bench(dongle, air=air, ncp=ncp) as b:
            assert b.radio._session is not None
            app = b.radio._session.app
            await app.permit(60)
            await app.permit(254, node=app.state.node_info.ieee)
            await app.permit_gp(60)
            assert set(tap.permits) == {0}
            assert not app.green_power.is_commissioning
            assert not ncp.joining.permits_joining
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            assert set(tap.permits) == {0, 60}

    run_virtual(main())


def test_no_key_of_everybodys_ever_reaches_the_coordinator(dongle: Dongle) -> None:
    """bellows imports ZigBeeAlliance09 for the wildcard address at every start, even to close the network."""

    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        tap = dongle.tap(ncp)
        for _ in range(2):
            async with bench(dongle, air=air, ncp=ncp) as b:
                assert b.radio._session is not None
                await b.radio._session.app.permit(60)
                await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
                await asyncio.sleep(70)
        assert tap.keys
        assert not any(b"ZigBeeAlliance09" in keys or b"\xff" * 8 in keys for keys in tap.keys)

    run_virtual(main())


def test_zigpys_own_endpoints_are_not_registered(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        tap = dongle.tap(ncp)
        async with bench(dongle, air=air, ncp=ncp):
            pass
        assert set(tap.endpoints) == {(3, 0x0109, 0x0500)}

    run_virtual(main())


def test_a_stranger_on_the_network_is_told_to_leave(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            b.listener.admitted.discard(PPMID)
            node.power_off()
            await node.power_on()
            await b.listener.until(lambda: b.listener.left)
            assert not node.joined
            assert b.listener.refused == [(PPMID, 0x0013, "not in the Device Log: told to leave")]
            assert b.listener.joined == [PPMID]

    run_virtual(main())


def test_a_join_flood_of_strangers_causes_a_bounded_number_of_requests(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await asyncio.sleep(10)
            for number in range(200):
                stranger = bytes(5) + number.to_bytes(3, "big")
                announcement = struct.pack("<BH8sB", 0, 0x4000 + number, stranger, 0x8E)
                await node._send_zdo(0x0013, announcement, 0xFFFD)
            assert b.radio._session is not None
            assert len(b.radio._session.app._tasks) < 20
            await asyncio.sleep(1)
            # An NCP whose queue is full drops callbacks: announcements, and words of its own too.
            assert set(b.radio.refused) == {"unknown sender"}
            assert 200 - dongle.lost(b.ncp) <= b.radio.refused["unknown sender"] <= 200
            assert len(b.listener.refused) < 20
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).payload == FRAME

    run_virtual(main())


def test_a_short_address_reused_by_another_device_is_the_other_devices(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            node.power_off()
            dongle.forget(b.ncp, PPMID)
            dongle.give_next(b.ncp, node.nwk)
            successor = await b.joined(HCALCS)
            assert successor.nwk == node.nwk
            await successor.say(ClusterId.OTA_UPGRADE, FRAME)
            await b.listener.until(lambda: b.listener.frames)
            assert [frame.device for frame in b.listener.frames] == [HCALCS]

    run_virtual(main())


def test_a_device_that_joins_again_under_another_short_address_is_reported_once(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            before = node.nwk
            await asyncio.sleep(60)
            dongle.forget(b.ncp, PPMID)
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            await node.join(b.air)
            await asyncio.sleep(10)
            assert node.nwk != before
            assert b.listener.joined == [PPMID, PPMID]
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).payload == FRAME

    run_virtual(main())


def test_a_device_that_reboots_is_reported_again_and_one_that_leaves_too(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await asyncio.sleep(60)
            node.power_off()
            await node.power_on()
            await b.listener.until(lambda: b.listener.joined == [PPMID, PPMID])
            await node.leave()
            await b.listener.until(lambda: b.listener.left == [PPMID])

    run_virtual(main())


def test_a_radio_that_does_not_answer_is_not_opened_and_what_to_check_is_said(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        ncp.line.to_host.muted = True
        loop = asyncio.get_running_loop()
        with pytest.raises(RadioError, match="cannot open") as caught:
            async with bench(dongle, air=air, ncp=ncp):
                pass
        assert caught.value.hint is not None
        assert caught.value.hint.startswith("is this the right port, baud rate and radio family?")
        assert loop.time() < SETTINGS.start_timeout

    run_virtual(main())


def test_a_radio_that_cannot_be_opened_says_why_and_what_to_do(dongle: Dongle) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        radio = Coordinator(RadioUrl.parse(f"{dongle.family}+emulator://nobody"), SETTINGS, clock=clock)
        listener = Listener()
        with pytest.raises(RadioError, match="emulator://nobody") as caught:
            await radio.start(listener)
        assert caught.value.hint
        assert radio.state is RadioState.STOPPED
        assert [state for state, _ in listener.states] == [RadioState.STARTING, RadioState.STOPPED]
        with pytest.raises(RadioError):
            _ = radio.eui64

    run_virtual(main())
