"""Link keys in the main job: both suites, plain devices, keys lost and kept, frames sent again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.devices import DeviceSettings
from hanota.emulator.devices.keep_alive import KeepAliveSettings
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.commands import QueryNextImageRequest, encode_command
from hanota.radio.settings import LinkSecurity
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId
from hanota.zse.cbke import Suite
from tests.hub_support import FullDisk
from tests.radio_dongles import DONGLES, FAMILIES
from tests.simulation.update_support import NEW, log_entry, update_bench

if TYPE_CHECKING:
    from hanota.demo.bench import Bench
    from hanota.emulator.air import ApsFrame
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

SIZE = 10_000
"""Octets of a Manufacturer Image: 6 s on the modelled radio, long enough to be cut in the middle."""
MIDDLE = SIZE // 2
LINK_KEY_CLUSTERS = frozenset({ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.TIME})
"""What ZSE wants under the link key, of what is said here."""


def order(b: UpdateBench, device: Eui64) -> list[EventKind]:
    """The events about the device, each kind once, by when it came first."""
    return list(dict.fromkeys(event.kind for event in b.events if event.device == device))


def key_at_coordinator(b: UpdateBench, device: Eui64) -> bytes | None:
    """The key by which the dongle encrypts to the device."""
    ncp = b.bench.dongle
    match ncp:
        case EzspCoordinator():
            return ncp.keys.key(device)
        case ZnpCoordinator():
            return ncp.security.key(device)
    raise AssertionError(ncp)


def forget_key(b: UpdateBench, device: Eui64) -> None:
    """Take the established key out of the dongle, as a backup of another day put back does."""
    ncp = b.bench.dongle
    match ncp:
        case EzspCoordinator():
            index = ncp.keys.index(device)
            assert index is not None
            ncp.keys.erase(index)
        case ZnpCoordinator():
            ncp.security.remove_link_key(device)


def secured(frames: list[ApsFrame]) -> list[bool]:
    """Whether each frame on a cluster of ZSE's link key was APS encrypted."""
    return [frame.secured for frame in frames if frame.cluster in LINK_KEY_CLUSTERS]


# -- the main job ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_the_main_job_under_link_keys_of_either_suite(dongle: Dongle, suite: Suite) -> None:
    async def main() -> None:
        async with update_bench(dongle, suite=suite, joined=False) as b:
            frames = b.overhear()
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert b.scenario.refused == 0
            for kind, device in ((JobKind.PPMID, PPMID), (JobKind.HCALCS, HCALCS)):
                (established,) = b.seen(EventKind.KEY_ESTABLISHED, device)
                assert established.detail == {"suite": suite}
                wanted = [
                    EventKind.DEVICE_JOINED,
                    EventKind.KEY_ESTABLISHED,
                    EventKind.TUNNEL_OPENED,
                    EventKind.IMAGE_NOTIFY,
                ]
                assert [event for event in order(b, device) if event in wanted] == wanted
                node = b.device(device)
                assert node.established
                assert key_at_coordinator(b, device) == node.link_key
                assert b.image_of(device) == b.files[kind].data
            assert all(secured(frames))
            assert b.ppmid.link_key != b.hcalcs.link_key
            plain = {frame.cluster for frame in frames if frame.profile and not frame.secured}
            assert ClusterId.KEY_ESTABLISHMENT in plain
            assert plain.isdisjoint(LINK_KEY_CLUSTERS)

    run_virtual(main())


