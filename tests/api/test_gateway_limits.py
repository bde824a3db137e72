"""What the DUIS gateway cannot answer by a RequestID, and what is too large, too slow or too much for it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING

import httpx
import pytest

from hanota.api.gateway_settings import GatewaySettings
from hanota.duis.document import DocumentLimits
from tests.api.gateway_support import XML, answered, gateway, post_raw
from tests.duis_support import (
    ATTACKER,
    SIGNED,
    UNSIGNED,
    signed,
)
from tests.hub_support import virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HUNDRED_MEGABYTES = 100 * 1024 * 1024


def changed(old: str, new: str) -> bytes:
    """Return the request changed and then signed by the supplier."""
    document = UNSIGNED.decode()
    assert old in document
    return signed(document.replace(old, new).encode())


# -- documents nobody can be answered about ------------------------------------------------------------

BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><r>&j;</r>"
)
EXTERNAL = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "not an XML document"),
        (b"PK\x03\x04\x00\xff", "not an XML document"),
        (b'{"RequestID": 1}', "not an XML document"),
        (SIGNED.decode().encode("utf-16"), "not an XML document"),
        (SIGNED[: len(SIGNED) // 2], "not an XML document"),
        (BILLION_LAUGHS, "document type declaration is not allowed"),
        (EXTERNAL, "document type declaration is not allowed"),
        (b'<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><r/>', "document type declaration is not allowed"),
        (b"<a>" * 5000, "more than 4096 tags and attributes"),
        (b"<a>" * 40 + b"</a>" * 40, "more than 32 elements inside one another"),
        (b"<html/>", "expected sr:Request or sr:Response"),
        (SIGNED.replace(b"ServiceUserGateway", b"SomethingElse"), "expected sr:Request or sr:Response"),
        (SIGNED.replace(b"Request ", b"Response ").replace(b":Request>", b":Response>"), "altered"),
        (changed("RequestID>", "ResponseID>"), "expected sr:RequestID"),
        (changed(":42<", ":minus one<"), "expected originator EUI:target EUI:counter"),
        (changed(">11.3<", ">99.9<"), "'99.9' is not served"),
    ],
    ids=[
        *("empty", "binary", "JSON", "UTF-16", "cut off", "entity bomb", "external entity", "external DTD"),
        *("many tags", "deep", "another root", "another namespace", "a Response", "no RequestID"),
        *("bad RequestID", "no Service Reference of DUIS"),
    ],
)
def test_what_cannot_be_answered_by_a_request_id_is_answered_400_in_words(
    document: bytes, words: str
) -> None:
    @virtual
    async def run() -> None:
        post = gateway()
        response = await post(document)

        assert response.status_code == 400
        assert response.headers["content-type"].startswith("text/plain")
        assert words in response.text
        assert "post a signed Request of DUIS" in response.text
        assert "Traceback" not in response.text
        assert not post.dcc.submissions
        assert not post.dcc.refusals

    run()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "the Content-Type is missing"),
        ({"Content-Type": "application/json"}, "the Content-Type is application/json"),
        ({"Content-Type": "application/xml; charset=utf-16"}, "the charset is utf-16"),
        ({**XML, "Content-Encoding": "gzip"}, "the Content-Encoding is gzip"),
    ],
)
def test_what_is_not_said_to_be_xml_as_it_stands_is_answered_415(headers: dict[str, str], words: str) -> None:
    @virtual
    async def run() -> None:
        post = gateway()
        response = await post(SIGNED, headers=headers)

        assert response.status_code == 415
        assert words in response.text
        assert post.dcc.submissions == []

    run()


@virtual
async def test_a_service_that_does_not_exist_and_a_get_are_told() -> None:
    post = gateway()

    assert (await post(SIGNED, "serviceX")).status_code == 404
    transport = httpx.ASGITransport(post.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8079") as client:
        assert (await client.get("/api/v1/serviceD")).status_code == 405


# -- size, time, number --------------------------------------------------------------------------------


class Flood:
    """A body of a hundred megabytes that counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = bytes(64 * 1024)
        while self.taken < HUNDRED_MEGABYTES:
            self.taken += len(piece)
            yield piece


@virtual
async def test_a_hundred_megabytes_announced_are_refused_before_an_octet_is_read() -> None:
    flood = Flood()
    response = await gateway()(flood, headers={**XML, "Content-Length": str(HUNDRED_MEGABYTES)})

    assert response.status_code == 413
    assert "the body has more than 16777216 octets" in response.text
    assert response.headers["connection"] == "close"
    assert flood.taken == 0


@virtual
async def test_a_hundred_megabytes_in_chunks_are_refused_when_they_pass_the_limit() -> None:
    flood, post = Flood(), gateway()
    tracemalloc.start()
    try:
        response = await post(flood)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status_code == 413
    limit = DocumentLimits().document_size
    assert flood.taken <= limit + 128 * 1024
    assert peak < 3 * limit
    assert post.dcc.submissions == []


@virtual
async def test_a_body_that_trickles_is_ended_after_a_minute() -> None:
    post = gateway()
    loop = asyncio.get_running_loop()
    status, words = await post_raw(post.app, [(10, SIGNED[n : n + 1]) for n in range(100)])

    assert status == 408
    assert words == b"the body did not arrive in 60 s\nsend it again\n"
    assert loop.time() == pytest.approx(60)


@virtual
async def test_a_body_in_pieces_of_one_octet_is_read_and_a_sender_that_goes_away_leaves_nothing() -> None:
    post = gateway()
    status, _ = await post_raw(post.app, [(0.001, SIGNED[n : n + 1]) for n in range(len(SIGNED))])
    assert status == 200
    assert len(post.dcc.submissions) == 1

    for _ in range(2 * GatewaySettings().documents):
        await post_raw(post.app, [(0, SIGNED[:100])], ended=False)
    assert len(post.dcc.submissions) == 1
    answered(await post(SIGNED))


@virtual
async def test_more_documents_at_once_than_the_limit_are_answered_503_and_taken_later() -> None:
    post = gateway(GatewaySettings(documents=3))
    slow = [(1.0, SIGNED[:100]), (1.0, SIGNED[100:])]
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(post_raw(post.app, slow)) for _ in range(3)]
        await asyncio.sleep(0.5)
        refused = await post(SIGNED)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "3 bodies are being worked on already" in refused.text
    assert [task.result()[0] for task in held] == [200, 200, 200]
    answered(await post(SIGNED))


@virtual
async def test_more_octets_at_once_than_the_limit_are_answered_503_and_freed_afterwards() -> None:
    post = gateway(GatewaySettings(octets=2 * len(SIGNED)))
    slow = [(0.1, SIGNED[:-1]), (1.0, SIGNED[-1:])]
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(post_raw(post.app, slow)) for _ in range(2)]
        await asyncio.sleep(0.5)
        refused = await post(SIGNED)

    assert refused.status_code == 503
    assert "octets of bodies are being worked on already" in refused.text
    assert [task.result()[0] for task in held] == [200, 200]
    answered(await post(SIGNED))


@virtual
async def test_refused_documents_leave_no_memory_behind() -> None:
    post = gateway()
    documents = [UNSIGNED, SIGNED[:200], BILLION_LAUGHS, signed(by=ATTACKER)]
    for document in documents * 5:
        await post(document)
    post.dcc.refusals.clear()
    gc.collect()
    tracemalloc.start()
    try:
        for document in documents * 25:
            await post(document)
        post.dcc.refusals.clear()
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # A document, or an answer, kept of each would be more.
    assert left < 100 * len(SIGNED)
