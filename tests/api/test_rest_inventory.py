"""What the inventory holds of a device, by REST."""

from __future__ import annotations

import json

import pytest

from hanota.api.access import Role
from hanota.dcc.device_record import DeviceRecord
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.hub.events import EventKind
from tests.api_support import bench
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, PPMID, STRANGER
from tests.hub_support import virtual

OF_HCALCS = f"/devices/{HCALCS.eui64}/inventory"
OF_STRANGER = f"/devices/{STRANGER.eui64}/inventory"


@virtual
async def test_a_suspended_device_gets_no_update_until_it_is_commissioned_again() -> None:
    async with bench() as api:
        added = await api.post("/images", content=HCALCS_IMAGE.data, params={"kind": "HCALCS"})
        update = {"image": added["digest"], "devices": [str(HCALCS.eui64)]}
        told = await api.ask("PUT", OF_HCALCS, Role.OPERATOR, json={"status": "Suspended"})
        assert (told.status_code, told.json()["status"]) == (200, "Suspended")
        refused = (await api.ask("POST", "/jobs", json=update)).json()
        assert (refused["code"], "has to be Commissioned" in refused["hint"]) == ("E110103", True)
        await api.ask("PUT", OF_HCALCS, json={"status": "Commissioned"})
        assert (await api.post("/jobs", update))["response_code"] == "I99"
        changes = [event.detail["status"] for event in api.lab.of(EventKind.DEVICE_STATUS, HCALCS.eui64)]
        assert changes[-2:] == ["Suspended", "Commissioned"]
        target = f"{HCALCS.eui64}: status Suspended"
        rows = [(row.actor, row.target) for row in api.audit.rows() if row.action == "put_inventory"]
        assert rows[0] == ("operator", target)


@virtual
async def test_what_is_left_out_stays_as_it_is() -> None:
    async with bench() as api:
        body = {"model": "a model", "hardware_version": 7, "gbcs_version": "4.1"}
        told = (await api.ask("PUT", OF_HCALCS, json=body)).json()
        assert (told["device_type"], told["status"], told["gbcs_version"]) == (
            "HCALCS",
            "Commissioned",
            "4.1",
        )
        told = (await api.ask("PUT", OF_HCALCS, json={"hardware_version": None})).json()
        assert (told["model"], told["hardware_version"]) == ("a model", None)
        assert (await api.get(f"/devices/{HCALCS.eui64}"))["model"] == "a model"


@virtual
async def test_a_device_is_notified_before_it_is_added_and_forgotten_after() -> None:
    async with bench() as api:
        without_type = await api.ask("PUT", OF_STRANGER, json={"model": "a model"})
        assert (without_type.status_code, without_type.json()["hint"]) == (409, "say its device_type")
        body = {"device_type": "PPMID", "manufacturer_code": 0x121D}
        told = (await api.ask("PUT", OF_STRANGER, json=body)).json()
        assert (told["status"], told["in_device_log"]) == ("Pending", False)
        expected = DeviceRecord(STRANGER.eui64, DeviceType.PPMID, manufacturer_code=0x121D)
        assert api.lab.inventory.device(STRANGER.eui64) == expected
        assert (await api.ask("DELETE", OF_STRANGER, Role.OPERATOR)).status_code == 403
        assert (await api.ask("DELETE", OF_STRANGER)).status_code == 204
        assert (await api.ask("DELETE", OF_STRANGER)).status_code == 404


@virtual
async def test_the_date_of_commissioning_is_kept_with_the_status() -> None:
    async with bench() as api:
        await api.ask("PUT", OF_STRANGER, json={"device_type": "PPMID", "status": "Commissioned"})
        record = api.lab.inventory.device(STRANGER.eui64)
        assert record is not None
        assert (record.status, record.commissioned) == (DeviceStatus.COMMISSIONED, api.lab.clock.now())


@virtual
async def test_who_is_told_that_firmware_is_not_for_a_device_is_told_where_to_look() -> None:
    async with bench() as api:
        added = await api.post("/images", content=HCALCS_IMAGE.data, params={"kind": "HCALCS"})
        await api.ask("PUT", OF_HCALCS, json={"manufacturer_code": 1})
        refused = await api.ask(
            "POST", "/jobs", json={"image": added["digest"], "devices": [str(HCALCS.eui64)]}
        )
        assert refused.json()["code"] == "E110103"
        assert "compare maker and hardware in the inventory" in refused.json()["hint"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"device_type": "ESME"}, 409),
        ({"model": "no XML\x00"}, 409),
        ({"model": "\ud800"}, 422),
        ({"model": "m" * 31}, 422),
        ({"status": "Broken"}, 422),
        ({"hardware_version": 0x10000}, 422),
        ({"firmware_version": "1"}, 422),
        ({"gbcs_version": "4.1\n"}, 422),
        ({"eui64": str(PPMID.eui64)}, 422),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_changes_nothing(body: dict[str, object], status: int) -> None:
    @virtual
    async def put() -> None:
        async with bench() as api:
            before = await api.get(f"/devices/{HCALCS.eui64}")
            content, headers = json.dumps(body), {"Content-Type": "application/json"}
            answer = await api.ask("PUT", OF_HCALCS, content=content, headers=headers)
            assert answer.status_code == status
            assert await api.get(f"/devices/{HCALCS.eui64}") == before

    put()
