"""The products list by REST: withdrawn firmware stays on it and barred, a slip is removed."""

from __future__ import annotations

from typing import Any

from hanota.api.access import Role
from hanota.hub.events import EventKind
from tests.api_support import Bench, bench
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE
from tests.hub_support import virtual

HASH = HCALCS_IMAGE.manufacturer_image_hash.hex()
SLIP = "ab" * 32
ENTRY: dict[str, Any] = {
    "manufacturer_image_hash": HASH,
    "device_type": "HCALCS",
    "firmware_version": "01000001",
}


async def update(api: Bench) -> str:
    """Return what a request for an update with the image is answered."""
    added = await api.post("/images", content=HCALCS_IMAGE.data, params={"kind": "HCALCS"})
    body = {"image": added["digest"], "devices": [str(HCALCS.eui64)]}
    answer = (await api.ask("POST", "/jobs", json=body)).json()
    return str(answer.get("code") or answer["response_code"])


@virtual
async def test_withdrawn_firmware_is_given_to_no_device_until_its_entry_is_removed() -> None:
    async with bench() as api:
        await api.post("/products", ENTRY)
        await api.post(f"/products/{HASH}/withdraw")
        assert await update(api) == "E110103"
        removed = await api.ask("DELETE", f"/products/{HASH}")
        assert [each["status"] for each in removed.json()["products"]] == ["Withdrawn"]
        assert (await api.get("/products"))["products"] == []
        assert await update(api) == "I99"


@virtual
async def test_a_mistyped_hash_that_bars_its_type_is_removed_and_the_removal_is_audited_and_told() -> None:
    async with bench() as api:
        await api.post("/products", {**ENTRY, "manufacturer_image_hash": SLIP, "model": "a model"})
        assert await update(api) == "E110102"
        assert (await api.ask("DELETE", f"/products/{SLIP}", Role.OPERATOR)).status_code == 403
        assert (await api.ask("DELETE", f"/products/{SLIP}")).status_code == 200
        assert await update(api) == "I99"
        (event,) = api.lab.of(EventKind.PRODUCT_REMOVED)
        assert (event.detail["manufacturer_image_hash"], event.detail["model"]) == (SLIP, "a model")
        done = [
            row.target for row in api.audit.rows() if row.action == "remove_product" and row.outcome == "done"
        ]
        assert done == [f"{SLIP}: HCALCS 01000001 a model"]
        assert (await api.ask("DELETE", f"/products/{SLIP}")).status_code == 404


@virtual
async def test_one_of_several_entries_of_an_image_is_removed_by_what_it_is_for() -> None:
    async with bench() as api:
        for model in ("", "a model", "b model"):
            await api.post("/products", {**ENTRY, "model": model})
        for query in ({"model": "c model"}, {"device_type": "PPMID"}, {"firmware_version": "00000000"}):
            assert (await api.ask("DELETE", f"/products/{HASH}", params=query)).status_code == 404
        assert (await api.ask("DELETE", f"/products/{HASH}", params={"modle": "a model"})).status_code == 422
        assert (await api.ask("DELETE", f"/products/{HASH}", params={"model": "a model"})).status_code == 200
        assert [each["model"] for each in (await api.get("/products"))["products"]] == ["", "b model"]
        assert (await api.ask("DELETE", f"/products/{HASH}", params={"model": ""})).status_code == 200
        assert [each["model"] for each in (await api.get("/products"))["products"]] == ["b model"]


@virtual
async def test_an_entry_for_any_maker_is_removed_and_that_of_one_maker_stays() -> None:
    async with bench() as api:
        await api.post("/products", ENTRY)
        await api.post("/products", {**ENTRY, "manufacturer_code": 0x121D, "image_type": 0x0D})
        chosen = {"manufacturer_code": "any", "image_type": "any"}
        removed = await api.ask("DELETE", f"/products/{HASH}", params=chosen)
        assert [each["manufacturer_code"] for each in removed.json()["products"]] == [None]
        other = await api.ask("DELETE", f"/products/{HASH}", params={"image_type": 0x84})
        assert other.status_code == 404
        removed = await api.ask("DELETE", f"/products/{HASH}", params={"manufacturer_code": 0x121D})
        assert [each["image_type"] for each in removed.json()["products"]] == [0x0D]


@virtual
async def test_an_operator_lists_firmware_and_cannot_withdraw_it_by_listing_it_anew() -> None:
    async with bench() as api:
        await api.post("/products", ENTRY, Role.OPERATOR)
        refused = await api.ask("POST", "/products", Role.OPERATOR, json={**ENTRY, "status": "Withdrawn"})
        assert refused.status_code == 403
        assert (await api.get("/products"))["products"][0]["status"] == "Active"
        row = list(api.audit.rows())[-1]
        assert (row.actor, row.action, row.outcome.startswith("refused")) == ("operator", "put_product", True)
        assert (await api.post("/products", {**ENTRY, "status": "Expired"}))["status"] == "Expired"
