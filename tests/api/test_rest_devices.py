"""Devices, versions, the products list and the hub itself by REST."""

from __future__ import annotations

import asyncio

import pytest

from hanota.api.access import Role
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
    read_firmware_version_response,
)
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.api_support import bench
from tests.hub_parties_support import (
    BROKER,
    HCALCS,
    HCALCS_IMAGE,
    HUB,
    PPMID,
    STRANGER,
    SUPPLIER,
    with_device_mac,
)
from tests.hub_support import virtual

INSTALL_CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
WITHOUT_CRC = INSTALL_CODE[:-5]


@pytest.mark.parametrize("code", [INSTALL_CODE, WITHOUT_CRC, INSTALL_CODE.lower().replace(" ", "")])
def test_a_device_is_added_with_its_install_code_and_may_join(code: str) -> None:
    @virtual
    async def add() -> None:
        async with bench() as api:
            body = {
                "device": str(STRANGER.eui64),
                "device_type": "PPMID",
                "install_code": code,
                "join_seconds": 90,
            }
            added = await api.post("/devices", body, Role.OPERATOR)
            assert (added["device"], added["device_type"]) == (str(STRANGER.eui64), "PPMID")
            assert (added["in_device_log"], added["ready"]) == (True, False)
            await asyncio.sleep(1)
            expected = (STRANGER.eui64, bytes.fromhex(WITHOUT_CRC.replace(" ", "")), 90)
            assert api.lab.radio.permitted == [expected]
            assert "83FE" not in str(api.audit.rows()).upper()

    add()


@pytest.mark.parametrize(
    "wrong",
    [
        {"install_code": INSTALL_CODE[:-1] + "6"},
        {"install_code": "no code"},
        {"install_code": "zz" * 16},
        {"install_code": ""},
        {"device_type": "Toaster"},
        {"device": "00-DB"},
        {"device": 5},
        {"join_seconds": 0},
        {"join_seconds": 1e9},
        {"join_seconds": "inf"},
        {"further": 1},
    ],
)
def test_a_device_that_cannot_be_added_is_refused_without_its_code_being_told(
    wrong: dict[str, object],
) -> None:
    @virtual
    async def add() -> None:
        async with bench() as api:
            body = {"device": str(STRANGER.eui64), "device_type": "PPMID", "install_code": INSTALL_CODE}
            response = await api.ask("POST", "/devices", json={**body, **wrong})
            assert response.status_code == 422
            told = response.text + str(api.audit.rows())
            assert "D340" not in told
            assert api.lab.radio.permitted == []

    add()


@virtual
async def test_a_device_is_removed() -> None:
    async with bench() as api:
        await api.lab.held()
        response = await api.ask("DELETE", f"/devices/{HCALCS.eui64}")
        assert (response.status_code, response.content) == (204, b"")
        left = await api.get("/devices")
        assert str(HCALCS.eui64) not in [
            device["device"] for device in left["devices"] if device["in_device_log"]
        ]
        assert api.lab.of(EventKind.DEVICE_REMOVED, HCALCS.eui64)
        assert api.lab.state(HCALCS.eui64) == "cancelled"
        assert (await api.ask("DELETE", f"/devices/{STRANGER.eui64}")).status_code == 404


@virtual
async def test_a_device_tells_its_state_and_its_job() -> None:
    async with bench() as api:
        await api.lab.held()
        device = await api.get(f"/devices/{str(HCALCS.eui64).replace('-', ':')}", Role.OBSERVER)
        assert (device["ready"], device["status"]) == (True, "Commissioned")
        assert device["job"]["state"] == "held"
        other = await api.get(f"/devices/{PPMID.eui64}")
        assert other["job"] is None
        assert (await api.ask("GET", f"/devices/{STRANGER.eui64}")).status_code == 404
        assert (await api.ask("GET", "/devices/nonsense")).status_code == 422


