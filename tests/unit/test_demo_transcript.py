"""The transcript: a line for every kind of event there is, made from events of real runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.product_entry import ProductEntry
from hanota.demo.run import DemoOptions, run_demo
from hanota.demo.transcript import describe, is_milestone, parties
from hanota.duis.inventory import CplStatus, DeviceType
from hanota.duis.request import HanDeviceLogChange, UpdateHanDeviceLog
from hanota.emulator.loop import run_virtual
from hanota.errors import RadioError, RemoteProtocolError
from hanota.gbcs.crypto import sign
from hanota.hub.events import Event, EventKind, Party
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind, JobOptions
from hanota.hub.ports import EstablishedKey, RadioState
from hanota.ota.attributes import report_attributes
from hanota.ota.build import build_tagged_image
from hanota.ota.commands import ImageBlockRequest, QueryDeviceSpecificFileRequest, UpgradeEndRequest
from hanota.ota.elements import SubElement
from hanota.ota.header import OtaHeader
from hanota.zcl import ClusterId, Status
from tests.hub_parties_support import EPOCH, HCALCS, HUB, PPMID, STRANGER, SUPPLIER, activation_alert, image
from tests.hub_support import lab, outcome_of

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
REMOVED = Event(1, EPOCH, EventKind.DEVICE_REMOVED, Party.DCC, Party.HUB, PPMID_ID)
SERVED = (
    Event(
        1,
        EPOCH,
        EventKind.DOCUMENT_DELIVERED,
        Party.DCC,
        Party.SERVICE_USER,
        detail={"document": 7, "service_user": str(SUPPLIER.eui64), "octets": 900, "status": 204},
    ),
    Event(
        2,
        EPOCH,
        EventKind.DOCUMENT_GIVEN_UP,
        Party.DCC,
        Party.SERVICE_USER,
        detail={"document": 8, "service_user": str(SUPPLIER.eui64), "octets": 900, "reason": "refused"},
    ),
    Event(
        3,
        EPOCH,
        EventKind.DAEMON_STARTED,
        Party.HUB,
        Party.HUB,
        detail={"version": "1.0", "url": "http://127.0.0.1:8079"},
    ),
    Event(4, EPOCH, EventKind.DAEMON_STOPPING, Party.HUB, Party.HUB),
    Event(
        5,
        EPOCH,
        EventKind.STORE_PRUNED,
        Party.HUB,
        Party.HUB,
        detail={"events": 12, "jobs": 0, "images": 1, "requests": 3},
    ),
)
"""What the daemon, its gateway and its pruning tell: no hub alone does."""


async def trouble() -> list[Event]:
    """Return the events of a run in which much goes wrong."""
    large = image(JobKind.PPMID, size=60_000)
    async with lab(settings=HubSettings(progress_interval=1)) as made:
        made.hub.radio_state_changed(RadioState.LOST, "the serial line closed")
        made.hub.frame_refused(None, ClusterId.OTA_UPGRADE, "unknown short address 0x1234")
        device = await made.joined(PPMID, JobKind.PPMID)
        made.update(JobKind.PPMID, PPMID_ID, file=large)
        await asyncio.sleep(5)
        device.silent = True
        await asyncio.sleep(600)
        made.ask(PPMID_ID, UpgradeEndRequest(Status.SUCCESS, None))
        made.ask(PPMID_ID, ImageBlockRequest(large.header.image_id, 10**6, 48))
        made.say(PPMID_ID, ClusterId.TUNNELING, b"\x09\x01\x02")
        alert = sign(replace(activation_alert(), message_code=0x1000, signature=None), PPMID.signing_key)
        made.dcc.message_received(PPMID_ID, alert.encode())
        made.dcc.message_received(PPMID_ID, alert.encode())
        made.hub.link_key_established(PPMID_ID, EstablishedKey(HUB.eui64, 1, bytes(16), EPOCH))
        made.hub.link_key_lost(PPMID_ID, "it joined afresh")
        made.hub.key_establishment_failed(PPMID_ID, "BAD_KEY_CONFIRM from the device")
        made.hub.device_left(PPMID_ID)
        with pytest.raises(RemoteProtocolError):
            _ = made.read_version(STRANGER.eui64)
        return made.events


async def campaign() -> list[Event]:
    """Return the events of a run in which an operator has his hands on everything."""
    file = image(JobKind.PPMID, size=6_000)
    async with lab() as made:
        added = made.hub.library.add(file.data, JobKind.PPMID)
        made.hub.library.retire(added.digest)
        made.hub.distribute("approved", JobKind.PPMID, file.data, [PPMID_ID], JobOptions(needs_approval=True))
        made.hub.pause(reason="the supplier asks for it")
        device = await made.joined(PPMID, JobKind.PPMID)
        made.hub.go_on()
        await asyncio.sleep(600)
        made.say(PPMID_ID, ClusterId.OTA_UPGRADE, report_attributes(device.client.attributes(), 1))
        made.hub.read_client_attributes(PPMID_ID)
        made.say(PPMID_ID, ClusterId.OTA_UPGRADE, report_attributes(device.client.attributes(), 2))
        made.hub.approve(PPMID_ID)
        made.hub.distribute("cancelled", JobKind.PPMID, file.data, [PPMID_ID])
        device.silent = True
        asked = [0] * 4 + [48 * number for number in range(1, 18)] + [48 * 18] * 4 + [48 * 19]
        for offset in asked:
            made.ask(PPMID_ID, ImageBlockRequest(file.header.image_id, offset, 48))
            await asyncio.sleep(0.1)
        own = build_tagged_image(
            OtaHeader(0x121D, 0xFFC0, 7, upgrade_file_destination=PPMID_ID), [SubElement(0xF000, b"own")]
        )
        made.hub.device_files.add(PPMID_ID, own.data)
        made.ask(PPMID_ID, QueryDeviceSpecificFileRequest(PPMID_ID, own.header.image_id, 2))
        made.ask(PPMID_ID, UpgradeEndRequest(Status.SUCCESS, own.header.image_id))
        made.hub.cancel(PPMID_ID, "the operator")
        made.ask(PPMID_ID, ImageBlockRequest(file.header.image_id, 0, 48))
        await asyncio.sleep(1)
        return made.events


async def device_log() -> list[Event]:
    """Return the events of a run in which the Device Log and the lists change."""
    async with lab() as made:
        made.inventory.put(DeviceRecord(STRANGER.eui64, DeviceType.PPMID))
        entry = ProductEntry(bytes(32), DeviceType.PPMID, "01000001")
        made.products.put(entry)
        withdrawn = replace(entry, status=CplStatus.WITHDRAWN)
        made.products.put(withdrawn)
        made.products.remove([withdrawn])
        made.radio.permit_joining = refused  # type: ignore[method-assign, assignment]
        added = UpdateHanDeviceLog(
            made.request_id(HUB.eui64), STRANGER.eui64, HanDeviceLogChange.ADD, bytes(16), 90
        )
        await outcome_of(made.dcc.submit(added))
        removed = UpdateHanDeviceLog(made.request_id(HUB.eui64), STRANGER.eui64, HanDeviceLogChange.REMOVE)
        await outcome_of(made.dcc.submit(removed))
        await asyncio.sleep(1)
        return made.events


async def refused(*_: object) -> None:
    raise RadioError("the coordinator is lost")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Events of a demonstration, of a run with trouble, and those no run has."""
    told: list[Event] = []
    demo = run_demo(
        DemoOptions(image_size=3000, seed=1, epoch=EPOCH),
        on_event=told.append,
        on_progress=lambda _: None,
        on_notice=lambda *_: None,
    )
    assert run_virtual(demo).succeeded
    return [*told, *run_virtual(trouble()), *run_virtual(campaign()), *run_virtual(device_log()), *SERVED]


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_has_its_line(events: list[Event], kind: EventKind) -> None:
    lines = [describe(event) for event in events if event.kind is kind]
    assert lines, f"no run has a {kind}: add what brings it about"
    for line in lines:
        assert line.strip()
        assert "\n" not in line
        assert not {"None", "{", "EventKind", "b'"} & set(line.replace("{", " { ").split())
        assert len(line) < 250


