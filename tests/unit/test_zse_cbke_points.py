"""Which octets are a public key: attacks with points that are not one, against either arithmetic."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zse.cbke import arithmetic
from hanota.zse.cbke.curves import SECT163K1, SECT283K1, Curve, Point
from hanota.zse.cbke.group import Arithmetic, decode_point, encoded_public_key
from tests.cbke_support import needs_libcrypto

ORDER_2 = Point(0, 1)


@pytest.fixture(params=[SECT163K1, SECT283K1], ids=lambda curve: curve.name)
def curve(request: pytest.FixtureRequest) -> Curve:
    assert isinstance(request.param, Curve)
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "libcrypto"])
def group(request: pytest.FixtureRequest) -> Arithmetic:
    if request.param:
        needs_libcrypto()
    return arithmetic(accelerated=request.param)


def encoded(curve: Curve, x: int, prefix: int = 2) -> bytes:
    return bytes([prefix]) + x.to_bytes(curve.field.octets, "big")


def off_curve(curve: Curve) -> int:
    return next(x for x in range(2, 100) if curve.decompress(x, 0) is None)


def test_the_generator_is_of_the_published_order_and_its_multiples_stay_on_the_curve(
    curve: Curve, group: Arithmetic
) -> None:
    assert curve.contains(curve.generator)
    assert group.multiply(curve, curve.order, curve.generator) is None
    assert group.multiply(curve, curve.order + 1, curve.generator) == curve.generator
    last = group.multiply(curve, curve.order - 1, curve.generator)
    assert last == Point(curve.generator.x, curve.generator.x ^ curve.generator.y)
    total: Point | None = None
    for scalar in range(12):
        found = group.multiply(curve, scalar, curve.generator)
        assert found == total
        assert found is None or curve.contains(found)
        total = curve.add(total, curve.generator)


def test_a_point_with_its_prefix_turned_is_its_negative(curve: Curve, group: Arithmetic) -> None:
    octets = curve.compress(curve.generator)
    assert decode_point(curve, octets, group) == curve.generator
    negative = decode_point(curve, bytes([octets[0] ^ 1]) + octets[1:], group)
    assert curve.add(curve.generator, negative) is None


def test_sums_with_infinity_and_with_the_point_of_order_2_are_right(curve: Curve) -> None:
    assert curve.contains(ORDER_2)
    assert curve.add(None, None) is None
    assert curve.add(curve.generator, None) == curve.add(None, curve.generator) == curve.generator
    assert curve.add(ORDER_2, ORDER_2) is None
    shifted = curve.add(curve.generator, ORDER_2)
    assert curve.add(shifted, ORDER_2) == curve.generator


@pytest.mark.parametrize("change", [-1, 1])
def test_a_point_of_another_length_is_refused(curve: Curve, group: Arithmetic, change: int) -> None:
    octets = (curve.compress(curve.generator) + b"\0")[: curve.point_octets + change]
    with pytest.raises(RemoteProtocolError, match="octets"):
        decode_point(curve, octets, group)


@pytest.mark.parametrize("octets", [b"", b"\0"], ids=["nothing", "infinity"])
def test_infinity_and_nothing_are_refused(curve: Curve, group: Arithmetic, octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="octets"):
        decode_point(curve, octets, group)


@pytest.mark.parametrize("prefix", [0, 1, 4, 5, 6, 7, 0x82, 0xFF])
def test_a_point_not_marked_as_compressed_is_refused(curve: Curve, group: Arithmetic, prefix: int) -> None:
    with pytest.raises(RemoteProtocolError, match="not a compressed point"):
        decode_point(curve, encoded(curve, curve.generator.x, prefix), group)


def test_an_x_outside_the_field_is_refused_even_if_it_is_a_point_when_reduced(
    curve: Curve, group: Arithmetic
) -> None:
    polynomial = 1 << curve.field.degree | sum(1 << exponent for exponent in curve.field.exponents)
    for x in (curve.generator.x ^ polynomial, 1 << curve.field.degree, (1 << 8 * curve.field.octets) - 1):
        with pytest.raises(RemoteProtocolError, match="outside the field"):
            decode_point(curve, encoded(curve, x), group)


def test_a_point_off_the_curve_is_refused(curve: Curve, group: Arithmetic) -> None:
    for prefix in (2, 3):
        with pytest.raises(RemoteProtocolError, match="not on sect"):
            decode_point(curve, encoded(curve, off_curve(curve), prefix), group)


def test_the_point_of_order_2_is_refused(curve: Curve, group: Arithmetic) -> None:
    for prefix in (2, 3):
        with pytest.raises(RemoteProtocolError, match="small order"):
            decode_point(curve, encoded(curve, 0, prefix), group)


@pytest.mark.parametrize("y", [0, 1])
def test_the_points_of_order_4_are_refused(group: Arithmetic, y: int) -> None:
    point = Point(1, y)
    assert SECT283K1.add(point, point) == ORDER_2
    with pytest.raises(RemoteProtocolError, match="small order"):
        decode_point(SECT283K1, SECT283K1.compress(point), group)


def test_a_public_key_with_a_part_of_small_order_is_refused(curve: Curve, group: Arithmetic) -> None:
    parts = [ORDER_2] if curve.cofactor == 2 else [ORDER_2, Point(1, 0), Point(1, 1)]
    for part in parts:
        point = curve.add(curve.generator, part)
        assert point is not None
        assert curve.contains(point)
        with pytest.raises(RemoteProtocolError, match="small order"):
            decode_point(curve, curve.compress(point), group)


def test_a_multiple_of_the_order_is_no_private_key(curve: Curve, group: Arithmetic) -> None:
    for scalar in (0, curve.order):
        with pytest.raises(LocalProtocolError, match="private key"):
            encoded_public_key(curve, scalar, group)


def test_zero_has_no_inverse(curve: Curve) -> None:
    with pytest.raises(ZeroDivisionError):
        curve.field.invert(0)
