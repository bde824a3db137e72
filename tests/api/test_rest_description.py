"""What the OpenAPI document says of paths, methods and values, and what the app does with others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import Role
from hanota.api.app import DASHBOARD
from tests.api_support import bench
from tests.hub_parties_support import HCALCS
from tests.hub_support import virtual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.api_support import Bench

PLAIN = HCALCS.eui64.hex()
EUI64 = (str(HCALCS.eui64), str(HCALCS.eui64).replace("-", ":").lower(), PLAIN, PLAIN.upper())
NO_EUI64 = ("", PLAIN[:-1], f"{PLAIN}-", f"zz{PLAIN[2:]}", "€")


def methods(api: Bench) -> dict[str, set[str]]:
    """Return the methods of every path that the OpenAPI document names."""
    paths: Mapping[str, Mapping[str, Any]] = api.app.openapi()["paths"]
    return {path: {method.upper() for method in operations} for path, operations in paths.items()}


def filled(path: str) -> str:
    return re.sub(r"\{device\}", EUI64[0], re.sub(r"\{(digest|manufacturer_image_hash)\}", "00" * 32, path))


@virtual
async def test_another_method_is_told_all_methods_of_the_path() -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client() as client:
        for path, allowed in methods(api).items():
            wrong = await client.request("TRACE", filled(path.replace("{job_id}", "1")))
            assert wrong.status_code == 405, path
            assert set(wrong.headers["Allow"].split(", ")) == allowed, path
            assert all(method in wrong.json()["hint"] for method in allowed)


@virtual
async def test_a_get_of_what_can_only_be_posted_is_no_missing_page() -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client() as client:
        for path in ("/api/v1/serviceS", "/api/v1/gbcs/decode"):
            assert (await client.get(path)).status_code == 405


@pytest.mark.parametrize("path", ["/api/v1/device", "/api/v2/devices", "/api", "/nothing.js"])
async def test_a_path_that_is_not_there_is_named_with_where_to_look(path: str) -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client() as client:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json() == {
            "error": f"there is nothing at {path}",
            "hint": "/openapi.json has the paths",
            "code": None,
        }


async def test_the_dashboard_is_still_served() -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client(None) as client:
        assert "text/html" in (await client.get("/")).headers["Content-Type"]
        assert (await client.get("/main.js")).status_code == 200
        assert (await client.post("/main.js")).headers["Allow"] == "GET, HEAD"


@virtual
async def test_the_patterns_of_the_document_are_what_the_values_must_be() -> None:
    async with bench() as api:
        schemas = parameters(api)
        assert {"device", "digest", "manufacturer_image_hash"} <= set(schemas)
        device = re.compile(schemas["device"]["pattern"])
        assert all(device.search(text) for text in EUI64)
        assert not any(device.search(text) for text in NO_EUI64)
        for text in EUI64:
            assert (await api.get(f"/devices/{text}"))["device"] == str(HCALCS.eui64)
        for text in filter(None, NO_EUI64):
            assert (await api.ask("GET", f"/devices/{text}")).status_code == 422
        digest = re.compile(schemas["digest"]["pattern"])
        for text in ("0", "00", "000000", "zz" * 32, "00" * 33):
            assert not digest.search(text)
            assert (await api.ask("GET", f"/images/{text}")).status_code == 422
        for text in ("00" * 4, "aA" * 32):
            assert digest.search(text)
            assert (await api.ask("GET", f"/images/{text}")).status_code == 404
        whole = re.compile(schemas["manufacturer_image_hash"]["pattern"])
        assert whole.search("0a" * 32)
        assert not whole.search("0a" * 31)


def parameters(api: Bench) -> dict[str, dict[str, Any]]:
    """Return the schemas of all parameters in paths, by name."""
    return {
        parameter["name"]: parameter["schema"]
        for operations in api.app.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }


@virtual
async def test_what_is_wrong_with_a_value_is_told_in_plain_words() -> None:
    async with bench() as api:
        wrong = {
            "/devices/A5": "path.device: not an EUI-64: 'A5'",
            "/images/zz": "path.digest: expected hex digits",
            "/images/00": "path.digest: expected 4 to 32 octets in hex, got 1",
        }
        for path, words in wrong.items():
            assert (await api.ask("GET", path)).json()["error"] == words


@virtual
async def test_a_number_of_the_inventory_is_neither_a_truth_value_nor_a_text() -> None:
    async with bench() as api:
        path = f"/devices/{HCALCS.eui64}/inventory"
        for value in (False, True, "1", 1.5, -1, 65536):
            answer = await api.ask("PUT", path, Role.OPERATOR, json={"hardware_version": value})
            assert answer.status_code == 422, value
        body = {"hardware_version": 7.0, "device_type": "HCALCS"}  # 7.0 is an integer to JSON Schema
        answer = await api.ask("PUT", path, Role.OPERATOR, json=body)
        assert answer.json()["hardware_version"] == 7


@virtual
async def test_the_years_that_a_time_may_have_are_those_of_its_pattern() -> None:
    async with bench() as api:
        schemas = api.app.openapi()["components"]["schemas"]
        [when, _] = schemas["ActivationRequest"]["properties"]["when"]["anyOf"]
        pattern = re.compile(when["pattern"])
        for year, taken in {"1999": False, "2000": True, "2105": True, "2106": False}.items():
            time = f"{year}-01-15T09:00:00Z"
            assert (pattern.search(time) is not None) is taken
            answer = await api.ask("POST", "/jobs/9/activate", json={"when": time})
            assert answer.status_code == (404 if taken else 422)
