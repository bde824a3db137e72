"""What an exchange refuses and by which name: wrong bits, certificates and points."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache

import pytest

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    EphemeralKey,
    ImplicitCertificate,
    KeyEstablishmentError,
    KeyEstablishmentStatus,
    KeyUsage,
    LabCertificateAuthority,
    Role,
    SessionKeys,
    Suite,
    ephemeral_key,
    establish,
)
from hanota.zse.cbke import certificate as certificate_module
from hanota.zse.cbke.curves import Point
from hanota.zse.cbke.group import arithmetic
from hanota.zse.cbke.handshake import random_scalar, shared_secret
from tests.cbke_support import DEVICE, NOW, Parties, entropy_of, flipped, parties

BAD_MESSAGE = KeyEstablishmentStatus.BAD_MESSAGE
INVALID_CERTIFICATE = KeyEstablishmentStatus.INVALID_CERTIFICATE
UNKNOWN_ISSUER = KeyEstablishmentStatus.UNKNOWN_ISSUER

OTHER_KEY = "another key"
"""The exchange goes on, and the device's Confirm Key does not fit: BAD_KEY_CONFIRM."""

Outcome = KeyEstablishmentStatus | str


@pytest.fixture(params=list(Suite), ids=["suite 1", "suite 2"])
def suite(request: pytest.FixtureRequest) -> Suite:
    return Suite(request.param)


@cache
def cast(suite: Suite) -> Parties:
    return parties(suite)


def hub_keys(
    suite: Suite, *, certificate: bytes | None = None, ephemeral: bytes | None = None
) -> SessionKeys:
    """Compute the hub's keys with what a device sent, its own where not given."""
    both = cast(suite)
    return establish(
        both.hub,
        Role.RESPONDER,
        both.hub_ephemeral,
        both.device.certificate if certificate is None else certificate,
        both.device_ephemeral.public if ephemeral is None else ephemeral,
    )


@cache
def device_keys(suite: Suite) -> SessionKeys:
    both = cast(suite)
    return establish(
        both.device,
        Role.INITIATOR,
        both.device_ephemeral,
        both.hub.certificate,
        both.hub_ephemeral.public,
    )


def outcome(suite: Suite, *, certificate: bytes | None = None, ephemeral: bytes | None = None) -> Outcome:
    """Tell how the hub meets what a device sent instead of its own."""
    try:
        keys = hub_keys(suite, certificate=certificate, ephemeral=ephemeral)
    except KeyEstablishmentError as error:
        return error.status
    honest = device_keys(suite)
    assert keys.mac_u != honest.mac_u
    assert keys.mac_v != honest.mac_v
    assert keys.key_data != honest.key_data
    return OTHER_KEY


def test_both_sides_reach_the_same_keys_whatever_computes_them(suite: Suite) -> None:
    both = cast(suite)
    plain = establish(
        both.hub,
        Role.RESPONDER,
        both.hub_ephemeral,
        both.device.certificate,
        both.device_ephemeral.public,
        accelerated=False,
    )
    assert hub_keys(suite) == device_keys(suite) == plain
    assert {len(key) for key in (plain.mac_key, plain.key_data, plain.mac_u, plain.mac_v)} == {16}
    assert len({plain.mac_key, plain.key_data, plain.mac_u, plain.mac_v}) == 4


def test_the_two_roles_confirm_with_different_macs_so_that_neither_can_be_reflected(suite: Suite) -> None:
    both = cast(suite)
    swapped = establish(
        both.hub,
        Role.INITIATOR,
        both.hub_ephemeral,
        both.device.certificate,
        both.device_ephemeral.public,
    )
    honest = hub_keys(suite)
    assert swapped.key_data == honest.key_data
    assert {swapped.mac_u, swapped.mac_v}.isdisjoint({honest.mac_u, honest.mac_v})


def expected_of_certificate(suite: Suite, octet: int) -> set[Outcome]:
    """Tell what one wrong bit in an octet of a certificate may lead to."""
    # A point is refused unless it happens to be another public key.
    point: set[Outcome] = {INVALID_CERTIFICATE, OTHER_KEY}
    if suite is Suite.ONE:
        if octet < 22:
            return point
        return {UNKNOWN_ISSUER} if 30 <= octet < 38 else {OTHER_KEY}
    if octet >= 37:
        return point
    if octet in (0, 9, 10):
        return {INVALID_CERTIFICATE}
    return {UNKNOWN_ISSUER} if 11 <= octet < 19 else {OTHER_KEY}


