"""Answer addresses of https: verified by the settings' authorities, and shown the client certificate."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.api.delivery_post import DocumentPoster, NotDeliveredError
from hanota.api.delivery_settings import DeliverySettings
from tests.tls_support import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def receiver(certificate: Path, clients: Path | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Listen with TLS, asking for certificates of `clients` where given; yield address and what came."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    documents: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-l"))
        documents.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/duis", documents


async def test_an_address_of_a_known_authority_takes_documents(tmp_path: Path) -> None:
    authority = Authority("authority", tmp_path)
    async with (
        receiver(authority.issue("receiver").file) as (address, documents),
        DocumentPoster(DeliverySettings(ca_file=authority.file)) as poster,
    ):
        assert await poster.post(address, b"<document/>") == 204

    assert documents == [b"<document/>"]


async def test_an_address_of_another_authority_or_of_none_given_gets_nothing(tmp_path: Path) -> None:
    authority, another = Authority("authority", tmp_path), Authority("another", tmp_path)
    async with receiver(authority.issue("receiver").file) as (address, documents):
        for settings in (DeliverySettings(), DeliverySettings(ca_file=another.file)):
            async with DocumentPoster(settings) as poster:
                with pytest.raises(NotDeliveredError, match="of an authority that is not known"):
                    await poster.post(address, b"<document/>")

    assert documents == []


async def test_a_client_certificate_is_shown_to_an_address_that_asks_for_one(tmp_path: Path) -> None:
    authority = Authority("authority", tmp_path)
    settings = DeliverySettings(ca_file=authority.file, client_certificate=authority.issue("hanota").file)
    async with receiver(authority.issue("receiver").file, authority.file) as (address, documents):
        async with DocumentPoster(settings) as poster:
            assert await poster.post(address, b"<document/>") == 204
        async with DocumentPoster(DeliverySettings(ca_file=authority.file)) as poster:
            with pytest.raises(NotDeliveredError):
                await poster.post(address, b"<another/>")

    assert documents == [b"<document/>"]


async def test_an_address_where_nobody_listens_and_one_that_is_none_are_told(tmp_path: Path) -> None:
    authority = Authority("authority", tmp_path)
    async with receiver(authority.issue("receiver").file) as (address, _):
        pass
    async with DocumentPoster(DeliverySettings(ca_file=authority.file)) as poster:
        for nowhere in (address, "https://", "ftp://127.0.0.1/duis", "no address"):
            with pytest.raises(NotDeliveredError) as caught:
                await poster.post(nowhere, b"<document/>")
            assert str(caught.value)
