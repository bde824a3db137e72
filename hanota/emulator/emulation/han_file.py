"""han.toml read: every error names file, table and key, and what is expected there."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING, Final, TypeVar

from hanota.emulator.devices.client_shapes import CLIENTS, QUIRK_NAMES
from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS
from hanota.emulator.emulation.entries import (
    IN_HOME_DISPLAY,
    INSTALL_CODE_OCTETS,
    MANUFACTURER,
    DeviceEntry,
    DeviceKind,
    DongleEntry,
    External,
    Firmware,
    HanFile,
    default_firmware,
    default_install_code,
)
from hanota.emulator.emulation.sockets import parse_address
from hanota.emulator.emulation.table import UINT16, UINT32, Table
from hanota.emulator.impairments import LineFaults, LinkFaults
from hanota.emulator.zdo import SimpleDescriptor
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import HUB
from hanota.ota.fields import ImageId
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId
from hanota.zse.install_code import parse_install_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from _typeshed import DataclassInstance

    from hanota.eui64 import Eui64

    F = TypeVar("F", bound=DataclassInstance)

MAXIMUM_FILE: Final = 1024 * 1024
"""Octets read of a han.toml; a device takes some hundred."""
MAXIMUM_DEVICES: Final = 64
"""What a coordinator's tables can hold at most, and more than a Device Log does."""
LONGEST_SECONDS: Final = 86_400.0
"""The longest time that may be written: a day."""
LONGEST_MODEL: Final = 32
"""Octets of the Basic cluster's ModelIdentifier."""
HIGHEST_BAUDRATE: Final = 4_000_000
"""What USB serial converters reach."""
SUITES: Final = (1, 2)
"""Cryptographic suites of key establishment."""
IN_SECONDS: Final = frozenset({"latency", "jitter"})
"""Faults that are seconds; every other number is a chance, 0 to 1."""