def test_one_bit_flipped_in_every_octet_of_a_certificate_is_refused_or_ends_in_another_key(
    suite: Suite,
) -> None:
    certificate = cast(suite).device.certificate
    met: dict[int, Outcome] = {}
    for octet in range(len(certificate)):
        # Bit 0 of the key usage: it says neither agreement nor signature.
        bit = 8 * octet + (0 if suite is Suite.TWO and octet == 36 else octet % 8)
        met[octet] = outcome(suite, certificate=flipped(certificate, bit))
        assert met[octet] in expected_of_certificate(suite, octet), octet
    start = 0 if suite is Suite.ONE else 37
    refused = [octet for octet in range(start, start + 22) if met[octet] is INVALID_CERTIFICATE]
    assert len(refused) > 8, "three of four x belong to no public key"


def test_every_bit_of_a_points_prefix_is_looked_at(suite: Suite) -> None:
    both = cast(suite)
    start = 0 if suite is Suite.ONE else 37
    for bit in range(8):
        of_certificate = outcome(suite, certificate=flipped(both.device.certificate, 8 * start + bit))
        of_ephemeral = outcome(suite, ephemeral=flipped(both.device_ephemeral.public, bit))
        # Bit 0 is the sign of y: a point as good as the other.
        assert of_certificate == (INVALID_CERTIFICATE if bit else OTHER_KEY)
        assert of_ephemeral == (BAD_MESSAGE if bit else OTHER_KEY)


def test_one_bit_flipped_in_every_octet_of_an_ephemeral_point_is_refused_or_ends_in_another_key(
    suite: Suite,
) -> None:
    point = cast(suite).device_ephemeral.public
    met = [outcome(suite, ephemeral=flipped(point, 8 * octet + octet % 8)) for octet in range(1, len(point))]
    assert set(met) == {BAD_MESSAGE, OTHER_KEY}
    assert met.count(BAD_MESSAGE) > len(met) // 2


def test_a_bit_outside_the_field_in_an_ephemeral_point_is_refused(suite: Suite) -> None:
    degree = suite.parameters.curve.field.degree
    point = cast(suite).device_ephemeral.public
    for bit in range(degree, 8 * suite.parameters.private_key_octets):
        wrong = (int.from_bytes(point, "big") ^ 1 << bit).to_bytes(len(point), "big")
        with pytest.raises(KeyEstablishmentError, match="outside the field") as refused:
            hub_keys(suite, ephemeral=wrong)
        assert refused.value.status is BAD_MESSAGE


@pytest.mark.parametrize("octets", [-1, 1, -1000], ids=["short", "long", "empty"])
def test_a_certificate_or_point_of_another_length_is_a_bad_message(suite: Suite, octets: int) -> None:
    both = cast(suite)

    def cut(data: bytes) -> bytes:
        return (data + b"\0")[: max(0, len(data) + octets)]

    assert outcome(suite, certificate=cut(both.device.certificate)) is BAD_MESSAGE
    assert outcome(suite, ephemeral=cut(both.device_ephemeral.public)) is BAD_MESSAGE


def test_attack_reflected_ephemeral_key_is_refused(suite: Suite) -> None:
    own = cast(suite).hub_ephemeral.public
    for reflected in (own, flipped(own, 0)):
        with pytest.raises(KeyEstablishmentError, match="came back") as refused:
            hub_keys(suite, ephemeral=reflected)
        assert refused.value.status is BAD_MESSAGE


def test_attack_reflected_certificate_is_refused(suite: Suite) -> None:
    with pytest.raises(KeyEstablishmentError, match="our own") as refused:
        hub_keys(suite, certificate=cast(suite).hub.certificate)
    assert refused.value.status is INVALID_CERTIFICATE


@pytest.mark.parametrize("x", [0, 1], ids=["order 2", "order 4, or off the curve"])
def test_attack_points_of_small_order_are_refused_in_either_place(suite: Suite, x: int) -> None:
    both = cast(suite)
    point = b"\x02" + x.to_bytes(suite.parameters.private_key_octets, "big")
    assert outcome(suite, ephemeral=point) is BAD_MESSAGE
    certificate = both.device.certificate
    if suite is Suite.ONE:
        assert outcome(suite, certificate=point + certificate[22:]) is INVALID_CERTIFICATE
    else:
        assert outcome(suite, certificate=certificate[:37] + point) is INVALID_CERTIFICATE


def test_attack_ephemeral_key_with_a_part_of_small_order_is_refused(suite: Suite) -> None:
    both, curve = cast(suite), suite.parameters.curve
    octets = both.device_ephemeral.public
    honest = curve.decompress(int.from_bytes(octets[1:], "big"), octets[0] & 1)
    shifted = curve.add(honest, Point(0, 1))
    assert shifted is not None
    assert outcome(suite, ephemeral=curve.compress(shifted)) is BAD_MESSAGE


