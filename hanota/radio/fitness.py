"""What of hanota will and will not work on a coordinator, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hanota.radio.facts import Eui64Change, Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.url import RadioUrl

INSTALL_CODES_SINCE: Final = "Z-Stack 3"
SMALL_KEY_TABLE: Final = 4
"""Devices; a home of SMETS2 has that many: meters, PPMID and HCALCS."""


class Verdict(StrEnum):
    """How well something works."""

    WORKS = "works"
    LIMITED = "limited"
    NOT = "does not work"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing hanota does, and how well this coordinator lets it."""

    what: str
    verdict: Verdict
    why: str


def findings(facts: CoordinatorFacts) -> tuple[Finding, ...]:
    """Return what works on a coordinator, and what does not."""
    return tuple(_findings(facts))


def next_command(url: RadioUrl, facts: CoordinatorFacts) -> str:
    """Return the command line to go on with."""
    if facts.network is None:
        return f"hanota radio form '{url}'"
    if facts.network.extended_pan_id != facts.eui64:
        return f"hanota radio backup '{url}' before.json && hanota radio form '{url}'"
    return f"hanota credentials issue --ca ca.toml --subject {facts.eui64} --output hub.toml"


def _findings(facts: CoordinatorFacts) -> Iterator[Finding]:
    yield _joining(facts)
    yield _link_keys(facts)
    yield _establishment(facts)
    yield _messages(facts)
    yield _network(facts)
    yield _eui64(facts)
    yield Finding(
        "devices on 868 MHz", Verdict.NOT, "USB dongles have no sub-GHz radio: 2.4 GHz PPMID and HCALCS only"
    )


def _joining(facts: CoordinatorFacts) -> Finding:
    if facts.family == "znp" and not facts.firmware.startswith(INSTALL_CODES_SINCE):
        return Finding(
            "joining by install code", Verdict.NOT, f"{facts.firmware} takes none: flash Z-Stack 3.0 or later"
        )
    return Finding("joining by install code", Verdict.WORKS, "and no device joins without one")


def _link_keys(facts: CoordinatorFacts) -> Finding:
    what = "link keys, APS encryption"
    size, held = facts.key_table_size, facts.keys_held
    if facts.libraries.get("link keys", Library.PRESENT) is Library.STUB or size == 0:
        return Finding(what, Verdict.NOT, "the firmware has no table of link keys: flash another")
    if size is None:
        return Finding(
            what, Verdict.LIMITED, f"{held} held; the firmware does not tell for how many it has room"
        )
    room = f"{held} of {size} held"
    if size < SMALL_KEY_TABLE:
        return Finding(what, Verdict.LIMITED, f"{room}: no more than {size} devices under keys of their own")
    if held >= size:
        return Finding(what, Verdict.LIMITED, f"{room}: no room for another device")
    return Finding(what, Verdict.WORKS, f"{room}: for {size} devices")


def _establishment(facts: CoordinatorFacts) -> Finding:
    own = facts.libraries.get("CBKE") is Library.PRESENT
    where = "computed on this machine" + (", though the firmware has the library" if own else "")
    return Finding("key establishment (CBKE)", Verdict.WORKS, f"{where}; needs credentials of {facts.eui64}")


def _messages(facts: CoordinatorFacts) -> Finding:
    what = "GBCS messages of several frames"
    if facts.in_flight is not None and facts.in_flight < 2:
        return Finding(what, Verdict.LIMITED, f"{facts.in_flight} frame in flight: slow beside a download")
    flight = "" if facts.in_flight is None else f"; {facts.in_flight} frames in flight"
    by = "hanota" if facts.family == "ezsp" else "the coordinator"
    return Finding(what, Verdict.WORKS, f"cut and put together by {by}{flight}")


def _network(facts: CoordinatorFacts) -> Finding:
    network = facts.network
    if network is None:
        return Finding(
            "network", Verdict.LIMITED, "none yet: `hanota radio form`, or the hub forms one at its start"
        )
    about = f"channel {network.channel}, PAN id {network.pan_id:04X}"
    if network.extended_pan_id != facts.eui64:
        return Finding(
            "network",
            Verdict.LIMITED,
            f"{about}; its extended PAN id is {network.extended_pan_id}, GBCS wants the EUI-64: form anew",
        )
    return Finding("network", Verdict.WORKS, about)


def _eui64(facts: CoordinatorFacts) -> Finding:
    verdict = {
        Eui64Change.REWRITABLE: Verdict.WORKS,
        Eui64Change.ONCE: Verdict.LIMITED,
        Eui64Change.SPENT: Verdict.NOT,
    }[facts.eui64_change]
    return Finding("another EUI-64", verdict, str(facts.eui64_change))