@pytest.mark.parametrize("code", list(ReadResponseCode))
def test_a_version_is_read_and_waited_for(code: ReadResponseCode) -> None:
    @virtual
    async def read() -> None:
        async with bench() as api:
            device = await api.lab.joined(PPMID, JobKind.PPMID)
            path = f"/devices/{PPMID.eui64}/read-version"
            asking = asyncio.create_task(api.post(path, role=Role.OPERATOR, params={"wait": 30}))
            await asyncio.sleep(5)
            command = Message.decode(device.messages[-1])
            payload = ReadFirmwareVersionResponse(
                firmware_version=bytes.fromhex("01000000"), response_code=code
            )
            device.say(with_device_mac(read_firmware_version_response(command, payload), PPMID))
            answer = await asking
            read_well = code is ReadResponseCode.SUCCESS
            assert answer["state"] == "answered"
            assert answer["firmware_version"] == ("01000000" if read_well else None)

    read()


@virtual
async def test_a_device_that_does_not_answer_in_time_leaves_its_version_pending() -> None:
    async with bench() as api:
        await api.lab.joined(PPMID, JobKind.PPMID)
        path = f"/devices/{PPMID.eui64}/read-version"
        for wait in (0, 30):
            answer = await api.post(path, params={"wait": wait})
            assert (answer["state"], answer["firmware_version"]) == ("pending", None)
            originator = answer["request_id"].split(":")[0]
            assert originator == str(SUPPLIER.eui64)
        assert (await api.ask("POST", path, params={"wait": 1e6})).status_code == 422


@virtual
async def test_the_hub_tells_how_it_is_and_who_asks() -> None:
    async with bench() as api:
        api.faults.append("the coordinator is lost")
        told = await api.get("/hub", Role.OPERATOR)
        assert (told["eui64"], told["broker"], told["service_user"]) == tuple(
            str(party.eui64) for party in (HUB, BROKER, SUPPLIER)
        )
        assert (told["caller"], told["role"]) == ("operator", "operator")
        assert (told["ready"], told["faults"]) == (False, ["the coordinator is lost"])
        assert (told["devices"], told["open_jobs"], told["can_activate"]) == (3, 0, True)
        before = told["last_event"]
        await api.lab.joined(PPMID, JobKind.PPMID)
        newest = api.lab.store.events(after=before, limit=1000)[-1].seq
        assert (await api.get("/hub"))["last_event"] == newest


@virtual
async def test_a_product_is_listed_and_withdrawn() -> None:
    async with bench() as api:
        entry = {
            "manufacturer_image_hash": HCALCS_IMAGE.manufacturer_image_hash.hex(),
            "device_type": "HCALCS",
            "firmware_version": "01000001",
            "manufacturer_code": 0x121D,
        }
        listed = await api.post("/products", entry, Role.OPERATOR)
        assert listed["status"] == "Active"
        assert (await api.get("/products", Role.OBSERVER))["products"] == [listed]
        other = await api.ask("POST", "/products", json={**entry, "manufacturer_image_hash": "00" * 32})
        assert other.status_code == 409
        withdraw = f"/products/{listed['manufacturer_image_hash']}/withdraw"
        assert (await api.post(withdraw))["products"][0]["status"] == "Withdrawn"
        assert (await api.ask("POST", f"/products/{'11' * 32}/withdraw")).status_code == 404
        for wrong in ({"firmware_version": "1"}, {"device_type": "TV"}, {"manufacturer_code": -1}, {"x": 1}):
            assert (await api.ask("POST", "/products", json={**entry, **wrong})).status_code == 422


@virtual
async def test_a_gbcs_message_is_told_by_its_fields() -> None:
    async with bench() as api:
        await api.lab.held()
        _, pre_command = api.lab.pre_command()
        told = await api.post("/gbcs/decode", {"octets": pre_command.encode().hex()}, Role.OBSERVER)
        assert (told["use_case"], told["cra"], told["originator"]) == ("CS06", "command", str(SUPPLIER.eui64))
        assert HCALCS_IMAGE.manufacturer_image_hash.hex() in str(told["payload"]).lower()
        assert api.audited() == []
        response = await api.ask("POST", "/gbcs/decode", json={"octets": "DF09"})
        assert response.status_code == 422
