"""ASN.1 payloads: DER by cryptography's strict decoder, the limits of GBCS on top, and JSON by field name."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, dataclass_transform

from cryptography.hazmat import asn1

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.timestamps import utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

T = TypeVar("T")

Json: TypeAlias = "dict[str, Json] | str | int | None"
"""A decoded payload as JSON."""

MAXIMUM_INTEGER: Final = 2**63 - 1
"""Upper end of every other INTEGER here, as in `originatorCounter INTEGER (0..9223372036854775807)`."""
_MAXIMA: Final = {"alertCode": 0xFFFF}
"""Upper ends of INTEGERs by name: an Alert Code has 16 bits."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def sequence(cls: type[T]) -> type[T]:
    """Make a class with annotations a frozen dataclass that is also an ASN.1 SEQUENCE."""
    return asn1.sequence(dataclass(frozen=True, slots=True, kw_only=True)(cls))


def encode(value: object) -> bytes:
    """Return the DER of a SEQUENCE; raise LocalProtocolError for a value out of its type's limits."""
    if fault := _out_of_limits(value):
        raise LocalProtocolError(fault)
    try:
        return asn1.encode_der(value)
    except ValueError as error:
        raise LocalProtocolError(f"{type(value).__name__}: {error}") from None


def decode(cls: type[T], octets: bytes) -> T:
    """Read one SEQUENCE and nothing after it; raise RemoteProtocolError unless `octets` are its DER."""
    try:
        value = asn1.decode_der(cls, octets)
    except ValueError as error:
        raise RemoteProtocolError(f"{cls.__name__}: {error}") from None
    if fault := _out_of_limits(value):
        raise RemoteProtocolError(fault)
    return value


def generalized_time(when: float | datetime) -> asn1.GeneralizedTime:
    """Return Unix seconds, or an aware datetime, as a GeneralizedTime of whole seconds."""
    moment = utc(when) if isinstance(when, int | float) else when.astimezone(UTC)
    return asn1.GeneralizedTime(moment.replace(microsecond=0))


def to_json(value: object) -> Json:
    """Return a value of a payload by the names of its ASN.1 fields, in the manner of ITU-T X.697 (JER)."""
    match value:
        case None | int() | str():
            return value
        case bytes():
            return value.hex()
        case asn1.GeneralizedTime():
            time = value.as_datetime()
            return f"{time.year:04}{time:%m%d%H%M%S}Z"
        case _:
            # An OPTIONAL field that is absent has no member.
            return {name: to_json(member) for name, member in _members(value) if member is not None}


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yield the fields of a SEQUENCE, by their ASN.1 names."""
    if is_dataclass(value):
        for field in fields(value):
            first, *others = field.name.split("_")
            yield first + "".join(word.capitalize() for word in others), getattr(value, field.name)


def _out_of_limits(value: object) -> str | None:
    """Return what is wrong: cryptography takes any INTEGER and fractions of a second, GBCS does not."""
    for name, member in _members(value):
        most = _MAXIMA.get(name, MAXIMUM_INTEGER)
        match member:
            case int() if not 0 <= member <= most:
                return f"{name}: {member} is not in 0..{most}"
            case asn1.GeneralizedTime() if member.as_datetime().microsecond:
                return f"{name}: a GeneralizedTime of GBCS has whole seconds"
            case _ if fault := _out_of_limits(member):
                return fault
            case _:
                continue
    return None
