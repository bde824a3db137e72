"""Requests for several devices of which some may not have the image: answer, lists, and what is done."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.codes import UNKNOWN_DEVICE
from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.product_entry import ProductEntry
from hanota.dcc.service_users import ServiceUser, UserRole
from hanota.dcc.services import service_of
from hanota.dcc.submission import Answer, Submission
from hanota.duis.dcc_alert import CommsHubTransferStatus, CspFirmwareDeliveryStatus
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType
from hanota.duis.parse_response import parse_response
from hanota.duis.request import ReadFirmwareVersion, ReadInventory, RequestId, UpdateFirmware
from hanota.duis.response import (
    DccAlertMessage,
    DspInventory,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.schema import Schema
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.hub.ports import DeviceLogEntry
from hanota.hub.ports import DeviceType as LoggedType
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.store import SqliteStore
from tests.hub_parties_support import (
    BROKER,
    HCALCS,
    HCALCS_IMAGE,
    HUB,
    MANUFACTURER,
    PPMID,
    STRANGER,
    SUPPLIER,
    image,
)
from tests.hub_support import Lab, lab, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.duis.request import ServiceRequest
    from hanota.ota.image import OtaFile

SCHEMA = Path(__file__).parents[3] / "shared" / "vectors" / "duis" / "schema" / "DUIS Schema V5.4.xsd"
HCALCS_ID, PPMID_ID, STRANGER_ID = HCALCS.eui64, PPMID.eui64, STRANGER.eui64
GOOD, SUSPENDED, OTHERS_MAKE, OTHERS_MODEL, NEWER = (Eui64(b"hcalc-%02d" % number) for number in range(5))
VERSION = HCALCS_IMAGE.firmware_version.hex().upper()
ENTRY = ProductEntry(
    HCALCS_IMAGE.manufacturer_image_hash, DeviceType.HCALCS, VERSION, model="right", gbcs_version="4.1"
)


def record(device: Eui64, model: str = "right", gbcs_version: str = "4.1") -> DeviceRecord:
    return DeviceRecord(
        device,
        DeviceType.HCALCS,
        DeviceStatus.COMMISSIONED,
        MANUFACTURER,
        model,
        gbcs_version=gbcs_version,
    )


@dataclass
class Bench:
    """A hub with HCALCSs of every kind, and its DCC with one service user."""

    lab: Lab
    counter: int = 0

    def ask(self, request: ServiceRequest) -> Answer:
        """Submit a signed request to its service."""
        digest = sha256(repr(request).encode()).digest()
        return self.lab.dcc.receive(Submission(request, service_of(request), SUPPLIER.eui64, digest))

    def request_id(self, target: Eui64 = BROKER.eui64) -> RequestId:
        self.counter += 1
        return RequestId(SUPPLIER.eui64, target, self.counter)

    def update(self, *devices: Eui64, file: OtaFile = HCALCS_IMAGE, version: str = VERSION) -> Answer:
        """Submit 11.1 for `devices`."""
        return self.ask(UpdateFirmware(self.request_id(), file.data, version, devices))

    def told(self) -> list[CspFirmwareDeliveryStatus]:
        """Return what the service user is told of the image's way to the hub."""
        documents = SqliteDccStore(self.lab.store.database).outgoing(SUPPLIER.eui64, 100)
        alerts = []
        for each in documents:
            body = parse_response(each.document).body
            if isinstance(body, DccAlertMessage) and isinstance(body.alert, CspFirmwareDeliveryStatus):
                alerts.append(body.alert)
        return alerts

    @property
    def jobs(self) -> list[Eui64]:
        """Whose jobs there are, oldest first."""
        return [job.device for job in self.lab.store.jobs()]


@asynccontextmanager
async def bench(*roles: UserRole) -> AsyncIterator[Bench]:
    store = SqliteStore(":memory:")
    for device in (GOOD, SUSPENDED, OTHERS_MAKE, OTHERS_MODEL, NEWER):
        store.put_device(DeviceLogEntry(device, LoggedType.HCALCS, bytes(16)))
    user = ServiceUser(SUPPLIER.eui64, frozenset(roles or {UserRole.IS}), "http://127.0.0.1:9000/")
    async with lab(store=store, users=[user]) as made:
        inventory = made.dcc._inventory
        inventory.configure(
            [
                record(GOOD),
                replace(record(SUSPENDED), status=DeviceStatus.SUSPENDED),
                replace(record(OTHERS_MAKE), manufacturer_code=MANUFACTURER + 1),
                record(OTHERS_MODEL, model="wrong"),
                record(NEWER, gbcs_version="4.2"),
            ]
        )
        made.dcc._products.put(ENTRY)
        yield Bench(made)


