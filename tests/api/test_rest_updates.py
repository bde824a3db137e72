"""Updates by REST: images, jobs, approval, activation, versions."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from hanota.api.access import Role
from hanota.api.settings import ApiSettings
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.api_support import Bench, bench
from tests.hub_parties_support import (
    HCALCS,
    HCALCS_IMAGE,
    NEIGHBOUR,
    OTHER_SUPPLIER,
    PPMID,
    PPMID_IMAGE,
    STRANGER,
    SUPPLIER,
    outcome,
)
from tests.hub_support import virtual


async def image(api: Bench, kind: JobKind, role: Role = Role.OPERATOR) -> str:
    """Add the image of `kind` and return its digest."""
    file = PPMID_IMAGE if kind is JobKind.PPMID else HCALCS_IMAGE
    added = await api.post("/images", role=role, params={"kind": str(kind)}, content=file.data)
    return str(added["digest"])


async def update(api: Bench, kind: JobKind, *devices: object, **options: object) -> Any:
    digest = await image(api, kind)
    body = {"image": digest, "devices": [str(device) for device in devices], **options}
    return await api.post("/jobs", body)


@virtual
async def test_an_image_of_which_only_a_part_of_the_digest_is_given_updates_a_ppmid() -> None:
    async with bench() as api:
        await api.lab.joined(PPMID, JobKind.PPMID)
        digest = await image(api, JobKind.PPMID)
        answer = await api.post("/jobs", {"image": digest[:12], "devices": [str(PPMID.eui64)]})
        assert answer["response_code"] == "I99"
        [outcome_] = answer["devices"]
        assert (outcome_["device"], outcome_["outcome"]) == (str(PPMID.eui64), "accepted")
        await asyncio.sleep(60)
        job = await api.get(f"/jobs/{outcome_['job']['id']}")
        assert (job["state"], job["image"], job["firmware_version"]) == ("activating", digest, "01000001")


@virtual
async def test_an_operator_distributes_and_an_activator_approves() -> None:
    async with bench() as api:
        await api.lab.joined(PPMID, JobKind.PPMID)
        digest = await image(api, JobKind.PPMID)
        body = {"image": digest, "devices": [str(PPMID.eui64)]}
        refused = await api.ask("POST", "/jobs", Role.OPERATOR, json=body)
        assert refused.status_code == 403
        assert refused.json()["hint"] == "set needs_approval, and have an activator approve the job"
        answer = await api.post("/jobs", {**body, "needs_approval": True}, Role.OPERATOR)
        number = answer["devices"][0]["job"]["id"]
        await asyncio.sleep(300)
        job = await api.get(f"/jobs/{number}")
        assert (job["state"], job["waits_for_approval"]) == ("transferring", True)
        approved = await api.post(f"/jobs/{number}/approve")
        assert not approved["waits_for_approval"]
        await asyncio.sleep(300)
        assert (await api.get(f"/jobs/{number}"))["state"] == "activating"


@virtual
async def test_an_operator_may_have_an_hcalcs_hold_an_image_without_approval() -> None:
    async with bench() as api:
        await api.lab.joined(HCALCS, JobKind.HCALCS)
        digest = await image(api, JobKind.HCALCS)
        body = {"image": digest, "devices": [str(HCALCS.eui64)], "priority": "high"}
        answer = await api.post("/jobs", body, Role.OPERATOR)
        assert answer["devices"][0]["job"]["priority"] == "high"


@virtual
async def test_an_update_tells_of_each_device_what_became_of_it() -> None:
    async with bench() as api:
        await api.lab.held()
        api.lab.device(NEIGHBOUR, JobKind.HCALCS)
        devices = (HCALCS.eui64, NEIGHBOUR.eui64, PPMID.eui64, STRANGER.eui64)
        answer = await update(api, JobKind.HCALCS, *devices)
        assert answer["response_code"] == "W110101"
        outcomes = {each["device"]: each["outcome"] for each in answer["devices"]}
        assert outcomes == {
            str(HCALCS.eui64): "other_request_in_progress",
            str(NEIGHBOUR.eui64): "accepted",
            str(PPMID.eui64): "invalid",
            str(STRANGER.eui64): "invalid",
        }


@virtual
async def test_an_update_that_no_device_can_have_is_rejected_with_its_response_code() -> None:
    async with bench() as api:
        digest = await image(api, JobKind.PPMID)
        response = await api.ask("POST", "/jobs", json={"image": digest, "devices": [str(HCALCS.eui64)]})
        assert response.status_code == 422
        assert response.json()["code"] == "E110403"
        assert str(HCALCS.eui64) in response.json()["error"]
        # The rejection is in the journal too, as that of any other service user.
        assert api.lab.of(EventKind.REQUEST_REJECTED)


@virtual
async def test_the_supplier_configured_activates_what_an_hcalcs_holds() -> None:
    async with bench() as api:
        device = await api.lab.held()
        number = api.lab.job(HCALCS.eui64).id
        answer = await api.post(f"/jobs/{number}/activate")
        assert (answer["response_code"], answer["job"]["state"]) == ("I99", "activating")
        await asyncio.sleep(5)
        command = Message.decode(device.messages[-1])
        assert (command.originator, command.message_code) == (SUPPLIER.eui64, 0x0012)
        device.say(outcome(command))
        await asyncio.sleep(5)
        job = await api.get(f"/jobs/{number}")
        assert (job["state"], job["ended"]) == ("activated", True)


@virtual
async def test_a_future_dated_activation_can_be_cancelled() -> None:
    async with bench() as api:
        await api.lab.held()
        number = api.lab.job(HCALCS.eui64).id
        await api.post(f"/jobs/{number}/activate", {"when": "2030-01-15T09:00:00Z"})
        await api.post(f"/jobs/{number}/activate", {"cancel": True})
        times = [
            event.detail["execution_date_time"]
            for event in api.lab.of(EventKind.REQUEST_RECEIVED)
            if "execution_date_time" in event.detail
        ]
        assert [str(time)[:16] for time in times] == ["2030-01-15T09:00", "9999-12-31T23:59"]
        both = await api.ask(
            "POST", f"/jobs/{number}/activate", json={"when": "2030-01-15T09:00:00Z", "cancel": True}
        )
        assert both.status_code == 422


@virtual
async def test_a_pre_command_is_signed_elsewhere_and_sent_back() -> None:
    async with bench(supplier_keys=False) as api:
        device = await api.lab.held()
        number = api.lab.job(HCALCS.eui64).id
        refused = await api.ask("POST", f"/jobs/{number}/activate")
        assert refused.status_code == 409
        assert "pre-command" in refused.json()["hint"]

        made = await api.post(f"/jobs/{number}/pre-command")
        pre_command = Message.decode(base64.b64decode(made["pre_command"]))

        async def send(octets: bytes) -> tuple[int, str | None]:
            response = await api.ask(
                "POST",
                f"/jobs/{number}/signed-pre-command",
                json={
                    "request_id": made["request_id"],
                    "signed_pre_command": base64.b64encode(octets).decode(),
                },
            )
            return response.status_code, response.json().get("code")

        status, code = await send(sign(pre_command, OTHER_SUPPLIER.signing_key).encode())
        assert (status, code) != (200, None)
        assert api.lab.state(HCALCS.eui64) == "held"
        assert await send(sign(pre_command, SUPPLIER.signing_key).encode()) == (200, None)
        await asyncio.sleep(5)
        assert Message.decode(device.messages[-1]).payload == pre_command.payload


@virtual
async def test_a_ppmid_is_not_activated_by_a_command() -> None:
    async with bench() as api:
        await api.lab.told_to_activate()
        number = api.lab.job(PPMID.eui64).id
        for what in ("activate", "pre-command"):
            response = await api.ask("POST", f"/jobs/{number}/{what}")
            assert response.status_code == 409
            assert "on the hub's word" in response.json()["error"]


@virtual
async def test_a_job_is_paused_resumed_and_cancelled() -> None:
    async with bench() as api:
        await api.lab.joined(HCALCS, JobKind.HCALCS)
        answer = await update(api, JobKind.HCALCS, HCALCS.eui64)
        number = answer["devices"][0]["job"]["id"]
        assert (await api.post(f"/jobs/{number}/pause", role=Role.OPERATOR))["paused"]
        assert not (await api.post(f"/jobs/{number}/resume", role=Role.OPERATOR))["paused"]
        cancelled = await api.post(f"/jobs/{number}/cancel", role=Role.OPERATOR)
        assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled by operator")
        again = await api.ask("POST", f"/jobs/{number}/cancel")
        assert (again.status_code, again.json()["error"]) == (409, f"job {number} has ended: cancelled")
        missing = await api.ask("POST", f"/jobs/{number + 1}/cancel")
        assert missing.status_code == 404
        unneeded = await update(api, JobKind.HCALCS, HCALCS.eui64)
        number = unneeded["devices"][0]["job"]["id"]
        assert (await api.ask("POST", f"/jobs/{number}/approve")).status_code == 409


@virtual
async def test_jobs_are_listed_newest_first_and_page_by_page() -> None:
    async with bench() as api:
        for _ in range(3):
            await update(api, JobKind.HCALCS, HCALCS.eui64)
        await update(api, JobKind.HCALCS, NEIGHBOUR.eui64)
        page = await api.get("/jobs", params={"limit": 2})
        assert [job["id"] for job in page["jobs"]] == [4, 3]
        page = await api.get("/jobs", params={"limit": 2, "before": page["next"]})
        assert [job["id"] for job in page["jobs"]] == [2, 1]
        assert page["next"] is None
        still_open = await api.get("/jobs", params={"open": True})
        assert [job["id"] for job in still_open["jobs"]] == [4, 3]
        cancelled = await api.get("/jobs", params={"state": "cancelled", "device": str(HCALCS.eui64)})
        assert [job["id"] for job in cancelled["jobs"]] == [2, 1]


@virtual
async def test_a_transfer_tells_how_far_it_is() -> None:
    async with bench() as api:
        device = await api.lab.joined(HCALCS, JobKind.HCALCS)
        await update(api, JobKind.HCALCS, HCALCS.eui64, needs_approval=True)
        await asyncio.sleep(30)
        [transfer] = (await api.get("/progress"))["transfers"]
        assert transfer["device"] == str(device.eui64)
        assert 0 < transfer["octets"] < transfer["total"]
        [job] = (await api.get("/jobs"))["jobs"]
        assert job["progress"] == transfer


@pytest.mark.parametrize(
    "wrong",
    [
        {"upgrade_at": 1_800_000_000},
        {"upgrade_at": "2030-01-15"},
        {"upgrade_at": "2030-01-15T09:00:00"},
        {"upgrade_at": "0001-01-01T00:00:00+14:00"},
        {"upgrade_at": "9999-12-31T23:59:59-01:00"},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"devices": []},
        {"devices": [str(PPMID.eui64)] * 5},
        {"priority": "highest"},
        {"needs_approval": "perhaps"},
        {"kind": "PPMID"},
    ],
)
def test_options_that_cannot_be_meant_begin_nothing(wrong: dict[str, object]) -> None:
    @virtual
    async def ask() -> None:
        async with bench(settings=ApiSettings(devices_per_job=2)) as api:
            digest = await image(api, JobKind.PPMID)
            others = [str(HCALCS.eui64), str(NEIGHBOUR.eui64)]
            body = {"image": digest, "devices": [str(PPMID.eui64)], **wrong}
            if body["devices"] == [str(PPMID.eui64)] * 5:
                body["devices"] = [str(PPMID.eui64), *others]
            response = await api.ask("POST", "/jobs", json=body)
            assert response.status_code in (409, 422)
            assert set(response.json()) == {"error", "hint", "code"}
            assert (await api.get("/jobs"))["jobs"] == []

    ask()


# -- images ------------------------------------------------------------------------------------------------


@virtual
async def test_an_image_is_added_once_retired_and_back() -> None:
    async with bench() as api:
        digest = await image(api, JobKind.PPMID)
        assert await image(api, JobKind.PPMID) == digest
        [listed] = (await api.get("/images"))["images"]
        assert (listed["kind"], listed["firmware_version"]) == ("PPMID", "01000001")
        assert listed["manufacturer_image_hash"] == PPMID_IMAGE.manufacturer_image_hash.hex()
        retired = await api.post(f"/images/{digest[:8]}/retire")
        assert retired["retired"] is not None
        assert (await api.get("/images"))["images"] == []
        assert len((await api.get("/images", params={"retired": True}))["images"]) == 1
        response = await api.ask("POST", "/jobs", json={"image": digest, "devices": [str(PPMID.eui64)]})
        assert response.status_code == 409
        await image(api, JobKind.PPMID)
        assert len((await api.get("/images"))["images"]) == 1


@virtual
async def test_an_image_that_open_jobs_use_is_retired_by_force_alone() -> None:
    async with bench() as api:
        await update(api, JobKind.HCALCS, HCALCS.eui64)
        [job] = (await api.get("/jobs"))["jobs"]
        response = await api.ask("POST", f"/images/{job['image']}/retire")
        assert response.status_code == 409
        assert (await api.post(f"/images/{job['image']}/retire", params={"force": True}))["retired"]


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("PPMID", b"not an image", 422),
        ("PPMID", b"", 422),
        ("HCALCS", PPMID_IMAGE.data, 422),
        ("ESME", PPMID_IMAGE.data, 422),
        ("PPMID", PPMID_IMAGE.data[:-1], 422),
    ],
)
def test_what_is_no_image_for_the_kind_is_refused(kind: str, data: bytes, status: int) -> None:
    @virtual
    async def ask() -> None:
        async with bench() as api:
            response = await api.ask("POST", "/images", params={"kind": kind}, content=data)
            assert response.status_code == status
            assert set(response.json()) == {"error", "hint", "code"}
            assert (await api.get("/images"))["images"] == []

    ask()


@virtual
async def test_a_digest_that_names_no_image_or_none_can_be_is_told() -> None:
    async with bench() as api:
        assert (await api.ask("GET", f"/images/{'00' * 32}")).status_code == 404
        assert (await api.ask("GET", "/images/00")).status_code == 422
        assert (await api.ask("GET", "/images/zz")).status_code == 422
        body = {"image": "00" * 32, "devices": [str(PPMID.eui64)]}
        assert (await api.ask("POST", "/jobs", json=body)).status_code == 404
