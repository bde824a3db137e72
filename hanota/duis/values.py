"""Values inside elements, read by the DUIS 5.4 schema's types, stricter only where noted."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from hanota.duis.document import DocumentLimits, DuisError, path, text, token
from hanota.duis.request import EUI_PATTERN, FIRMWARE_VERSION_LENGTH, RequestId
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from enum import StrEnum

    from lxml.etree import _Element

ALERT_CODE_SIZE: Final = 2
"""Octets of a GBCS Alert Code."""
MPXN_LENGTHS: Final = range(1, 14)
"""Characters of an MPxN in the schema."""
MPAN_LENGTHS: Final = range(13, 14)
"""Characters of an MPAN in the schema."""

_EUI: Final = re.compile(EUI_PATTERN)
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_DECIMAL: Final = re.compile(r"0*([0-9]{1,12})")

_Value = TypeVar("_Value", bound="StrEnum")


def request_id(element: _Element) -> RequestId:
    """Read a RequestIDType or ResponseIDType, which have one form; raise DuisError."""
    try:
        return RequestId.parse(token(element))
    except DuisError as error:
        raise DuisError(f"{path(element)}: {error}") from None


def eui(element: _Element) -> Eui64:
    """Read an EUI; raise DuisError."""
    value = token(element)
    if not _EUI.fullmatch(value):
        raise DuisError(
            f"{path(element)}: expected an EUI such as 00-DB-12-34-56-78-90-A4, got {value[:40]!r}"
        )
    return Eui64.parse(value)


def device_ids(element: _Element, limits: DocumentLimits) -> tuple[Eui64, ...]:
    """Read a DeviceIDList; raise DuisError.

    The schema lets an EUI stand twice; here it is refused: a request cannot mean two updates of one device.
    """
    values = text(element).split(",", limits.device_ids)
    if len(values) > limits.device_ids:
        raise DuisError(f"{path(element)}: expected at most {limits.device_ids} EUIs")
    devices: dict[Eui64, None] = {}
    for value in values:
        if not _EUI.fullmatch(value):
            raise DuisError(
                f"{path(element)}: expected EUIs such as 00-DB-12-34-56-78-90-A4 parted by commas, "
                f"got {value[:40]!r}"
            )
        device = Eui64.parse(value)
        if device in devices:
            raise DuisError(f"{path(element)}: {device} stands there twice")
        devices[device] = None
    return tuple(devices)


def base64(element: _Element) -> bytes:
    """Read an xs:base64Binary, which may be wrapped; raise DuisError."""
    try:
        return binascii.a2b_base64(b"".join(text(element).encode("ascii").split()), strict_mode=True)
    except ValueError as error:
        raise DuisError(f"{path(element)}: expected base64: {error}") from None


def hexadecimal(element: _Element, size: int) -> bytes:
    """Read an xs:hexBinary of `size` octets; raise DuisError."""
    value = token(element)
    if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * size}}}", value):
        raise DuisError(f"{path(element)}: expected {2 * size} hex digits, got {value[:80]!r}")
    return bytes.fromhex(value)


def alert_code(element: _Element) -> int:
    """Read a GBCS Alert Code, an xs:hexBinary of two octets; raise DuisError."""
    return int.from_bytes(hexadecimal(element, ALERT_CODE_SIZE), "big")


def firmware_version(element: _Element) -> str:
    """Read a FirmwareVersion, 1 to 8 characters; raise DuisError."""
    version = text(element)
    if not 1 <= len(version) <= FIRMWARE_VERSION_LENGTH:
        raise DuisError(
            f"{path(element)}: expected 1 to {FIRMWARE_VERSION_LENGTH} characters, got {len(version)}"
        )
    return version


def string(element: _Element, lengths: range) -> str:
    """Read an xs:string of so many characters; raise DuisError."""
    value = text(element)
    if len(value) not in lengths:
        raise DuisError(
            f"{path(element)}: expected {lengths[0]} to {lengths[-1]} characters, got {len(value)}"
        )
    return value


def mpxn(element: _Element) -> str:
    """Read an MPxN; raise DuisError."""
    return string(element, MPXN_LENGTHS)


def mpan(element: _Element) -> str:
    """Read an MPAN; raise DuisError."""
    return string(element, MPAN_LENGTHS)


def date_time(element: _Element) -> datetime:
    """Read an xs:dateTime as an instant in UTC; raise DuisError.

    The schema lets the time zone be missing; here it must be given: a device must not act an hour early.
    """
    value = token(element)
    fault = DuisError(
        f"{path(element)}: expected a date and time with time zone, such as 2030-01-15T09:00:00.00Z, "
        f"got {value[:40]!r}"
    )
    if not _DATE_TIME.fullmatch(value):
        raise fault
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise fault from None


def unsigned(element: _Element, maximum: int) -> int:
    """Read an xs:unsignedShort or the like; raise DuisError."""
    value = token(element)
    match = _DECIMAL.fullmatch(value)
    if match is None or int(match[1]) > maximum:
        raise DuisError(f"{path(element)}: expected a number from 0 to {maximum}, got {value[:40]!r}")
    return int(match[1])


def positive(element: _Element, maximum: int) -> int:
    """Read an xs:positiveInteger up to `maximum`; raise DuisError."""
    value = unsigned(element, maximum)
    if not value:
        raise DuisError(f"{path(element)}: expected a number from 1 to {maximum}, got 0")
    return value


def enumerated(element: _Element, values: type[_Value]) -> _Value:
    """Read one of the values of an enumeration in the schema; raise DuisError."""
    value = text(element)
    try:
        return values(value)
    except ValueError:
        known = ", ".join(values)
        raise DuisError(f"{path(element)}: expected one of {known[:200]}, got {value[:20]!r}") from None
