"""Who may do what by REST: bearer tokens and client certificates, and the role that each has."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hanota.api.client_certificate import client_certificate
from hanota.api.refused import RequestRefusedError
from hanota.errors import ConfigError
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

    from hanota.api.client_certificate import ClientCertificate
    from hanota.clock import Clock

SCHEME: Final = "bearer"
STRANGER: Final = "unknown"
"""The actor in the audit trail where nobody is known: the name of no token and no certificate."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_IPV6: Final = 6
_IPV6_SITE: Final = 64
"""Bits of an IPv6 address that one site has: it may use all addresses under them."""


class Role(StrEnum):
    """What a token or a client certificate is good for; each role may do what those above it may."""

    OBSERVER = "observer"
    """Looks at everything but the audit trail."""
    OPERATOR = "operator"
    """Adds devices and images, distributes images that activate nothing by themselves."""
    ACTIVATOR = "activator"
    """Has firmware activated, and takes away what cannot be brought back."""

    def includes(self, other: Role) -> bool:
        """Tell whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """One token; it is known by its hash alone, so that settings hold no secret that opens anything."""

    name: str
    """Who has it: the actor in the audit trail."""
    role: Role
    sha256: bytes = field(repr=False)
    """SHA-256 of the token: `printf %s TOKEN | sha256sum`."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a name or a hash that cannot be one."""
        _check_name("token", self.name)
        _check_sha256(f"the SHA-256 of token {self.name}", self.sha256)


@dataclass(frozen=True, slots=True)
class ClientCertificateSettings:
    """A client certificate that names who shows it, so that no token is needed.

    It is known by its public key: what the client proves to hold with each handshake, and keeps when the
    certificate is renewed. Another certificate with the same Subject names nobody.
    """

    name: str
    """Who has it: the actor in the audit trail."""
    role: Role
    public_key_sha256: bytes
    """SHA-256 of its public key, as the daemon tells a client that it does not know:
    `openssl x509 -in FILE -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum`."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a name or a hash that cannot be one."""
        _check_name("certificate", self.name)
        _check_sha256(f"public_key_sha256 of certificate {self.name}", self.public_key_sha256)


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """The limits of failed attempts."""

    failures: int = 20
    """Failed attempts of one client address at once; further ones are not looked at."""
    failures_per_second: float = 0.2
    """The same in the long run; above 0."""
    addresses: int = 1024
    """Client addresses whose failures are remembered, the latest: memory stays small in a flood."""

    def __post_init__(self) -> None:
        """Raise ConfigError where no attempt would ever be let through again."""
        if self.failures < 1 or self.failures_per_second <= 0:
            raise ConfigError("failures and failures_per_second are above 0")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose request it is."""

    name: str
    """That of the token; without a token that of the client certificate."""
    role: Role
    beside: str | None = None
    """The name of the client certificate that the token came with, if it names anybody."""

    @property
    def actor(self) -> str:
        """Who it is in the audit trail."""
        return self.name if self.beside is None else f"{self.name} (certificate {self.beside})"


class AccessRefusedError(RequestRefusedError):
    """A request is not let through: 401, 403 or 429."""


class Access:
    """Tells by its token, or by the certificate of its connection, whose a request is."""

    def __init__(
        self,
        tokens: Sequence[TokenSettings],
        clock: Clock,
        settings: AccessSettings | None = None,
        certificates: Sequence[ClientCertificateSettings] = (),
    ) -> None:
        """Raise ConfigError where two have one name or one hash."""
        self._tokens, self._clock = tuple(tokens), clock
        self._certificates = {each.public_key_sha256: each for each in certificates}
        self._settings = settings or AccessSettings()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        check_distinct(tokens, certificates)

    def principal_of(self, request: HTTPConnection) -> Principal:
        """Return whose request it is; raise AccessRefusedError (401, 429)."""
        address = "" if request.client is None else request.client.host
        authorization = request.headers.get("authorization")
        return self.authenticate(authorization, address, client_certificate(request.scope))

    def authenticate(
        self, authorization: str | None, address: str, certificate: ClientCertificate | None = None
    ) -> Principal:
        """Return whose request it is; raise AccessRefusedError (401, 429).

        An Authorization header decides alone: who sends a token acts as whom it names, or not at all. Without
        the header it is whom the client certificate names.
        """
        if certificate is not None:
            self._check_in_time(certificate)
            if authorization is None:
                # Nothing is guessed here, so that who guesses tokens at this address is in nobody's way.
                return self._named(certificate)
        wait = self._seconds_to_wait(address)
        if wait > 0:
            raise AccessRefusedError(
                f"too many failed attempts from {address}",
                HTTPStatus.TOO_MANY_REQUESTS,
                hint="wait, then use the right token",
                retry_after=math.ceil(wait),
            )
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME or not token.strip():
            raise AccessRefusedError(
                "no token", HTTPStatus.UNAUTHORIZED, hint="send the header `Authorization: Bearer TOKEN`"
            )
        principal = self._find(token.strip())
        if principal is None:
            self._count_failure(address)
            raise AccessRefusedError(
                "unknown token",
                HTTPStatus.UNAUTHORIZED,
                hint="use a token whose SHA-256 is configured"
                + ("" if certificate is None else ", or none: the certificate may name you"),
            )
        return replace(principal, beside=self.name_of(certificate))

    def name_of(self, certificate: ClientCertificate | None) -> str | None:
        """Return whom a certificate names, None where it is nobody."""
        known = None if certificate is None else self._certificates.get(certificate.public_key_sha256)
        return None if known is None else known.name

    def _named(self, certificate: ClientCertificate) -> Principal:
        known = self._certificates.get(certificate.public_key_sha256)
        if known is None:
            raise AccessRefusedError(
                f"the certificate {certificate.subject} names nobody here, and there is no token",
                HTTPStatus.UNAUTHORIZED,
                hint="send a token, or have this put into [[api.client_certificates]]:"
                f' public_key_sha256 = "{certificate.public_key_sha256.hex()}"',
            )
        return Principal(known.name, known.role)

    def _check_in_time(self, certificate: ClientCertificate) -> None:
        """Refuse one that has expired since the handshake: a connection may last for months."""
        if self._clock.now() > certificate.valid_until:
            raise AccessRefusedError(
                f"the certificate {certificate.subject} was valid until {iso(certificate.valid_until)}",
                HTTPStatus.UNAUTHORIZED,
                hint="connect again with a renewed one",
            )

    def _find(self, token: str) -> Principal | None:
        """Look at every token, in a time that does not tell how much of one was right."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known in self._tokens:
            if hmac.compare_digest(known.sha256, digest):
                found = Principal(known.name, known.role)
        return found

    def _seconds_to_wait(self, address: str) -> float:
        failures = self._failures.get(_client(address))
        if failures is None:
            return 0
        settings = self._settings
        over = failures.count(self._clock.now(), settings.failures_per_second) - settings.failures + 1
        return over / settings.failures_per_second

    def _count_failure(self, address: str) -> None:
        client, now = _client(address), self._clock.now()
        before = self._failures.pop(client, None)
        count = 0 if before is None else before.count(now, self._settings.failures_per_second)
        self._failures[client] = _Failures(count + 1, now)
        while len(self._failures) > self._settings.addresses:
            self._failures.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Failures:
    """Failed attempts of one client address, forgotten at a steady rate."""

    counted: float
    at: float

    def count(self, now: float, forgotten_per_second: float) -> float:
        """Return how many are not forgotten yet."""
        return max(0.0, self.counted - (now - self.at) * forgotten_per_second)


