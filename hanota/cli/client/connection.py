"""HTTP to the daemon: JSON in and out, and every failure as an error that says what to do."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any, Final

import httpx

from hanota.api.tls_words import alert_of, tls_error, tls_words
from hanota.cli.client.errors import ClientError, RefusedError
from hanota.cli.client.words import commands_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self, TypeAlias

    from hanota.cli.client.settings import ClientSettings

    Body: TypeAlias = Mapping[str, Any]
    Parameters: TypeAlias = Mapping[str, str | int | bool]

PREFIX: Final = "/api/v1"
LOST: Final = (httpx.HTTPError, ssl.SSLError)
"""What a connection may end with. In TLS 1.3 a client hears only when it reads that its certificate was not
taken, and httpx passes that error on as it is."""


class Connection:
    """Speaks to one daemon; every method raises ClientError, or RefusedError where the daemon said no."""

    def __init__(
        self, settings: ClientSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`transport` is what stands in for a socket in tests."""
        self.settings = settings
        headers = {"Accept": "application/json"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token}"
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            headers=headers,
            timeout=settings.timeout,
            transport=transport,
            verify=settings.tls() if transport is None else False,
            # A proxy of the environment would be given the token of a daemon on this machine.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """Return what the daemon has at `path`."""
        return await self._json("GET", path, params=parameters)

    async def post(self, path: str, body: Body | None = None) -> Any:
        """Have the daemon do something and return what came of it."""
        return await self._json("POST", path, json={} if body is None else body)

    async def put(self, path: str, body: Body) -> Any:
        """Say how something is, and return how it is."""
        return await self._json("PUT", path, json=body)

    async def upload(self, path: str, octets: bytes, parameters: Parameters) -> Any:
        """Give the daemon octets."""
        headers = {"Content-Type": "application/octet-stream"}
        return await self._json("POST", path, params=parameters, content=octets, headers=headers)

    async def delete(self, path: str, parameters: Parameters | None = None) -> Any:
        """Have the daemon remove something."""
        return await self._json("DELETE", path, params=parameters)

    def stream(self, path: str, parameters: Parameters, headers: Mapping[str, str]) -> Any:
        """Return an open GET whose body is read as it comes; a context manager of httpx."""
        settings = self.settings
        return self._client.stream(
            "GET",
            PREFIX + path,
            params=parameters,
            headers={"Accept": "text/event-stream", **headers},
            timeout=httpx.Timeout(settings.timeout, read=settings.stream_timeout),
        )

    async def _json(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._client.request(method, PREFIX + path, **request)
        except LOST as error:
            raise unreachable(self.settings, error) from error
        if not response.is_success:
            raise refusal(self.settings, response)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise ClientError(
                f"{self.settings.url} answers, but not as a hanota daemon", hint="check --url"
            ) from error


def unreachable(settings: ClientSettings, error: httpx.HTTPError | ssl.SSLError) -> ClientError:
    """Return the error of a daemon that cannot be spoken to."""
    words = tls_words(error)
    if words is not None:
        return ClientError(f"no connection to {settings.url}: {words}", hint=_tls_hint(settings, error))
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            why = str(error) or "no answer"
            return ClientError(
                f"no daemon at {settings.url}: {why}",
                hint="start one with `hanota run -c FILE`, or say where it is with --url",
            )
        case httpx.TimeoutException():
            return ClientError(
                f"the daemon at {settings.url} did not answer in time",
                hint="what was asked for may be done all the same: look with `hanota client jobs`",
            )
        case _:
            return ClientError(
                f"the connection to {settings.url} was lost: {str(error) or type(error).__name__}",
                hint="look with `hanota client status`",
            )


def _tls_hint(settings: ClientSettings, error: Exception) -> str:
    """Return what to do about TLS that does not come about."""
    if isinstance(tls_error(error), ssl.SSLCertVerificationError):
        return "--ca names the authority that signed the daemon's certificate, --url the host it is for"
    if alert_of(error) is None:
        return f"try --url {settings.url.replace('https://', 'http://', 1)}, or look at api.certificate"
    if settings.certificate is None:
        return "--cert and --key name a certificate that the daemon takes: one of its api.client_ca"
    return f"show another certificate than {settings.certificate}: one of the daemon's api.client_ca"


def refusal(settings: ClientSettings, response: httpx.Response) -> RefusedError:
    """Return the error of what the daemon refused, in its own words; the body must have been read."""
    message, hint, code = "", None, None
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        message = str(body.get("error") or "")
        hint = None if body.get("hint") is None else commands_in(str(body["hint"]))
        code = None if body.get("code") is None else str(body["code"])
    # Without either, the daemon does not know what the client could have brought.
    if response.status_code == httpx.codes.UNAUTHORIZED and settings.certificate is None:
        hint = (
            "--token-file names the file with the token: hanota.sqlite.token beside the daemon's database,"
            " unless tokens are configured; or set HANOTA_TOKEN; or --cert names a certificate"
        )
    words = message or f"HTTP {response.status_code} {response.reason_phrase}"
    return RefusedError(f"the daemon refused: {words}", status=response.status_code, code=code, hint=hint)
