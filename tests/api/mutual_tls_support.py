"""A daemon's HTTP behind mutual TLS on a real port, and clients that show certificates."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from hanota.api.access import ClientCertificateSettings, Role
from hanota.api.app import DASHBOARD
from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from tests.api_support import API, bench
from tests.tls_support import Authority, Issued, client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path
    from typing import Any

    from hanota.dcc.service_users import ServiceUser
    from tests.api_support import Bench

VERSIONS = TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ACTORS = {"anna": Role.OBSERVER, "otto": Role.OPERATOR, "ada": Role.ACTIVATOR}
"""Who has a certificate that names an actor."""


class Now:
    """A clock set by hand."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


@dataclass
class MutualTls:
    """A daemon, its authority, and the certificates of the actors and of `nobody`."""

    api: Bench
    url: str
    authority: Authority
    other_authority: Authority
    shown: dict[str, Issued]

    def client(
        self,
        shown: Issued | str | None,
        *,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        headers: dict[str, str] | None = None,
    ) -> httpx.AsyncClient:
        """Return a client that shows a certificate."""
        issued = self.shown[shown] if isinstance(shown, str) else shown
        context = client_context(self.authority, issued, version)
        return httpx.AsyncClient(base_url=self.url, verify=context, headers=headers, trust_env=False)

    async def ask(
        self, shown: Issued | str | None, method: str, path: str, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send one request below /api/v1 over a connection of its own."""
        async with self.client(shown, headers=headers) as client:
            return await client.request(method, f"{API}{path}")

    async def caller(self, shown: Issued | str, headers: dict[str, str] | None = None) -> tuple[str, str]:
        """Return as whom the daemon takes a client, and the role."""
        response = await self.ask(shown, "GET", "/hub", headers)
        assert response.status_code == 200, response.text
        hub: dict[str, Any] = response.json()
        return hub["caller"], hub["role"]


@asynccontextmanager
async def mutual_tls(
    folder: Path, users: Iterable[ServiceUser] = (), *, dashboard: bool = False
) -> AsyncIterator[MutualTls]:
    """Serve a hub and a DCC without radio to clients with certificates."""
    authority, other = Authority("bench", folder), Authority("elsewhere", folder)
    own = authority.issue("daemon").file
    shown = {name: authority.issue(name) for name in (*ACTORS, "nobody")}
    settings = ApiSection(
        port=0,
        certificate=own,
        key=own,
        client_ca=authority.file,
        client_certificates=tuple(
            ClientCertificateSettings(name, role, shown[name].public_key_sha256)
            for name, role in ACTORS.items()
        ),
    )
    pages = DASHBOARD if dashboard else None
    async with bench(settings=settings, users=users, dashboard=pages) as api:
        server = HttpServer(api.app, settings, drain=1)
        await server.start()
        try:
            yield MutualTls(api, server.url, authority, other, shown)
        finally:
            api.context.draining.set()
            await server.stop()
