"""The binary fields GF(2^m) of the two curves: polynomials over GF(2) as integers, bit i for x^i."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BinaryField:
    """GF(2^degree) with the reduction polynomial x^degree + sum of x^e for `exponents` (0 among them).

    `degree` is odd, so that the half-trace solves quadratic equations; elements are below 2^degree.
    """

    degree: int
    exponents: tuple[int, ...]

    @property
    def octets(self) -> int:
        """Octets of an element (SEC 1, 2.3.5)."""
        return (self.degree + 7) // 8

    def multiply(self, a: int, b: int) -> int:
        """Return a * b, four bits of `b` at a time."""
        a2, a4, a8 = a << 1, a << 2, a << 3
        a3, a12 = a ^ a2, a8 ^ a4
        multiples = {
            "0": 0,
            "1": a,
            "2": a2,
            "3": a3,
            "4": a4,
            "5": a4 ^ a,
            "6": a4 ^ a2,
            "7": a4 ^ a3,
            "8": a8,
            "9": a8 ^ a,
            "a": a8 ^ a2,
            "b": a8 ^ a3,
            "c": a12,
            "d": a12 ^ a,
            "e": a12 ^ a2,
            "f": a12 ^ a3,
        }
        product = 0
        for digit in f"{b:x}":
            product = product << 4 ^ multiples[digit]
        return self._reduce(product)

    def square(self, a: int) -> int:
        """Return a * a: a zero goes between any two bits, as when binary digits are read in base 4."""
        return self._reduce(int(f"{a:b}", 4))

    def invert(self, a: int) -> int:
        """Return 1 / a by Euclid's algorithm; raise ZeroDivisionError for 0."""
        if a == 0:
            raise ZeroDivisionError("0 has no inverse")
        u, v = a, 1 << self.degree | sum(1 << exponent for exponent in self.exponents)
        factor_u, factor_v = 1, 0  # u = factor_u * a and v = factor_v * a, modulo the polynomial
        while u != 1:
            shift = u.bit_length() - v.bit_length()
            if shift < 0:
                u, v, factor_u, factor_v, shift = v, u, factor_v, factor_u, -shift
            u ^= v << shift
            factor_u ^= factor_v << shift
        return self._reduce(factor_u)

    def solve_quadratic(self, c: int) -> int | None:
        """Return a z with z^2 + z = c (the other is z + 1), or None where none exists: the half-trace."""
        z = c
        for _ in range(self.degree // 2):
            z = self.square(self.square(z)) ^ c
        return z if self.square(z) ^ z == c else None

    def _reduce(self, a: int) -> int:
        degree, exponents = self.degree, self.exponents
        while high := a >> degree:
            a ^= high << degree
            for exponent in exponents:
                a ^= high << exponent
        return a