def check_role(principal: Principal, role: Role) -> None:
    """Raise AccessRefusedError (403) unless `principal` may do what `role` may."""
    if not principal.role.includes(role):
        raise AccessRefusedError(
            f"{principal.name} is {principal.role}, and this takes {role}",
            HTTPStatus.FORBIDDEN,
            hint=f"use a token, or a client certificate, with the role {role}",
        )


def check_distinct(
    tokens: Sequence[TokenSettings], certificates: Sequence[ClientCertificateSettings]
) -> None:
    """Raise ConfigError where two have one name, which is all the audit trail has, or one hash."""
    for several, what in (
        (
            [each.name for each in tokens] + [each.name for each in certificates],
            "tokens or certificates have one name",
        ),
        ([each.sha256 for each in tokens], "tokens have one sha256"),
        ([each.public_key_sha256 for each in certificates], "certificates have one public_key_sha256"),
    ):
        if len(set(several)) != len(several):
            raise ConfigError(f"two {what}", hint="give each its own")


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{what} name {name[:80]!r}", hint="at most 64 letters, digits and any of . _ @ -")
    if name == STRANGER:
        raise ConfigError(
            f"{what} name {name!r}", hint="that is what the audit trail calls whom nobody knows"
        )


def _check_sha256(what: str, digest: bytes) -> None:
    if len(digest) != hashlib.sha256().digest_size:
        raise ConfigError(f"{what} has {len(digest)} octets, not 32")


def _client(address: str) -> str:
    """Return what tells one client from another: the address, of IPv6 the site's part of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == _IPV6:
        return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
    return address