def read_han_file(path: Path) -> HanFile:
    """Read a han.toml; paths in it are relative to its folder. Raise ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAXIMUM_FILE:
        raise ConfigError(f"{path}: more than {MAXIMUM_FILE} octets")
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return parse_han(content, name=path.name, folder=path.parent)


def parse_han(content: Mapping[str, object], *, name: str, folder: Path) -> HanFile:
    """Read the tables of a han.toml called `name` in `folder`; raise ConfigError."""
    root = Table(content, name)
    dongle = _dongle(root.table("dongle", "[dongle]"))
    tables = root.tables("device")
    root.done()
    if len(tables) > MAXIMUM_DEVICES:
        raise ConfigError(f"{name}: {len(tables)} tables [[device]]", hint=f"at most {MAXIMUM_DEVICES}")
    places: dict[Eui64, str] = {dongle.eui64: "[dongle]"}
    devices: list[DeviceEntry] = []
    for number, table in enumerate(tables, 1):
        device = _device(table, folder)
        taken = places.setdefault(device.eui64, f"[[device]] {number}")
        if taken != f"[[device]] {number}":
            table.fail("eui64", f"an EUI-64 of its own, {taken} has this one", str(device.eui64))
        devices.append(device)
    return HanFile(dongle, tuple(devices))


def _dongle(table: Table) -> DongleEntry:
    faults = table.table("faults", "[dongle.faults]")
    entry = DongleEntry(
        eui64=table.eui64("eui64", HUB),
        baudrate=table.integer("baudrate", 115_200, least=300, most=HIGHEST_BAUDRATE),
        flow_control=table.boolean("flow_control", default=True),
        version=_version(table),
        to_host=read_faults(faults.table("to_host", "to_host"), LineFaults()),
        to_ncp=read_faults(faults.table("to_ncp", "to_ncp"), LineFaults()),
    )
    faults.done()
    table.done()
    return entry


def _version(table: Table) -> int | str | None:
    value = table.take("version")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        table.fail("version", 'an EZSP version, such as 13, or a Z-Stack release, such as "3.0"', value)
    return value


def _device(table: Table, folder: Path) -> DeviceEntry:
    eui64 = table.eui64("eui64", None)
    if eui64 is None:
        table.fail("eui64", "16 hex digits; every device has one", None)
    kind = table.choice("kind", DeviceKind, None)
    if kind is None:
        table.fail("kind", f"one of {', '.join(DeviceKind)}", None)
    is_external = kind == DeviceKind.EXTERNAL
    entry = DeviceEntry(
        eui64=eui64,
        install_code=_install_code(table, eui64),
        application=_external(table, folder) if is_external else _firmware(table, DeviceKind(kind), folder),
        autojoin=table.seconds("autojoin", 5.0, least=0.1, most=LONGEST_SECONDS),
        sleep=table.seconds("sleep", None, least=0.1, most=LONGEST_SECONDS),
        faults=read_faults(table.table("faults", "[device.faults]"), LinkFaults()),
        suite=_suite(table),
        credentials=table.path("credentials", folder),
        console=table.path("console", folder),
    )
    table.done()
    if entry.credentials is not None and entry.suite is None:
        table.fail("credentials", "only with a suite of 1 or 2", str(entry.credentials))
    return entry


def _suite(table: Table) -> int | None:
    value = table.take("suite")
    if value is None or value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in SUITES:
        table.fail("suite", 'of key establishment, 1 or 2, or "none"', value)
    return value


def _install_code(table: Table, eui64: Eui64) -> bytes | None:
    expected = "16 octets in hex, with or without their CRC, or false for the well-known key"
    value = table.take("install_code")
    if value is None:
        return default_install_code(eui64)
    if value is False:
        return None
    if not isinstance(value, str):
        table.fail("install_code", expected, value)
    code = Table({"install_code": value}, table.place).parsed("install_code", b"", _code_of_label, expected)
    if len(code) != INSTALL_CODE_OCTETS:
        table.fail("install_code", expected, value)
    return code


def _code_of_label(text: str) -> bytes:
    digits = "".join(character for character in text if character not in " -:")
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        octets = b""
    return octets if len(octets) == INSTALL_CODE_OCTETS else parse_install_code(text)


def _firmware(table: Table, kind: DeviceKind, folder: Path) -> Firmware:
    default = default_firmware(kind)
    return Firmware(
        kind=kind,
        image=ImageId(
            table.integer("manufacturer", default.image.manufacturer_code, most=UINT16),
            table.integer("image_type", default.image.image_type, most=UINT16),
            table.integer("file_version", default.image.file_version, most=UINT32),
        ),
        hardware_version=table.integer("hardware_version", default.hardware_version, most=UINT16),
        model=table.text("model", default.model, longest=LONGEST_MODEL),
        keystore=table.path("keystore", folder),
        trust=table.path("trust", folder),
        client=table.choice("client", CLIENTS, default.client),
        quirks=table.choices("quirks", QUIRK_NAMES),
        misbehaviour=table.choices("misbehaviour", MISBEHAVIOURS),
        keep_alive=table.seconds("keep_alive", None, least=1, most=LONGEST_SECONDS),
    )


def _external(table: Table, folder: Path) -> External:
    expected = "unix:PATH or tcp:HOST:PORT"
    socket = table.parsed("socket", None, lambda text: parse_address(text, folder), expected)
    if socket is None:
        table.fail("socket", f"{expected}; an external device has one", None)
    return External(
        socket=socket,
        listen=table.boolean("listen", True),  # noqa: FBT003  # the key's default
        endpoint=SimpleDescriptor(
            table.integer("endpoint", 1, least=1, most=240),
            table.integer("profile", PROFILE_SMART_ENERGY, most=UINT16),
            table.integer("device_id", IN_HOME_DISPLAY, most=UINT16),
            table.integers("input_clusters", (ClusterId.BASIC,), most=UINT16),
            table.integers("output_clusters", (ClusterId.TIME, ClusterId.OTA_UPGRADE), most=UINT16),
        ),
        manufacturer=table.integer("manufacturer", MANUFACTURER, most=UINT16),
    )


def read_faults(table: Table, faults: F) -> F:
    """Set the fields of `faults` that `table` names, and return it; raise ConfigError."""
    for fault in fields(faults):
        before = getattr(faults, fault.name)
        if isinstance(before, bool):
            setattr(faults, fault.name, table.boolean(fault.name, before))
        elif isinstance(before, float):
            most = LONGEST_SECONDS if fault.name in IN_SECONDS else 1.0
            setattr(faults, fault.name, table.number(fault.name, before, most=most))
    table.done()
    return faults
