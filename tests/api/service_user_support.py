"""A service user over HTTP: signs and posts its requests, listens at its address, checks all that comes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from hanota.api.delivery import OutboxDelivery
from hanota.api.gateway import gateway_router
from hanota.api.gateway_settings import GatewaySettings
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.parse_response import parse_response
from hanota.duis.schema import Schema
from hanota.duis.signature import sign_document, verify_document
from hanota.store.dcc_store import SqliteDccStore
from tests.hub_parties_support import BROKER, OTHER_SUPPLIER, SUPPLIER
from tests.hub_support import lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from hanota.api.context import ApiContext
    from hanota.clock import Clock
    from hanota.dcc.dcc import Dcc
    from hanota.dcc.signing import DccSigner
    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import Response
    from hanota.gbcs.certificates import Credentials, PartyCertificate
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.journal import Journal
    from hanota.store.store import SqliteStore
    from tests.hub_support import Lab

ANSWER_URL = "http://supplier.example:8080/duis"
SCHEMA = Path(__file__).parents[3] / "shared" / "vectors" / "duis" / "schema" / "DUIS Schema V5.4.xsd"


class DccSide(Protocol):
    """What the gateway and delivery are put before: a lab, or an assembled hub."""

    @property
    def dcc(self) -> Dcc: ...
    @property
    def store(self) -> SqliteStore: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def clock(self) -> Clock: ...


@dataclass
class ServiceUserSide:
    """The supplier's tools on one side of HTTP, a DCC on the other."""

    clock: Clock
    app: FastAPI
    audited: list[tuple[str, ...]]
    dcc: SigningCertificates
    """What the DCC's signature is verified by."""
    documents: list[bytes] = field(default_factory=list)
    """Every document of the DCC's, in the order in which they came."""
    received: list[Response] = field(default_factory=list)
    """What came to the answer address and was answered 204."""
    down: bool = False
    """Whether the answer address answers 503."""
    schema: Schema | None = field(default_factory=lambda: Schema(SCHEMA) if SCHEMA.is_file() else None)

    async def send(self, request: ServiceRequest, service: str, by: Credentials = SUPPLIER) -> Response:
        """Sign a Service Request, post it and return the answer, verified and valid."""
        return await self.post(signed(request, by), service)

    async def post(self, document: bytes, service: str) -> Response:
        """Post a document and return the answer, verified and valid."""
        response = await self.post_raw(document, service)
        assert response.status_code == 200, response.text
        return self._read(response.content)

    async def post_raw(self, document: bytes, service: str) -> httpx.Response:
        """Post a document and return what HTTP says."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8079") as client:
            return await client.post(
                f"/api/v1/{service}", content=document, headers={"Content-Type": "application/xml"}
            )

    async def take(self, request: Request) -> HttpResponse:
        """Take a document at the answer address."""
        assert request.headers["content-type"] == "application/xml"
        if self.down:
            return HttpResponse(status_code=503)
        self.received.append(self._read(await request.body()))
        return HttpResponse(status_code=204)

    def _read(self, document: bytes) -> Response:
        self.documents.append(document)
        if self.schema is not None:
            self.schema.check(document)
        signed_document = verify_document(document, self.dcc, now=self.clock.now())
        return parse_response(signed_document.octets)


def signed(request: ServiceRequest, by: Credentials = SUPPLIER) -> bytes:
    """Return the signed document of a Service Request."""
    return sign_document(build_request(request), by.signing_key, by.signing_certificate)


@dataclass
class LabSide(ServiceUserSide):
    """The supplier's tools before a lab."""

    lab: Lab = field(kw_only=True)


@asynccontextmanager
async def service_user_side(
    *,
    store: SqliteStore | None = None,
    user: PartyCertificate = SUPPLIER.signing_certificate,
    keystore: KeyStore | None = None,
    signer: DccSigner | None = None,
) -> AsyncIterator[LabSide]:
    """Run a lab behind the gateway, with delivery to an app that listens at the answer address of `user`.

    `keystore` and `signer` are the DCC's, by default those of the lab.
    """
    users = ServiceUsers((ServiceUser(user.eui64, answer_url=ANSWER_URL), ServiceUser(OTHER_SUPPLIER.eui64)))
    known = SigningCertificates([user, OTHER_SUPPLIER.signing_certificate])
    certificate = BROKER.signing_certificate if signer is None else signer.certificate
    async with lab(store=store, users=users, keystore=keystore, signer=signer) as made:
        app, audited = gateway_app(made, known)
        side = LabSide(made.clock, app, audited, SigningCertificates([certificate]), lab=made)
        async with delivering_to(side, made, users):
            yield side


def gateway_app(dcc: DccSide, known: SigningCertificates) -> tuple[FastAPI, list[tuple[str, ...]]]:
    """Return the gateway before a DCC, for signers that are `known`, and what it has audited."""
    audited: list[tuple[str, ...]] = []
    context: Any = SimpleNamespace(
        dcc=dcc.dcc,
        clock=dcc.clock,
        certificates=known,
        settings=SimpleNamespace(gateway=GatewaySettings()),
        audit=SimpleNamespace(record=lambda *row: audited.append(row)),
    )
    app = FastAPI()
    app.include_router(gateway_router(cast("ApiContext", context)))
    return app, audited


@asynccontextmanager
async def delivering_to(side: ServiceUserSide, dcc: DccSide, users: ServiceUsers) -> AsyncIterator[None]:
    """Deliver the documents of a DCC to `side`, which listens at ANSWER_URL."""
    listening = Starlette(routes=[Route("/duis", side.take, methods=["POST"])])
    delivery = OutboxDelivery(
        SqliteDccStore(dcc.store.database),
        dcc.journal,
        users,
        dcc.clock,
        transport=httpx.ASGITransport(listening),
    )
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
