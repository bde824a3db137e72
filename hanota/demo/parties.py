"""Who takes part in the demonstration, and their keys: a lab CA's, or those of a key store given to it."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from hanota.errors import ConfigError
from hanota.gbcs.certificates import KeyUsage, RemotePartyRole
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import SUPPLIER, SUPPLIER_SIGNING_KEY
from hanota.zse.cbke import lab_authorities, lab_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.zse.cbke import SiteCredentials


@dataclass(frozen=True, slots=True)
class Parties:
    """Everybody's keys, each with its owner."""

    supplier: Eui64
    broker: Eui64
    hub: Credentials
    devices: dict[Eui64, Credentials]
    cbke: dict[Eui64, SiteCredentials]
    """What hub and devices establish link keys with, for both suites; a CA of its own for each suite."""
    remote: KeyStore
    """Supplier and access control broker, private keys and all."""
    trust: KeyStore
    """The certificates of the remote parties: what a device obeys."""
    seed: int | None
    """Of what these keys were made and others are to be made; None: they are secret."""

    @property
    def dcc(self) -> KeyStore:
        """What the DCC holds: the remote parties, and every device's certificates."""
        keystore = self.remote | self.trust
        for credentials in (self.hub, *self.devices.values()):
            keystore.add_public(credentials)
        return keystore


def make_parties(
    *,
    supplier: Eui64,
    broker: Eui64,
    hub: Eui64,
    devices: Sequence[Eui64],
    keystore: KeyStore | None,
    now: float,
    seed: int | None,
) -> Parties:
    """Issue what is needed; remote parties come out of `keystore` where it has their private keys.

    Raise ConfigError where it has only part of them. With a `seed` the keys are the same every time.
    """
    ca = LabCa(now, seed=None if seed is None else f"hanota demo {seed}".encode())
    remote = KeyStore()
    if keystore is not None:
        _require_private_keys(keystore, supplier, broker)
        remote = keystore.of(supplier, broker, private=True)
    else:
        for eui64, role, name in (
            (supplier, RemotePartyRole.SUPPLIER, "Lab supplier"),
            (broker, RemotePartyRole.ACCESS_CONTROL_BROKER, "Lab ACB"),
        ):
            remote.add(ca.issue_organisation(eui64, role, name))
    trust = remote.of(supplier, broker, private=False)
    if keystore is None and supplier == SUPPLIER:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), SUPPLIER_SIGNING_KEY)
        trust.add_certificate(
            ca.certify_organisation(
                supplier, RemotePartyRole.SUPPLIER, "Published supplier", KeyUsage.DIGITAL_SIGNATURE, key
            )
        )
    return Parties(
        supplier=supplier,
        broker=broker,
        hub=ca.issue_device(hub),
        devices={device: ca.issue_device(device) for device in devices},
        cbke=_cbke(hub, *devices, now=now, seed=seed),
        remote=remote,
        trust=trust,
        seed=seed,
    )


def entropy_of(seed: int | None, purpose: str) -> Callable[[int], bytes]:
    """Return a source of so many octets: the same ones every time with a `seed`, secret ones without."""
    if seed is None:
        return secrets.token_bytes
    return random.Random(f"hanota demo {seed} {purpose}").randbytes  # noqa: S311  # the lab's, on purpose


def _cbke(*subjects: Eui64, now: float, seed: int | None) -> dict[Eui64, SiteCredentials]:
    entropy = entropy_of(seed, "CBKE")
    authorities = lab_authorities(entropy)
    return {subject: lab_credentials(authorities, subject, now=now, entropy=entropy) for subject in subjects}


def _require_private_keys(keystore: KeyStore, supplier: Eui64, broker: Eui64) -> None:
    for eui64, role in ((supplier, "supplier"), (broker, "access control broker")):
        try:
            keystore.signing_private_key(eui64)
            keystore.agreement_private_key(eui64)
        except ConfigError as error:
            raise ConfigError(
                f"the key store cannot play the {role}: {error}",
                hint="leave --keystore out: the demonstration then makes its own keys",
            ) from error