def answered(answer: Answer) -> tuple[str, UpdateFirmwareWarning | None]:
    """Return the code and the lists of an answer, as its document says them."""
    if SCHEMA.is_file():
        Schema(SCHEMA).check(answer.document)
    response = parse_response(answer.document)
    assert isinstance(response.body, ResponseMessage)
    content = response.body.content
    assert content is None or isinstance(content, UpdateFirmwareWarning)
    return str(response.response_code), content


@virtual
async def test_every_device_left_out_is_on_the_list_that_says_why() -> None:
    async with bench() as made:
        device = await made.lab.joined(HCALCS, JobKind.HCALCS)
        assert made.update(HCALCS_ID).response.response_code == "I99"
        await asyncio.sleep(60)
        assert made.lab.state(device.eui64) == "held"

        everybody = (STRANGER_ID, HCALCS_ID, NEWER, OTHERS_MODEL, GOOD, OTHERS_MAKE, SUSPENDED, PPMID_ID)
        code, lists = answered(made.update(*everybody))
        assert code == "W110101"
        assert lists == UpdateFirmwareWarning(
            invalid=(STRANGER_ID, PPMID_ID),
            not_commissioned=(SUSPENDED,),
            not_applicable_firmware=(OTHERS_MODEL, OTHERS_MAKE),
            other_request_in_progress=(HCALCS_ID,),
            invalid_gbcs_version=(NEWER,),
        )
        assert made.jobs == [HCALCS_ID, GOOD]
        assert [(alert.target_device_id, alert.comms_hub_transfer_status) for alert in made.told()] == [
            (HCALCS_ID, CommsHubTransferStatus.SUCCESS),
            (GOOD, CommsHubTransferStatus.SUCCESS),
        ]
        acknowledged = made.lab.of(EventKind.REQUEST_ACKNOWLEDGED)[-1].detail
        assert acknowledged["response_code"] == "W110101"
        assert acknowledged["not_commissioned"] == [str(SUSPENDED)]


@virtual
async def test_where_nobody_is_left_the_request_is_refused_with_its_lists() -> None:
    async with bench() as made:
        answer = made.update(SUSPENDED, STRANGER_ID)
        assert answered(answer) == (
            "E110103",
            UpdateFirmwareWarning(invalid=(STRANGER_ID,), not_commissioned=(SUSPENDED,)),
        )
        assert not made.jobs
        assert not made.told()


@virtual
async def test_where_everybody_may_have_it_there_are_no_lists() -> None:
    async with bench() as made:
        assert answered(made.update(GOOD, HCALCS_ID, GOOD)) == ("I99", None)
        assert made.jobs == [GOOD, HCALCS_ID]


@virtual
async def test_a_device_that_has_become_eligible_is_updated_by_a_new_request_only() -> None:
    async with bench() as made:
        first = UpdateFirmware(made.request_id(), HCALCS_IMAGE.data, VERSION, (GOOD, SUSPENDED))
        answer = made.ask(first)
        made.lab.dcc._inventory.set_status(SUSPENDED, DeviceStatus.COMMISSIONED)
        again = made.ask(first)
        assert again.repeated
        assert again.document == answer.document
        assert made.jobs == [GOOD]
        assert answered(made.update(SUSPENDED)) == ("I99", None)
        assert made.jobs == [GOOD, SUSPENDED]


@virtual
async def test_an_altered_image_is_for_nobody_though_one_model_is_not_listed() -> None:
    async with bench() as made:
        altered = image(JobKind.HCALCS, size=201)
        assert altered.firmware_version == HCALCS_IMAGE.firmware_version
        assert answered(made.update(OTHERS_MODEL, GOOD, file=altered)) == ("E110102", None)
        assert not made.jobs


@virtual
async def test_an_image_of_another_version_than_said_is_for_nobody() -> None:
    async with bench() as made:
        assert answered(made.update(GOOD, version="01000002")) == ("E110105", None)
        assert not made.jobs
        assert answered(made.update(GOOD, version="00000000")) == ("I99", None)


