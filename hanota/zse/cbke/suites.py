"""The cryptographic suites of Key Establishment (SEP 07-5356-21, C.4.2): curve, lengths and bit of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hanota.zse.cbke.curves import SECT163K1, SECT283K1, Curve


@dataclass(frozen=True, slots=True)
class SuiteParameters:
    """What differs between the suites; both hash and derive keys with AES-MMO."""

    curve: Curve
    certificate_octets: int

    @property
    def point_octets(self) -> int:
        """Octets of a public key or an ephemeral public key."""
        return self.curve.point_octets

    @property
    def private_key_octets(self) -> int:
        """Octets of a private key, as of an element of the field."""
        return self.curve.field.octets


class Suite(IntEnum):
    """A cryptographic suite."""

    ONE = 1
    TWO = 2

    @property
    def bit(self) -> int:
        """The suite in the KeyEstablishmentSuite bitmap."""
        return 1 << self - 1

    @property
    def parameters(self) -> SuiteParameters:
        """Curve and lengths."""
        return _PARAMETERS[self]


_PARAMETERS: Final = {
    Suite.ONE: SuiteParameters(SECT163K1, certificate_octets=48),
    Suite.TWO: SuiteParameters(SECT283K1, certificate_octets=74),
}
