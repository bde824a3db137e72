"""A bench's lab CA: everybody's keys from one secret in a folder, so that two programs know each other's.

`hanota run` and `hanota emulate` given the same folder agree on every key, whichever was started first and
whatever devices were added since. Remote parties have theirs in files of the key store's layout: the lab's,
or those that were put there before the first start.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, Final, Self

from cryptography.hazmat.primitives.serialization import Encoding

from hanota.errors import ConfigError
from hanota.files import read_private_toml, write_file
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import BROKER, SUPPLIER
from hanota.timestamps import ZIGBEE_EPOCH
from hanota.zse.cbke import LabCertificateAuthority, Suite, lab_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.zse.cbke import CbkeCredentials, SiteCredentials

FILE: Final = "lab.toml"
FOLDER_MODE: Final = 0o700
_SECRET_OCTETS: Final = 32
_VALID_FROM: Final = ZIGBEE_EPOCH
"""Unix seconds: the earliest time a HAN can tell (ZCL UTCTime). Not that of the first start: what a machine
whose clock is ahead issues would not be valid yet once it is right."""
_PARTIES: Final = (
    (RemotePartyRole.SUPPLIER, SUPPLIER, "Lab supplier"),
    (RemotePartyRole.ACCESS_CONTROL_BROKER, BROKER, "Lab ACB"),
)


class Lab:
    """Issues the keys of everybody on one bench; the same ones every time."""

    def __init__(self, folder: Path, secret: bytes, made: int) -> None:
        """Write the keys of the remote parties that are missing in `folder`; raise ConfigError."""
        self._folder, self._secret, self._made = folder, secret, made
        self._ca = LabCa(made, seed=secret)
        self._authorities = {
            suite: LabCertificateAuthority.create(suite, self._entropy(f"CA {suite}")) for suite in Suite
        }
        self._devices: dict[Eui64, Credentials] = {}
        self.remote = self._remote_parties()
        """Supplier and access control broker, private keys and all."""

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Open the lab in a folder, made at the first time; raise ConfigError."""
        file = folder / FILE
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            there = file.exists()
        except OSError as error:
            raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from None
        if not there:
            text = (
                "# The secret all keys of this lab are made of. Whoever has it is everybody on this bench.\n"
                f'secret = "{secrets.token_hex(_SECRET_OCTETS)}"\n'
                "# Unix seconds from which on its certificates are valid, whenever it was made.\n"
                f"made = {_VALID_FROM}\n"
            )
            with suppress(ConfigError):  # another program was faster; if not, reading tells
                write_file(file, text.encode(), private=True, overwrite=False)
        return cls(folder, *_read(file))

    @property
    def trust(self) -> KeyStore:
        """The certificates of the remote parties: what a device obeys."""
        return self.remote.of(*self._organisations(self.remote), private=False)

    def device(self, eui64: Eui64) -> Credentials:
        """Return the GBCS credentials of a device, or of the hub."""
        credentials = self._devices.get(eui64)
        if credentials is None:
            credentials = self._devices[eui64] = self._ca.issue_device(eui64)
        return credentials

    def devices(self, devices: Iterable[Eui64]) -> dict[Eui64, Credentials]:
        """Return the GBCS credentials of several."""
        return {eui64: self.device(eui64) for eui64 in devices}

    def key_establishment(self, eui64: Eui64, suite: Suite) -> CbkeCredentials:
        """Return what a device establishes a link key with."""
        return self._authorities[suite].issue(eui64, now=self._made, entropy=self._entropy(f"CBKE {eui64}"))

    def site(self, hub: Eui64) -> SiteCredentials:
        """Return what a hub establishes link keys with, in both suites."""
        authorities = tuple(self._authorities.values())
        return lab_credentials(authorities, hub, now=self._made, entropy=self._entropy(f"CBKE {hub}"))

    def publish(self, eui64: Eui64) -> None:
        """Put a device's certificates beside the keys, for programs that verify its messages."""
        credentials = self.device(eui64)
        for certificate in (credentials.signing_certificate, credentials.agreement_certificate):
            file = self._folder / f"{eui64.hex()}-{certificate.key_usage}.pem"
            with suppress(ConfigError):  # nobody needs them to go on
                write_file(file, certificate.certificate.public_bytes(Encoding.PEM))

    def _remote_parties(self) -> KeyStore:
        held = KeyStore.from_folder(self._folder)
        for role, eui64, name in _PARTIES:
            if not held.in_role(role):
                self._ca.issue_organisation(eui64, role, name).save(self._folder)
        held = KeyStore.from_folder(self._folder)
        return held.of(*self._organisations(held), private=True)

    @staticmethod
    def _organisations(keystore: KeyStore) -> tuple[Eui64, ...]:
        return tuple(eui64 for role in RemotePartyRole for eui64 in keystore.in_role(role))

    def _entropy(self, purpose: str) -> Callable[[int], bytes]:
        """Return a source of octets that nobody without the secret can tell, the same ones every time."""
        drawn = 0

        def octets(count: int) -> bytes:
            nonlocal drawn
            taken = b""
            while len(taken) < count:
                taken += digest(self._secret, f"{purpose} {drawn}".encode(), sha256)
                drawn += 1
            return taken[:count]

        return octets


def _read(file: Path) -> tuple[bytes, int]:
    document = read_private_toml(file)
    secret, made = document.get("secret"), document.get("made")
    try:
        octets = bytes.fromhex(secret) if isinstance(secret, str) else b""
    except ValueError:
        octets = b""
    if len(octets) != _SECRET_OCTETS or not isinstance(made, int) or made < 0:
        raise ConfigError(f"{file} is not the secret of a lab", hint="name another folder for the lab's keys")
    return octets, made
