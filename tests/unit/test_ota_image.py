"""OTA files: every header field, the three shapes, and each way a file can be wrong."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image, build_signed_image, build_tagged_image
from hanota.ota.elements import SubElement
from hanota.ota.header import HardwareVersions, OtaHeader, pad_header_string
from hanota.ota.image import ImageLimits, ImageShape, OtaFile, parse_image
from hanota.ota.signature import supplier_signer, verify_supplier_signature

HEADER = OtaHeader(0x121D, 0x0084, 0x01020304)
METER_HEADER = replace(HEADER, image_type=0x000D)
KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0xBAD5EED, ec.SECP256R1())
IMAGE = bytes(range(256)) * 2

VECTORS = Path("../shared/vectors")
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the published test vectors are not here")


def signed_image(image: bytes = IMAGE, force_replace: int = 0) -> OtaFile:
    return build_signed_image(METER_HEADER, image, supplier_signer(KEY), force_replace=force_replace)


def duis_image(name: str) -> bytes:
    text = (VECTORS / "duis" / name).read_text()
    match = re.search("FirmwareImage>([^<]+)<", text)
    assert match
    return base64.b64decode(match[1])


SAMPLE_HASH = "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"


@needs_vectors
def test_the_published_ppmid_image_is_header_and_manufacturer_image() -> None:
    data = duis_image("11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML")
    file = parse_image(data)
    assert file == parse_image(data, ImageShape.PPMID)
    assert file.shape is ImageShape.PPMID
    assert (file.header.manufacturer_code, file.header.image_type) == (0x121D, 0x0084)
    assert file.header.hardware_versions == HardwareVersions(0x1111, 0x1211)
    assert file.header.header_text == "I am a GFI PPMID firmware image "
    assert file.firmware_version.hex() == "acdcacdc"
    assert file.manufacturer_image_hash.hex() == SAMPLE_HASH
    assert build_ppmid_image(file.header, file.manufacturer_image).data == data


@needs_vectors
def test_the_published_esme_image_ends_with_a_supplier_signature_that_verifies() -> None:
    data = duis_image("11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML")
    file = parse_image(data)
    assert file.shape is ImageShape.SIGNED
    assert file.header.image_type == 0x0000
    assert file.manufacturer_image_hash.hex() == SAMPLE_HASH
    assert file.force_replace == 0
    pem = (VECTORS / "keystore" / "90b3d51f30010000-ds.pem").read_bytes()
    public_key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    verify_supplier_signature(file, public_key)


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        replace(HEADER, hardware_versions=HardwareVersions(1, 9)),
        replace(HEADER, security_credential_version=2),
        replace(HEADER, upgrade_file_destination=Eui64.parse("00-DB-12-34-56-78-90-A4")),
        replace(
            HEADER,
            header_version=0x0101,
            security_credential_version=0,
            upgrade_file_destination=Eui64(bytes(8)),
            hardware_versions=HardwareVersions(0, 0xFFFF),
            header_string=pad_header_string("text")[:31] + b"\xff",
            reserved_field_control=0x8008,
            extension=b"later",
        ),
    ],
)
def test_a_header_survives_encoding_with_every_optional_field(header: OtaHeader) -> None:
    encoded = header.encode()
    assert len(encoded) == header.header_length
    assert OtaHeader.decode(encoded + b"body") == header


def test_header_octets_are_those_of_the_published_layout() -> None:
    header = OtaHeader(
        0x121D, 0x0084, 0xACDCACDC, total_image_size=295, hardware_versions=HardwareVersions(0x1111, 0x1211)
    )
    encoded = header.encode()
    assert encoded[:20].hex() == "1ef1ee0b00013c0004001d128400dcacdcac0200"
    assert encoded[52:].hex() == "2701000011111112"


def test_the_destination_stands_least_significant_octet_first() -> None:
    header = replace(HEADER, upgrade_file_destination=Eui64.parse("00-DB-12-34-56-78-90-A4"))
    assert header.encode()[56:].hex() == "a49078563412db00"


@pytest.mark.parametrize(
    "change",
    [
        {"manufacturer_code": 0x10000},
        {"file_version": -1},
        {"header_string": b"short"},
        {"security_credential_version": 256},
        {"hardware_versions": HardwareVersions(0, 0x10000)},
        {"reserved_field_control": 0x0004},
    ],
)
def test_a_header_that_cannot_be_encoded_is_our_own_fault(change: dict[str, object]) -> None:
    header = replace(HEADER, **change)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        header.encode()


def test_a_header_string_is_at_most_32_characters() -> None:
    assert pad_header_string("x" * 32) == b"x" * 32
    with pytest.raises(LocalProtocolError, match="at most 32"):
        pad_header_string("x" * 33)


def test_a_header_string_is_shown_up_to_its_first_nul_and_never_breaks_a_terminal() -> None:
    header = replace(HEADER, header_string=b"caf\xe9\x00hidden".ljust(32, b"\0"))
    assert header.header_text == "caf\\xe9"


def test_a_signed_image_is_image_force_replace_length_and_signature() -> None:
    file = signed_image(force_replace=1)
    assert file.body[: len(IMAGE)] == IMAGE
    assert file.body[len(IMAGE) : len(IMAGE) + 2] == b"\x01\x40"
    assert len(file.body) == len(IMAGE) + 66
    assert file.manufacturer_image == IMAGE
    assert file.manufacturer_image_hash == hashlib.sha256(IMAGE).digest()
    assert file.force_replace == 1
    assert file.supplier_signature == file.data[-64:]
    assert parse_image(file.data, ImageShape.SIGNED) == file
    verify_supplier_signature(file, KEY.public_key())


def test_a_ppmid_image_has_nothing_after_the_manufacturer_image() -> None:
    file = build_ppmid_image(HEADER, IMAGE)
    assert file.data == file.header.encode() + IMAGE
    assert (file.force_replace, file.supplier_signature) == (None, None)
    assert file.header.total_image_size == len(file.data)


def test_a_tagged_image_gives_its_elements_back() -> None:
    elements = (SubElement(0x0000, IMAGE), SubElement(0x0003, bytes(16)), SubElement(0xF123, b""))
    file = build_tagged_image(HEADER, elements)
    assert parse_image(file.data, ImageShape.TAGGED).elements == elements
    assert file.body[:6].hex() == "000000020000"


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (build_ppmid_image(HEADER, IMAGE).data, ImageShape.PPMID),
        (signed_image().data, ImageShape.SIGNED),
        (build_tagged_image(HEADER, [SubElement(0, IMAGE)]).data, ImageShape.TAGGED),
        # A Manufacturer Image that is itself a tag chain stays SIGNED: the chain does not cover the trailer.
        (signed_image(SubElement(0, IMAGE).encode()).data, ImageShape.SIGNED),
        # 0x40 by chance where a signature length would stand: the image type decides.
        (build_ppmid_image(HEADER, b"\x07" * 99 + b"\x40" + b"\x07" * 64).data, ImageShape.PPMID),
        (build_ppmid_image(METER_HEADER, b"\x07" * 99).data, ImageShape.PPMID),
    ],
)
def test_an_image_of_unknown_shape_is_classified(data: bytes, shape: ImageShape) -> None:
    assert parse_image(data).shape is shape


def test_the_image_type_never_rejects_an_image_whose_shape_is_known() -> None:
    odd = build_signed_image(HEADER, IMAGE, supplier_signer(KEY))
    assert parse_image(odd.data, ImageShape.SIGNED).supplier_signature == odd.supplier_signature


def resized(data: bytes, size: int) -> bytes:
    return data[:52] + size.to_bytes(4, "little") + data[56:]


WHOLE = build_ppmid_image(HEADER, IMAGE).data


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [
        (WHOLE[:-1], None, "truncated image: its header says 568 octets, there are 567"),
        (WHOLE + b"!!", None, "2 octets after the end: the OTA header says 568 octets, there are 570"),
        (WHOLE[:55], None, "truncated OTA header"),
        (b"", None, "truncated OTA header"),
        (b"\x1e\xf1\xee\x0c" + WHOLE[4:], None, "not an OTA upgrade image"),
        (WHOLE[:4] + b"\x00\x02" + WHOLE[6:], None, "header version 0x0200"),
        (WHOLE[:6] + b"\x37\x00" + WHOLE[8:], None, "wrong OTA header length 55"),
        (WHOLE[:8] + b"\x04\x00" + WHOLE[10:], None, "wrong OTA header length 56: .* needs 60"),
        (WHOLE[:6] + b"\xff\xff" + WHOLE[8:], None, "truncated OTA header: header length is 65535"),
        (resized(WHOLE, 55), None, "wrong total image size 55"),
        (resized(WHOLE, 0xFFFF_FFFF), None, "oversized image: 4294967295 octets, the limit is 10240000"),
        (resized(WHOLE[:56], 56), None, "no Manufacturer Image"),
        (WHOLE, ImageShape.SIGNED, "bad signature block: the signature length octet is 0xbf"),
        (
            build_ppmid_image(HEADER, bytes(66)).data,
            ImageShape.SIGNED,
            "bad signature block: 66 octets after the header, at least 67",
        ),
        (WHOLE, ImageShape.TAGGED, "bad tag chain: tag 0x0100 at 0 has length"),
        (
            build_ppmid_image(HEADER, SubElement(0, b"x").encode() + b"12345").data,
            ImageShape.TAGGED,
            "bad tag chain: 5 octets left at 7",
        ),
    ],
)
def test_a_bad_file_is_refused_and_told_why(data: bytes, shape: ImageShape | None, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        parse_image(data, shape)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_attack_truncated_file_is_refused_at_every_octet(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="truncated"):
        parse_image(WHOLE[:length])


@pytest.mark.parametrize("size", [2**16, 2**31, 2**32 - 1])
def test_attack_endless_data_is_refused_by_what_the_header_claims(size: int) -> None:
    limits = ImageLimits(total_image_size=60_000)
    with pytest.raises(RemoteProtocolError, match=f"oversized image: {size} octets, the limit is 60000"):
        parse_image(resized(WHOLE, size), limits=limits)


def test_attack_endless_sub_elements_are_refused() -> None:
    data = build_tagged_image(HEADER, [SubElement(0, b"")] * 9).data
    with pytest.raises(RemoteProtocolError, match="more than 8 sub-elements"):
        parse_image(data, ImageShape.TAGGED, ImageLimits(elements=8))


@pytest.mark.parametrize("position", [0, 1, len(IMAGE) // 2, len(IMAGE) - 1, -1, -32, -33, -64])
def test_attack_tampered_image_or_signature_does_not_verify(position: int) -> None:
    file = signed_image()
    index = position if position < 0 else file.header.header_length + position
    data = bytearray(file.data)
    data[index] ^= 0x01
    with pytest.raises(VerificationError, match="does not verify"):
        verify_supplier_signature(parse_image(bytes(data), ImageShape.SIGNED), KEY.public_key())


def test_neither_header_nor_force_replace_is_signed() -> None:
    file = signed_image()
    data = bytearray(file.data)
    data[20] ^= 0x01
    data[-66] ^= 0x01
    verify_supplier_signature(parse_image(bytes(data), ImageShape.SIGNED), KEY.public_key())


def test_a_signature_of_zeros_or_of_another_supplier_does_not_verify() -> None:
    unsigned = build_signed_image(METER_HEADER, IMAGE, lambda _: bytes(64))
    for file, key in ((unsigned, KEY), (signed_image(), OTHER_KEY)):
        with pytest.raises(VerificationError, match="does not verify"):
            verify_supplier_signature(file, key.public_key())


def test_a_ppmid_image_has_no_signature_to_verify() -> None:
    with pytest.raises(VerificationError, match="carries no supplier signature"):
        verify_supplier_signature(build_ppmid_image(HEADER, IMAGE), KEY.public_key())


def test_only_p256_keys_sign() -> None:
    key = ec.derive_private_key(5, ec.SECP384R1())
    with pytest.raises(LocalProtocolError, match="P-256"):
        supplier_signer(key)
    with pytest.raises(LocalProtocolError, match="P-256"):
        verify_supplier_signature(signed_image(), key.public_key())


def test_images_that_make_no_sense_are_not_built() -> None:
    with pytest.raises(LocalProtocolError, match="empty"):
        build_ppmid_image(HEADER, b"")
    with pytest.raises(LocalProtocolError, match="64 octets, got 3"):
        build_signed_image(HEADER, IMAGE, lambda _: b"abc")
    with pytest.raises(LocalProtocolError, match="not one octet"):
        build_signed_image(HEADER, IMAGE, supplier_signer(KEY), force_replace=256)
    with pytest.raises(LocalProtocolError, match="not 16 bits"):
        build_tagged_image(HEADER, [SubElement(0x10000, b"")])
