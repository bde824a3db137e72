"""Whose keys the daemon has: read from what a site was issued, or made by a lab."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.daemon.lab import Lab
from hanota.duis.certificates import SigningCertificates
from hanota.errors import ConfigError
from hanota.gbcs.certificates import KeyUsage, RemotePartyRole
from hanota.gbcs.key_files import read_certificate, read_private_key
from hanota.gbcs.keystore import KeyStore
from hanota.hub.events import EventKind
from hanota.radio.settings import LinkSecurity
from hanota.zse.cbke import read_credentials

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.config.settings import KeysSection, Settings
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials, PartyCertificate
    from hanota.gbcs.crypto import PrivateKey
    from hanota.hub.events import Event
    from hanota.zse.cbke import SiteCredentials

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keys:
    """Everybody's keys, as far as the daemon plays them or verifies what they sign."""

    hub: Credentials
    """Signs what the hub itself says."""
    supplier: Eui64
    """For whom REST asks."""
    broker: Eui64
    dcc: KeyStore
    """What the DCC holds: remote parties, and the certificates of devices."""
    site: SiteCredentials | None
    """What the hub establishes link keys with; None where the links need none."""
    signing_key: PrivateKey
    """Of the DCC, for the documents it sends."""
    signing_certificate: PartyCertificate
    certificates: SigningCertificates
    """Of those whose signature on documents is taken."""
    lab: Lab | None
    folder: Path | None

    @property
    def trust(self) -> KeyStore:
        """What the hub obeys: the broker's certificates."""
        return self.dcc.of(self.broker, private=False)

    def learn(self, *devices: Eui64) -> None:
        """Get the certificates of devices of the Device Log; raise ConfigError."""
        if self.lab is not None:
            for device in devices:
                self.dcc.add_public(self.lab.device(device))
                self.lab.publish(device)
        elif self.folder is not None:
            found = KeyStore.from_folder(self.folder)
            for device in devices:
                for certificate in found.certificates(device):
                    self.dcc.add_certificate(certificate)

    def follow(self, event: Event) -> None:
        """Get the certificates of a device that was added; a listener of the journal."""
        if event.kind is EventKind.DEVICE_ADDED and event.device is not None:
            try:
                self.learn(event.device)
            except ConfigError as error:
                logger.warning("no certificates of %s: %s", event.device, error)


def load_keys(settings: Settings, *, emulated_hub: Eui64 | None) -> Keys:
    """Read or make the keys; raise ConfigError that tells the setting.

    `emulated_hub` is the dongle's EUI-64 where it is one of this process.
    """
    keys = settings.keys
    establish = settings.radio.link_security is LinkSecurity.KEY_ESTABLISHMENT
    if keys.lab is not None and keys.folder is not None:
        raise ConfigError(
            "keys.lab and keys.folder exclude each other", hint="give the one that has the keys"
        )
    lab = None if keys.lab is None else Lab.at(keys.lab)
    if lab is not None:
        store = lab.remote | lab.trust
    elif keys.folder is not None:
        store = KeyStore.from_folder(keys.folder)
    else:
        raise ConfigError(
            "there are no keys",
            hint='set keys.folder to a key store, or keys.lab = "lab" to have them made there',
        )
    site = None if keys.credentials is None else read_credentials(keys.credentials)
    hub = keys.hub or emulated_hub or (None if site is None else site.subject)
    if hub is None:
        raise ConfigError(
            "it is not known who the hub is",
            hint="set keys.hub to the EUI-64 of the dongle: `hanota radio info` tells it",
        )
    if establish and site is None:
        if lab is None:
            raise ConfigError(
                "the hub has no credentials for key establishment",
                hint="set keys.credentials, or radio.link_security to what the devices have instead",
            )
        site = lab.site(hub)
    if lab is not None:
        store.add_public(lab.device(hub))
    supplier = _only(store, RemotePartyRole.SUPPLIER, keys.supplier, "supplier")
    broker = _only(store, RemotePartyRole.ACCESS_CONTROL_BROKER, keys.broker, "broker")
    signing_key, signing_certificate = _signer(keys, store, broker)
    return Keys(
        hub=store.credentials(hub) if lab is None else lab.device(hub),
        supplier=supplier,
        broker=broker,
        dcc=store,
        site=site if establish else None,
        signing_key=signing_key,
        signing_certificate=signing_certificate,
        certificates=_certificates(keys.service_users, store),
        lab=lab,
        folder=keys.folder,
    )


def _only(store: KeyStore, role: RemotePartyRole, chosen: Eui64 | None, name: str) -> Eui64:
    """Return the party chosen for a role, else the only one who has it."""
    parties = store.in_role(role)
    if chosen is not None:
        if chosen not in parties:
            raise ConfigError(f"keys.{name}: the key store has no {name} {chosen}")
        return chosen
    if len(parties) != 1:
        found = ", ".join(map(str, parties)) or "none"
        raise ConfigError(f"the key store has more or less than one {name}: {found}", hint=f"set keys.{name}")
    return parties[0]


def _signer(keys: KeysSection, store: KeyStore, broker: Eui64) -> tuple[PrivateKey, PartyCertificate]:
    """Return the DCC's key for documents and its certificate."""
    if keys.duis_key is None or keys.duis_certificate is None:
        credentials = store.credentials(broker)
        return credentials.signing_key, credentials.signing_certificate
    key, certificate = read_private_key(keys.duis_key), read_certificate(keys.duis_certificate)
    if key.public_key() != certificate.public_key:
        raise ConfigError(f"{keys.duis_key} is not the key of {keys.duis_certificate}")
    return key, certificate


def _certificates(folder: Path | None, store: KeyStore) -> SigningCertificates:
    """Return the certificates of remote parties, and those in `folder`."""
    organisations = {eui64 for role in RemotePartyRole for eui64 in store.in_role(role)}
    known = [certificate for eui64 in organisations for certificate in store.certificates(eui64)]
    if folder is not None:
        SigningCertificates.from_folder(folder)  # for what it says of a folder that cannot be
        known += map(read_certificate, sorted(folder.glob("*.pem")))
    return SigningCertificates(each for each in known if each.key_usage is KeyUsage.DIGITAL_SIGNATURE)