def test_attack_ephemeral_key_that_cancels_the_static_key_is_refused(suite: Suite) -> None:
    both, curve = cast(suite), suite.parameters.curve
    group = arithmetic()
    octets = both.device_ephemeral.public
    ephemeral = group.decompress(curve, int.from_bytes(octets[1:], "big"), octets[0] & 1)
    assert ephemeral is not None
    top = 1 << curve.associate_bits
    cancelling = -pow(ephemeral.x % top + top, -1, curve.order) % curve.order
    static = group.multiply(curve, cancelling, ephemeral)
    assert static is not None
    with pytest.raises(KeyEstablishmentError, match="infinity") as refused:
        shared_secret(both.hub, both.hub_ephemeral, static, ephemeral, group)
    assert refused.value.status is BAD_MESSAGE


def test_attack_certificate_of_another_ca_is_an_unknown_issuer(suite: Suite) -> None:
    entropy = entropy_of("another CA")
    other = LabCertificateAuthority.create(suite, entropy, issuer=b"OTHERSCA")
    stranger = other.issue(DEVICE, now=NOW, entropy=entropy)
    with pytest.raises(KeyEstablishmentError, match="issuer") as refused:
        hub_keys(suite, certificate=stranger.certificate)
    assert refused.value.status is UNKNOWN_ISSUER


def test_attack_rogue_ca_under_a_trusted_name_ends_in_another_key(suite: Suite) -> None:
    entropy = entropy_of("rogue CA")
    rogue = LabCertificateAuthority.create(suite, entropy, issuer=cast(suite).hub.issuer)
    stranger = rogue.issue(DEVICE, now=NOW, entropy=entropy)
    ephemeral = ephemeral_key(suite, entropy)
    hub = hub_keys(suite, certificate=stranger.certificate, ephemeral=ephemeral.public)
    both = cast(suite)
    for ca_public_key in (stranger.ca_public_key, both.hub.ca_public_key):
        device = establish(
            replace(stranger, ca_public_key=ca_public_key),
            Role.INITIATOR,
            ephemeral,
            both.hub.certificate,
            both.hub_ephemeral.public,
        )
        assert device.mac_u != hub.mac_u


def test_attack_stolen_certificate_without_its_private_key_ends_in_another_key(suite: Suite) -> None:
    both = cast(suite)
    other = both.authority.issue(DEVICE, now=NOW, entropy=entropy_of("thief"))
    thief = replace(both.device, private_key=other.private_key)
    device = establish(
        thief, Role.INITIATOR, both.device_ephemeral, both.hub.certificate, both.hub_ephemeral.public
    )
    assert device.mac_u != hub_keys(suite).mac_u


