"""Link keys at the hub: stored before the device is told, kept over a restart, and who is talked to when."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.hub.events import EventKind
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind
from hanota.hub.ports import EstablishedKey
from hanota.hub.refusals import RefusalSettings
from hanota.ota.commands import ImageNotify, decode_command
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId, ZclFrame
from tests.hub_parties_support import EPOCH, HCALCS, HUB, PPMID, STRANGER
from tests.hub_support import FullDisk, lab, virtual

if TYPE_CHECKING:
    from hanota.hub.ports import RadioListener
    from tests.hub_support import FakeRadio, Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
KEY = EstablishedKey(HUB.eui64, 2, bytes(range(16)), EPOCH)
OTHER_KEY = EstablishedKey(HUB.eui64, 1, bytes(16), EPOCH + 1)
KEY_EVENTS = (EventKind.KEY_ESTABLISHED, EventKind.KEY_ESTABLISHMENT_FAILED, EventKind.LINK_KEY_LOST)


def with_keys(radio: FakeRadio) -> None:
    """Let the radio demand an established key of every device."""
    radio.needs_established_key = True


def key_events(made: Lab) -> list[tuple[EventKind, object]]:
    return [(event.kind, event.device) for event in made.events if event.kind in KEY_EVENTS]


def asked_for_tunnels(made: Lab) -> set[object]:
    return {frame.device for frame in made.radio.sent if frame.cluster == ClusterId.TUNNELING}


def notified(made: Lab) -> int:
    """Return how often the PPMID was sent an Image Notify."""
    frames = (ZclFrame.decode(data) for data in made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE))
    return sum(isinstance(decode_command(frame), ImageNotify) for frame in frames if frame.cluster_specific)


# -- who is talked to when ---------------------------------------------------------------------------------


@virtual
async def test_a_device_that_joined_is_talked_to_when_it_is_ready_and_not_before() -> None:
    async with lab(prepare=with_keys) as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await asyncio.sleep(1)
        before = notified(made)
        made.hub.device_joined(PPMID_ID)
        await asyncio.sleep(1)
        assert asked_for_tunnels(made) == set()
        assert notified(made) == before
        assert not made.hub.is_ready(PPMID_ID)
        made.hub.link_key_established(PPMID_ID, KEY)
        made.hub.device_ready(PPMID_ID)
        await asyncio.sleep(1)
        assert asked_for_tunnels(made) == {PPMID_ID}
        assert notified(made) == before + 1
        assert made.hub.is_ready(PPMID_ID)


@virtual
async def test_at_power_on_a_tunnel_is_opened_to_those_devices_whose_keys_the_radio_found_good() -> None:
    def tell_while_starting(radio: FakeRadio) -> None:
        def tell(listener: RadioListener) -> None:
            (device,) = listener.established_keys()
            listener.device_ready(device)

        with_keys(radio)
        radio.while_starting = tell

    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store, prepare=with_keys) as made:
            await asyncio.sleep(60)
            assert asked_for_tunnels(made) == set()
            made.hub.link_key_established(HCALCS_ID, KEY)
        async with lab(store=store, prepare=tell_while_starting) as made:
            await asyncio.sleep(1)
            assert asked_for_tunnels(made) == {HCALCS_ID}
            assert made.hub.is_ready(HCALCS_ID)
            assert not made.hub.is_ready(PPMID_ID)


@virtual
async def test_without_key_establishment_every_device_of_the_device_log_is_ready_at_power_on() -> None:
    async with lab() as made:
        assert all(made.hub.is_ready(entry.device) for entry in made.hub.device_log)
        assert not made.hub.is_ready(STRANGER.eui64)


@virtual
async def test_a_device_that_left_or_lost_its_key_is_ready_no_more() -> None:
    async with lab(prepare=with_keys) as made:
        for device in (PPMID_ID, HCALCS_ID):
            made.hub.link_key_established(device, KEY)
            made.hub.device_ready(device)
        made.hub.device_left(PPMID_ID)
        made.hub.link_key_lost(HCALCS_ID, "it joined afresh")
        assert not made.hub.is_ready(PPMID_ID)
        assert not made.hub.is_ready(HCALCS_ID)
        assert set(made.hub.established_keys()) == {PPMID_ID}, "a device that left may rejoin with its key"


# -- what is remembered ------------------------------------------------------------------------------------


@virtual
async def test_a_key_is_kept_over_a_restart_replaced_by_a_newer_one_and_gone_when_it_is_lost() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store, prepare=with_keys) as made:
            made.hub.link_key_established(PPMID_ID, KEY)
        async with lab(store=store, prepare=with_keys) as made:
            assert dict(made.hub.established_keys()) == {PPMID_ID: KEY}
            made.hub.link_key_established(PPMID_ID, OTHER_KEY)
            assert dict(made.hub.established_keys()) == {PPMID_ID: OTHER_KEY}
            made.hub.link_key_lost(PPMID_ID, "it joined afresh")
        async with lab(store=store, prepare=with_keys) as made:
            assert dict(made.hub.established_keys()) == {}
        kinds = [event.kind for event in store.events() if event.kind in KEY_EVENTS]
        assert kinds == [EventKind.KEY_ESTABLISHED, EventKind.KEY_ESTABLISHED, EventKind.LINK_KEY_LOST]


@pytest.mark.parametrize("failing", ["INSERT INTO link_key", "INSERT INTO event", "COMMIT"])
@virtual
async def test_a_key_whose_row_cannot_be_stored_is_no_established_key(failing: str) -> None:
    """The radio looks it up before it tells the device: no MACV without the row."""
    with closing(FullDisk()) as store:
        async with lab(store=store, prepare=with_keys) as made:
            made.hub.link_key_established(HCALCS_ID, OTHER_KEY)
            store.failing = failing
            made.hub.link_key_established(PPMID_ID, KEY)
            assert made.hub.store_fault is not None
            made.hub.link_key_established(HCALCS_ID, KEY)
            assert dict(made.hub.established_keys()) == {HCALCS_ID: OTHER_KEY}
            store.failing = None
            made.hub.link_key_established(PPMID_ID, KEY)
            assert dict(made.hub.established_keys()) == {HCALCS_ID: OTHER_KEY, PPMID_ID: KEY}
            assert dict(store.link_keys()) == dict(made.hub.established_keys())
            established = (EventKind.KEY_ESTABLISHED, PPMID_ID)
            assert key_events(made).count(established) == 1


@virtual
async def test_a_key_of_a_device_outside_the_device_log_is_not_remembered() -> None:
    async with lab(prepare=with_keys) as made:
        made.hub.link_key_established(STRANGER.eui64, KEY)
        assert dict(made.hub.established_keys()) == {}
        assert key_events(made) == []


@virtual
async def test_nobody_changes_what_is_remembered_through_the_mapping() -> None:
    async with lab(prepare=with_keys) as made:
        with pytest.raises(TypeError):
            made.hub.established_keys()[PPMID_ID] = KEY  # type: ignore[index]


# -- what is told ------------------------------------------------------------------------------------------


@virtual
async def test_the_journal_tells_the_suite_and_never_the_fingerprint() -> None:
    async with lab(prepare=with_keys) as made:
        made.hub.link_key_established(PPMID_ID, KEY)
        (event,) = made.of(EventKind.KEY_ESTABLISHED, PPMID_ID)
        assert event.detail == {"suite": 2}
        assert (str(event.source), str(event.target)) == ("device", "hub")


@virtual
async def test_attack_a_flood_of_failed_key_establishments_is_counted_and_fills_no_journal() -> None:
    settings = HubSettings(refusals=RefusalSettings(burst=8))
    async with lab(settings=settings, prepare=with_keys) as made:
        for _ in range(1000):
            made.hub.key_establishment_failed(PPMID_ID, "BAD_MESSAGE")
        assert len(made.of(EventKind.KEY_ESTABLISHMENT_FAILED, PPMID_ID)) == 8
        assert made.hub.refusals.counts[PPMID_ID] == 1000
