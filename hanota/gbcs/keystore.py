"""Certificates and private keys by EUI-64, read from a folder laid out as the reference test data's.

90b3d51f30010000-ds.pem      certificate, PEM or DER: the EUI-64 of its subject and the use of its key
90b3d51f30010000-ds.key      private key, PKCS#8, PEM or DER
90b3d51f30010000-pp-ka.pem   a further certificate of the same party, here that for prepayment

A certificate may also end in .crt, .cer or .der. Files of other names are left alone.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import Credentials, KeyUsage, PartyCertificate, RemotePartyRole
from hanota.gbcs.key_files import read_certificate, read_private_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hanota.gbcs.crypto import PrivateKey, PublicKey

_FILE_NAME: Final = re.compile(
    r"(?P<eui64>[0-9a-f]{2}(?:-?[0-9a-f]{2}){7})-(?:\w+-)*(?P<usage>ds|ka)\.(?P<kind>pem|crt|cer|der|key)",
    re.IGNORECASE | re.ASCII,
)


class KeyStore:
    """Public and private keys of devices and remote parties; a party may have several of each use."""

    def __init__(self) -> None:
        self._certificates: dict[Eui64, list[PartyCertificate]] = {}
        self._private_keys: dict[tuple[Eui64, KeyUsage], list[PrivateKey]] = {}

    @classmethod
    def from_folder(cls, folder: Path, unusable: Callable[[ConfigError], None] | None = None) -> KeyStore:
        """Read every certificate and key file of `folder`; raise ConfigError naming the file at fault.

        With `unusable` a file at fault is told to it and left out, and only a missing folder raises.
        """
        keystore = cls()
        try:
            paths = sorted(path for path in folder.iterdir() if path.is_file())
        except OSError as error:
            raise ConfigError(
                f"key store {folder}: {error.strerror}", hint="name a folder of .pem and .key files"
            ) from None
        public_keys: dict[str, PublicKey] = {}
        for path in paths:
            try:
                keystore._read(path, public_keys)
            except ConfigError as error:
                if unusable is None:
                    raise
                unusable(error)
        return keystore

    def _read(self, path: Path, public_keys: dict[str, PublicKey]) -> None:
        """Add what one file holds; `public_keys` are those of the files before, by name without ending."""
        if not (name := _FILE_NAME.fullmatch(path.name)):
            return
        eui64, usage = Eui64.parse(name["eui64"]), KeyUsage(name["usage"].lower())
        is_key = name["kind"].lower() == "key"
        held = read_private_key(path) if is_key else _certificate(path, eui64, usage)
        public_key = held.public_key if isinstance(held, PartyCertificate) else held.public_key()
        if public_keys.setdefault(path.stem, public_key) != public_key:
            raise ConfigError(f"{path}: not of one pair with the key beside it, {path.stem}.key")
        if isinstance(held, PartyCertificate):
            self.add_certificate(held)
        else:
            self.add_private_key(eui64, usage, held)

    def add(self, credentials: Credentials) -> None:
        """Add certificates and private keys: what the party itself has."""
        self.add_public(credentials)
        self.add_private_key(credentials.eui64, KeyUsage.DIGITAL_SIGNATURE, credentials.signing_key)
        self.add_private_key(credentials.eui64, KeyUsage.KEY_AGREEMENT, credentials.agreement_key)

    def add_public(self, credentials: Credentials) -> None:
        """Add the certificates alone: what everybody else has of the party."""
        self.add_certificate(credentials.signing_certificate)
        self.add_certificate(credentials.agreement_certificate)

    def add_certificate(self, certificate: PartyCertificate) -> None:
        """Add a certificate; adding one twice changes nothing."""
        held = self._certificates.setdefault(certificate.eui64, [])
        if certificate not in held:
            held.append(certificate)

    def add_private_key(self, eui64: Eui64, usage: KeyUsage, key: PrivateKey) -> None:
        """Add a private key of `eui64`."""
        self._private_keys.setdefault((eui64, usage), []).append(key)

    def __or__(self, other: KeyStore) -> KeyStore:
        """Return a key store with the contents of both."""
        merged = KeyStore()
        for source in (self, other):
            for certificate in chain.from_iterable(source._certificates.values()):
                merged.add_certificate(certificate)
            for (eui64, usage), keys in source._private_keys.items():
                for key in keys:
                    merged.add_private_key(eui64, usage, key)
        return merged

    def certificates(self, eui64: Eui64) -> tuple[PartyCertificate, ...]:
        """Return the certificates of `eui64`, none if it is unknown."""
        return tuple(self._certificates.get(eui64, ()))

    def is_device(self, eui64: Eui64) -> bool:
        """Whether a certificate says that `eui64` is a device."""
        return any(certificate.role is None for certificate in self.certificates(eui64))

    def roles(self, eui64: Eui64) -> frozenset[RemotePartyRole]:
        """Return the roles an organisation's certificates give it."""
        return frozenset(
            certificate.role for certificate in self.certificates(eui64) if certificate.role is not None
        )

    def in_role(self, role: RemotePartyRole) -> tuple[Eui64, ...]:
        """Return the remote parties in `role`, in order of their EUI-64."""
        return tuple(sorted(eui64 for eui64 in self._certificates if role in self.roles(eui64)))

    def of(self, *parties: Eui64, private: bool) -> KeyStore:
        """Return a key store with the certificates of `parties`, and their private keys if asked for."""
        chosen = KeyStore()
        for certificate in chain.from_iterable(map(self.certificates, parties)):
            chosen.add_certificate(certificate)
        for (eui64, usage), keys in self._private_keys.items():
            for key in keys if private and eui64 in parties else ():
                chosen.add_private_key(eui64, usage, key)
        return chosen

    def access_control_brokers(self) -> tuple[Eui64, ...]:
        """Return the remote parties whose MAC a command may have, in order of their EUI-64."""
        return self.in_role(RemotePartyRole.ACCESS_CONTROL_BROKER)

    def signing_public_keys(self, eui64: Eui64) -> tuple[PublicKey, ...]:
        """Return the Digital Signing public keys of `eui64`."""
        return self._public_keys(eui64, KeyUsage.DIGITAL_SIGNATURE)

    def agreement_public_keys(self, eui64: Eui64) -> tuple[PublicKey, ...]:
        """Return the Key Agreement public keys of `eui64`."""
        return self._public_keys(eui64, KeyUsage.KEY_AGREEMENT)

    def agreement_private_keys(self, eui64: Eui64) -> tuple[PrivateKey, ...]:
        """Return the Key Agreement private keys of `eui64`."""
        return tuple(self._private_keys.get((eui64, KeyUsage.KEY_AGREEMENT), ()))

    def signing_private_key(self, eui64: Eui64) -> PrivateKey:
        """Return the Digital Signing private key of `eui64`; raise ConfigError if there is none."""
        return self._private_key(eui64, KeyUsage.DIGITAL_SIGNATURE)

    def agreement_private_key(self, eui64: Eui64) -> PrivateKey:
        """Return the first Key Agreement private key of `eui64`; raise ConfigError if there is none."""
        return self._private_key(eui64, KeyUsage.KEY_AGREEMENT)

    def credentials(self, eui64: Eui64) -> Credentials:
        """Return the key pairs of `eui64` with certificates; raise ConfigError where a part is missing."""
        keys = {
            KeyUsage.DIGITAL_SIGNATURE: self.signing_private_key(eui64),
            KeyUsage.KEY_AGREEMENT: self.agreement_private_key(eui64),
        }
        found = {
            certificate.key_usage: certificate
            for certificate in self.certificates(eui64)
            if certificate.public_key == keys[certificate.key_usage].public_key()
        }
        for usage in keys:
            if usage not in found:
                raise ConfigError(f"the key store has no certificate for the {usage} key of {eui64}")
        return Credentials(
            eui64,
            keys[KeyUsage.DIGITAL_SIGNATURE],
            found[KeyUsage.DIGITAL_SIGNATURE],
            keys[KeyUsage.KEY_AGREEMENT],
            found[KeyUsage.KEY_AGREEMENT],
        )

    def agreement_public_key(self, eui64: Eui64) -> PublicKey:
        """Return the first Key Agreement public key of `eui64`; raise ConfigError if there is none."""
        for key in self.agreement_public_keys(eui64):
            return key
        raise ConfigError(f"the key store has no Key Agreement certificate of {eui64}")

    def _public_keys(self, eui64: Eui64, usage: KeyUsage) -> tuple[PublicKey, ...]:
        held = self.certificates(eui64)
        return tuple(certificate.public_key for certificate in held if certificate.key_usage is usage)

    def _private_key(self, eui64: Eui64, usage: KeyUsage) -> PrivateKey:
        for key in self._private_keys.get((eui64, usage), ()):
            return key
        raise ConfigError(f"the key store has no private key of {eui64} for {usage.name}")


def _certificate(path: Path, eui64: Eui64, usage: KeyUsage) -> PartyCertificate:
    certificate = read_certificate(path)
    if (certificate.eui64, certificate.key_usage) != (eui64, usage):
        raise ConfigError(
            f"{path}: the certificate in it is that of {certificate.eui64} for "
            f"{certificate.key_usage.name}, the file name says {eui64} for {usage.name}"
        )
    return certificate
