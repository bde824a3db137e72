"""Install codes against the published numbers, and against slips of the pen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zse.install_code import crc16_x25, install_code_key, parse_install_code

VECTORS = Path(__file__).parents[2] / "../shared/vectors/zigbee_se.json"
CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
LABEL = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"


@pytest.fixture
def vectors() -> Any:
    if not VECTORS.exists():
        pytest.skip(f"published vectors are not here: {VECTORS}")
    return json.loads(VECTORS.read_text())


def test_published_install_codes_give_their_crc_and_key(vectors: Any) -> None:
    for vector in vectors["install_codes"]:
        code = bytes.fromhex(vector["code"])
        assert crc16_x25(code).to_bytes(2, "little").hex().upper() == vector["crc"]
        assert install_code_key(code).hex().upper() == vector["key"]


def test_the_shortest_install_code_gives_its_crc_and_key() -> None:
    """The CRC is published (zigbee-herdsman); the key is what zigpy computes too."""
    code = bytes.fromhex("83FED3407A93")
    assert crc16_x25(code).to_bytes(2, "little").hex() == "2b70"
    assert install_code_key(code).hex() == "cd4fa064773f46941ec986c09963d1a8"


def test_a_label_is_read_whatever_its_grouping() -> None:
    assert parse_install_code(LABEL) == CODE
    assert parse_install_code(LABEL.replace(" ", "-").lower()) == CODE
    assert install_code_key(CODE).hex() == "66b6900981e1ee3ca4206b6b861c02bb"


def test_every_single_bit_error_of_a_label_is_refused_by_its_crc() -> None:
    octets = bytes.fromhex(LABEL)
    for bit in range(8 * len(octets)):
        wrong = bytearray(octets)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError, match="CRC"):
            parse_install_code(wrong.hex())


@pytest.mark.parametrize("label", ["", "83", "xyz", LABEL[:-5], LABEL + "00"])
def test_a_label_of_another_length_or_alphabet_is_refused(label: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_install_code(label)


def test_a_key_is_only_made_from_a_code_of_a_standard_length() -> None:
    with pytest.raises(LocalProtocolError):
        install_code_key(CODE[:-1])
