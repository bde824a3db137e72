"""What a coordinator says of itself: firmware, tables, libraries, its network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hanota.errors import RadioError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64


class Eui64Change(StrEnum):
    """How a coordinator takes another EUI-64."""

    REWRITABLE = "any number of times"
    ONCE = "once and for all"
    SPENT = "never again: it was written once"


class Library(StrEnum):
    """Whether a part of EmberZNet is in the firmware (getLibraryStatus)."""

    PRESENT = "present"
    STUB = "stub"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """The network a coordinator has formed."""

    channel: int
    pan_id: int
    extended_pan_id: Eui64
    security_level: int
    frame_counter: int
    """Of its own frames, under the network key."""


@dataclass(frozen=True, slots=True)
class CoordinatorFacts:
    """One coordinator as it was found; None is what its firmware does not tell."""

    family: str
    firmware: str
    """The stack and its version."""
    protocol: str
    """What it speaks to the host, with the version."""
    board: str | None
    eui64: Eui64
    eui64_change: Eui64Change
    key_table_size: int | None
    """Devices that can have a link key at a time."""
    keys_held: int
    """Devices that have one."""
    in_flight: int | None
    """Unicast messages it takes at a time."""
    libraries: Mapping[str, Library]
    """By name; empty where the family has no such question."""
    network: NetworkFacts | None
    """None: it has formed none."""


def check_eui64_change(change: Eui64Change, *, burn: bool) -> None:
    """Raise RadioError where a coordinator takes no other EUI-64, or once only and that is not allowed."""
    if change is Eui64Change.SPENT:
        raise RadioError(
            f"this coordinator takes another EUI-64 {change}",
            hint="flash firmware that takes it again and again, such as EmberZNet 7.4, or erase the flash",
        )
    if change is Eui64Change.ONCE and not burn:
        raise RadioError(
            f"this coordinator takes another EUI-64 {change}", hint="--burn writes it once and for all"
        )