@pytest.mark.parametrize(
    "line",
    [
        "coordinator lost: the serial line closed",
        "frame on cluster 0x0019 refused: unknown short address 0x1234",
        "HCALCS added to the Device Log, with its install code",
        "may join for 90 s with its install code",
        "joined the HAN",
        "left the HAN",
        "key establishment, suite 1",
        "key establishment, suite 2",
        "key establishment failed: BAD_KEY_CONFIRM from the device",
        "link key lost: it joined afresh",
        "removed from the Device Log",
        "Image Notify",
        "Query Next Image Request, running 01000000 on hardware 0001",
        "job 1 is transferring: Image Block served",
        "Upgrade End Response: activate now",
        "Upgrade End Response: wait for the Activate Firmware command (0xFFFFFFFF)",
        "I99 accepted, the outcome follows",
        "Signed Pre-Command CS06; verified: supplier's signature, Originator Counter",
        "CS06 command, 164 octets; carries supplier's signature, ACB MAC",
        "CS06 response, 122 octets; verified: signature",
        "CS08 response, 87 octets; verified: MAC",
        "DCC alert PPMIDAlert: ActivationSuccess, firmware version 01000001",
        "response to 11.3: success, firmware version 01000001",
    ],
)
def test_what_matters_is_said_in_the_documents_words(events: list[Event], line: str) -> None:
    assert line in [describe(event) for event in events]


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (EventKind.TRANSFER_PROGRESS, " of 60060 octets, "),
        (EventKind.TRANSFER_STALLED, "no Image Block Request any more, at octet "),
        (EventKind.UPGRADE_END, "Upgrade End Request SUCCESS, "),
        (EventKind.REQUEST_REJECTED, "Service Request rejected: "),
        (EventKind.GBCS_REFUSED, "GBCS message refused: counter 1 of "),
        (EventKind.TUNNEL_FAILED, "tunnel: "),
        (EventKind.OTA_REFUSED, "refused: the device asks for octets past the end of the image"),
    ],
)
def test_lines_with_figures_say_which(events: list[Event], kind: EventKind, start: str) -> None:
    assert any(start in describe(event) for event in events if event.kind is kind)


def test_a_progress_line_gives_rate_and_time_left(events: list[Event]) -> None:
    (line, *_) = [describe(event) for event in events if event.kind is EventKind.TRANSFER_PROGRESS]
    octets, rate, left = line.split(", ")
    assert octets.endswith("of 60060 octets")
    assert 4000 < float(rate.removesuffix(" octets/s")) < 5000
    assert 5 < float(left.removesuffix(" s left")) < 15


def test_only_the_progress_in_between_is_no_milestone(events: list[Event]) -> None:
    assert {event.kind for event in events if not is_milestone(event)} == {EventKind.TRANSFER_PROGRESS}


def test_parties_are_named_in_the_direction_of_the_message() -> None:
    assert parties(REMOVED) == "DCC -> hub"
    assert parties(replace(REMOVED, source=Party.HUB)) == "hub"