def test_attack_certificate_that_cancels_the_cas_key_is_refused(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can choose the hash, which covers the point: the test does."""
    both, curve = cast(suite), suite.parameters.curve
    monkeypatch.setattr(certificate_module, "certificate_hash", lambda _: 12345)
    secret = int.from_bytes(both.authority.private_key, "big")
    cancelling = -pow(12345, -1, curve.order) * secret % curve.order
    point = arithmetic().multiply(curve, cancelling, curve.generator)
    assert point is not None
    octets, certificate = curve.compress(point), both.device.certificate
    forged = octets + certificate[22:] if suite is Suite.ONE else certificate[:37] + octets
    with pytest.raises(KeyEstablishmentError, match="infinity") as refused:
        hub_keys(suite, certificate=forged)
    assert refused.value.status is INVALID_CERTIFICATE


def test_the_suites_are_the_bits_of_the_bitmap() -> None:
    assert [suite.bit for suite in Suite] == [0x0001, 0x0002]


def test_a_certificate_for_signatures_only_is_invalid_for_key_agreement() -> None:
    signing = cast(Suite.TWO).authority.issue(
        DEVICE, now=NOW, entropy=entropy_of("signing"), key_usage=KeyUsage.DIGITAL_SIGNATURE
    )
    with pytest.raises(KeyEstablishmentError, match="key usage") as refused:
        hub_keys(Suite.TWO, certificate=signing.certificate)
    assert refused.value.status is INVALID_CERTIFICATE


@pytest.mark.parametrize(
    ("octet", "name"), [(0, "type"), (9, "curve"), (10, "hash")], ids=["type", "curve", "hash"]
)
def test_a_certificate_of_another_type_curve_or_hash_is_invalid(octet: int, name: str) -> None:
    certificate = flipped(cast(Suite.TWO).device.certificate, 8 * octet)
    with pytest.raises(KeyEstablishmentError, match=f"certificate's {name}") as refused:
        ImplicitCertificate.decode(Suite.TWO, certificate)
    assert refused.value.status is INVALID_CERTIFICATE


def test_an_unknown_issuer_is_named_before_the_faults_of_its_certificate() -> None:
    certificate = bytearray(cast(Suite.TWO).device.certificate)
    certificate[9], certificate[11], certificate[36] = 0x01, certificate[11] ^ 1, 0x00
    assert outcome(Suite.TWO, certificate=bytes(certificate)) is UNKNOWN_ISSUER


def test_a_certificate_of_the_other_suite_is_a_bad_message(suite: Suite) -> None:
    other = Suite.TWO if suite is Suite.ONE else Suite.ONE
    assert outcome(suite, certificate=cast(other).device.certificate) is BAD_MESSAGE


def test_a_certificate_says_what_it_was_issued_with() -> None:
    certificate = cast(Suite.TWO).device.decoded
    assert certificate.subject == DEVICE
    assert certificate.issuer == b"LABTESTC"
    assert certificate.valid_from == int(NOW)
    assert certificate.expires is None
    assert certificate.key_usage == KeyUsage.KEY_AGREEMENT | KeyUsage.DIGITAL_SIGNATURE
    limited = cast(Suite.TWO).authority.issue(DEVICE, now=NOW, entropy=entropy_of("year"), lifetime=3600)
    assert limited.decoded.expires == int(NOW) + 3600
    assert cast(Suite.ONE).device.decoded.attributes == bytes(10)
    assert cast(Suite.ONE).device.decoded.expires is None


def test_a_subject_is_read_in_the_order_people_print_it(suite: Suite) -> None:
    subject = Eui64.parse("0011223344556677")
    issued = cast(suite).authority.issue(subject, now=NOW, entropy=entropy_of("order"))
    start = 22 if suite is Suite.ONE else 28
    assert issued.certificate[start : start + 8].hex() == "0011223344556677"
    assert issued.subject == subject


def test_ephemeral_keys_are_fresh_and_never_out_of_range(suite: Suite) -> None:
    entropy = entropy_of("fresh")
    keys = [ephemeral_key(suite, entropy) for _ in range(20)]
    assert len({key.public for key in keys}) == len({key.private for key in keys}) == 20
    curve = suite.parameters.curve
    for octet in (b"\x00", b"\xff"):
        assert 0 < random_scalar(curve, octet.__mul__) < curve.order
    assert {len(key.public) for key in keys} == {suite.parameters.point_octets}
    assert {len(key.private) for key in keys} == {suite.parameters.private_key_octets}


def test_a_ca_public_key_that_is_none_is_not_called_the_peers_fault(suite: Suite) -> None:
    wrong = replace(cast(suite).hub, ca_public_key=bytes(suite.parameters.point_octets))
    both = cast(suite)
    with pytest.raises(RemoteProtocolError) as refused:
        establish(
            wrong,
            Role.RESPONDER,
            both.hub_ephemeral,
            both.device.certificate,
            both.device_ephemeral.public,
        )
    assert not isinstance(refused.value, KeyEstablishmentError)


def test_what_goes_to_a_process_and_comes_back_is_the_same(suite: Suite) -> None:
    both = cast(suite)
    arguments = (both.hub, Role.RESPONDER, both.hub_ephemeral)
    assert pickle.loads(pickle.dumps(arguments)) == arguments
    keys = hub_keys(suite)
    assert pickle.loads(pickle.dumps(keys)) == keys
    with pytest.raises(KeyEstablishmentError) as refused:
        hub_keys(suite, certificate=b"")
    error = pickle.loads(pickle.dumps(refused.value))
    assert (type(error), str(error), error.status) == (
        KeyEstablishmentError,
        str(refused.value),
        BAD_MESSAGE,
    )


def test_no_secret_is_in_what_is_printed(suite: Suite) -> None:
    both, keys = cast(suite), hub_keys(suite)
    secrets = [both.hub.private_key, both.hub_ephemeral.private, both.authority.private_key]
    secrets += [keys.mac_key, keys.key_data, keys.mac_u, keys.mac_v]
    for shown in (both.hub, both.hub_ephemeral, both.authority, keys):
        for text in (repr(shown), str(shown)):
            assert not any(repr(secret)[2:-1] in text or secret.hex() in text for secret in secrets)


def test_an_ephemeral_key_shows_its_public_half() -> None:
    assert repr(EphemeralKey(b"secret", b"point")) == "EphemeralKey(public=b'point')"
