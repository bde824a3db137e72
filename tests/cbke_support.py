"""Credentials, ephemeral keys and points for tests of key establishment, the same in every run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    CbkeCredentials,
    EphemeralKey,
    LabCertificateAuthority,
    Suite,
    ephemeral_key,
    why_not_accelerated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS: Final = Path(__file__).parents[1] / "../shared/vectors/zigbee_se.json"
NOW: Final = 1_800_000_000.0
HUB: Final = Eui64.parse("00-DB-12-34-56-78-90-A2")
DEVICE: Final = Eui64.parse("00-DB-12-34-56-78-90-A4")


def published_vectors() -> Any:
    """Return the published numbers, or skip the test where they are not at hand."""
    if not VECTORS.exists():
        pytest.skip(f"published vectors are not here: {VECTORS}")
    return json.loads(VECTORS.read_text())


def needs_libcrypto() -> None:
    """Skip the test where libcrypto cannot compute, with the reason."""
    reason = why_not_accelerated()
    if reason is not None:
        pytest.skip(f"no accelerated arithmetic: {reason}")


def entropy_of(seed: str) -> Callable[[int], bytes]:
    """Return a source of octets that gives the same ones for the same seed."""
    counter = count()

    def entropy(octets: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(counter)}".encode()).digest(octets)

    return entropy


@dataclass(frozen=True)
class Parties:
    """A hub and a device with certificates of one lab CA, and a key for one exchange each."""

    authority: LabCertificateAuthority
    hub: CbkeCredentials
    device: CbkeCredentials
    hub_ephemeral: EphemeralKey
    device_ephemeral: EphemeralKey


def parties(suite: Suite, seed: str = "parties") -> Parties:
    """Return the parties of a seed."""
    entropy = entropy_of(f"{seed}/{suite}")
    authority = LabCertificateAuthority.create(suite, entropy)
    hub, device = (authority.issue(subject, now=NOW, entropy=entropy) for subject in (HUB, DEVICE))
    return Parties(authority, hub, device, ephemeral_key(suite, entropy), ephemeral_key(suite, entropy))


def flipped(octets: bytes, bit: int) -> bytes:
    """Return `octets` with one bit turned over; bit 0 is the least of the first octet."""
    wrong = bytearray(octets)
    wrong[bit // 8] ^= 1 << bit % 8
    return bytes(wrong)
