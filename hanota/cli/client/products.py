"""`hanota client products`: the bench's stand-in for the Central Products List."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hanota.cli.client.session import JsonOption, YesOption, confirm, end, run
from hanota.cli.client.tables import show_record, show_table
from hanota.cli.client.words import show_json
from hanota.cli.image_file import read_image_file
from hanota.cli.number import number
from hanota.cli.output import console
from hanota.duis.inventory import DeviceType
from hanota.errors import ConfigError, HanotaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection

app = typer.Typer(invoke_without_command=True, help="The products list: which images are for which devices.")

_HEADINGS: Final = ("kind", "version", "status", "maker", "type", "hardware", "GBCS", "model", "hash")
_HEX: Final = frozenset("0123456789abcdef")
_HASH_DIGITS: Final = 64
HashArgument = Annotated[
    str, typer.Argument(metavar="HASH", help="The Manufacturer Image Hash, or how it begins.")
]


@app.callback()
def products(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show the products list, whatever the status of its entries."""
    if context.invoked_subcommand is not None:
        return
    document = run(context, lambda connection: connection.get("/products"))
    if as_json:
        show_json(document)
        return
    show_table(
        _HEADINGS,
        (_row(product) for product in document["products"]),
        texts=("model", "hash"),
        nothing="no products: any image may go to any device; `hanota client products add` lists one",
    )


@app.command()
def add(
    context: typer.Context,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An OTA file, or a Manufacturer Image Hash in hex.")
    ],
    kind: Annotated[DeviceType, typer.Option("--type", help="For which devices.", case_sensitive=False)],
    *,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="NUMBER", parser=number, help="File Version; of a file its own."),
    ] = None,
    manufacturer: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", parser=number, help="Manufacturer code; of a file its own, else any."),
    ] = None,
    model: Annotated[str, typer.Option(help="For this model alone.")] = "",
    hardware_min: Annotated[
        int | None, typer.Option(metavar="NUMBER", parser=number, help="Lowest hardware version.")
    ] = None,
    hardware_max: Annotated[
        int | None, typer.Option(metavar="NUMBER", parser=number, help="Highest hardware version.")
    ] = None,
    gbcs: Annotated[str | None, typer.Option(help="GBCS version of the firmware, such as 4.1.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List an image. A type of device that has an entry gets listed images alone."""
    given = {
        "firmware_version": None if version is None else f"{version:08X}",
        "manufacturer_code": manufacturer,
        "model": model,
        "minimum_hardware_version": hardware_min,
        "maximum_hardware_version": hardware_max,
        "gbcs_version": gbcs,
    }
    try:
        body = _of_image(image, kind) | {name: value for name, value in given.items() if value is not None}
        if "firmware_version" not in body:
            raise ConfigError("a hash does not tell the version", hint="say it with --version 0x01000001")
    except HanotaError as error:
        end(error)
    listed = run(context, lambda connection: connection.post("/products", body))
    if as_json:
        show_json(listed)
    else:
        show_record(zip(_HEADINGS, _row(listed), strict=True))


@app.command()
def withdraw(
    context: typer.Context, digest: HashArgument, *, as_json: JsonOption = False, yes: YesOption = False
) -> None:
    """Withdraw an image: it stays on the list, and no device is given it any more."""
    full = run(context, lambda connection: _find(connection, digest))
    confirm(f"give no further device the image {full}?", yes=yes)
    _tell(
        run(context, lambda connection: connection.post(f"/products/{full}/withdraw")),
        "withdrawn",
        as_json=as_json,
    )


@app.command()
def remove(
    context: typer.Context,
    digest: HashArgument,
    *,
    kind: Annotated[
        DeviceType | None, typer.Option("--type", help="Its entries for these alone.", case_sensitive=False)
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="NUMBER", parser=number, help="Its entries of this version alone."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help='Its entries for this model alone; "": those for any.')
    ] = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Remove what was listed by mistake; firmware that was in use is better withdrawn."""
    full = run(context, lambda connection: _find(connection, digest))
    confirm(f"remove {full} from the list, as if it had never been on it?", yes=yes)
    chosen = {
        "device_type": None if kind is None else str(kind),
        "firmware_version": None if version is None else f"{version:08X}",
        "model": model,
    }
    query = {name: value for name, value in chosen.items() if value is not None}
    removed = run(context, lambda connection: connection.delete(f"/products/{full}", query))
    _tell(removed, "removed", as_json=as_json)


def _of_image(image: str, kind: DeviceType) -> dict[str, Any]:
    """Return what an image says of itself; raise ConfigError, RemoteProtocolError for what is none."""
    digest = image.lower()
    if len(digest) == _HASH_DIGITS and set(digest) <= _HEX and not Path(image).is_file():
        return {"manufacturer_image_hash": digest, "device_type": str(kind)}
    from hanota.ota.image import ImageShape, parse_image  # noqa: PLC0415  # of no use to the other commands

    shape = ImageShape.PPMID if kind is DeviceType.PPMID else ImageShape.SIGNED
    file = parse_image(read_image_file(Path(image)), shape)
    hardware = file.header.hardware_versions
    return {
        "manufacturer_image_hash": file.manufacturer_image_hash.hex(),
        "device_type": str(kind),
        "firmware_version": f"{file.header.file_version:08X}",
        "manufacturer_code": file.header.manufacturer_code,
        "image_type": file.header.image_type,
        "minimum_hardware_version": None if hardware is None else hardware.minimum,
        "maximum_hardware_version": None if hardware is None else hardware.maximum,
    }


async def _find(connection: Connection, digest: str) -> str:
    """Return the one listed hash that begins so; raise ConfigError."""
    begins = digest.lower()
    document = await connection.get("/products")
    found = {product["manufacturer_image_hash"] for product in document["products"]}
    found = {each for each in found if each.startswith(begins)}
    if len(found) != 1 or not begins:
        many = f"{len(found)} products have a hash that begins with {digest}" if found else None
        raise ConfigError(
            many or f"no product has a hash that begins with {digest!r}", hint="see `hanota client products`"
        )
    return str(found.pop())


def _tell(document: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        show_json(document)
        return
    for product in document["products"]:
        words = f"{product['device_type']} {product['firmware_version']} {product['model']}".rstrip()
        console.print(f"{words} {what}: {product['manufacturer_image_hash']}", markup=False)


def _row(product: Mapping[str, Any]) -> tuple[str, ...]:
    lowest, highest = product["minimum_hardware_version"], product["maximum_hardware_version"]
    hardware = "any"
    if lowest is not None or highest is not None:
        hardware = f"{_code(lowest, '')}-{_code(highest, '')}"
    return (
        product["device_type"],
        product["firmware_version"],
        product["status"],
        _code(product["manufacturer_code"], "any"),
        _code(product["image_type"], "any"),
        hardware,
        product["gbcs_version"] or "",
        product["model"],
        product["manufacturer_image_hash"],
    )


def _code(code: int | None, otherwise: str) -> str:
    return otherwise if code is None else f"{code:04X}"