@pytest.mark.parametrize("security", [LinkSecurity.INSTALL_CODE, LinkSecurity.NONE])
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_the_main_job_without_key_establishment_as_the_bench_is_told(
    dongle: Dongle, security: LinkSecurity
) -> None:
    async def main() -> None:
        async with update_bench(dongle, security=security, joined=False) as b:
            frames = b.overhear()
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert b.scenario.refused == 0
            assert set(secured(frames)) == {security is LinkSecurity.INSTALL_CODE}
            assert not b.seen(EventKind.KEY_ESTABLISHED)
            assert ClusterId.KEY_ESTABLISHMENT not in {frame.cluster for frame in frames if frame.profile}

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_a_device_without_an_established_key_is_sent_nothing_and_not_believed(
    dongle: Dongle,
) -> None:
    """It joined with its install code and encrypts under that key, and that is not enough."""

    def without_credentials(bench: Bench) -> None:
        bench.devices[HCALCS].key_establishment.credentials = None

    async def main() -> None:
        async with update_bench(dongle, joined=False, prepare=without_credentials) as b:
            await b.scenario.join(b.planned(PPMID))
            await b.assembly.hub.add_device(log_entry(HCALCS, JobKind.HCALCS), 90)
            await b.hcalcs.join(b.bench.air)
            await b.until(lambda: b.seen(EventKind.DEVICE_JOINED, HCALCS))
            frames = b.overhear()
            b.update(JobKind.HCALCS)
            query = QueryNextImageRequest(b.hcalcs.running, hardware_version=1)
            for encrypted in (True, False):
                known = len(b.seen(EventKind.FRAME_REFUSED, HCALCS))
                data = encode_command(query, 7)
                await b.say(b.hcalcs, ClusterId.OTA_UPGRADE, data, encrypted=encrypted)
                await asyncio.sleep(60)
                assert len(b.seen(EventKind.FRAME_REFUSED, HCALCS)) == known + 1
            assert b.states(HCALCS) == ["accepted", "notified"]
            to_it = [frame for frame in frames if frame.destination == b.hcalcs.nwk and frame.source == 0]
            assert LINK_KEY_CLUSTERS.isdisjoint(frame.cluster for frame in to_it)
            await b.still_serves(PPMID)

    run_virtual(main())


# -- restarts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_hub_started_again_in_mid_transfer_keeps_key_and_download(dongle: Dongle, kind: JobKind) -> None:
    device = PPMID if kind is JobKind.PPMID else HCALCS

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(kind)
            await b.until_octet(device, MIDDLE)
            key, frames = b.device(device).link_key, b.overhear()
            await b.restart_hub()
            assert b.assembly.hub.is_ready(device)
            await b.until_state(device, "held" if kind is JobKind.HCALCS else "activated")
            assert b.device(device).link_key == key == key_at_coordinator(b, device)
            assert ClusterId.KEY_ESTABLISHMENT not in {frame.cluster for frame in frames if frame.profile}
            assert len(b.seen(EventKind.KEY_ESTABLISHED, device)) == 1
            assert not b.seen(EventKind.LINK_KEY_LOST)
            assert b.image_of(device) == b.files[kind].data
            assert b.blocks_again(device) <= 2, "nothing that had arrived was sent again"

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_dongle_that_forgot_a_key_gets_another_and_the_update_is_finished(dongle: Dongle) -> None:
    """The device misses Keep-Alive responses and establishes another key by itself."""

    async def main() -> None:
        watchful = DeviceSettings(keep_alive=KeepAliveSettings(period=60))
        async with update_bench(dongle, size=SIZE, device_settings=watchful) as b:
            b.update(JobKind.HCALCS)
            await b.until_octet(HCALCS, MIDDLE)
            former = b.hcalcs.link_key
            forget_key(b, HCALCS)
            b.bench.dongle.reset()
            await b.until(lambda: b.seen(EventKind.LINK_KEY_LOST, HCALCS))
            assert not b.seen(EventKind.LINK_KEY_LOST, PPMID)
            await b.until(lambda: len(b.seen(EventKind.KEY_ESTABLISHED, HCALCS)) == 2)
            await b.until_state(HCALCS, "held")
            assert b.hcalcs.link_key != former
            assert key_at_coordinator(b, HCALCS) == b.hcalcs.link_key
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW
            assert b.image_of(HCALCS) == b.files[JobKind.HCALCS].data

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_another_dongle_with_the_same_database_asks_every_device_for_another_key(dongle: Dongle) -> None:
    """What the store remembers of keys is worth nothing without the coordinator that holds them."""

    async def main() -> None:
        async with update_bench(dongle) as b:
            for device in (PPMID, HCALCS):
                forget_key(b, device)
            await b.restart_hub()
            lost = {event.device for event in b.seen(EventKind.LINK_KEY_LOST)}
            assert lost == {PPMID, HCALCS}
            assert dict(b.assembly.store.link_keys()) == {}
            assert not any(b.assembly.hub.is_ready(device) for device in (PPMID, HCALCS))

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_is_told_of_a_key_when_its_row_is_stored_and_not_before(dongle: Dongle) -> None:
    async def main() -> None:
        store = FullDisk()
        async with update_bench(dongle, hcalcses=0, store=store, joined=False) as b:
            store.failing = "INSERT INTO link_key"
            await b.assembly.hub.add_device(log_entry(PPMID, JobKind.PPMID), 90)
            await b.ppmid.join(b.bench.air)
            await b.until(lambda: b.seen(EventKind.KEY_ESTABLISHMENT_FAILED, PPMID))
            assert not b.ppmid.established
            assert key_at_coordinator(b, PPMID) in (None, b.ppmid.link_key), "nothing is left of it"
            store.failing = None
            await b.until(lambda: b.seen(EventKind.TUNNEL_OPENED, PPMID))
            assert b.ppmid.established
            assert set(store.link_keys()) == {PPMID}
            await b.still_serves(PPMID)

    run_virtual(main())


