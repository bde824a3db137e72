"""Attacks by whoever has the network key, or a link key of his own: spoofed words, storms, misfit blocks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import ApsFrame
from hanota.emulator.aps import Fragment
from hanota.emulator.aps_security import ApsRefusal
from hanota.emulator.devices import DeviceSettings
from hanota.emulator.devices.keep_alive import KeepAliveSettings
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import COORDINATOR
from hanota.emulator.zdo import ZDO_ENDPOINT, ZDO_PROFILE, ZdoCluster, device_announcement
from hanota.errors import DeliveryError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.hub.ports import Priority
from hanota.ota.commands import UpgradeEndRequest, encode_command
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, GeneralCommand, Status, ZclFrame
from tests.radio_dongles import DONGLES, EZSP_V13, EZSP_V14, FAMILIES, EzspDongle
from tests.radio_keys_support import keyed_bench
from tests.radio_support import FRAME, HUB_ENDPOINT
from tests.radio_support import HCALCS as OTHER
from tests.simulation.update_support import NEW, update_bench

if TYPE_CHECKING:
    from hanota.emulator.devices import FirmwareDevice
    from hanota.emulator.node import HanNode
    from tests.radio_dongles import Dongle
    from tests.radio_keys_support import KeyedNode
    from tests.simulation.update_support import UpdateBench

dongles = pytest.mark.parametrize("dongle", DONGLES, ids=str)
families = pytest.mark.parametrize("dongle", FAMILIES, ids=str)

SIZE = 20_000
CLUSTERS = (
    ClusterId.BASIC,
    ClusterId.TIME,
    ClusterId.OTA_UPGRADE,
    ClusterId.KEEP_ALIVE,
    ClusterId.PRICE,
    ClusterId.TUNNELING,
    ClusterId.KEY_ESTABLISHMENT,
)


async def announce(insider: HanNode, claimed: HanNode) -> None:
    """Say that the device `claimed` is at the insider's short address."""
    words = device_announcement(9, insider.nwk, claimed.eui64, insider.capabilities)
    await insider.send(
        ZDO_PROFILE, ZdoCluster.DEVICE_ANNCE, ZDO_ENDPOINT, ZDO_ENDPOINT, words, encrypted=False
    )


# -- another device's key ----------------------------------------------------------------------------------


@families
def test_attack_forged_upgrade_end_under_another_devices_key_moves_no_job(dongle: Dongle) -> None:
    """The insider is a device of the same home, with a link key of its own, at an address of its own."""

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 2000)
            before, image = b.states(PPMID), b.files[JobKind.PPMID].header.image_id
            await announce(b.hcalcs, b.ppmid)
            # At once, and when the hub has taken the announcement in.
            for pause in (0, 0.5):
                await asyncio.sleep(pause)
                for status in (Status.SUCCESS, Status.ABORT, Status.INVALID_IMAGE):
                    ended = encode_command(UpgradeEndRequest(status, image), 0xF0)
                    await b.say(b.hcalcs, ClusterId.OTA_UPGRADE, ended)
            await asyncio.sleep(1)
            assert b.states(PPMID) == before
            assert b.transfer_alerts(PPMID) == []
            reasons = {str(event.detail["reason"]) for event in b.seen(EventKind.FRAME_REFUSED, PPMID)}
            assert reasons & {
                "encrypted under the key of another device",
                "encrypted while its short address was changing",
            }
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            assert b.blocks_again(PPMID) < SIZE // 48

    run_virtual(main())


@dongles
@pytest.mark.parametrize("cluster", [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.TIME])
def test_attack_a_frame_from_a_spoofed_short_address_under_another_devices_key_is_dropped(
    dongle: Dongle, cluster: int
) -> None:
    """The network key is enough to write any short address as the sender; the coordinator's key is not."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim, insider = await b.keyed(), await b.keyed(OTHER)
            await b.still_works(victim)
            b.listener.frames.clear()
            refused = b.ncp.aps_refused[ApsRefusal.WRONG_KEY]
            forged = ApsFrame(
                victim.nwk,
                COORDINATOR,
                victim.endpoint,
                HUB_ENDPOINT,
                PROFILE_SMART_ENERGY,
                cluster,
                FRAME,
                link_key=insider.link_key,
            )
            await b.air.transmit(forged)
            await asyncio.sleep(1)
            assert b.listener.frames == []
            assert victim.received == []
            assert b.ncp.aps_refused[ApsRefusal.WRONG_KEY] == refused + 1
            await b.still_works(victim)

    run_virtual(main())


@families
def test_attack_short_address_takeover_in_mid_update_delays_it_and_no_more(dongle: Dongle) -> None:
    """An insider says again and again that the device is where he is: he gets frames he cannot read."""

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            frames = b.overhear()
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 2000)
            for _ in range(20):
                await announce(b.hcalcs, b.ppmid)
                await asyncio.sleep(0.5)
            read = b"".join(frame.payload for frame in frames if frame.destination == b.hcalcs.nwk)
            secret = b.files[JobKind.PPMID].manufacturer_image
            chunks = {secret[start : start + 16] for start in range(0, len(secret) - 16, 16)}
            assert not [chunk for chunk in chunks if chunk in read], "it read what is not for it"
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            await announce(b.ppmid, b.ppmid)
            await announce(b.hcalcs, b.hcalcs)
            await b.still_serves(HCALCS)

    run_virtual(main())


@dongles
def test_attack_short_address_takeover_gives_an_insider_no_frame_meant_for_the_device(dongle: Dongle) -> None:
    """What the hub sends of itself must not be encrypted for whoever said that he is the device."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim, insider = await b.keyed(), await b.keyed(OTHER)
            await b.still_works(victim)
            await b.still_works(insider)
            insider.received.clear()
            for _ in range(5):
                await announce(insider, victim)
                with contextlib.suppress(DeliveryError):
                    await b.radio.send(PPMID, ClusterId.TUNNELING, FRAME, priority=Priority.NORMAL)
                await asyncio.sleep(1)
            assert insider.received == []
            await announce(victim, victim)
            await asyncio.sleep(5)
            await b.still_works(victim)

    run_virtual(main())


