"""SR 8.11 through the real radio libraries: a device comes, is updated, is taken out, and may come again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.device_record import DeviceRecord
from hanota.duis.inventory import DeviceType
from hanota.duis.request import HanDeviceLogChange, UpdateHanDeviceLog
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.loop import run_virtual
from hanota.gbcs.device_log import AddDeviceResponse, RemoveDeviceResponse
from hanota.gbcs.reference_test_data import HUB, PPMID
from hanota.gbcs.usecases import decode_payload
from hanota.hub.events import EventKind
from hanota.store.inventory_store import SqliteInventoryStore
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import update_bench

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench


async def change(b: UpdateBench, what: HanDeviceLogChange) -> AddDeviceResponse | RemoveDeviceResponse:
    """Send SR 8.11 for the PPMID and return what the hub answered."""
    adding = what is HanDeviceLogChange.ADD
    request = UpdateHanDeviceLog(
        b.request_id(HUB),
        PPMID,
        what,
        install_code=default_install_code(PPMID) if adding else None,
        join_time_period=90 if adding else None,
    )
    outcome = b.assembly.dcc.submit(request).outcome
    assert outcome is not None
    payload = decode_payload(await outcome)
    assert isinstance(payload, AddDeviceResponse | RemoveDeviceResponse)
    return payload


async def come(b: UpdateBench) -> None:
    """Add the PPMID by SR 8.11 and have it join and establish its link key."""
    windows = len(b.seen(EventKind.JOIN_PERMITTED, PPMID))
    assert (await change(b, HanDeviceLogChange.ADD)).succeeded
    await b.until(lambda: len(b.seen(EventKind.JOIN_PERMITTED, PPMID)) > windows)
    await b.ppmid.join(b.bench.air)
    await b.until(lambda: b.assembly.hub.is_ready(PPMID), 120)


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_added_by_a_service_request_joins_is_updated_and_is_removed_by_another(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle, hcalcses=0, joined=False) as b:
            inventory = SqliteInventoryStore(b.assembly.store.database)
            inventory.put_inventory_device(DeviceRecord(PPMID, DeviceType.PPMID))
            await come(b)
            await b.still_serves(PPMID)

            gone = asyncio.Event()
            b.ppmid.presence_changed = gone.set
            assert (await change(b, HanDeviceLogChange.REMOVE)).succeeded
            async with asyncio.timeout(30):
                await gone.wait()
            assert not b.ppmid.joined
            assert b.assembly.hub.device_log == ()
            assert b.assembly.store.link_keys() == {}

            # Added again it comes as at first: with its install code, and a key of its own after that.
            await come(b)
            assert len(b.seen(EventKind.KEY_ESTABLISHED, PPMID)) == 2

    run_virtual(main())