# -- attacks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_aps_frames_replayed_after_dongle_and_hub_restarted_change_nothing(dongle: Dongle) -> None:
    """EmberZNet begins its incoming frame counters with 0, Z-Stack with those of up to 1000 frames ago.

    So they reach the hub, and it must not mind.
    """

    async def main() -> None:
        async with update_bench(dongle) as b:
            captured = capture(b)
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activated")
            await b.held()
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"
            b.bench.air.intercept = lambda frame: [frame]
            await b.restart_hub()
            await asyncio.sleep(60)
            b.bench.air.partition([PPMID, HCALCS])  # their own frames would raise the counters again
            await b.restart_dongle()
            before, known = meaning(b), len(b.events)
            taken = 0
            for frame in captured:
                taken += await b.bench.air.inject(frame)
                await asyncio.sleep(0.1)
            b.bench.air.heal()
            assert taken > 100, "the attack reached nobody"
            assert meaning(b) == before
            # The one answer there is gives nothing away: a device that has no job waits, and for ever.
            answered = b.events[known:]
            assert {event.kind for event in answered} == {
                EventKind.OTA_REFUSED,
                EventKind.UPGRADE_END_ANSWERED,
            }
            meanings = {str(event.detail.get("meaning", "wait")) for event in answered}
            assert all(meaning.startswith("wait") for meaning in meanings)
            assert (b.ppmid.firmware_version, b.hcalcs.firmware_version) == (NEW, NEW)
            for planned in b.plan.devices:
                assert (await b.scenario.outcome(planned)).reported == NEW

    run_virtual(main())


def capture(b: UpdateBench) -> list[ApsFrame]:
    """A list that every frame which devices encrypt for the hub is added to."""
    captured: list[ApsFrame] = []

    def keep(frame: ApsFrame) -> list[ApsFrame]:
        if frame.secured and frame.destination == 0x0000:
            captured.append(frame)
        return [frame]

    b.bench.air.intercept = keep
    return captured


def meaning(b: UpdateBench) -> list[object]:
    """What hub and DCC hold to be so: jobs, alerts, answers, keys, counters."""
    told = (EventKind.JOB_STATE, EventKind.DCC_ALERT, EventKind.DEVICE_ALERT, EventKind.RESPONSE_RETURNED)
    events: list[Event] = [event for event in b.events if event.kind in told]
    store = b.assembly.store
    assert isinstance(store, SqliteStore)
    counters = store._database._connection.execute("SELECT name, party, value FROM counter").fetchall()
    return [events, list(store.jobs()), dict(store.link_keys()), counters]
