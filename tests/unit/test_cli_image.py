"""`hanota image`: files in, files out, one clear line when something is wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from hanota.cli.image import app
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa
from hanota.ota.build import build_ppmid_image, build_signed_image, build_tagged_image
from hanota.ota.elements import SubElement
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import ImageShape, parse_image
from hanota.ota.signature import supplier_signer

if TYPE_CHECKING:
    from pathlib import Path

MANUFACTURER_IMAGE = b"a Manufacturer Image " * 20
HASH = hashlib.sha256(MANUFACTURER_IMAGE).hexdigest()
SUPPLIER = LabCa(1_800_000_000.0, seed=b"image").issue_organisation(
    Eui64.parse("90B3D51F30010000"), RemotePartyRole.SUPPLIER, "Supplier"
)
KEY = SUPPLIER.signing_key
PKCS8 = serialization.PrivateFormat.PKCS8
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    error: str


def run(*arguments: object) -> Outcome:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def manufacturer_image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(MANUFACTURER_IMAGE)
    return path


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    path = tmp_path / "signed.ota"
    header = OtaHeader(0x121D, 0x000D, 0x01020304, hardware_versions=HardwareVersions(1, 0x20))
    path.write_bytes(build_signed_image(header, MANUFACTURER_IMAGE, supplier_signer(KEY)).data)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "supplier-ds.key"
    path.write_bytes(KEY.private_bytes(DER, PKCS8, PLAIN))
    return path


def test_a_ppmid_image_is_built_and_inspected(manufacturer_image: Path, tmp_path: Path) -> None:
    output = tmp_path / "ppmid.ota"
    built = run(
        "build", manufacturer_image, "--output", output, "--shape", "ppmid", "--manufacturer", "0x121D",
        "--file-version", "16909060", "--hardware-min", "0x10", "--hardware-max", "0x20",
        "--header-string", "a [bold] PPMID",
    )  # fmt: skip
    assert built.status == 0, built.error
    assert HASH in built.out
    file = parse_image(output.read_bytes(), ImageShape.PPMID)
    assert file.manufacturer_image == MANUFACTURER_IMAGE
    assert (file.header.image_type, file.header.file_version) == (0x0084, 0x01020304)
    assert file.header.hardware_versions == HardwareVersions(0x10, 0x20)
    shown = run("inspect", output)
    assert shown.status == 0
    for text in ("0x121D", "0x0084", "0x01020304", "a [bold] PPMID", "0x0010 to 0x0020", HASH, "ppmid"):
        assert text in shown.out
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_signed_image_is_built_signed_and_verified(
    manufacturer_image: Path, key_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "hcalcs.ota"
    built = run(
        "build", manufacturer_image, "-o", output, "--shape", "signed", "--manufacturer", "4637",
        "--file-version", "2", "--key", key_file, "--force-replace", "1",
    )  # fmt: skip
    assert built.status == 0, built.error
    verified = run("verify", output, "--key", key_file)
    assert verified.status == 0
    assert HASH in verified.out
    assert parse_image(output.read_bytes()).force_replace == 1


def test_a_tagged_image_is_built(manufacturer_image: Path, tmp_path: Path) -> None:
    output = tmp_path / "tagged.ota"
    arguments = ["build", manufacturer_image, "-o", output, "--shape", "tagged", "--manufacturer", "1",
                 "--file-version", "2"]  # fmt: skip
    assert "add --image-type" in run(*arguments).error
    assert run(*arguments, "--image-type", "0x0203").status == 0
    assert parse_image(output.read_bytes()).elements == (SubElement(0, MANUFACTURER_IMAGE),)


def test_json_has_every_field_by_name(signed: Path) -> None:
    outcome = run("inspect", "--json", signed)
    assert outcome.out.count("\n") == 1
    told = json.loads(outcome.out)
    signature = told.pop("supplier_signature")
    assert bytes.fromhex(signature) == signed.read_bytes()[-64:]
    assert told == {
        "file": str(signed),
        "shape": "signed",
        "size": 60 + len(MANUFACTURER_IMAGE) + 66,
        "header": {
            "header_version": 0x0100,
            "header_length": 60,
            "field_control": 4,
            "manufacturer_code": 0x121D,
            "image_type": 0x000D,
            "file_version": 0x01020304,
            "stack_version": 2,
            "header_string": "",
            "total_image_size": 60 + len(MANUFACTURER_IMAGE) + 66,
            "security_credential_version": None,
            "upgrade_file_destination": None,
            "minimum_hardware_version": 1,
            "maximum_hardware_version": 0x20,
        },
        "firmware_version": "01020304",
        "manufacturer_image_size": len(MANUFACTURER_IMAGE),
        "manufacturer_image_hash": HASH,
        "force_replace": 0,
        "elements": [],
    }


def test_optional_header_fields_and_elements_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "tagged.ota"
    header = OtaHeader(
        1,
        2,
        3,
        security_credential_version=7,
        upgrade_file_destination=Eui64.parse("00-DB-12-34-56-78-90-A4"),
    )
    chain = [SubElement(0, b"abc"), SubElement(0xF00D, b""), SubElement(0x0777, b"")]
    path.write_bytes(build_tagged_image(header, chain).data)
    shown = run("inspect", path).out
    assert "00-DB-12-34-56-78-90-A4" in shown
    assert "0x0000 upgrade image, 3 octets" in shown
    assert json.loads(run("inspect", path, "--json").out)["elements"] == [
        {"tag": 0, "name": "upgrade image", "length": 3},
        {"tag": 0xF00D, "name": "manufacturer specific", "length": 0},
        {"tag": 0x0777, "name": "reserved", "length": 0},
    ]


@pytest.mark.parametrize(
    "octets",
    [
        SUPPLIER.signing_certificate.certificate.public_bytes(PEM),
        SUPPLIER.signing_certificate.certificate.public_bytes(DER),
        KEY.public_key().public_bytes(PEM, SPKI),
        KEY.public_key().public_bytes(DER, SPKI),
        KEY.private_bytes(PEM, PKCS8, PLAIN),
        KEY.private_bytes(DER, PKCS8, PLAIN),
    ],
    ids=["certificate PEM", "certificate DER", "public PEM", "public DER", "private PEM", "private DER"],
)
def test_a_signature_verifies_with_any_form_of_the_key(signed: Path, tmp_path: Path, octets: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(octets)
    outcome = run("verify", signed, "--key", key)
    assert (outcome.status, outcome.error) == (0, "")
    assert "valid" in outcome.out


def test_attack_a_tampered_image_or_anothers_key_does_not_verify(
    signed: Path, key_file: Path, tmp_path: Path
) -> None:
    data = bytearray(signed.read_bytes())
    data[100] ^= 1
    tampered = tmp_path / "tampered.ota"
    tampered.write_bytes(data)
    outcome = run("verify", tampered, "--key", key_file)
    assert outcome.status == 1
    assert outcome.error.startswith("error: the supplier signature does not verify")
    other = tmp_path / "other.key"
    other.write_bytes(ec.derive_private_key(9, ec.SECP256R1()).private_bytes(DER, PKCS8, PLAIN))
    assert run("verify", signed, "--key", other).status == 1


def test_a_ppmid_image_has_nothing_to_verify(tmp_path: Path, key_file: Path) -> None:
    path = tmp_path / "ppmid.ota"
    path.write_bytes(build_ppmid_image(OtaHeader(1, 0x84, 2), MANUFACTURER_IMAGE).data)
    outcome = run("verify", path, "--key", key_file)
    assert outcome.status == 1
    assert "bad signature block" in outcome.error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "truncated image: its header says 546 octets, there are 545"),
        (lambda data: data + b"x", "1 octets after the end"),
        (lambda data: b"MZ" + data[2:], "not an OTA upgrade image"),
        (lambda data: data[:10], "truncated OTA header"),
        (lambda _: b"", "truncated OTA header"),
    ],
)
def test_a_bad_file_is_one_line_and_a_hint(signed: Path, change: object, message: str) -> None:
    assert callable(change)
    signed.write_bytes(change(signed.read_bytes()))
    for command in (["inspect", signed], ["inspect", "--json", signed]):
        outcome = run(*command)
        assert outcome.status == 1
        assert outcome.out == ""
        assert outcome.error.startswith(f"error: {message}")
        assert "Traceback" not in outcome.error
        assert len(outcome.error.strip().splitlines()) <= 2


def test_a_shape_can_be_insisted_on(signed: Path) -> None:
    outcome = run("inspect", "--shape", "tagged", signed)
    assert outcome.status == 1
    assert "bad tag chain" in outcome.error


def test_files_that_cannot_be_read_or_written_say_so(
    manufacturer_image: Path, signed: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    for arguments in (
        ["inspect", missing],
        ["inspect", tmp_path],
        ["verify", missing, "--key", signed],
        ["verify", signed, "--key", missing],
    ):
        outcome = run(*arguments)
        assert outcome.status == 1
        assert outcome.error.startswith("error: cannot read")
    for folder in (missing, manufacturer_image):
        outcome = run(
            "build", manufacturer_image, "-o", folder / "x", "--shape", "ppmid", "--manufacturer", "1",
            "--file-version", "1",
        )  # fmt: skip
        assert outcome.status == 1
        assert outcome.error.startswith("error: cannot write")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shape", "signed"], "needs the supplier's key"),
        (["--shape", "ppmid", "--hardware-min", "1"], "both hardware versions or none"),
        (["--shape", "ppmid", "--manufacturer", "0x10000"], "manufacturer code 0x10000 does not fit"),
        (["--shape", "ppmid", "--header-string", "x" * 33], "at most 32 octets"),
    ],
)
def test_options_that_make_no_image_write_nothing(
    manufacturer_image: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    output = tmp_path / "x.ota"
    outcome = run(
        "build", manufacturer_image, "-o", output, "--manufacturer", "1", "--file-version", "1", *options
    )
    assert outcome.status == 1
    assert message in outcome.error
    assert not output.exists()


def test_a_file_that_stands_is_kept_whole_when_a_build_fails(manufacturer_image: Path, signed: Path) -> None:
    before = signed.read_bytes()
    run("build", manufacturer_image, "-o", signed, "--shape", "signed", "--manufacturer", "1",
        "--file-version", "1", "--key", manufacturer_image)  # fmt: skip
    assert signed.read_bytes() == before


def test_a_number_that_is_none_is_a_usage_error(manufacturer_image: Path) -> None:
    outcome = run(
        "build", manufacturer_image, "-o", "x", "--shape", "ppmid", "--manufacturer", "twelve",
        "--file-version", "1",
    )  # fmt: skip
    assert outcome.status == 2
    assert "twelve" in outcome.error


@pytest.mark.parametrize("octets", [b"", b"nonsense", MANUFACTURER_IMAGE])
def test_a_file_without_a_key_says_what_to_give(signed: Path, tmp_path: Path, octets: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(octets)
    outcome = run("verify", signed, "--key", key)
    assert outcome.status == 1
    assert "no key on P-256" in outcome.error
    assert "hint: give a certificate or a key" in outcome.error


def test_a_key_on_another_curve_or_behind_a_password_is_not_taken(signed: Path, tmp_path: Path) -> None:
    other_curve = ec.derive_private_key(9, ec.SECP384R1()).private_bytes(PEM, PKCS8, PLAIN)
    locked = KEY.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret"))
    for octets in (other_curve, locked):
        key = tmp_path / "key"
        key.write_bytes(octets)
        assert run("verify", signed, "--key", key).status == 1
