"""Everybody's keys on a bench of metal: of a lab's folder, or of the key stores that the bench file names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.daemon.lab import FILE as LAB_FILE
from hanota.daemon.lab import Lab
from hanota.demo.composition import HubKeys
from hanota.errors import ConfigError
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.radio.settings import LinkSecurity
from hanota.zse.cbke import read_credentials

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.bench.bench_file import Bench
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.zse.cbke import SiteCredentials

_HINT: Final = "give the bench file `keystore`, or the folder of a lab with --lab"


@dataclass(frozen=True, slots=True)
class BenchKeys:
    """What hub and DCC sign and verify with, and what link keys are established with."""

    hub: HubKeys
    site: SiteCredentials | None


def keys_of_bench(bench: Bench, lab: Path | None, hub: Eui64, now: float) -> BenchKeys:
    """Read the keys of a bench whose coordinator is `hub` (`now`: Unix seconds); raise ConfigError.

    A `keystore` of the bench file that is a lab's folder counts as `lab`.
    """
    if lab is None and bench.keystore is not None and (bench.keystore / LAB_FILE).exists():
        lab = bench.keystore
    keys = _of_store(bench, hub, now) if lab is None else _of_lab(bench, lab, hub)
    for entry in bench.device.values():
        if entry.keystore is not None:
            found = KeyStore.from_folder(entry.keystore)
            for certificate in found.certificates(entry.eui64):
                keys.hub.dcc.add_certificate(certificate)
    return keys


def _of_lab(bench: Bench, folder: Path, hub: Eui64) -> BenchKeys:
    lab = Lab.at(folder)
    store = lab.remote | lab.trust
    for eui64 in (hub, *(entry.eui64 for entry in bench.device.values())):
        store.add_public(lab.device(eui64))
    return BenchKeys(_hub_keys(store, lab.device(hub)), _site(bench) or lab.site(hub))


def _of_store(bench: Bench, hub: Eui64, now: float) -> BenchKeys:
    if bench.keystore is None:
        raise ConfigError("the keys of supplier and access control broker are not known", hint=_HINT)
    store = KeyStore.from_folder(bench.keystore)
    try:
        credentials = store.credentials(hub)
    except ConfigError:
        # Only this DCC verifies what the hub says of itself.
        credentials = LabCa(now).issue_device(hub)
    store.add_public(credentials)
    site = _site(bench)
    if site is None and _establishes(bench):
        raise ConfigError(
            "the hub has no credentials for key establishment",
            hint="give the bench file radio.credentials, or radio.link_security as the devices have it",
        )
    return BenchKeys(_hub_keys(store, credentials), site)


def _establishes(bench: Bench) -> bool:
    radio = bench.radio
    return radio is None or LinkSecurity(radio.link_security) is LinkSecurity.KEY_ESTABLISHMENT


def _site(bench: Bench) -> SiteCredentials | None:
    if bench.radio is None or bench.radio.credentials is None:
        return None
    return read_credentials(bench.radio.credentials)


def _hub_keys(store: KeyStore, hub: Credentials) -> HubKeys:
    supplier = _only(store, RemotePartyRole.SUPPLIER, "supplier")
    broker = _only(store, RemotePartyRole.ACCESS_CONTROL_BROKER, "access control broker")
    for party in (supplier, broker):
        store.signing_private_key(party)
        store.agreement_private_key(party)
    trust = store.of(supplier, broker, private=False)
    return HubKeys(supplier=supplier, broker=broker, hub=hub, dcc=store, trust=trust)


def _only(store: KeyStore, role: RemotePartyRole, name: str) -> Eui64:
    parties = store.in_role(role)
    if len(parties) != 1:
        found = ", ".join(map(str, parties)) or "none"
        raise ConfigError(f"the key store has more or less than one {name}: {found}", hint=_HINT)
    return parties[0]
