"""`hanota image`: OTA files inspected, built and verified, without a radio or a database.

The commands on a database are in `hanota.cli.image_library`.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final, assert_never

import typer
from rich.markup import escape

from hanota.cli.image_file import read_image_file
from hanota.cli.number import number
from hanota.cli.output import console, fail
from hanota.errors import ConfigError, HanotaError
from hanota.files import write_file
from hanota.gbcs.key_files import read_private_key, read_public_key
from hanota.ota.build import build_ppmid_image, build_signed_image, build_tagged_image
from hanota.ota.elements import ElementTag, SubElement
from hanota.ota.header import HardwareVersions, OtaHeader, pad_header_string
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID, ImageShape, parse_image
from hanota.ota.signature import supplier_signer, verify_supplier_signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hanota.ota.image import OtaFile

    Json = str | int | None | Mapping[str, "Json"] | Sequence["Json"]

app = typer.Typer(no_args_is_help=True, help="OTA files: inspect, build, verify; the image library.")

_DEFAULT_IMAGE_TYPE: Final = {
    ImageShape.PPMID: IMAGE_TYPE_PPMID,
    ImageShape.SIGNED: IMAGE_TYPE_HCALCS,
}
_ABOUT: Final = {
    ImageShape.PPMID: "ppmid (OTA Header, Manufacturer Image)",
    ImageShape.SIGNED: "signed (OTA Header, Manufacturer Image, force-replace, supplier signature)",
    ImageShape.TAGGED: "tagged (OTA Header, sub-elements)",
}


@app.callback()
def image() -> None:
    """Work on OTA files."""


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OTA file.")],
    shape: Annotated[
        ImageShape | None, typer.Option(help="Insist on this shape instead of finding it out.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what an OTA file says: header, shape, Manufacturer Image Hash, signature, sub-elements."""
    try:
        ota_file = _read_image(file, shape)
    except HanotaError as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps({"file": str(file), **_to_json(ota_file)}))
        return
    rows = [("file", f"{file} ({len(ota_file.data)} octets)"), *_rows(ota_file)]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.print(f"[bold]{name:<{width}}[/]  {escape(value)}")


@app.command()
def build(
    manufacturer_image: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="The Manufacturer Image; of a tagged file, its first element."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The OTA file to write.")],
    shape: Annotated[ImageShape, typer.Option(help="ppmid: SR 11.4; signed: SR 11.1, ESME and HCALCS.")],
    manufacturer: Annotated[
        int, typer.Option(parser=number, metavar="NUMBER", help="Manufacturer code, such as 0x121D.")
    ],
    file_version: Annotated[
        int, typer.Option(parser=number, metavar="NUMBER", help="File version: the firmwareVersion of GBCS.")
    ],
    image_type: Annotated[
        int | None,
        typer.Option(
            parser=number, metavar="NUMBER", help="Default: 0x0084 for ppmid, 0x000D (HCALCS) for signed."
        ),
    ] = None,
    hardware_min: Annotated[
        int | None, typer.Option(parser=number, metavar="NUMBER", help="Minimum hardware version.")
    ] = None,
    hardware_max: Annotated[
        int | None, typer.Option(parser=number, metavar="NUMBER", help="Maximum hardware version.")
    ] = None,
    header_string: Annotated[str, typer.Option(help="Up to 32 characters.")] = "",
    key: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="The supplier's Digital Signing key (PKCS#8), for signed."),
    ] = None,
    force_replace: Annotated[
        int, typer.Option(parser=number, metavar="NUMBER", help="The force-replace octet, for signed.")
    ] = 0,
) -> None:
    """Build an OTA file from a Manufacturer Image."""
    try:
        header = OtaHeader(
            manufacturer_code=manufacturer,
            image_type=_image_type(shape, image_type),
            file_version=file_version,
            header_string=pad_header_string(header_string),
            hardware_versions=_hardware_versions(hardware_min, hardware_max),
        )
        ota_file = _build(shape, header, read_image_file(manufacturer_image), key, force_replace)
        write_file(output, ota_file.data)
    except HanotaError as error:
        fail(error)
    console.print(f"{escape(str(output))}: {len(ota_file.data)} octets, {ota_file.header.image_id}")
    console.print(f"Manufacturer Image Hash {ota_file.manufacturer_image_hash.hex()}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OTA file of the signed shape.")],
    key: Annotated[
        Path,
        typer.Option(metavar="KEY", help="The supplier's Digital Signing certificate or key, PEM or DER."),
    ],
) -> None:
    """Verify the supplier's signature over the Manufacturer Image; exit status 1 if it does not verify."""
    try:
        ota_file = _read_image(file, ImageShape.SIGNED)
        console.print(f"Manufacturer Image Hash {ota_file.manufacturer_image_hash.hex()}")
        verify_supplier_signature(ota_file, read_public_key(key))
    except HanotaError as error:
        fail(error)
    console.print("[green]valid[/]: the supplier signature verifies")


