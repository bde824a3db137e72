"""What a party of key establishment holds: a certificate, its private key, and its CA's public key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.zse.cbke.certificate import ImplicitCertificate, public_key
from hanota.zse.cbke.group import arithmetic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from hanota.eui64 import Eui64
    from hanota.zse.cbke.suites import Suite


@dataclass(frozen=True, slots=True)
class CbkeCredentials:
    """Credentials of one suite; `check` them where they came from outside."""

    suite: Suite
    certificate: bytes
    private_key: bytes = field(repr=False)
    ca_public_key: bytes
    """Compressed."""
    production: bool = False
    """Whether a production CA issued them; lab tools then refuse to show keys made with them."""

    @property
    def subject(self) -> Eui64:
        """Whom the certificate names; raise KeyEstablishmentError if it is none."""
        return self.decoded.subject

    @property
    def issuer(self) -> bytes:
        """Who issued the certificate, 8 octets; raise KeyEstablishmentError if it is none."""
        return self.decoded.issuer

    @property
    def decoded(self) -> ImplicitCertificate:
        """The certificate; raise KeyEstablishmentError if it is none."""
        return ImplicitCertificate.decode(self.suite, self.certificate)

    def check(self) -> None:
        """Raise ConfigError unless certificate, key and CA fit together: d * G is the subject's key."""
        name, curve = f"suite {self.suite.value}", self.suite.parameters.curve
        if len(self.private_key) != self.suite.parameters.private_key_octets:
            raise ConfigError(
                f"the {name} private key has {len(self.private_key)} octets, "
                f"not {self.suite.parameters.private_key_octets}"
            )
        scalar = int.from_bytes(self.private_key, "big")
        if not 0 < scalar < curve.order:
            raise ConfigError(f"the {name} private key is not between 1 and the order of {curve.name}")
        group = arithmetic()
        try:
            expected = public_key(self.decoded, self.ca_public_key, group)
        except RemoteProtocolError as error:
            raise ConfigError(f"the {name} credentials cannot be used: {error}") from None
        if group.multiply(curve, scalar, curve.generator) != expected:
            raise ConfigError(
                f"the {name} certificate, private key and CA public key do not fit together",
                hint="take all three from one issue of credentials",
            )


@dataclass(frozen=True, slots=True)
class SiteCredentials:
    """Credentials of one subject, for one suite or both."""

    credentials: tuple[CbkeCredentials, ...]
    """By ascending suite."""

    @classmethod
    def of(cls, *credentials: CbkeCredentials) -> Self:
        """Join credentials; raise ConfigError unless of one subject, one kind and different suites."""
        if not credentials:
            raise ConfigError("no credentials for any suite")
        if len({each.suite for each in credentials}) != len(credentials):
            raise ConfigError("two credentials for the same suite")
        try:
            subjects = {each.subject for each in credentials}
        except RemoteProtocolError as error:
            raise ConfigError(f"the credentials cannot be used: {error}") from None
        if len(subjects) > 1:
            raise ConfigError(f"credentials of several subjects: {', '.join(sorted(map(str, subjects)))}")
        if len({each.production for each in credentials}) > 1:
            raise ConfigError("production and lab credentials for one subject", hint="use a file for each")
        return cls(tuple(sorted(credentials, key=lambda each: each.suite)))

    @property
    def suites(self) -> Mapping[Suite, CbkeCredentials]:
        """The credentials by their suite."""
        return {each.suite: each for each in self.credentials}

    @property
    def subject(self) -> Eui64:
        """Whom the certificates name."""
        return self.credentials[0].subject

    @property
    def production(self) -> bool:
        """Whether a production CA issued them."""
        return self.credentials[0].production
