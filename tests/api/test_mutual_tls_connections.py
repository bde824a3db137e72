"""Connections to a daemon behind mutual TLS: who gets none, what he is told, and for how long one is good."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from itertools import product
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from hanota.api.access import Access, Role
from hanota.config.settings import ApiSection
from hanota.daemon.tls import server_context
from hanota.emulator.loop import loop_factory
from tests.api.mutual_tls_support import TLS_1_2, TLS_1_3, VERSIONS, Now, mutual_tls
from tests.api_support import API, bearer, token_settings
from tests.tls_support import Authority, client_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.mutual_tls_support import MutualTls
    from tests.tls_support import Issued


@pytest.mark.parametrize(
    ("shown", "alert", "logged"),
    [
        pytest.param(lambda tls: None, "CERTIFICATE_REQUIRED", "shows no certificate", id="none"),
        pytest.param(
            lambda tls: tls.other_authority.issue("ada"), "UNKNOWN_CA", "of an authority", id="unknown CA"
        ),
        pytest.param(
            lambda tls: tls.authority.issue("ada", days=(-2, -1), key=tls.shown["ada"].key, label="-old"),
            "CERTIFICATE_EXPIRED",
            "has expired",
            id="expired",
        ),
        pytest.param(
            lambda tls: tls.authority.issue("ada", days=(1, 2), key=tls.shown["ada"].key, label="-new"),
            "BAD_CERTIFICATE",
            "not valid yet",
            id="not valid yet",
        ),
        pytest.param(
            lambda tls: tls.authority.issue("server", usage=ExtendedKeyUsageOID.SERVER_AUTH),
            "UNSUPPORTED_CERTIFICATE",
            "not for this purpose",
            id="a server's",
        ),
        pytest.param(
            lambda tls: tls.authority.issue("ada", label="-by", signed_by=tls.shown["nobody"]),
            "UNKNOWN_CA",
            "not accepted",
            id="issued by who is no authority",
        ),
    ],
)
async def test_attack_who_shows_no_valid_certificate_of_the_authority_gets_no_connection(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    shown: Callable[[MutualTls], Issued | None],
    alert: str,
    logged: str,
) -> None:
    # TLS 1.2 has no alert of that name.
    expected = {TLS_1_2: alert.replace("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE"), TLS_1_3: alert}
    async with mutual_tls(tmp_path) as tls:
        for path, version in product((f"{API}/hub", "/health"), VERSIONS):
            async with tls.client(shown(tls), version=version, headers=bearer(Role.ACTIVATOR)) as client:
                with pytest.raises((ssl.SSLError, httpx.TransportError), match=expected[version]):
                    await client.get(path)
        assert logged in caplog.text
        assert tls.api.audited() == []
        assert await tls.caller("ada") == ("ada", "activator")


async def test_attack_plain_http_on_the_port_of_tls_is_answered_in_words_alone(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls, httpx.AsyncClient(trust_env=False) as client:
        url = tls.url.replace("https://", "http://")
        response = await client.get(f"{url}{API}/hub", headers=bearer(Role.ACTIVATOR))
        assert response.status_code == 400
        assert response.json() == {
            "error": "https is spoken here, not http",
            "hint": "begin the address with https://",
            "code": None,
        }


async def test_attack_a_flood_of_strangers_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with mutual_tls(tmp_path) as tls:
        for _ in range(60):
            async with tls.client(None) as client:
                with pytest.raises(ssl.SSLError):
                    await client.get("/health")
        assert 1 <= caplog.text.count("turned away") <= 25


@pytest.mark.parametrize("more", [b"", b"and more"])
@pytest.mark.parametrize(
    "sent", [b"no TLS at all" * 10, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05" + bytes(5)]
)
def test_attack_who_was_turned_away_and_stays_is_disconnected(
    tmp_path: Path, sent: bytes, more: bytes
) -> None:
    async def main() -> None:
        async with mutual_tls(tmp_path) as tls:
            url = httpx.URL(tls.url)
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                while await reader.read(1000):
                    writer.write(more)
                    await writer.drain()
            writer.close()

    with asyncio.Runner(loop_factory=loop_factory(1000)) as runner:  # asyncio gives a handshake 60 s
        runner.run(asyncio.wait_for(main(), 20_000))


async def test_attack_what_comes_after_a_failed_handshake_ends_the_connection(tmp_path: Path) -> None:
    own = Authority("bench", tmp_path).issue("daemon").file
    context = server_context(ApiSection(certificate=own, key=own))
    assert context is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    assert outgoing.read().startswith(b"HTTP/1.1 400 ")
    with pytest.raises(ssl.SSLError, match="HTTP_REQUEST"):
        connection.do_handshake()


def expire(tls: MutualTls) -> None:
    """Let years pass, in which every certificate expires."""
    certificates = tls.api.context.settings.client_certificates
    access = Access(token_settings(), Now(4_000_000_000.0), certificates=certificates)
    object.__setattr__(tls.api.context, "access", access)


@pytest.mark.parametrize("version", VERSIONS)
async def test_attack_a_resumed_session_names_its_actor_and_no_longer_than_the_certificate(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with mutual_tls(tmp_path) as tls:
        url = httpx.URL(tls.url)
        context = client_context(tls.authority, tls.shown["ada"], version)
        request = f"GET {API}/hub HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()

        def ask(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None, bool | None]:
            with (
                socket.create_connection((url.host, url.port or 0)) as line,
                context.wrap_socket(line, server_hostname=url.host, session=session) as secured,
            ):
                secured.sendall(request)
                answer = b"".join(iter(lambda: secured.recv(1000), b""))
                return answer, secured.session, secured.session_reused

        answer, session, resumed = await asyncio.to_thread(ask, None)
        assert b'"caller":"ada"' in answer
        assert not resumed
        answer, _, resumed = await asyncio.to_thread(ask, session)
        assert resumed
        assert b'"caller":"ada"' in answer
        expire(tls)
        answer, _, resumed = await asyncio.to_thread(ask, session)
        assert resumed
        assert b"was valid until" in answer


async def test_attack_a_certificate_that_expires_while_connected_is_good_no_more(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls, tls.client("ada") as client:
        assert (await client.get(f"{API}/hub")).status_code == 200
        expire(tls)
        for headers in ({}, bearer(Role.ACTIVATOR)):
            response = await client.get(f"{API}/hub", headers=headers)
            assert response.status_code == 401
            assert "was valid until" in response.json()["error"]
            assert "renewed" in response.json()["hint"]
