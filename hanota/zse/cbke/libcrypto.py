"""Curve arithmetic by the system's libcrypto, where it is there, has these curves, and agrees with ours.

OpenSSL manual: EC_GROUP_new(3), EC_POINT_new(3), EC_POINT_add(3). Distributions that leave out binary curves
(`no-ec2m`) have the library and not the curves. Every call lets go of the interpreter's lock.
"""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from typing import TYPE_CHECKING, Final

from hanota.errors import HanotaError
from hanota.zse.cbke.curves import SECT163K1, SECT283K1, Curve, Point

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARIES: Final = ("libcrypto.so.4", "libcrypto.so.3", "libcrypto.so.1.1")
"""Names tried in turn; the functions used here are the same in all of them."""
CURVES: Final = (SECT163K1, SECT283K1)

_COMPRESSED: Final = 2
_UNCOMPRESSED: Final = 4

_SIGNATURES: Final[dict[str, tuple[type[c_int | c_size_t | c_void_p] | None, tuple[type, ...]]]] = {
    "BN_CTX_new": (c_void_p, ()),
    "BN_CTX_free": (None, (c_void_p,)),
    "BN_bin2bn": (c_void_p, (c_char_p, c_int, c_void_p)),
    "BN_clear_free": (None, (c_void_p,)),
    "OBJ_sn2nid": (c_int, (c_char_p,)),
    "EC_GROUP_new_by_curve_name": (c_void_p, (c_int,)),
    "EC_GROUP_free": (None, (c_void_p,)),
    "EC_POINT_new": (c_void_p, (c_void_p,)),
    "EC_POINT_clear_free": (None, (c_void_p,)),
    "EC_POINT_oct2point": (c_int, (c_void_p, c_void_p, c_char_p, c_size_t, c_void_p)),
    "EC_POINT_point2oct": (c_size_t, (c_void_p, c_void_p, c_int, c_void_p, c_size_t, c_void_p)),
    "EC_POINT_is_at_infinity": (c_int, (c_void_p, c_void_p)),
    "EC_POINT_mul": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "ERR_clear_error": (None, ()),
}


class UnavailableError(HanotaError):
    """libcrypto cannot be used; the message says why."""


class LibcryptoArithmetic:
    """The group of each curve in libcrypto."""

    accelerated = True

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raise UnavailableError if a function or a curve is missing."""
        self._library = library
        for name, (result, arguments) in _SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise UnavailableError(f"libcrypto has no {name}") from None
            function.restype, function.argtypes = result, arguments
        # One group a curve for the life of the process; libcrypto only reads them.
        self._groups = {curve.name: self._group(curve) for curve in CURVES}

    def multiply(self, curve: Curve, scalar: int, point: Point) -> Point | None:
        """See Arithmetic."""
        library, group = self._library, self._groups[curve.name]
        octets = scalar.to_bytes((scalar.bit_length() + 7) // 8, "big")
        with ExitStack() as stack:
            context = self._own(stack, library.BN_CTX_new(), library.BN_CTX_free)
            factor = self._own(stack, library.BN_bin2bn(octets, len(octets), None), library.BN_clear_free)
            operand = self._own(stack, library.EC_POINT_new(group), library.EC_POINT_clear_free)
            product = self._own(stack, library.EC_POINT_new(group), library.EC_POINT_clear_free)
            encoded = _uncompressed(curve, point)
            self._expect(library.EC_POINT_oct2point(group, operand, encoded, len(encoded), context))
            self._expect(library.EC_POINT_mul(group, product, None, operand, factor, context))
            return self._affine(curve, product, context)

    def decompress(self, curve: Curve, x: int, y_bit: int) -> Point | None:
        """See Arithmetic."""
        library, group = self._library, self._groups[curve.name]
        with ExitStack() as stack:
            context = self._own(stack, library.BN_CTX_new(), library.BN_CTX_free)
            point = self._own(stack, library.EC_POINT_new(group), library.EC_POINT_clear_free)
            encoded = bytes([_COMPRESSED + y_bit]) + x.to_bytes(curve.field.octets, "big")
            if not library.EC_POINT_oct2point(group, point, encoded, len(encoded), context):
                library.ERR_clear_error()
                return None
            return self._affine(curve, point, context)

    def _affine(self, curve: Curve, point: int, context: int) -> Point | None:
        library, group = self._library, self._groups[curve.name]
        if library.EC_POINT_is_at_infinity(group, point):
            return None
        size = curve.field.octets
        octets = ctypes.create_string_buffer(1 + 2 * size)
        length = library.EC_POINT_point2oct(group, point, _UNCOMPRESSED, octets, len(octets), context)
        self._expect(length == len(octets))
        x, y = octets.raw[1 : 1 + size], octets.raw[1 + size :]
        return Point(int.from_bytes(x, "big"), int.from_bytes(y, "big"))

    def _group(self, curve: Curve) -> int:
        group = self._library.EC_GROUP_new_by_curve_name(self._library.OBJ_sn2nid(curve.name.encode()))
        if not group:
            self._library.ERR_clear_error()
            raise UnavailableError(f"libcrypto is built without {curve.name}")
        return int(group)

    def _own(self, stack: ExitStack, handle: int | None, free: Callable[[int], None]) -> int:
        """Free `handle` when `stack` ends; it is None only when memory is out."""
        if handle is None:
            raise UnavailableError("libcrypto has no memory")
        stack.callback(free, handle)
        return handle

    def _expect(self, succeeded: object) -> None:
        if not succeeded:
            self._library.ERR_clear_error()
            raise UnavailableError("libcrypto failed where it must not")


def load() -> LibcryptoArithmetic:
    """Return libcrypto's arithmetic once it agreed with ours; raise UnavailableError otherwise."""
    library = _open()
    found = LibcryptoArithmetic(library)
    for curve in CURVES:
        if not _agrees(found, curve):
            raise UnavailableError(f"libcrypto computes {curve.name} otherwise than hanota")
    return found


def _open() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise UnavailableError(f"no libcrypto found (tried {', '.join(LIBRARIES)})")


def _agrees(found: LibcryptoArithmetic, curve: Curve) -> bool:
    """Compare k * G, m * (k * G), the order, and both ways to decompress with the plain code."""
    k, m = curve.order // 3, curve.order - curve.order // 7
    point = curve.multiply(k, curve.generator)
    if point is None or found.multiply(curve, k, curve.generator) != point:
        return False
    if found.multiply(curve, m, point) != curve.multiply(m, point):
        return False
    if found.multiply(curve, curve.order, point) is not None:
        return False
    return all(found.decompress(curve, point.x, bit) == curve.decompress(point.x, bit) for bit in (0, 1))


def _uncompressed(curve: Curve, point: Point) -> bytes:
    size = curve.field.octets
    return bytes([_UNCOMPRESSED]) + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
