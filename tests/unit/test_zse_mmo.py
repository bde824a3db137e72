"""AES-MMO and its HMAC against the published numbers, and against what a hash of blocks can get wrong."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError
from hanota.zse.mmo import aes_mmo, hmac_mmo
from tests.cbke_support import published_vectors


def test_published_hashes_hold_up_to_and_beyond_the_short_length_field() -> None:
    for vector in published_vectors()["aes_mmo"]:
        counting = bytes(i & 0xFF for i in range(vector.get("n", 0)))
        message = bytes.fromhex(vector["input"]) if "input" in vector else counting
        assert aes_mmo(message).hex() == vector["digest"]


@pytest.mark.parametrize(
    ("key", "message", "mac"),
    [
        (bytes(range(0x40, 0x50)), b"\xc0", "4512807bf94cb3400f0e2c25fb76e999"),
        (bytes(range(0x40, 0x60)), bytes(range(0xC0, 0xD0)), "a3b0079984bf1557f74a0d6387e0a11a"),
    ],
    ids=["a key of one block", "a key longer than a block"],
)
def test_published_hmacs_hold(key: bytes, message: bytes, mac: str) -> None:
    assert hmac_mmo(key, message).hex() == mac


@pytest.mark.parametrize(
    ("message", "derived"),
    [
        (b"\x00", "4bab0f173e1434a2d572e1c1ef478782"),
        (b"\x02", "c5a47035c332ccbf251571d8baded188"),
        (b"\x03", "1ab128df1639a1246aaba72a6a559124"),
    ],
    ids=["key-transport key", "key-load key", "verify-key hash"],
)
def test_the_keys_derived_from_the_well_known_link_key_are_the_published_ones(
    message: bytes, derived: str
) -> None:
    assert hmac_mmo(b"ZigBeeAlliance09", message).hex() == derived


def test_every_length_around_a_block_hashes_differently() -> None:
    digests = {aes_mmo(bytes(length)) for length in range(70)}
    assert len(digests) == 70
    assert {len(digest) for digest in digests} == {16}


def test_lengths_around_the_change_of_the_length_field_hash_differently() -> None:
    assert len({aes_mmo(bytes(length)) for length in range(8185, 8200)}) == 15


def test_a_message_without_a_length_field_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="2\\^32"):
        aes_mmo(bytes(1 << 29))
