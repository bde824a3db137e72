"""Credentials for key establishment where devices bring none: a lab CA, the same with the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.errors import ConfigError
from hanota.zse.cbke import (
    LabCertificateAuthority,
    Suite,
    lab_credentials,
    read_credentials,
    write_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hanota.emulator.emulation.entries import HanFile
    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials, SiteCredentials


@dataclass(frozen=True, slots=True)
class LabCredentials:
    """What the lab CA has issued; nothing of it is a secret to anybody who knows the seed."""

    hub: SiteCredentials
    """For the hub that drives the dongle, of both suites."""
    devices: Mapping[Eui64, CbkeCredentials]
    """For each device with a suite and no file of its own."""


def make_lab_credentials(file: HanFile, *, now: float, seed: int) -> LabCredentials:
    """Issue what the devices of `file`, and the hub, need to establish keys with each other.

    The CA follows from the seed alone: credentials written before still fit devices that were added since.
    """
    authorities = {
        suite: LabCertificateAuthority.create(suite, _entropy(seed, f"CA {suite}")) for suite in Suite
    }
    dongle = file.dongle.eui64
    return LabCredentials(
        lab_credentials(tuple(authorities.values()), dongle, now=now, entropy=_entropy(seed, str(dongle))),
        {
            device.eui64: authorities[Suite(device.suite)].issue(
                device.eui64, now=now, entropy=_entropy(seed, str(device.eui64))
            )
            for device in file.devices
            if device.suite is not None and device.credentials is None
        },
    )


def write_hub_credentials(path: Path, site: SiteCredentials) -> None:
    """Write the hub's file, mode 0600, unless it is there and its CA is the same; raise ConfigError."""
    if not path.exists():
        write_credentials(path, site)
        return
    kept = read_credentials(path)
    if (kept.subject, _authorities(kept)) != (site.subject, _authorities(site)):
        raise ConfigError(f"{path} is there already, with other credentials", hint="choose another name")


def _authorities(site: SiteCredentials) -> dict[Suite, bytes]:
    return {suite: credentials.ca_public_key for suite, credentials in site.suites.items()}


def _entropy(seed: int, party: str) -> Callable[[int], bytes]:
    """Return octets that look random and are the same every time."""
    return random.Random(f"hanota lab credentials {seed} {party}").randbytes  # noqa: S311  # reproducible, not secret
