"""What a user is told of a coordinator: what works on it, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.eui64 import Eui64
from hanota.radio import RadioUrl
from hanota.radio.facts import CoordinatorFacts, Eui64Change, Library, NetworkFacts
from hanota.radio.fitness import Finding, Verdict, findings, next_command

OWN = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
URL = RadioUrl.parse("ezsp:///dev/ttyACM0")
NETWORK = NetworkFacts(15, 0x8C54, OWN, 5, 0)
GOOD = CoordinatorFacts(
    family="ezsp",
    firmware="EmberZNet 7.4.4.0 build 0",
    protocol="EZSP v13",
    board=None,
    eui64=OWN,
    eui64_change=Eui64Change.REWRITABLE,
    key_table_size=12,
    keys_held=1,
    in_flight=32,
    libraries={"link keys": Library.PRESENT, "CBKE": Library.STUB},
    network=NETWORK,
)


def finding(facts: CoordinatorFacts, what: str) -> Finding:
    """Return what is said of the one thing whose name begins so."""
    (found,) = [each for each in findings(facts) if each.what.startswith(what)]
    return found


def test_on_a_good_coordinator_everything_works_but_sub_ghz() -> None:
    assert [each.what for each in findings(GOOD) if each.verdict is not Verdict.WORKS] == [
        "devices on 868 MHz"
    ]


@pytest.mark.parametrize(
    ("changes", "what", "verdict", "word"),
    [
        ({"key_table_size": 3}, "link keys", Verdict.LIMITED, "no more than 3 devices"),
        ({"key_table_size": 0}, "link keys", Verdict.NOT, "flash another"),
        ({"libraries": {"link keys": Library.STUB}}, "link keys", Verdict.NOT, "flash another"),
        ({"keys_held": 12}, "link keys", Verdict.LIMITED, "no room"),
        ({"key_table_size": None}, "link keys", Verdict.LIMITED, "does not tell"),
        ({"libraries": {"CBKE": Library.PRESENT}}, "key establishment", Verdict.WORKS, "has the library"),
        ({"in_flight": 1}, "GBCS messages", Verdict.LIMITED, "1 frame in flight"),
        ({"network": None}, "network", Verdict.LIMITED, "hanota radio form"),
        ({"eui64_change": Eui64Change.ONCE}, "another EUI-64", Verdict.LIMITED, "once and for all"),
        ({"eui64_change": Eui64Change.SPENT}, "another EUI-64", Verdict.NOT, "written once"),
        (
            {"family": "znp", "firmware": "Z-Stack 1.2"},
            "joining by install code",
            Verdict.NOT,
            "flash Z-Stack 3.0 or later",
        ),
        ({"family": "znp", "firmware": "Z-Stack 3.30"}, "joining", Verdict.WORKS, "without one"),
    ],
)
def test_what_a_coordinator_lacks_is_said(
    changes: dict[str, object], what: str, verdict: Verdict, word: str
) -> None:
    found = finding(replace(GOOD, **changes), what)  # type: ignore[arg-type]
    assert found.verdict is verdict
    assert word in found.why


def test_a_network_under_another_extended_pan_id_is_to_be_formed_anew_after_a_backup() -> None:
    facts = replace(GOOD, network=replace(NETWORK, extended_pan_id=Eui64(bytes(8))))
    assert finding(facts, "network").verdict is Verdict.LIMITED
    assert next_command(URL, facts).startswith("hanota radio backup 'ezsp:///dev/ttyACM0'")


def test_the_next_command_after_a_network_is_formed_makes_credentials_of_this_very_coordinator() -> None:
    assert next_command(URL, replace(GOOD, network=None)) == "hanota radio form 'ezsp:///dev/ttyACM0'"
    assert str(OWN) in next_command(URL, GOOD)
