"""The Koblitz curves of the two cryptographic suites and their group in plain Python.

Sources: SEC 2 v2, 3.2.1 (sect163k1) and 3.4.1 (sect283k1); SEC 1 v2, 2.2.2 (group law) and 2.3 (octets);
López and Dahab, "Fast multiplication on elliptic curves over GF(2^m) without precomputation" (CHES 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from hanota.zse.cbke.field import BinaryField


class Point(NamedTuple):
    """An affine point; infinity is None wherever it can occur."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 + xy = x^3 + a x^2 + 1 over `field`, and the subgroup of prime `order` that `generator` spans."""

    name: str
    """As SEC 2 and libcrypto call it."""
    field: BinaryField
    a: int
    generator: Point
    order: int
    cofactor: int

    @property
    def point_octets(self) -> int:
        """Octets of a compressed point."""
        return 1 + self.field.octets

    @property
    def associate_bits(self) -> int:
        """Low bits of x that go into an associate value: half of the order's, rounded up (SEC 1, 3.4)."""
        return (self.order.bit_length() + 1) // 2

    def contains(self, point: Point) -> bool:
        """Tell whether the coordinates fulfil the curve's equation."""
        x, y = point
        multiply, square = self.field.multiply, self.field.square
        return square(y) ^ multiply(x, y) == multiply(square(x), x ^ self.a) ^ 1

    def add(self, left: Point | None, right: Point | None) -> Point | None:
        """Return the sum of two points (SEC 1, 2.2.2)."""
        if left is None or right is None:
            return left or right
        multiply, square, invert = self.field.multiply, self.field.square, self.field.invert
        if left.x != right.x:
            slope = multiply(left.y ^ right.y, invert(left.x ^ right.x))
            x = square(slope) ^ slope ^ left.x ^ right.x ^ self.a
        elif left.y != right.y or left.x == 0:
            return None
        else:
            slope = left.x ^ multiply(left.y, invert(left.x))
            x = square(slope) ^ slope ^ self.a
        return Point(x, multiply(slope, left.x ^ x) ^ x ^ left.y)

    def multiply(self, scalar: int, point: Point) -> Point | None:
        """Return `scalar` times a point with x other than 0 (the one of order 2), for any scalar from 0 on.

        A Montgomery ladder over x alone: the same field operations whatever the bits of a private key, as far
        as Python can promise that.
        """
        multiply, square, x = self.field.multiply, self.field.square, point.x
        x1, z1, x2, z2 = 1, 0, x, 1  # k * point and (k + 1) * point, projective
        for bit in f"{scalar:b}":
            if bit == "1":
                x1, z1, x2, z2 = x2, z2, x1, z1
            cross1, cross2 = multiply(x1, z2), multiply(x2, z1)
            z2 = square(cross1 ^ cross2)
            x2 = multiply(x, z2) ^ multiply(cross1, cross2)
            squared_x, squared_z = square(x1), square(z1)
            x1, z1 = square(squared_x ^ squared_z), multiply(squared_x, squared_z)
            if bit == "1":
                x1, z1, x2, z2 = x2, z2, x1, z1
        return self._recover_y(point, (x1, z1), (x2, z2))

    def decompress(self, x: int, y_bit: int) -> Point | None:
        """Return the point of x (not 0) whose y / x ends in `y_bit`, or None without one (SEC 1, 2.3.4)."""
        field = self.field
        z = field.solve_quadratic(x ^ self.a ^ field.square(field.invert(x)))
        if z is None:
            return None
        return Point(x, field.multiply(x, z ^ (z & 1 ^ y_bit)))

    def compress(self, point: Point) -> bytes:
        """Return the compressed octet string of a point (SEC 1, 2.3.3)."""
        y_bit = self.field.multiply(point.y, self.field.invert(point.x)) & 1
        return bytes([2 + y_bit]) + point.x.to_bytes(self.field.octets, "big")

    def _recover_y(self, point: Point, product: tuple[int, int], successor: tuple[int, int]) -> Point | None:
        """Return k * point as (x, y), from it and (k + 1) * point as X / Z."""
        multiply = self.field.multiply
        (x, y), (x1, z1), (x2, z2) = point, product, successor
        if z1 == 0:
            return None
        if z2 == 0:
            return Point(x, x ^ y)
        both = multiply(z1, z2)
        inverse = self.field.invert(multiply(x, both))
        result = multiply(multiply(x1, multiply(x, z2)), inverse)
        line = multiply(x1 ^ multiply(x, z1), x2 ^ multiply(x, z2))
        line ^= multiply(self.field.square(x) ^ y, both)
        return Point(result, multiply(multiply(result ^ x, line), inverse) ^ y)


SECT163K1: Final = Curve(
    name="sect163k1",
    field=BinaryField(163, (7, 6, 3, 0)),
    a=1,
    generator=Point(
        0x02FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8,
        0x0289070FB05D38FF58321F2E800536D538CCDAA3D9,
    ),
    order=0x04000000000000000000020108A2E0CC0D99F8A5EF,
    cofactor=2,
)

SECT283K1: Final = Curve(
    name="sect283k1",
    field=BinaryField(283, (12, 7, 5, 0)),
    a=0,
    generator=Point(
        0x0503213F78CA44883F1A3B8162F188E553CD265F23C1567A16876913B0C2AC2458492836,
        0x01CCDA380F1C9E318D90F95D07E5426FE87E45C0E8184698E45962364E34116177DD2259,
    ),
    order=0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE9AE2ED07577265DFF7F94451E061E163C61,
    cofactor=4,
)
