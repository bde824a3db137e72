"""Values in REST bodies and paths: EUI-64s, hex, base64 and times in the forms people write."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.timestamps import iso

EXAMPLE_EUI64: Final = "00-DB-12-34-56-78-90-A4"
DIGEST: Final = 32
"""Octets of a SHA-256."""
SHORTEST_DIGEST: Final = 4
"""Octets that a digest may be cut to."""
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2105
"""ZigBee's UTCTime counts seconds since 2000 in 32 bits, most of them since 1970 in as many elsewhere."""


def _eui64(value: object) -> Eui64:
    if isinstance(value, Eui64):
        return value
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("an EUI-64 is written as 16 hex digits")
    try:
        return Eui64.parse(value)
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None


def _hexadecimal(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(value) if isinstance(value, str) else _not("hex digits")
    except ValueError:
        return _not("hex digits")


def _base64(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return binascii.a2b_base64(value, strict_mode=True) if isinstance(value, str) else _not("base64")
    except ValueError:
        return _not("base64")


def _not(what: str) -> bytes:
    raise ValueError(f"expected {what}")


def _number(value: object) -> object:
    """Take a number alone: pydantic would take a truth value, and digits in quotation marks, for one."""
    if isinstance(value, bool | str):
        raise ValueError("expected a number")  # noqa: TRY004  # pydantic tells of ValueErrors alone
    return value


def _time(value: object) -> Any:
    """Take an ISO 8601 text alone: a number could be seconds or milliseconds."""
    if not isinstance(value, str | datetime):
        raise ValueError("expected a date and time with time zone, such as 2030-01-15T09:00:00Z")  # noqa: TRY004
    return value


def _within(time: datetime) -> datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(f"expected a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return time


def _text_schema(description: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, **more})


def _octets_schema(description: str, count: str = "*") -> WithJsonSchema:
    """Describe as many octets in hex as the quantifier says, with spaces between them or without."""
    return _text_schema(description, pattern=f"^ *(?:[0-9A-Fa-f]{{2}} *){count}$")


def _sized(least: int, most: int) -> AfterValidator:
    expected = f"{least}" if least == most else f"{least} to {most}"

    def check(octets: bytes) -> bytes:
        if not least <= len(octets) <= most:
            raise ValueError(f"expected {expected} octets in hex, got {len(octets)}")
        return octets

    return AfterValidator(check)


EuiField = Annotated[
    Eui64,
    PlainValidator(_eui64),
    PlainSerializer(str, return_type=str),
    _text_schema(
        "An EUI-64.", pattern="^[0-9A-Fa-f]{2}(?:[-:]?[0-9A-Fa-f]{2}){7}$", examples=[EXAMPLE_EUI64]
    ),
]
HexField = Annotated[
    bytes,
    PlainValidator(_hexadecimal),
    PlainSerializer(bytes.hex, return_type=str),
    _octets_schema("Octets in hex."),
]
Base64Field = Annotated[
    bytes,
    PlainValidator(_base64),
    PlainSerializer(lambda octets: base64.b64encode(octets).decode(), return_type=str),
    _text_schema("Octets in base64.", format="byte"),
]
DigestField = Annotated[
    HexField,
    _sized(SHORTEST_DIGEST, DIGEST),
    _octets_schema(
        "The SHA-256 of an image's file in hex, or its first octets where they suffice.",
        f"{{{SHORTEST_DIGEST},{DIGEST}}}",
    ),
]
HashField = Annotated[
    HexField,
    _sized(DIGEST, DIGEST),
    _octets_schema("A Manufacturer Image Hash: SHA-256 in hex.", f"{{{DIGEST}}}"),
]
CodeField = Annotated[int, BeforeValidator(_number), Field(ge=0, le=0xFFFF)]
"""Two octets in the body of a request: a manufacturer code, an image type, a hardware version."""
TimeField = Annotated[
    AwareDatetime,
    BeforeValidator(_time),
    AfterValidator(_within),
    _text_schema(
        f"A point in time from {_FIRST_YEAR} to {_LAST_YEAR}, with its time zone.",
        format="date-time",
        pattern="^(?:20[0-9]{2}|210[0-5])-",
    ),
]
"""A point in time that a client gives, one that ZigBee's UTCTime has."""
SecondsField = Annotated[
    float, PlainSerializer(iso, return_type=str), _text_schema("A point in time.", format="date-time")
]
"""Unix seconds, told in ISO 8601."""
