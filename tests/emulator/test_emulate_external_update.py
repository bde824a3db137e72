"""Somebody else's device, in a process of his own, is updated through an emulated dongle."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.clock import SystemClock
from hanota.demo.parties import make_parties
from hanota.emulator.serialx_handler import published
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import BROKER, HUB, SUPPLIER
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, DeviceType
from hanota.ota.build import build_ppmid_image
from hanota.ota.header import OtaHeader
from hanota.ota.image import IMAGE_TYPE_PPMID
from hanota.radio import Coordinator, RadioSettings, RadioUrl
from hanota.store.store import SqliteStore
from tests.emulator.emulate_support import Told, lab_credentials_of, living, make_han

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.clock import Clock
    from hanota.emulator.emulation.han import Han

DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A6")
MANUFACTURER, OLD, NEW = 0x121D, 0x0100_0000, 0x0100_0001
EXAMPLE = Path(__file__).with_name("external_device.py")
HAN = f"""
    [[device]]
    kind = "external"
    eui64 = "{DEVICE}"
    socket = "unix:device.sock"
    autojoin = 0.2
    suite = 2
    [device.faults]
    loss = 0.02
"""


@asynccontextmanager
async def hub_on(han: Han, clock: Clock, journal: Journal, store: SqliteStore) -> AsyncIterator[Hub]:
    """A hub on the HAN's dongle, by whatever radio library drives it."""
    parties = make_parties(
        supplier=SUPPLIER, broker=BROKER, hub=HUB, devices=[], keystore=None, now=clock.now(), seed=1
    )
    with published("external", han.dongle) as url:
        radio = Coordinator(
            RadioUrl.parse(f"{han.radio}+{url}"),
            RadioSettings(),
            clock=clock,
            credentials=lab_credentials_of(HAN).hub,
        )
        hub = Hub(
            radio=radio, store=store, journal=journal, clock=clock, credentials=parties.hub, broker=BROKER
        )
        await hub.start(NoUplink())
        try:
            yield hub
        finally:
            await hub.stop()


class NoUplink:
    """A WAN that nobody listens on."""

    def message_received(self, device: Eui64, octets: bytes) -> None:
        pass

    def message_delivered(self, device: Eui64, octets: bytes) -> None:
        pass

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        pass


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
async def test_a_device_in_another_process_is_updated(radio: str, tmp_path: Path) -> None:
    """The hub, the real radio library and the emulated dongle here, the device in a process of its own."""
    clock, told, joined = SystemClock(), Told(), asyncio.Event()
    image = build_ppmid_image(OtaHeader(MANUFACTURER, IMAGE_TYPE_PPMID, NEW), bytes(range(256)) * 4)
    han = make_han(HAN, tmp_path, radio=radio, told=told)
    code = han.members[DEVICE].entry.install_code
    assert code is not None
    async with AsyncExitStack() as stack:
        store = SqliteStore(":memory:")
        stack.callback(store.close)
        journal = Journal(store, clock)
        journal.subscribe(lambda event: joined.set() if event.kind is EventKind.DEVICE_JOINED else None)
        await stack.enter_async_context(living(han))
        hub = await stack.enter_async_context(hub_on(han, clock, journal, store))
        device = await asyncio.create_subprocess_exec(
            *(sys.executable, EXAMPLE, tmp_path / "device.sock"),
            *(str(MANUFACTURER), str(IMAGE_TYPE_PPMID), str(OLD)),
        )
        stack.push_async_callback(device.wait)
        stack.callback(device.kill)
        await told.until("its process connected")
        await hub.add_device(DeviceLogEntry(DEVICE, DeviceType.PPMID, code), 30)
        await asyncio.wait_for(joined.wait(), 20)
        hub.distribute("external", JobKind.PPMID, image.data, [DEVICE])
        await told.until("activated", DEVICE)
        states = [event.detail["state"] for event in store.events() if event.kind is EventKind.JOB_STATE]
    event = next(line for _, line in told.lines if "activated" in line)
    assert json.loads(event.removeprefix("event "))["sha256"] == hashlib.sha256(image.data).hexdigest()
    assert states[-1] == "activating"
