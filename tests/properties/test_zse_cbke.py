"""Laws of the two fields and groups, both arithmetics against each other, and whatever a peer may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    CbkeCredentials,
    ImplicitCertificate,
    KeyEstablishmentError,
    LabCertificateAuthority,
    Role,
    Suite,
    arithmetic,
    ephemeral_key,
    establish,
    public_key,
)
from hanota.zse.cbke.curves import SECT163K1, SECT283K1, Curve, Point
from hanota.zse.cbke.group import decode_point
from tests.cbke_support import NOW, entropy_of, needs_libcrypto, parties

if TYPE_CHECKING:
    from hanota.zse.cbke.field import BinaryField

CURVES = (SECT163K1, SECT283K1)
SLOW = settings(max_examples=20)
"""For examples of several multiplications of plain Python."""


@st.composite
def elements(draw: st.DrawFn, count: int = 3) -> tuple[BinaryField, list[int]]:
    """Return a field and some of its elements."""
    field = draw(st.sampled_from(CURVES)).field
    return field, [draw(st.integers(0, (1 << field.degree) - 1)) for _ in range(count)]


@st.composite
def scalars(draw: st.DrawFn, count: int = 2) -> tuple[Curve, list[int]]:
    """Return a curve and some numbers, beyond its order too."""
    curve = draw(st.sampled_from(CURVES))
    return curve, [draw(st.integers(0, 2 * curve.order)) for _ in range(count)]


def times_generator(curve: Curve, scalar: int, *, accelerated: bool | None = False) -> Point | None:
    return arithmetic(accelerated=accelerated).multiply(curve, scalar, curve.generator)


@given(elements())
def test_a_field_keeps_its_laws(case: tuple[BinaryField, list[int]]) -> None:
    field, (a, b, c) = case
    multiply = field.multiply
    assert multiply(a, b) == multiply(b, a)
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    assert multiply(a, 1) == a
    assert field.square(a) == multiply(a, a)
    assert multiply(a, b) >> field.degree == 0


@given(elements(count=1))
def test_an_inverse_is_one_and_a_quadratic_equation_is_solved_or_has_no_solution(
    case: tuple[BinaryField, list[int]],
) -> None:
    field, (a,) = case
    if a:
        assert field.multiply(a, field.invert(a)) == 1
    assert field.solve_quadratic(field.square(a) ^ a) in (a, a ^ 1)
    # 1 has no square root of this kind in a field of odd degree.
    assert field.solve_quadratic(field.square(a) ^ a ^ 1) is None


@SLOW
@given(scalars())
def test_a_group_keeps_its_laws(case: tuple[Curve, list[int]]) -> None:
    curve, (j, k) = case
    left, right = times_generator(curve, j), times_generator(curve, k)
    both = times_generator(curve, j + k)
    assert curve.add(left, right) == curve.add(right, left) == both
    assert both is None or curve.contains(both)
    assert both == times_generator(curve, (j + k) % curve.order)


@SLOW
@given(scalars())
def test_libcrypto_and_plain_python_compute_the_same(case: tuple[Curve, list[int]]) -> None:
    needs_libcrypto()
    curve, (j, k) = case
    point = times_generator(curve, j, accelerated=True)
    assert point == times_generator(curve, j)
    if point is not None:
        plain, fast = arithmetic(accelerated=False), arithmetic(accelerated=True)
        assert fast.multiply(curve, k, point) == plain.multiply(curve, k, point)


@given(elements(count=1), st.sampled_from([0, 1]))
def test_libcrypto_and_plain_python_decompress_the_same(
    case: tuple[BinaryField, list[int]], y_bit: int
) -> None:
    needs_libcrypto()
    field, (x,) = case
    curve = next(curve for curve in CURVES if curve.field is field)
    plain, fast = (arithmetic(accelerated=way).decompress(curve, x or 1, y_bit) for way in (False, True))
    assert plain == fast
    assert plain is None or (curve.contains(plain) and curve.compress(plain)[0] == 2 + y_bit)


@given(st.sampled_from(Suite), st.text(max_size=8), st.binary(min_size=8, max_size=8))
def test_every_certificate_a_lab_ca_issues_reconstructs_to_its_private_key(
    suite: Suite, seed: str, subject: bytes
) -> None:
    entropy = entropy_of(seed)
    authority = LabCertificateAuthority.create(suite, entropy)
    issued = authority.issue(Eui64(subject), now=NOW, entropy=entropy)
    curve = suite.parameters.curve
    certificate = ImplicitCertificate.decode(suite, issued.certificate, issuer=authority.issuer)
    assert certificate.subject == subject
    assert public_key(certificate, authority.public_key) == times_generator(
        curve, int.from_bytes(issued.private_key, "big"), accelerated=None
    )
    issued.check()


@SLOW
@given(st.sampled_from(Suite), st.text(max_size=8))
def test_any_two_parties_of_one_ca_agree(suite: Suite, seed: str) -> None:
    both = parties(suite, seed)
    hub = establish(
        both.hub,
        Role.RESPONDER,
        both.hub_ephemeral,
        both.device.certificate,
        both.device_ephemeral.public,
    )
    device = establish(
        both.device,
        Role.INITIATOR,
        both.device_ephemeral,
        both.hub.certificate,
        both.hub_ephemeral.public,
    )
    assert hub == device


@given(st.sampled_from(Suite), st.data())
def test_whatever_a_peer_sends_ends_in_keys_or_a_named_status(suite: Suite, data: st.DataObject) -> None:
    both = parties(suite)
    parameters = suite.parameters
    points = st.binary(min_size=parameters.point_octets, max_size=parameters.point_octets).map(
        lambda octets: bytes([2 + octets[0] % 2]) + octets[1:]
    )
    certificates = st.binary(min_size=parameters.certificate_octets, max_size=parameters.certificate_octets)
    certificate = data.draw(
        st.one_of(
            st.just(both.device.certificate),
            certificates,
            st.binary(max_size=80),
            points.map(lambda point: _with_point(suite, both.device.certificate, point)),
        )
    )
    ephemeral = data.draw(st.one_of(st.just(both.device_ephemeral.public), points, st.binary(max_size=40)))
    try:
        keys = establish(both.hub, Role.RESPONDER, both.hub_ephemeral, certificate, ephemeral)
    except KeyEstablishmentError as error:
        outcome = error.status.name
    else:
        outcome = f"keys of {len(keys.key_data)} octets"
    assert outcome in ("keys of 16 octets", "UNKNOWN_ISSUER", "BAD_MESSAGE", "INVALID_CERTIFICATE")


def _with_point(suite: Suite, certificate: bytes, point: bytes) -> bytes:
    return point + certificate[22:] if suite is Suite.ONE else certificate[:37] + point


@given(st.sampled_from(CURVES), st.binary(max_size=40))
def test_octets_are_a_public_key_or_refused(curve: Curve, octets: bytes) -> None:
    try:
        point = decode_point(curve, octets, arithmetic())
    except RemoteProtocolError:
        return
    assert curve.compress(point) == octets


@given(st.sampled_from(Suite), st.binary(max_size=80))
def test_octets_are_a_certificate_or_refused(suite: Suite, octets: bytes) -> None:
    try:
        certificate = ImplicitCertificate.decode(suite, octets)
    except KeyEstablishmentError:
        return
    assert certificate.octets == octets


@given(st.sampled_from(Suite), st.binary(max_size=80), st.binary(max_size=40), st.binary(max_size=40))
def test_credentials_of_any_octets_are_refused(
    suite: Suite, certificate: bytes, private_key: bytes, ca_public_key: bytes
) -> None:
    with pytest.raises(ConfigError):
        CbkeCredentials(suite, certificate, private_key, ca_public_key).check()


@given(st.sampled_from(Suite), st.binary(min_size=64, max_size=64))
def test_an_ephemeral_private_key_gives_its_public_one(suite: Suite, octets: bytes) -> None:
    key = ephemeral_key(suite, lambda count: octets[:count])
    curve = suite.parameters.curve
    found = times_generator(curve, int.from_bytes(key.private, "big"), accelerated=None)
    assert found is not None
    assert curve.compress(found) == key.public
