"""`hanota demo`: one PPMID and one HCALCS updated, on an emulated dongle."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hanota.cli.output import fail
from hanota.errors import ConfigError, HanotaError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.duis.request import ServiceRequest
    from hanota.gbcs.keystore import KeyStore
    from hanota.radio.settings import LinkSecurity

MAXIMUM_DOCUMENT: Final = 16 * 1024 * 1024
"""Octets read of a DUIS document: its largest image in base64 has 13.7 million."""


def demo(
    *,
    radio: Annotated[
        str, typer.Option(help="The emulated dongle: znp+emulator:// or ezsp+emulator://.")
    ] = "znp+emulator://",
    image_size: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Octets of each Manufacturer Image that is made.")
    ] = 64 * 1024,
    security: Annotated[
        str,
        typer.Option(
            help="What hub and devices secure their messages with: `key-establishment` (CBKE link keys), "
            "`install-code` (the key they joined with) or `none` (the network key alone)."
        ),
    ] = "key-establishment",
    suite: Annotated[
        int, typer.Option(min=1, max=2, help="The cryptographic suite of the key establishment.")
    ] = 2,
    export_keys: Annotated[
        Path | None, typer.Option(help="Append every key to this file, for Wireshark; mode 0600.")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="`fast`, or how many times faster than a real radio: 1 is as slow as one.")
    ] = "fast",
    request: Annotated[
        list[Path] | None,
        typer.Option(
            help="A DUIS document of SR 11.1, 11.2, 11.3 or 11.4, carried out in order. Repeatable."
        ),
    ] = None,
    db: Annotated[Path | None, typer.Option(help="Keep the journal in this SQLite file.")] = None,
    keystore: Annotated[
        Path | None,
        typer.Option(help="Folder with certificates and keys of supplier and access control broker."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Make keys and radio the same every time.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events, one JSON object a line.")
    ] = False,
) -> None:
    """Update an emulated PPMID (SR 11.4) and an emulated HCALCS (SR 11.1, 11.3), and read both versions back.

    Ends with 0 only if both run the new version and every signature and MAC was verified.
    """
    # The emulator is loaded by the demonstration alone, and only when it runs.
    from hanota.cli.demo_view import JsonView, LiveView  # noqa: PLC0415
    from hanota.demo.run import DemoOptions, run_demo  # noqa: PLC0415
    from hanota.emulator.loop import loop_factory  # noqa: PLC0415
    from hanota.zse.cbke import Suite  # noqa: PLC0415

    try:
        documents = [_read_document(path) for path in request or ()]
        options = DemoOptions(
            radio=_radio(radio),
            security=_security(security),
            suite=Suite(suite),
            key_export=export_keys,
            image_size=image_size,
            requests=documents,
            database=db,
            keystore=_keystore(keystore, request or ()),
            seed=seed,
        )
        view = JsonView() if as_json else LiveView()
        with view, asyncio.Runner(loop_factory=loop_factory(_speed(speed))) as runner:
            report = runner.run(
                run_demo(options, on_event=view.event, on_progress=view.progress, on_notice=view.notice)
            )
    except HanotaError as error:
        fail(error)
    view.conclude(report)
    if not report.succeeded:
        raise typer.Exit(1)


def _radio(text: str) -> str:
    """Return the radio family of an emulated dongle; raise ConfigError for anything else."""
    family, _, rest = text.partition("+emulator://")
    if family not in ("znp", "ezsp") or rest or "+emulator://" not in text:
        raise ConfigError(
            f"--radio {text!r} is no emulated dongle",
            hint="the demonstration runs on znp+emulator:// or ezsp+emulator://",
        )
    return family


def _security(text: str) -> LinkSecurity:
    """Return the link security named; raise ConfigError."""
    from hanota.radio.settings import LinkSecurity  # noqa: PLC0415  # the radio is loaded when it runs

    try:
        return LinkSecurity(text)
    except ValueError:
        raise ConfigError(
            f"--security {text!r} is no link security", hint=f"one of {', '.join(LinkSecurity)}"
        ) from None


def _speed(text: str) -> float | None:
    """Return the factor, None for as fast as it goes; raise ConfigError."""
    if text == "fast":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise ConfigError(
            f"--speed {text!r} is neither `fast` nor a number above 0", hint="1 is as slow as a real radio"
        )
    return speed


def _read_document(path: Path) -> ServiceRequest:
    from hanota.duis.parse import parse_request  # noqa: PLC0415  # lxml is loaded only for documents

    try:
        with path.open("rb") as file:
            document = file.read(MAXIMUM_DOCUMENT + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", hint="name a DUIS document: an XML file"
        ) from error
    try:
        return parse_request(document)
    except RemoteProtocolError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def _keystore(folder: Path | None, documents: Sequence[Path]) -> KeyStore | None:
    """Read the key store named, or one that lies beside the documents or beside their folder."""
    from hanota.gbcs.keystore import KeyStore  # noqa: PLC0415  # only for documents and --keystore

    if folder is not None:
        return KeyStore.from_folder(folder)
    for document in documents:
        for candidate in (document.parent / "keystore", document.parent.parent / "keystore"):
            if candidate.is_dir():
                return KeyStore.from_folder(candidate)
    return None
