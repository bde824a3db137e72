"""What REST takes at once: sizes, times and numbers, and the document that describes it all."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import Role
from hanota.api.settings import ApiSettings
from tests.api_support import API, bench
from tests.hub_parties_support import HCALCS_IMAGE, PPMID_IMAGE
from tests.hub_support import virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMAGES = f"{API}/images?kind=PPMID"


async def endless(seen: list[int], piece: int = 10_000) -> AsyncIterator[bytes]:
    while True:
        seen.append(piece)
        yield bytes(piece)


@virtual
async def test_an_endless_body_is_cut_off_at_its_limit() -> None:
    async with bench(settings=ApiSettings(image_octets=100_000)) as api, api.client() as client:
        seen: list[int] = []
        response = await client.post(IMAGES, content=endless(seen))
        assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert response.json()["error"] == "the body has more than 100000 octets"
        assert sum(seen) <= 120_000


@virtual
async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    async with bench() as api, api.client() as client:
        seen: list[int] = []
        headers = {"Content-Length": str(100 * 1024 * 1024)}
        response = await client.post(f"{API}/jobs", content=endless(seen), headers=headers)
        assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert not seen


@virtual
async def test_a_body_that_trickles_is_given_up() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(1)

    async with bench(settings=ApiSettings(body_timeout=5)) as api, api.client() as client:
        response = await client.post(IMAGES, content=trickle())
        assert response.status_code == HTTPStatus.REQUEST_TIMEOUT


@virtual
async def test_so_many_bodies_are_read_at_once_and_no_more() -> None:
    async with bench(settings=ApiSettings(bodies=2)) as api:
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield PPMID_IMAGE.data[:10]
            await gate.wait()
            yield PPMID_IMAGE.data[10:]

        async def send() -> int:
            async with api.client() as client:
                return (await client.post(IMAGES, content=slow())).status_code

        waiting = [asyncio.create_task(send()) for _ in range(2)]
        await asyncio.sleep(0.1)
        async with api.client() as client:
            refused = await client.post(IMAGES, content=PPMID_IMAGE.data)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        gate.set()
        assert await asyncio.gather(*waiting) == [201, 201]
        async with api.client() as client:
            assert (await client.post(IMAGES, content=PPMID_IMAGE.data)).status_code == 201


@virtual
async def test_the_library_takes_so_many_images_and_those_it_has_again() -> None:
    async with bench(settings=ApiSettings(images=1)) as api:
        for _ in range(2):
            await api.post("/images", params={"kind": "PPMID"}, content=PPMID_IMAGE.data)
        other = await api.ask("POST", "/images", params={"kind": "HCALCS"}, content=HCALCS_IMAGE.data)
        assert other.status_code == HTTPStatus.CONFLICT
        assert "api.images" in other.json()["hint"]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[" * 20_000, "application/json"),
        (b'{"image": "00"}', "text/plain"),
        (b"\xff\xfe", "application/json"),
        (b"null", "application/json"),
        (b'{"image": NaN}', "application/json"),
    ],
)
def test_what_is_no_json_is_told_so(content: bytes, media_type: str) -> None:
    @virtual
    async def ask() -> None:
        async with bench() as api:
            response = await api.ask("POST", "/jobs", content=content, headers={"Content-Type": media_type})
            assert response.status_code in (400, 422)
            assert set(response.json()) == {"error", "hint", "code"}

    ask()


@virtual
async def test_a_path_or_method_that_is_not_there_is_told_in_the_one_form() -> None:
    async with bench() as api:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("PUT", "/jobs", 405),
            ("GET", "/jobs/x", 422),
        ):
            response = await api.ask(method, path)
            assert response.status_code == status
            assert set(response.json()) == {"error", "hint", "code"}


# -- OpenAPI -----------------------------------------------------------------------------------------------


@virtual
async def test_the_description_is_complete() -> None:
    async with bench() as api, api.client(None) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert document["info"]["version"] == "1.2.3"
        scheme = document["components"]["securitySchemes"]["HTTPBearer"]
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        ids = []
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                ids.append(operation["operationId"])
                assert operation["tags"], path
                assert operation["summary"], path
                if "x-role" not in operation:
                    continue
                assert operation["security"] == [{"HTTPBearer": []}], path
                assert operation["description"], path
                for status in ("401", "403", "422", "503"):
                    schema = operation["responses"][status]["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/ErrorBody"), (path, method, status)
        assert len(ids) == len(set(ids))


@virtual
async def test_no_page_that_loads_scripts_from_elsewhere_is_served() -> None:
    async with bench() as api, api.client(Role.OBSERVER) as client:
        for path in ("/docs", "/redoc"):
            assert (await client.get(path)).status_code == HTTPStatus.NOT_FOUND
