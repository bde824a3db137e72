"""Which frames a device's security is good enough for: the profile's table, and the attacks against it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.emulator.zdo import ZDO_ENDPOINT, ZDO_PROFILE, ZdoCluster, device_announcement
from hanota.hub.ports import Priority
from hanota.radio import LinkSecurity
from hanota.zcl import ClusterId, DefaultResponse, GeneralCommand, Status, ZclFrame
from tests.radio_dongles import EZSP_V13, EZSP_V14, ZNP, ZNP_3_0, Dongle
from tests.radio_keys_support import KEYED, KeyedNode, keyed_bench
from tests.radio_support import FRAME, HCALCS, PPMID, bench

pytestmark = pytest.mark.parametrize("dongle", [ZNP, ZNP_3_0, EZSP_V13, EZSP_V14], ids=str)

ENCRYPTED_ONLY = (
    ClusterId.TIME,
    ClusterId.OTA_UPGRADE,
    ClusterId.KEEP_ALIVE,
    ClusterId.PRICE,
    ClusterId.METERING,
    ClusterId.TUNNELING,
)


def read(*attributes: int) -> bytes:
    payload = b"".join(attribute.to_bytes(2, "little") for attribute in attributes)
    return ZclFrame(0x42, GeneralCommand.READ_ATTRIBUTES, payload, cluster_specific=False).encode()


def test_attack_unencrypted_frames_on_encrypted_clusters_are_refused_by_name(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            for cluster in ENCRYPTED_ONLY:
                await node.say(cluster, FRAME, encrypted=False)
            await b.listener.until(lambda: len(b.listener.refused) == len(ENCRYPTED_ONLY))
            assert b.listener.refused == [
                (PPMID, cluster, "sent without APS encryption") for cluster in ENCRYPTED_ONLY
            ]
            assert b.listener.frames == []
            assert b.radio.refused == {"sent without APS encryption": len(ENCRYPTED_ONLY)}

    run_virtual(main())


def test_attack_frames_under_the_install_code_key_are_refused(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            # Another that is expected keeps the join window open, and with it the keys devices join with.
            node = await b.joins()
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await asyncio.sleep(1)
            assert b.listener.frames == []
            assert all(
                reason == "encrypted without an established key" for _, _, reason in b.listener.refused
            )
            assert b.listener.refused or b.ncp.aps_refused

    run_virtual(main())


def test_the_install_code_key_is_worth_nothing_once_a_key_is_established(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            install_code_key = node.link_key
            await node.establish_key()
            await b.listener.until(lambda: b.listener.ready)
            node.link_key = install_code_key
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await asyncio.sleep(1)
            assert b.listener.frames == []

    run_virtual(main())


def test_attack_an_insider_that_claims_a_victims_eui64_is_not_believed_under_its_own_key(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim, insider = await b.keyed(PPMID), await b.keyed(HCALCS)
            await b.still_works(victim)
            b.listener.frames.clear()
            await insider.send(
                ZDO_PROFILE,
                ZdoCluster.DEVICE_ANNCE,
                ZDO_ENDPOINT,
                ZDO_ENDPOINT,
                device_announcement(9, insider.nwk, victim.eui64, insider.capabilities),
                encrypted=False,
            )
            for _ in range(5):
                await insider.say(ClusterId.OTA_UPGRADE, FRAME)
                await asyncio.sleep(0.5)
            await asyncio.sleep(5)
            assert [frame for frame in b.listener.frames if frame.device == PPMID] == []
            told = {reason for device, _, reason in b.listener.refused if device == PPMID}
            assert told <= {
                "encrypted under the key of another device",
                "encrypted while its short address was changing",
            }
            # The victim is believed again as soon as it speaks and is asked who it is.
            for _ in range(5):
                await victim.say(ClusterId.OTA_UPGRADE, FRAME)
                await asyncio.sleep(2)
            assert [frame.device for frame in b.listener.frames][-1] == PPMID

    run_virtual(main())


def test_attributes_of_the_hub_are_read_as_they_are_secured(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            await node.say(ClusterId.KEY_ESTABLISHMENT, read(0x0000), encrypted=False)
            suites = ZclFrame.decode(await node.heard.get())
            assert suites.payload == bytes.fromhex("0000 00 31 0300")
            await node.say(ClusterId.BASIC, read(0x0005, 0x0007), encrypted=False)
            basic = await node.hears()
            assert basic.link_key is None
            assert ZclFrame.decode(basic.payload).payload == (
                b"\x05\x00\x00\x42\x12Communications Hub" + b"\x07\x00\x00\x30\x01"
            )
            await node.say(ClusterId.KEEP_ALIVE, read(0x0000, 0x0001))
            keep_alive = await node.hears()
            assert keep_alive.link_key == node.link_key
            assert ZclFrame.decode(keep_alive.payload).payload == bytes.fromhex(
                "0000 00 20 0A  0100 00 21 2C01"
            )
            await node.say(ClusterId.TIME, read(0x0001))
            assert ZclFrame.decode((await node.hears()).payload).payload == bytes.fromhex("0100 00 18 09")
            await node.say(
                ClusterId.KEEP_ALIVE,
                ZclFrame(
                    1, GeneralCommand.WRITE_ATTRIBUTES, bytes.fromhex("0000 20 01"), cluster_specific=False
                ).encode(),
            )
            written = ZclFrame.decode((await node.hears()).payload)
            assert (written.command, written.payload) == (0x04, bytes((Status.READ_ONLY, 0, 0)))
            assert b.listener.refused == []

    run_virtual(main())


def test_a_device_finds_every_cluster_the_hub_serves_by_match_desc(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            for cluster in (
                ClusterId.BASIC,
                ClusterId.KEY_ESTABLISHMENT,
                ClusterId.TIME,
                ClusterId.OTA_UPGRADE,
                ClusterId.KEEP_ALIVE,
            ):
                assert await node.match_descriptor(cluster) == (0, 3)

    run_virtual(main())


def test_whatever_is_asked_for_is_sent_encrypted_but_the_plain_clusters(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL, encrypted=False)
            assert (await node.hears()).link_key == node.link_key

    run_virtual(main())


def test_a_bench_of_plain_devices_sends_and_takes_everything_in_the_clear(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle, replace(KEYED, link_security=LinkSecurity.NONE)) as b:
            node = await b.joined()
            assert b.listener.ready == [PPMID]
            await node.say(ClusterId.OTA_UPGRADE, FRAME, encrypted=False)
            await b.listener.until(lambda: b.listener.frames)
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).link_key is None
            await node.say(ClusterId.TIME, read(0x0001), encrypted=False)
            assert (await node.hears()).link_key is None
            assert b.listener.refused == []

    run_virtual(main())


def test_a_refused_plain_command_is_answered_not_authorized_under_the_established_key(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            query = ZclFrame(7, 0x01, bytes(9), disable_default_response=False)
            await node.say(ClusterId.OTA_UPGRADE, query.encode(), encrypted=False)
            answer = await node.hears()
            assert answer.link_key == node.link_key
            told = DefaultResponse.decode(ZclFrame.decode(answer.payload).payload)
            assert told == DefaultResponse(0x01, Status.NOT_AUTHORIZED)

    run_virtual(main())


def test_the_trust_centre_is_closed_again_behind_the_device_that_joined(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            tap = dongle.tap(b.ncp)
            await b.keyed()
            await asyncio.sleep(5)
            assert tap.permits[-1] == 0
            assert all(b"ZigBeeAlliance09" not in key for key in tap.keys)
            stranger = KeyedNode(HCALCS)
            with pytest.raises(JoinRefusedError):
                await stranger.join(b.air)

    run_virtual(main())
