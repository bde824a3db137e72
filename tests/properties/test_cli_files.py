"""Any file given to `hanota gbcs decode` and `hanota duis show` ends in an answer or an error with words."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from hanota.cli import duis_commands
from hanota.cli.gbcs import Decoded, decode_file
from hanota.errors import ConfigError, HanotaError, RemoteProtocolError
from hanota.gbcs.keystore import KeyStore
from hanota.zse.install_code import CODE_LENGTHS, parse_install_code
from tests.duis_support import SIGNED, UNSIGNED
from tests.hub_parties_support import PPMID, activation_alert

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE = activation_alert().encode()
NO_KEYS = KeyStore()
KEYS = [
    PPMID.signing_certificate.certificate.public_bytes(Encoding.PEM),
    PPMID.signing_certificate.certificate.public_bytes(Encoding.DER),
    PPMID.signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    PPMID.signing_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
]
messages = st.sampled_from([MESSAGE, MESSAGE.hex().encode(), b64encode(MESSAGE), MESSAGE.hex(" ").encode()])
documents = st.sampled_from([SIGNED, UNSIGNED, UNSIGNED.replace(b"11.3<", b"8.13<")])


@st.composite
def damaged(draw: st.DrawFn, seeds: st.SearchStrategy[bytes]) -> bytes:
    """One of the seeds with octets changed, cut out and put in, or whatever octets."""
    octets = bytearray(draw(seeds | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(octets)))
        octets[start : start + draw(st.integers(0, 30))] = draw(st.binary(max_size=20))
    return bytes(octets)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files") / "given"


@given(content=damaged(messages))
def test_any_file_is_messages_or_errors(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    for outcome in decode_file(file, NO_KEYS):
        assert isinstance(outcome, HanotaError) or outcome.re_encodes


def test_what_is_not_damaged_is_a_message_in_every_notation(file: Path) -> None:
    for content in (MESSAGE, MESSAGE.hex().encode(), b64encode(MESSAGE)):
        file.write_bytes(content)
        (outcome,) = decode_file(file, NO_KEYS)
        assert isinstance(outcome, Decoded)
        assert outcome.message.encode() == MESSAGE


@given(content=damaged(documents))
def test_any_document_is_shown_or_refused_with_words(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with suppress(HanotaError):
        duis_commands.show(file)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(content=damaged(st.sampled_from(KEYS)))
def test_any_file_of_a_key_store_is_used_or_told_of(file: Path, content: bytes) -> None:
    told: list[ConfigError] = []
    for ending in ("pem", "key"):
        (file.parent / f"{PPMID.eui64.hex()}-ds.{ending}").write_bytes(content)
    keys = KeyStore.from_folder(file.parent, told.append)
    assert told
    assert len(keys.certificates(PPMID.eui64)) + len(told) <= 2


@given(st.text(max_size=50) | st.text("0123456789abcdefABCDEF -:", max_size=60))
def test_any_label_is_an_install_code_or_refused(label: str) -> None:
    with suppress(RemoteProtocolError):
        assert len(parse_install_code(label)) in CODE_LENGTHS
