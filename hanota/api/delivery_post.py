"""One document posted to a service user's answer address: whatever the receiver does, in bounded time."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, Self

import httpx

from hanota.api.tls_words import alert_of, tls_error, tls_words
from hanota.errors import ConfigError, HanotaError

if TYPE_CHECKING:
    from hanota.api.delivery_settings import DeliverySettings

_HEADERS: Final = {"Content-Type": "application/xml", "User-Agent": "hanota", "Accept-Encoding": "identity"}


class NotDeliveredError(HanotaError):
    """The receiver did not answer 2xx, or not in time, or could not be reached."""


class DocumentPoster:
    """Posts documents over connections that it keeps; use as an async context manager."""

    def __init__(self, settings: DeliverySettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` stands in for the network in tests. Raise ConfigError where a TLS file is wrong."""
        self._settings = settings
        self._client = httpx.AsyncClient(
            headers=_HEADERS,
            timeout=httpx.Timeout(settings.answer_timeout, connect=settings.connect_timeout, pool=None),
            # Each user has one document under way, so that a limit would have users wait for one another.
            limits=httpx.Limits(max_connections=None),
            follow_redirects=False,
            # A proxy of the environment is meant for other programs, and the bench's addresses are near.
            trust_env=False,
            verify=tls_context(settings) if transport is None else True,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, address: str, document: bytes) -> int:
        """Return the 2xx status the document was answered with; raise NotDeliveredError."""
        status: int | None = None
        try:
            async with (
                asyncio.timeout(self._settings.answer_timeout),
                self._client.stream("POST", address, content=document) as answer,
            ):
                status = answer.status_code
                await self._pass_over(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            # What was answered counts, whatever becomes of the rest of the answer.
            if status is None:
                raise NotDeliveredError(_words(error, self._settings), hint=_tls_hint(error)) from error
        if status is None or not httpx.codes.is_success(status):
            raise NotDeliveredError(f"answered {status}", hint=_hint(status))
        return status

    async def _pass_over(self, answer: httpx.Response) -> None:
        """Read a short body, so that the connection can be used again; leave a long one, which closes it."""
        octets = 0
        async for piece in answer.aiter_raw():
            octets += len(piece)
            if octets > self._settings.answer_size:
                return


def tls_context(settings: DeliverySettings) -> ssl.SSLContext:
    """Return what https addresses are verified with; raise ConfigError naming the file at fault."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"delivery: {settings.ca_file}: {error.strerror or error}",
            hint="name a PEM file of certificates",
        ) from None
    if settings.client_certificate is not None:
        try:
            # No password: nobody is there to be asked for one, and OpenSSL would ask on the terminal.
            context.load_cert_chain(settings.client_certificate, settings.client_key, password=lambda: "")
        except OSError as error:
            raise ConfigError(
                f"delivery: {settings.client_certificate}: {error.strerror or error}",
                hint="name PEM files of a certificate and of its private key, without a password",
            ) from None
    return context


def _words(error: Exception, settings: DeliverySettings) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"not answered in {settings.answer_timeout:g} s"
    return tls_words(error) or str(error) or type(error).__name__


def _tls_hint(error: Exception) -> str | None:
    """Return which setting may be wrong where TLS does not come about."""
    if isinstance(tls_error(error), ssl.SSLCertVerificationError):
        return "api.delivery.ca_file names the authorities of answer addresses"
    if alert_of(error) is not None:
        return "api.delivery.client_certificate and client_key are shown to answer addresses"
    return None


def _hint(status: int | None) -> str | None:
    if status is not None and httpx.codes.is_redirect(status):
        return "redirects are not followed: configure the address it points to"
    return None
