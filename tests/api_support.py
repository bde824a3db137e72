"""The HTTP side before a hub and a DCC without radio, and clients of each role."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx

from hanota.api.access import Access, Role, TokenSettings
from hanota.api.app import create_app
from hanota.api.context import ApiContext, Readiness, SupplierKeys
from hanota.api.settings import ApiSettings
from hanota.dcc.audit import AuditTrail
from hanota.duis.certificates import SigningCertificates
from hanota.store.audit_store import SqliteAuditStore
from tests.hub_parties_support import BROKER, SUPPLIER
from tests.hub_support import lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from hanota.dcc.service_users import ServiceUser
    from hanota.store.store import SqliteStore
    from tests.hub_support import Lab

API = "/api/v1"
BASE_URL = "http://127.0.0.1:8079"
TOKENS = {role: f"token of the {role}" for role in Role}


def token_settings() -> tuple[TokenSettings, ...]:
    """Return one token a role, named after it."""
    return tuple(
        TokenSettings(str(role), role, hashlib.sha256(token.encode()).digest())
        for role, token in TOKENS.items()
    )


def bearer(role: Role | None) -> dict[str, str]:
    """Return the headers of a client with this role's token."""
    return {} if role is None else {"Authorization": f"Bearer {TOKENS[role]}"}


@dataclass
class Bench:
    """An app, what it serves, and a client of each role."""

    lab: Lab
    context: ApiContext
    app: FastAPI
    audit: AuditTrail
    faults: list[str] = field(default_factory=list)
    """What speaks against readiness."""

    def client(self, role: Role | None = Role.ACTIVATOR, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """Return a client; None: one without a token."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 40000))
        return httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=bearer(role), timeout=httpx.Timeout(None)
        )

    async def ask(
        self, method: str, path: str, role: Role | None = Role.ACTIVATOR, **more: Any
    ) -> httpx.Response:
        """Send one request below /api/v1."""
        async with self.client(role) as client:
            return await client.request(method, f"{API}{path}", **more)

    async def get(self, path: str, role: Role | None = Role.ACTIVATOR, **more: Any) -> Any:
        """Return what a GET is answered with 200."""
        response = await self.ask("GET", path, role, **more)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any = None, role: Role | None = Role.ACTIVATOR, **more: Any) -> Any:
        """Return what a POST is answered with 2xx."""
        if body is not None:
            more["json"] = body
        response = await self.ask("POST", path, role, **more)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def audited(self) -> list[tuple[str, str, str]]:
        """Return actor, action and outcome of every row of the audit trail."""
        return [(row.actor, row.action, row.outcome) for row in self.audit.rows()]


@asynccontextmanager
async def bench(
    *,
    settings: ApiSettings | None = None,
    store: SqliteStore | None = None,
    users: Iterable[ServiceUser] = (),
    supplier_keys: bool = True,
    dashboard: Path | None = None,
) -> AsyncIterator[Bench]:
    """Serve a started hub and DCC; with `supplier_keys` REST may activate by itself."""
    settings = replace(settings or ApiSettings(), tokens=token_settings())
    async with lab(store=store, users=users) as made:
        faults: list[str] = []
        audit = AuditTrail(SqliteAuditStore(made.store.database), made.clock)
        context = ApiContext(
            hub=made.hub,
            dcc=made.dcc,
            store=made.store,
            dcc_store=made.dcc_store,
            inventory=made.inventory,
            products=made.products,
            journal=made.journal,
            clock=made.clock,
            access=Access(settings.tokens, made.clock, settings.access, settings.client_certificates),
            audit=audit,
            certificates=SigningCertificates(party.signing_certificate for party in (SUPPLIER, BROKER)),
            settings=settings,
            readiness=lambda: Readiness(tuple(faults)),
            metrics=lambda: b"hanota_up 1\n",
            version="1.2.3",
            supplier=SupplierKeys(SUPPLIER.eui64, SUPPLIER.signing_key) if supplier_keys else None,
        )
        yield Bench(made, context, create_app(context, dashboard), audit, faults)


@dataclass
class Following:
    """A client of an event stream, driven by hand: it takes what it wants to, when it wants to."""

    status: int = 0
    pieces: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events that came."""
        lines = self.text.splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    @property
    def numbers(self) -> list[int]:
        return [event["seq"] for event in self.events]


def stream_scope(query: str = "", role: Role | None = Role.OBSERVER, **headers: str) -> dict[str, Any]:
    """Return the ASGI scope of a GET of the event stream."""
    all_headers = {"host": "127.0.0.1:8079", **{k.lower(): v for k, v in bearer(role).items()}}
    all_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    path = f"{API}/events/stream"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8079),
    }


@asynccontextmanager
async def following(
    app: ASGIApp,
    query: str = "",
    *,
    taking: asyncio.Event | None = None,
    role: Role | None = Role.OBSERVER,
    **headers: str,
) -> AsyncIterator[Following]:
    """Follow the event stream until the block ends; while `taking` is not set it takes nothing."""
    follower, gone = Following(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            follower.status = message["status"]
            return
        if taking is not None:
            await taking.wait()
        follower.pieces.append(message["body"].decode())
        follower.ended = not message.get("more_body", False)

    async def follow() -> None:
        await app(stream_scope(query, role, **headers), receive, send)

    task = asyncio.create_task(follow())
    try:
        await asyncio.sleep(0.01)
        yield follower
    finally:
        gone.set()
        await task