# -- leave -------------------------------------------------------------------------------------------------


@families
def test_attack_leave_spoof_in_a_devices_name_costs_a_pause_and_no_job(dongle: Dongle) -> None:
    """NWK Leave is under the network key alone. A device that hears no more of its hub makes another key."""

    async def main() -> None:
        patient = DeviceSettings(keep_alive=KeepAliveSettings(period=60))
        async with update_bench(dongle, size=SIZE, device_settings=patient) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 2000)
            spoof_leave(b, b.ppmid)
            await b.until(lambda: b.seen(EventKind.DEVICE_LEFT, PPMID))
            await asyncio.sleep(1)
            assert b.state(PPMID) == "transferring"
            await b.until_state(PPMID, "activated")
            assert b.ppmid.firmware_version == NEW
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            assert b.state(PPMID) == "activated"
            await b.still_serves(HCALCS)

    run_virtual(main())


def spoof_leave(b: UpdateBench, device: FirmwareDevice) -> None:
    """Let the trust centre hear a NWK Leave that the device did not send."""
    trust_centre = b.bench.air.trust_centre
    assert trust_centre is not None
    trust_centre.departed(device.eui64, device.nwk, rejoin=False)


# -- storms ------------------------------------------------------------------------------------------------


@dongles
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_attack_default_response_storm_no_default_response_is_ever_answered(
    dongle: Dongle, *, encrypted: bool
) -> None:
    """Two nodes that answer Default Responses with Default Responses never end."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            sent: list[ApsFrame] = []
            b.air.intercept = lambda frame: sent.append(frame) or [frame]  # type: ignore[func-returns-value]
            for cluster in CLUSTERS:
                for response in default_responses():
                    await node.say(cluster, response, encrypted=encrypted)
            await asyncio.sleep(30)
            ours = [frame for frame in sent if frame.source == COORDINATOR and frame.destination_endpoint]
            assert ours == []
            b.air.intercept = lambda frame: [frame]
            await b.still_works(node)

    run_virtual(main())


def default_responses() -> list[bytes]:
    """Default Responses of every kind, each asking for one in return."""
    payload = bytes((0x03, Status.UNSUP_CLUSTER_COMMAND))
    frames = []
    for sequence in range(2):
        asked = ZclFrame(
            sequence,
            GeneralCommand.DEFAULT_RESPONSE,
            payload,
            cluster_specific=False,
            disable_default_response=False,
        ).encode()
        frames += [asked, bytes((asked[0] | 0x08,)) + asked[1:], asked[:3]]
    return frames


@dongles
def test_attack_malformed_zdo_and_zcl_frames_raise_nothing_and_bring_about_no_storm(
    dongle: Dongle, caplog: pytest.LogCaptureFixture
) -> None:
    """Octets at random on every cluster and endpoint, from a device and from a short address of nobody's."""
    chance = random.Random(7)

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            sent: list[ApsFrame] = []
            b.air.intercept = lambda frame: sent.append(frame) or [frame]  # type: ignore[func-returns-value]
            for number in range(300):
                octets = chance.randbytes(chance.randrange(60))
                if number % 2:
                    cluster = chance.choice([*range(0x40), *range(0x8000, 0x8040)])
                    await node.send(ZDO_PROFILE, cluster, 0, 0, octets, encrypted=False)
                else:
                    cluster = chance.choice(CLUSTERS)
                    plain = cluster == ClusterId.KEY_ESTABLISHMENT or chance.random() < 0.5
                    await node.say(cluster, octets, encrypted=not plain)
            await asyncio.sleep(60)
            ours = [frame for frame in sent if frame.source == COORDINATOR]
            assert len(ours) <= 300
            b.air.intercept = lambda frame: [frame]
            await b.still_works(node)

    run_virtual(main())
    escaped = [record for record in caplog.records if record.name in ("asyncio", "bellows.ezsp")]
    assert [record for record in escaped if record.levelno >= logging.ERROR] == []


