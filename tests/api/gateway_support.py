"""The DUIS gateway as an ASGI app before a DCC that only remembers, for tests of what reaches it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
from fastapi import FastAPI

from hanota.api.gateway import gateway_router
from hanota.api.gateway_settings import GatewaySettings
from hanota.clock import LoopClock
from hanota.dcc.signing import DccSigner
from hanota.dcc.submission import Answer
from hanota.duis.parse_response import parse_response
from hanota.duis.response import Response, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import verify_document
from hanota.errors import StoreError
from hanota.timestamps import utc
from tests.duis_support import DCC, KNOWN, NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from hanota.api.context import ApiContext
    from hanota.dcc.submission import Submission
    from hanota.duis.certificates import SigningCertificates
    from hanota.duis.other_services import OtherServiceReference
    from hanota.duis.request import RequestId, ServiceReference

XML = {"Content-Type": "application/xml"}


@dataclass
class RememberingDcc:
    """Answers every Service Request I99, and remembers it."""

    submissions: list[Submission] = field(default_factory=list)
    refusals: list[tuple[ResponseCode, str]] = field(default_factory=list)
    failing: bool = False
    signer: DccSigner = field(default_factory=lambda: DccSigner(DCC.signing_key, DCC.signing_certificate))

    def receive(self, submission: Submission) -> Answer:
        self._check()
        self.submissions.append(submission)
        request = submission.request
        response = Response(
            ResponseCode.I99,
            utc(NOW),
            ResponseMessage(request.service_reference),
            request_id=request.request_id,
        )
        return Answer(response, self.signer.sign(response))

    def refuse(
        self,
        code: ResponseCode,
        words: str,
        request_id: RequestId,
        service_reference: ServiceReference | OtherServiceReference,
    ) -> bytes:
        self._check()
        self.refusals.append((code, words))
        return self.signer.sign(
            Response(code, utc(NOW), ResponseMessage(service_reference), request_id=request_id)
        )

    def _check(self) -> None:
        if self.failing:
            raise StoreError("database or disk is full")


@dataclass
class Post:
    """A gateway to post to."""

    dcc: RememberingDcc
    app: FastAPI
    audited: list[tuple[str, ...]]

    async def __call__(
        self,
        document: bytes | AsyncIterable[bytes],
        service: str = "serviceT",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8079") as client:
            return await client.post(
                f"/api/v1/{service}", content=document, headers=XML if headers is None else headers
            )


def gateway(
    settings: GatewaySettings | None = None, certificates: SigningCertificates = KNOWN, now: float = NOW
) -> Post:
    """Return a gateway on the running loop, at a time when the certificates of `duis_support` are valid."""
    dcc = RememberingDcc()
    audited: list[tuple[str, ...]] = []
    context = SimpleNamespace(
        audit=SimpleNamespace(record=lambda *row: audited.append(row)),
        dcc=dcc,
        certificates=certificates,
        clock=LoopClock(asyncio.get_running_loop(), now),
        settings=SimpleNamespace(gateway=settings or GatewaySettings()),
    )
    app = FastAPI()
    app.include_router(gateway_router(cast("ApiContext", context)))
    return Post(dcc, app, audited)


def answered(response: httpx.Response) -> Response:
    """Return the Response in a 200 answer, its signature by the DCC verified."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/xml"
    signed = verify_document(response.content, KNOWN, now=NOW)
    assert signed.signer == DCC.signing_certificate
    return parse_response(signed.octets)


async def post_raw(
    app: FastAPI, pieces: Sequence[tuple[float, bytes]], *, ended: bool = True
) -> tuple[int, bytes]:
    """Post a body whose pieces each arrive after some seconds; return status and body of the answer.

    One that is not `ended` is followed by the sender's going away.
    """
    waiting = list(pieces)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        delay, piece = waiting.pop(0)
        await asyncio.sleep(delay)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting) or not ended}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/api/v1/serviceT",
            "raw_path": b"/api/v1/serviceT",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/xml")],
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 8079),
        },
        receive,
        send,
    )
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)