def _build(
    shape: ImageShape, header: OtaHeader, manufacturer_image: bytes, key: Path | None, force_replace: int
) -> OtaFile:
    match shape:
        case ImageShape.PPMID:
            return build_ppmid_image(header, manufacturer_image)
        case ImageShape.SIGNED:
            if key is None:
                raise ConfigError("a signed image needs the supplier's key", hint="add --key KEY")
            signer = supplier_signer(read_private_key(key))
            return build_signed_image(header, manufacturer_image, signer, force_replace=force_replace)
        case ImageShape.TAGGED:
            return build_tagged_image(header, [SubElement(ElementTag.UPGRADE_IMAGE, manufacturer_image)])
        case _:
            assert_never(shape)


def _image_type(shape: ImageShape, given: int | None) -> int:
    if given is not None:
        return given
    if shape not in _DEFAULT_IMAGE_TYPE:
        raise ConfigError(f"a {shape.value} image has no usual image type", hint="add --image-type NUMBER")
    return _DEFAULT_IMAGE_TYPE[shape]


def _hardware_versions(minimum: int | None, maximum: int | None) -> HardwareVersions | None:
    if minimum is None and maximum is None:
        return None
    if minimum is None or maximum is None:
        raise ConfigError(
            "the OTA header has both hardware versions or none", hint="give --hardware-min and --hardware-max"
        )
    return HardwareVersions(minimum, maximum)


def _read_image(path: Path, shape: ImageShape | None) -> OtaFile:
    return parse_image(read_image_file(path), shape)


def _to_json(file: OtaFile) -> Mapping[str, Json]:
    header, hardware = file.header, file.header.hardware_versions
    destination, signature = header.upgrade_file_destination, file.supplier_signature
    return {
        "shape": file.shape.value,
        "size": len(file.data),
        "header": {
            "header_version": header.header_version,
            "header_length": header.header_length,
            "field_control": header.field_control,
            "manufacturer_code": header.manufacturer_code,
            "image_type": header.image_type,
            "file_version": header.file_version,
            "stack_version": header.stack_version,
            "header_string": header.header_text,
            "total_image_size": header.total_image_size,
            "security_credential_version": header.security_credential_version,
            "upgrade_file_destination": None if destination is None else str(destination),
            "minimum_hardware_version": None if hardware is None else hardware.minimum,
            "maximum_hardware_version": None if hardware is None else hardware.maximum,
        },
        "firmware_version": file.firmware_version.hex().upper(),
        "manufacturer_image_size": len(file.manufacturer_image),
        "manufacturer_image_hash": file.manufacturer_image_hash.hex(),
        "force_replace": file.force_replace,
        "supplier_signature": None if signature is None else signature.hex(),
        "elements": [
            {"tag": element.tag, "name": _tag_name(element.tag), "length": len(element.data)}
            for element in file.elements
        ],
    }


def _rows(file: OtaFile) -> list[tuple[str, str]]:
    header, hardware = file.header, file.header.hardware_versions
    rows = [
        ("shape", _ABOUT[file.shape]),
        ("header version", f"0x{header.header_version:04X}"),
        ("header length", str(header.header_length)),
        ("field control", f"0x{header.field_control:04X}"),
        ("manufacturer code", f"0x{header.manufacturer_code:04X}"),
        ("image type", f"0x{header.image_type:04X}"),
        ("file version", f"0x{header.file_version:08X}"),
        ("ZigBee stack version", f"0x{header.stack_version:04X}"),
        ("header string", header.header_text),
        ("total image size", str(header.total_image_size)),
    ]
    if header.security_credential_version is not None:
        rows.append(("security credential version", str(header.security_credential_version)))
    if header.upgrade_file_destination is not None:
        rows.append(("upgrade file destination", str(header.upgrade_file_destination)))
    if hardware is not None:
        rows.append(("hardware versions", f"0x{hardware.minimum:04X} to 0x{hardware.maximum:04X}"))
    rows += [
        ("Manufacturer Image", f"{len(file.manufacturer_image)} octets"),
        ("Manufacturer Image Hash", file.manufacturer_image_hash.hex()),
    ]
    if file.force_replace is not None:
        rows.append(("force-replace", f"0x{file.force_replace:02X}"))
    if file.supplier_signature is not None:
        rows.append(("supplier signature", file.supplier_signature.hex()))
    rows += [
        ("sub-element", f"0x{element.tag:04X} {_tag_name(element.tag)}, {len(element.data)} octets")
        for element in file.elements
    ]
    return rows


def _tag_name(tag: int) -> str:
    try:
        return ElementTag(tag).name.lower().replace("_", " ")
    except ValueError:
        return "manufacturer specific" if tag >= 0xF000 else "reserved"
