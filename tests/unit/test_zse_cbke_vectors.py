"""The published exchanges of Smart Energy Annex C.5 (suite 1) and C.6 (suite 2), every number, both roles."""

from __future__ import annotations

from typing import Any

import pytest

from hanota.zse.cbke import (
    CbkeCredentials,
    EphemeralKey,
    ImplicitCertificate,
    Role,
    Suite,
    arithmetic,
    establish,
    public_key,
)
from hanota.zse.cbke.handshake import shared_secret
from tests.cbke_support import needs_libcrypto, published_vectors

PARTIES = ("initiator_U", "responder_V")


@pytest.fixture(params=list(Suite), ids=["C.5 suite 1", "C.6 suite 2"])
def exchange(request: pytest.FixtureRequest) -> Any:
    """One published exchange."""
    (found,) = (each for each in published_vectors()["cbke"] if each["suite"] == request.param)
    return found


@pytest.fixture(params=[False, True], ids=["plain", "libcrypto"])
def accelerated(request: pytest.FixtureRequest) -> bool:
    """Each arithmetic."""
    if request.param:
        needs_libcrypto()
    return bool(request.param)


def octets(exchange: Any, party: str, name: str) -> bytes:
    return bytes.fromhex(exchange[party][name])


def credentials(exchange: Any, party: str) -> CbkeCredentials:
    made = CbkeCredentials(
        Suite(exchange["suite"]),
        octets(exchange, party, "certificate"),
        octets(exchange, party, "private_key"),
        bytes.fromhex(exchange["ca_public_key"]),
    )
    made.check()
    return made


def ephemeral(exchange: Any, party: str) -> EphemeralKey:
    private, public = (octets(exchange, party, f"ephemeral_{name}") for name in ("private", "public"))
    return EphemeralKey(private, public)


@pytest.mark.parametrize("party", PARTIES)
def test_a_certificate_reconstructs_to_the_published_public_key(
    exchange: Any, party: str, accelerated: bool
) -> None:
    suite = Suite(exchange["suite"])
    certificate = ImplicitCertificate.decode(suite, octets(exchange, party, "certificate"))
    found = public_key(
        certificate, bytes.fromhex(exchange["ca_public_key"]), arithmetic(accelerated=accelerated)
    )
    assert suite.parameters.curve.compress(found) == octets(exchange, party, "public_key")


@pytest.mark.parametrize("party", PARTIES)
def test_a_private_key_gives_the_published_public_key(exchange: Any, party: str, accelerated: bool) -> None:
    curve = Suite(exchange["suite"]).parameters.curve
    scalar = int.from_bytes(octets(exchange, party, "private_key"), "big")
    found = arithmetic(accelerated=accelerated).multiply(curve, scalar, curve.generator)
    assert found is not None
    assert curve.compress(found) == octets(exchange, party, "public_key")


@pytest.mark.parametrize("party", PARTIES)
def test_an_ephemeral_key_gives_the_published_ephemeral_point(
    exchange: Any, party: str, accelerated: bool
) -> None:
    curve = Suite(exchange["suite"]).parameters.curve
    key = ephemeral(exchange, party)
    found = arithmetic(accelerated=accelerated).multiply(
        curve, int.from_bytes(key.private, "big"), curve.generator
    )
    assert found is not None
    assert curve.compress(found) == key.public


@pytest.mark.parametrize(("own", "peer"), [PARTIES, PARTIES[::-1]], ids=["initiator", "responder"])
def test_both_roles_reach_the_published_keys_and_macs(
    exchange: Any, own: str, peer: str, accelerated: bool
) -> None:
    role = Role.INITIATOR if own == PARTIES[0] else Role.RESPONDER
    keys = establish(
        credentials(exchange, own),
        role,
        ephemeral(exchange, own),
        octets(exchange, peer, "certificate"),
        octets(exchange, peer, "ephemeral_public"),
        accelerated=accelerated,
    )
    for name in ("mac_key", "key_data", "mac_u", "mac_v"):
        assert getattr(keys, name).hex() == exchange[name], name


@pytest.mark.parametrize(("own", "peer"), [PARTIES, PARTIES[::-1]], ids=["initiator", "responder"])
def test_both_roles_reach_the_published_shared_secret(
    exchange: Any, own: str, peer: str, accelerated: bool
) -> None:
    curve = Suite(exchange["suite"]).parameters.curve
    group = arithmetic(accelerated=accelerated)
    static, point = (
        group.decompress(curve, int.from_bytes(encoded[1:], "big"), encoded[0] & 1)
        for encoded in (octets(exchange, peer, name) for name in ("public_key", "ephemeral_public"))
    )
    assert static is not None
    assert point is not None
    found = shared_secret(credentials(exchange, own), ephemeral(exchange, own), static, point, group)
    assert found.hex() == exchange["shared_secret_Z"]


def test_the_published_certificates_name_their_parties_and_the_test_ca(exchange: Any) -> None:
    for party in PARTIES:
        certificate = credentials(exchange, party).decoded
        issuer = b"TESTSECA" if certificate.suite is Suite.ONE else bytes(range(0x11, 0x19))
        assert certificate.issuer == issuer
        assert certificate.expires is None
        if certificate.suite is Suite.TWO:
            assert certificate.key_usage == 0x88
        else:
            assert certificate.attributes == octets(exchange, party, "certificate")[38:]