@virtual
async def test_a_withdrawn_image_is_given_to_nobody_any_more() -> None:
    async with bench() as made:
        assert answered(made.update(GOOD)) == ("I99", None)
        made.lab.dcc._products.withdraw(ENTRY.manufacturer_image_hash)
        assert answered(made.update(HCALCS_ID, GOOD)) == (
            "E110103",
            UpdateFirmwareWarning(not_applicable_firmware=(HCALCS_ID, GOOD)),
        )
        assert made.jobs == [GOOD]


@virtual
async def test_attack_a_request_in_anothers_name_uses_up_none_of_his_request_ids() -> None:
    async with bench() as made:
        stolen = UpdateFirmware(
            RequestId(SUPPLIER.eui64, BROKER.eui64, 2**40), HCALCS_IMAGE.data, VERSION, (GOOD,)
        )
        submission = Submission(stolen, service_of(stolen), STRANGER_ID, bytes(32))
        assert answered(made.lab.dcc.receive(submission)) == ("E1", None)
        assert not made.jobs
        assert answered(made.update(GOOD)) == ("I99", None)


@virtual
async def test_a_user_without_the_role_distributes_nothing_but_may_read() -> None:
    async with bench(UserRole.OU) as made:
        assert answered(made.update(GOOD)) == ("E2", None)
        assert not made.jobs
        answer = made.ask(ReadFirmwareVersion(made.request_id(HCALCS_ID)))
        assert answer.response.response_code == "I99"


@virtual
async def test_read_inventory_says_how_each_device_is_and_whether_its_firmware_is_listed() -> None:
    async with bench() as made:
        made.lab.dcc._inventory.put(replace(record(GOOD), firmware_version=VERSION))
        answer = made.ask(ReadInventory(made.request_id(), GOOD))
        if SCHEMA.is_file():
            Schema(SCHEMA).check(answer.document)
        response = parse_response(answer.document)
        assert response.response_code == "I0"
        assert isinstance(response.body, ResponseMessage)
        assert isinstance(response.body.content, DspInventory)
        first, *others = response.body.content.devices
        assert (first.device_id, first.device_status) == (GOOD, DeviceStatus.COMMISSIONED)
        assert (first.device_firmware_version, first.cpl_status) == (VERSION, CplStatus.ACTIVE)
        found = {other.device_id: (other.device_type, other.device_status) for other in others}
        assert found[HUB.eui64] == (DeviceType.CHF, DeviceStatus.COMMISSIONED)
        assert found[SUSPENDED] == (DeviceType.HCALCS, DeviceStatus.SUSPENDED)
        assert found[PPMID_ID] == (DeviceType.PPMID, DeviceStatus.COMMISSIONED)


@virtual
async def test_a_device_is_not_updated_between_its_addition_and_its_join() -> None:
    async with bench() as made:
        hub = made.lab.hub
        await hub.add_device(DeviceLogEntry(STRANGER_ID, LoggedType.HCALCS, bytes(16)), 60)
        code, lists = answered(made.update(STRANGER_ID, GOOD))
        assert (code, lists) == ("W110101", UpdateFirmwareWarning(not_commissioned=(STRANGER_ID,)))
        hub.device_joined(STRANGER_ID)
        assert answered(made.update(STRANGER_ID)) == ("I99", None)
        hub.remove_device(STRANGER_ID)
        code, lists = answered(made.update(STRANGER_ID, GOOD))
        assert (code, lists) == ("W110101", UpdateFirmwareWarning(not_commissioned=(STRANGER_ID,)))


@virtual
async def test_read_inventory_of_a_stranger_is_e19() -> None:
    async with bench() as made:
        answer = made.ask(ReadInventory(made.request_id(), STRANGER_ID))
        assert answered(answer) == (UNKNOWN_DEVICE, None)


@pytest.mark.parametrize("status", [DeviceStatus.PENDING, DeviceStatus.WITHDRAWN])
def test_a_device_that_is_not_on_the_han_is_sent_no_command(status: DeviceStatus) -> None:
    @virtual
    async def told() -> None:
        async with bench() as made:
            made.lab.dcc._inventory.set_status(GOOD, status)
            answer = made.ask(ReadFirmwareVersion(made.request_id(GOOD)))
            assert answered(answer) == ("E5", None)

    told()
