"""Who does the curve arithmetic: libcrypto where it can, else plain Python; and points validated by it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from hanota.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from hanota.zse.cbke import libcrypto

if TYPE_CHECKING:
    from hanota.zse.cbke.curves import Curve, Point


class Arithmetic(Protocol):
    """The group of a curve, as either implementation has it. Stateless, hashable, usable from any thread."""

    def __hash__(self) -> int: ...

    @property
    def accelerated(self) -> bool:
        """Whether libcrypto computes, which lets go of the interpreter's lock meanwhile."""
        ...

    def multiply(self, curve: Curve, scalar: int, point: Point) -> Point | None:
        """Return `scalar` times `point`; x is not 0, `scalar` not negative; None is infinity."""
        ...

    def decompress(self, curve: Curve, x: int, y_bit: int) -> Point | None:
        """Return the point of a compressed x other than 0, or None if the curve has none."""
        ...


class PlainArithmetic:
    """Plain Python, everywhere there is Python."""

    accelerated = False

    def multiply(self, curve: Curve, scalar: int, point: Point) -> Point | None:
        """See Arithmetic."""
        return curve.multiply(scalar, point)

    def decompress(self, curve: Curve, x: int, y_bit: int) -> Point | None:
        """See Arithmetic."""
        return curve.decompress(x, y_bit)


_PLAIN: Final = PlainArithmetic()


def arithmetic(*, accelerated: bool | None = None) -> Arithmetic:
    """Return libcrypto's arithmetic (True), plain Python's (False) or the best there is (None).

    Raises ConfigError if True is asked for and libcrypto cannot be used. The first call that looks at
    libcrypto loads and cross-checks it, which takes some tens of milliseconds.
    """
    found = _PLAIN if accelerated is False else _libcrypto()
    if not isinstance(found, str):
        return found
    if accelerated:
        raise ConfigError(f"no accelerated curve arithmetic: {found}", hint="install OpenSSL 1.1.1 or later")
    return _PLAIN


def why_not_accelerated() -> str | None:
    """Return why libcrypto cannot be used, in words for a person, or None if it is."""
    found = _libcrypto()
    return found if isinstance(found, str) else None


@cache
def _libcrypto() -> libcrypto.LibcryptoArithmetic | str:
    try:
        return libcrypto.load()
    except libcrypto.UnavailableError as error:
        return str(error)


def encoded_public_key(curve: Curve, scalar: int, group: Arithmetic) -> bytes:
    """Return the compressed public key of a private one; raise LocalProtocolError if it cannot be one."""
    point = group.multiply(curve, scalar, curve.generator)
    if point is None:
        raise LocalProtocolError(f"a private key of {curve.name} is not a multiple of the order")
    return curve.compress(point)


def decode_point(curve: Curve, octets: bytes, group: Arithmetic) -> Point:
    """Return the public key in a compressed octet string, validated in full (SEC 1, 3.2.2.1).

    Raises RemoteProtocolError unless it has the curve's length and a compressed point's prefix, x is an
    element of the field in its one encoding, and the point is on the curve, not infinity, and of the prime
    order: no small subgroup is let in.
    """
    if len(octets) != curve.point_octets:
        raise RemoteProtocolError(
            f"a point on {curve.name} has {curve.point_octets} octets, got {len(octets)}"
        )
    if octets[0] not in (2, 3):
        raise RemoteProtocolError(f"not a compressed point: begins with 0x{octets[0]:02X}")
    x = int.from_bytes(octets[1:], "big")
    if x >> curve.field.degree:
        raise RemoteProtocolError("the point's x is outside the field")
    if x == 0:
        raise RemoteProtocolError("the point is of small order")
    point = group.decompress(curve, x, octets[0] & 1)
    if point is None:
        raise RemoteProtocolError(f"the point is not on {curve.name}")
    if group.multiply(curve, curve.order, point) is not None:
        raise RemoteProtocolError("the point is of small order")
    return point