# -- time --------------------------------------------------------------------------------------------------


@dongles
def test_attack_time_told_by_a_device_changes_no_clock_and_plain_it_gets_none(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            read = ZclFrame(
                1,
                GeneralCommand.READ_ATTRIBUTES,
                b"\x00\x00",
                cluster_specific=False,
                disable_default_response=False,
            ).encode()
            absurd = b"\x00\x00\xe2\xff\xff\xff\xfe"
            loop = asyncio.get_running_loop()

            async def told() -> tuple[int, float]:
                await node.say(ClusterId.TIME, read)
                payload = ZclFrame.decode((await node.hears()).payload).payload
                return int.from_bytes(payload[4:8], "little"), loop.time()

            before = await told()
            for command, payload in (
                (GeneralCommand.WRITE_ATTRIBUTES, absurd),
                (GeneralCommand.READ_ATTRIBUTES_RESPONSE, b"\x00\x00\x00" + absurd[2:]),
            ):
                frame = ZclFrame(2, command, payload, cluster_specific=False)
                await node.say(ClusterId.TIME, frame.encode())
                await node.say(ClusterId.TIME, frame.encode(), encrypted=False)
            await asyncio.sleep(100)
            node.received.clear()
            after = await told()
            assert after[0] - before[0] == pytest.approx(after[1] - before[1], abs=2)
            await node.say(ClusterId.TIME, read, encrypted=False)
            answer = ZclFrame.decode((await node.hears()).payload)
            assert answer.is_default_response
            assert (ClusterId.TIME, "sent without APS encryption") in [
                (cluster, reason) for _, cluster, reason in b.listener.refused
            ]

    run_virtual(main())


# -- fragments (EmberZNet leaves them to the host; Z-Stack puts them together itself) ----------------------

Block = tuple[int, int, bytes, bool]
"""Index, count, octets, encrypted."""
ASSEMBLIES: dict[str, tuple[list[Block], str | None]] = {
    "overlap with other octets": (
        [
            (0, 3, b"a" * 60, True),
            (1, 3, b"b" * 60, True),
            (1, 3, b"c" * 60, True),
            (2, 3, b"d" * 60, True),
        ],
        "malformed: block 1 came again with other octets",
    ),
    "an index above the count": (
        [(0, 3, b"a" * 60, True), (1, 3, b"b" * 60, True), (3, 3, b"c" * 60, True)],
        "malformed: block 3 of 3",
    ),
    "no block at all": ([(0, 0, b"a" * 60, True)], "malformed: block 0 of 0"),
    "a first block that comes again with another count": (
        [
            (0, 3, b"a" * 60, True),
            (1, 3, b"b" * 60, True),
            (0, 2, b"a" * 60, True),
            (2, 3, b"c" * 60, True),
        ],
        "malformed: first of 3 blocks, then of 2",
    ),
    "a block in the clear within an encrypted message": (
        [(0, 3, b"a" * 60, True), (1, 3, b"b" * 60, False), (2, 3, b"c" * 60, True)],
        None,
    ),
    "a message in the clear": (
        [(0, 2, b"a" * 60, False), (1, 2, b"b" * 60, False)],
        "sent without APS encryption",
    ),
}
"""The blocks, and what the hub says of them; None: it waits in vain for what is missing."""


@pytest.mark.parametrize("dongle", [EZSP_V13, EZSP_V14], ids=str)
@pytest.mark.parametrize(("blocks", "told"), ASSEMBLIES.values(), ids=ASSEMBLIES)
def test_attack_fragments_that_do_not_fit_together_are_no_message(
    dongle: EzspDongle, blocks: list[Block], told: str | None
) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            for block in blocks:
                await say_block(node, block)
            await asyncio.sleep(60)
            assert b.listener.frames == []
            reasons = {reason for _, _, reason in b.listener.refused}
            assert (told in reasons) if told else not reasons
            await b.still_works(node)
            await node.say(ClusterId.TUNNELING, b"\x19\x01\x02" + bytes(500))
            await b.listener.until(lambda: len(b.listener.frames) == 2)

    run_virtual(main())


async def say_block(node: KeyedNode, block: Block) -> None:
    index, count, octets, encrypted = block
    await node._transmit(
        ApsFrame(
            source=node.nwk,
            destination=COORDINATOR,
            source_endpoint=node.endpoint,
            destination_endpoint=HUB_ENDPOINT,
            profile=PROFILE_SMART_ENERGY,
            cluster=ClusterId.TUNNELING,
            payload=octets,
            link_key=node.link_key if encrypted else None,
            sequence=200,
            fragment=Fragment(index, count),
        )
    )
