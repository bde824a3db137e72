"""What transfers may take of a radio: dongles with little room, unacknowledged blocks, long routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.emulator.airtime import AirSettings
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.gbcs.reference_test_data import PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.hub.settings import HubSettings
from hanota.ota.commands import CommandId
from hanota.ota.settings import OtaClientSettings
from hanota.radio.frame_size import single_frame
from hanota.zcl import ClusterId, ZclFrame
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import more, update_bench

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

SIZE = 3000
COORDINATOR = 0x0000
GIVEN_UP = 4 * AirSettings().aps_ack_wait
"""Seconds after which a stack gives up a device that does not acknowledge."""


def blocks(messages: list[ApsFrame]) -> list[ApsFrame]:
    """The Image Block Responses among what was on the air."""
    return [
        frame
        for frame in messages
        if frame.cluster == ClusterId.OTA_UPGRADE
        and frame.source == COORDINATOR
        and ZclFrame.decode(frame.payload).command == CommandId.IMAGE_BLOCK_RESPONSE
    ]


async def updated(b: UpdateBench) -> list[ApsFrame]:
    """Update the PPMID and return the blocks that were on the air."""
    messages = b.overhear()
    b.update(JobKind.PPMID)
    await b.until_state(PPMID, "activated")
    return blocks(messages)


@pytest.mark.parametrize("acknowledged", [True, False])
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_blocks_ask_for_an_aps_acknowledgement_where_the_setting_says_so(
    dongle: Dongle, acknowledged: bool
) -> None:
    async def main() -> None:
        settings = HubSettings(acknowledge_blocks=acknowledged)
        async with update_bench(dongle, hcalcses=0, size=SIZE, settings=settings) as b:
            sent = await updated(b)
            assert {frame.ack for frame in sent} == {acknowledged}
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_lost_blocks_that_nobody_acknowledges_are_asked_for_again(dongle: Dongle) -> None:
    async def main() -> None:
        settings = HubSettings(acknowledge_blocks=False)
        async with update_bench(dongle, hcalcses=0, size=SIZE, settings=settings) as b:
            b.bench.air.faults[PPMID].loss = 0.5
            await updated(b)
            assert b.blocks_again(PPMID) > 0
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_page_comes_unacknowledged_and_complete(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, hcalcses=0, size=SIZE) as b:
            client = b.ppmid.client
            client.settings = OtaClientSettings(page_size=1024, page_data_size=50, page_spacing=0)
            client._pages = True
            sent = await updated(b)
            assert not any(frame.ack for frame in sent)
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_blocks_fill_a_frame_and_are_never_cut_into_fragments(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, hcalcses=0, size=SIZE) as b:
            sent = await updated(b)
            assert max(len(frame.payload) for frame in sent) == single_frame(encrypted=True)

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_source_route_makes_blocks_shorter(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, hcalcses=0, size=SIZE) as b:
            session = b.assembly.radio._session
            assert session is not None
            session.app._known[PPMID].relays = [0x1111, 0x2222, 0x3333]
            sent = await updated(b)
            assert max(len(frame.payload) for frame in sent) == single_frame(encrypted=True, relays=3)

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_dongle_with_room_for_one_frame_fails_no_transfer(dongle: Dongle) -> None:
    devices = more(PPMID, 4)

    async def main() -> None:
        async with update_bench(dongle, ppmids=4, hcalcses=0, size=SIZE) as b:
            ncp = b.bench.dongle
            assert isinstance(ncp, ZnpCoordinator | EzspCoordinator)
            dongle.limit_in_flight(ncp, 1)
            b.update(JobKind.PPMID)
            for device in devices:
                await b.until_state(device, "activated")
            for device in devices:
                (ended,) = b.seen(EventKind.UPGRADE_END, device)
                assert ended.detail["repeats"] == ended.detail["undelivered"] == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_blocks_to_devices_that_are_gone_do_not_hold_up_the_others(dongle: Dongle) -> None:
    devices = more(PPMID, 7)
    gone, others = devices[:5], devices[5:]

    async def main() -> None:
        async with update_bench(dongle, ppmids=7, hcalcses=0, size=5000) as b:
            b.update(JobKind.PPMID)
            for device in devices:
                await b.until_octet(device, 500)
            for device in gone:
                b.device(device).power_off()
            off_at = b.system_clock.now()
            await b.until(lambda: all(b.seen(EventKind.UPGRADE_END, device) for device in others))
            assert b.system_clock.now() - off_at < GIVEN_UP

    run_virtual(main())
