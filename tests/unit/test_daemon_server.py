"""The HTTP server: TLS, clients that have to show a certificate, ports that cannot be had."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Response

from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from hanota.emulator.loop import loop_factory
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def app() -> FastAPI:
    application = FastAPI()

    @application.get("/")
    async def hello() -> str:
        return "hello"

    @application.post("/")
    async def refuse() -> Response:
        return Response("no", HTTPStatus.UNAUTHORIZED, {"Connection": "close"})

    return application


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate of its own making for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251  # TLS compares it with the machine's clock
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


async def test_it_serves_on_a_free_port_and_then_no_more() -> None:
    server = HttpServer(app(), ApiSection(port=0), drain=1)
    await server.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(server.url)).json() == "hello"
        url = server.url
        await server.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: lo", False),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /", True),
    ],
    ids=["idle", "half a head", "idle after an answer", "half a head after an answer"],
)
def test_a_connection_that_brings_no_whole_head_is_closed(sent: bytes, *, answered: bool) -> None:
    async def main() -> None:
        server = HttpServer(app(), ApiSection(port=0, keep_alive=2), drain=1)
        await server.start()
        url = httpx.URL(server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(sent)
        assert (await reader.read()).endswith(b'"hello"') is answered
        writer.close()
        await writer.wait_closed()
        await server.stop()

    with asyncio.Runner(loop_factory=loop_factory(20)) as runner:
        runner.run(main())


def post(octets: int) -> bytes:
    """Return the head of a POST with a body of so many octets."""
    return f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {octets}\r\n\r\n".encode()


async def test_who_is_answered_before_the_end_of_his_body_still_gets_the_answer() -> None:
    server = HttpServer(app(), ApiSection(port=0), drain=1)
    await server.start()
    url = httpx.URL(server.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = bytes(1_000_000)
    writer.write(post(len(body)))
    await asyncio.sleep(0.05)  # the answer is out, and the connection closed on the daemon's side
    writer.write(body)
    await writer.drain()
    assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()
    await server.stop()


@pytest.mark.parametrize("piece", [b"", bytes(1_000_000)], ids=["nothing more", "endless"])
def test_who_was_answered_does_not_hold_the_connection_for_ever(piece: bytes) -> None:
    async def main() -> None:
        server = HttpServer(app(), ApiSection(port=0, keep_alive=3600), drain=1)
        await server.start()
        url = httpx.URL(server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(post(10**9))
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(piece or b"x")
                await writer.drain()
                await asyncio.sleep(0 if piece else 1)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        await server.stop()

    with asyncio.Runner(loop_factory=loop_factory(20)) as runner:
        runner.run(asyncio.wait_for(main(), 60))


async def test_a_client_without_a_certificate_is_turned_away_where_one_is_due(tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "server")
    clients, client_key = certificate(tmp_path, "client")
    settings = ApiSection(port=0, certificate=own, key=key, client_ca=clients)
    server = HttpServer(app(), settings, drain=1)
    await server.start()
    try:
        assert server.url.startswith("https://127.0.0.1:")
        stranger = ssl.create_default_context(cafile=own)
        known = ssl.create_default_context(cafile=own)
        known.load_cert_chain(clients, client_key)
        async with httpx.AsyncClient(verify=known) as client:
            assert (await client.get(server.url)).json() == "hello"
        async with httpx.AsyncClient(verify=stranger) as client:
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                await client.get(server.url)
    finally:
        await server.stop()


def test_tls_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    own, _ = certificate(tmp_path, "server")
    _, other_key = certificate(tmp_path, "other")
    with pytest.raises(ConfigError, match=r"cannot use .*server\.pem for TLS"):
        HttpServer(app(), ApiSection(certificate=own, key=other_key), drain=1)


async def test_an_address_that_is_not_this_machines_is_told() -> None:
    server = HttpServer(app(), ApiSection(host="192.0.2.1", port=0), drain=1)
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await server.start()
    await server.stop()
