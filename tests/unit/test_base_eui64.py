"""EUI-64s in every form they are written and sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
OCTETS = st.binary(min_size=8, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "00-DB-12-34-56-78-90-A4",
        "00:db:12:34:56:78:90:a4",
        "00DB1234567890A4",
        "00db1234567890a4",
        " 00-DB-12-34-56-78-90-A4\n",
    ],
)
def test_every_usual_way_of_writing_names_the_same_device(text: str) -> None:
    assert Eui64.parse(text) == PPMID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-DB-12-34-56-78-90",
        "00-DB-12-34-56-78-90-A4-FF",
        "00-DB-12-34-56-78-90-AG",
        "0-0D-B1-23-45-67-89-0A4",
        "00--DB-12-34-56-78-90-A4",
        "-00-DB-12-34-56-78-90-A4",
        "00 DB 12 34 56 78 90 A4",
        "\uff10\uff10DB1234567890A4",
    ],
)
def test_what_is_not_16_hex_digits_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not an EUI-64") as caught:
        Eui64.parse(text)
    assert "00-DB-12-34-56-78-90-A4" in str(caught.value.hint)


@pytest.mark.parametrize("length", [0, 7, 9, 16])
def test_only_eight_octets_are_an_eui64(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"8 octets, got {length}"):
        Eui64(bytes(length))


def test_zigbee_sends_the_octets_the_other_way_round() -> None:
    assert PPMID.to_zigbee() == bytes.fromhex("A49078563412DB00")
    assert Eui64.from_zigbee(bytes.fromhex("A49078563412DB00")) == PPMID


def test_it_is_printed_as_duis_writes_it() -> None:
    assert str(PPMID) == "00-DB-12-34-56-78-90-A4"
    assert "00-DB-12-34-56-78-90-A4" in repr(PPMID)


def test_it_is_the_octets_gbcs_sends_and_a_key_like_them() -> None:
    assert bytes(PPMID) == bytes.fromhex("00DB1234567890A4")
    assert {PPMID: "PPMID"}[Eui64(bytes(PPMID))] == "PPMID"


@given(OCTETS)
def test_every_form_of_any_eui64_reads_back(octets: bytes) -> None:
    eui64 = Eui64(octets)
    assert Eui64.parse(str(eui64)) == Eui64.parse(eui64.hex()) == eui64
    assert Eui64.from_zigbee(eui64.to_zigbee()) == eui64


@given(st.text())
def test_no_text_raises_anything_but_a_protocol_error(text: str) -> None:
    try:
        Eui64.parse(text)
    except RemoteProtocolError:
        return
    assert len(bytes.fromhex(text.strip().replace("-", "").replace(":", ""))) == 8
