"""Who may do what by REST: bearer tokens, and the role each token has."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hanota.api.refused import RequestRefusedError
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.clock import Clock

SCHEME: Final = "bearer"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_IPV6: Final = 6
_IPV6_SITE: Final = 64
"""Bits of an IPv6 address that one site has: it may use all addresses under them."""


class Role(StrEnum):
    """What a token is good for; each role may do what those above it may."""

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
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"token name {self.name[:80]!r}", hint="at most 64 letters, digits and any of . _ @ -"
            )
        if len(self.sha256) != hashlib.sha256().digest_size:
            raise ConfigError(f"the SHA-256 of token {self.name} has {len(self.sha256)} octets, not 32")


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
    role: Role


class AccessRefusedError(RequestRefusedError):
    """A request is not let through: 401, 403 or 429."""


class Access:
    """Tells by its token whose a request is."""

    def __init__(
        self, tokens: Sequence[TokenSettings], clock: Clock, settings: AccessSettings | None = None
    ) -> None:
        """Raise ConfigError where two tokens have one name or one hash."""
        self._tokens, self._clock = tuple(tokens), clock
        self._settings = settings or AccessSettings()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        for what in ("name", "sha256"):
            if len({getattr(token, what) for token in self._tokens}) != len(self._tokens):
                raise ConfigError(f"two tokens have one {what}", hint="give each its own")

    def authenticate(self, authorization: str | None, address: str) -> Principal:
        """Return whose token an Authorization header has; raise AccessRefusedError (401, 429)."""
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
                "unknown token", HTTPStatus.UNAUTHORIZED, hint="use a token whose SHA-256 is configured"
            )
        return principal

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
            hint=f"use a token with the role {role}",
        )


def _client(address: str) -> str:
    """Return what tells one client from another: the address, of IPv6 the site's part of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == _IPV6:
        return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
    return address
