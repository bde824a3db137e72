"""What a service user does while processes are killed, what is left of it, and what it may come to.

It ends as if nobody had been killed, with two exceptions, each where it must be. What a device says while
nobody is there is lost, since GBCS has no repetition: the service user hears E21 for that command, once, or
no alert, and what the device runs is learnt from the next reading. And a job whose device could not be told
to wait is held later, or goes on to activation without having been.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from difflib import ndiff
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from hanota.duis.dcc_alert import CommsHubAlert, PpmidAlert
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import DccAlertMessage, PreCommand, ResponseMessage
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.gbcs.reference_test_data import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES, ZNP
from tests.simulation.crash_compositions import SIZE, bare, fresh
from tests.simulation.update_support import NEW, firmware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hanota.duis.response import Response
    from hanota.emulator.devices import FirmwareDevice
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.ota.image import OtaFile
    from tests.radio_dongles import Dongle
    from tests.simulation.crash_compositions import Composition
    from tests.simulation.crash_support import Cut, World

UPDATE = RequestId(SUPPLIER, BROKER, 1001)
ACTIVATE = RequestId(SUPPLIER, HCALCS, 1002)
SOON = 3600.0
"""Seconds a service user waits for an alert that need not come."""

MATTERS = frozenset(
    {
        EventKind.REQUEST_RECEIVED,
        EventKind.REQUEST_ACKNOWLEDGED,
        EventKind.REQUEST_REJECTED,
        EventKind.PRE_COMMAND,
        EventKind.SIGNED_PRE_COMMAND,
        EventKind.GBCS_SENT,
        EventKind.GBCS_RECEIVED,
        EventKind.GBCS_REFUSED,
        EventKind.RESPONSE_RETURNED,
        EventKind.DEVICE_ALERT,
        EventKind.DCC_ALERT,
        EventKind.DOCUMENT_GIVEN_UP,
        EventKind.JOB_STATE,
    }
)
"""What the log is compared by. Of joins, tunnels, notices and queries a hub that starts again has more."""
NOT_COMPARED = ("message_octets", "payload", "octets", "cause")
"""Of an event's detail: what has a time or a signature in it, or tells how a job came to where it was."""


@dataclass(frozen=True)
class Case:
    """Whose update on which dongle: 11.1 and 11.3 for an HCALCS, 11.4 for a PPMID; then 11.2."""

    dongle: Dongle
    kind: JobKind

    @property
    def device(self) -> Eui64:
        return HCALCS if self.kind is JobKind.HCALCS else PPMID

    @property
    def read(self) -> RequestId:
        """The RequestID of the reading at the end."""
        return RequestId(SUPPLIER, self.device, 1003)

    def __str__(self) -> str:
        return f"{self.dongle} {self.kind}"


CASES = (*(Case(dongle, JobKind.HCALCS) for dongle in FAMILIES), Case(ZNP, JobKind.PPMID))


@dataclass(frozen=True)
class Ending:
    """What is left when all is over, without times and signatures."""

    answers: tuple[str, ...]
    documents: tuple[str, ...]
    delivered: int
    """How often the log says that a document was delivered."""
    log: tuple[str, ...]
    version: bytes
    executed: tuple[tuple[str, int], ...]
    """Message Code and Originator Counter of each command that the device carried out."""
    activations: int


@dataclass(frozen=True)
class Run:
    """One run: its end, what was committed when each process was killed, and what is compared besides."""

    case: Case
    ending: Ending
    commits: Sequence[Sequence[str]]
    """What each commit of the last life told the journal."""
    deaths: Sequence[frozenset[str]]


# -- the run -------------------------------------------------------------------------------------------------


async def service_user(world: World, case: Case) -> list[Response]:
    """Do what a supplier does and return the synchronous answers, in order."""
    file = firmware(case.kind, world.supplier_key, size=SIZE)
    if case.kind is JobKind.HCALCS:
        answers = [await world.ask(UpdateFirmware(UPDATE, file.data, NEW.hex(), (HCALCS,)))]
        await world.until(lambda: alerts(world, CommsHubAlert))
        answers += await activate(world, file)
    else:
        answers = [await world.ask(UpdatePpmidFirmware(UPDATE, file.data, NEW.hex(), (PPMID,)))]
        await world.within(SOON, lambda: alerts(world, PpmidAlert))
    answers.append(await world.ask(ReadFirmwareVersion(case.read)))
    await world.until(lambda: any(document.request_id == case.read for document in world.received))
    return answers


async def activate(world: World, file: OtaFile) -> list[Response]:
    """Send 11.3, sign its Pre-Command once and send that until it is answered; return both answers."""
    asked = await world.ask(ActivateFirmware(ACTIVATE, file.manufacturer_image_hash, None))
    match asked.body:
        case ResponseMessage(content=PreCommand(gbcs_payload=octets)):
            signed = sign(Message.decode(octets), world.supplier_key).encode()
        case _:
            pytest.fail(f"no Pre-Command: {asked}")
    sent = await world.ask(SignedPreCommand(ACTIVATE, signed))
    await world.until(lambda: any(document.request_id == ACTIVATE for document in world.received))
    return [asked, sent]


async def run(
    case: Case,
    folder: Path,
    *cuts: Cut,
    composition: Composition = bare,
    look: Callable[[World], None] = lambda _: None,
) -> Run:
    """Play a case and kill a process at each cut; `look` at the world in the end."""
    async with composition(case.dongle, fresh(folder), case.kind) as world:
        executed, versions = observe(world.devices[case.device])
        world.begin(cuts)
        answers = await service_user(world, case)
        await world.settled()
        assert world.lives == 1 + len(cuts), "it was killed so often"
        check_deliveries(world, cuts)
        look(world)
        events = world.events()
        ending = Ending(
            tuple(map(in_words, answers)),
            tuple(map(in_words, world.received)),
            sum(event.kind is EventKind.DOCUMENT_DELIVERED for event in events),
            tuple(log_of(events)),
            world.devices[case.device].firmware_version,
            tuple(executed),
            len(versions),
        )
        return Run(case, ending, tuple(map(tuple, world.commits)), tuple(world.deaths))


def observe(device: FirmwareDevice) -> tuple[list[tuple[str, int]], list[int]]:
    """Return lists of the commands the device carries out from now on, and of the versions it starts."""
    executed: list[tuple[str, int]] = []
    versions: list[int] = []
    on_command, reboot_into = device.on_command, device.reboot_into

    def note_command(message: Message) -> None:
        executed.append((f"{message.message_code:04X}", message.originator_counter))
        on_command(message)

    def note_start(version: int, started: Callable[[], None]) -> None:
        versions.append(version)
        reboot_into(version, started)

    device.on_command = note_command  # type: ignore[method-assign]
    device.reboot_into = note_start  # type: ignore[method-assign]
    return executed, versions


def check_deliveries(world: World, cuts: Sequence[Cut]) -> None:
    """A document is delivered again only where a process was killed before it could note the first time.

    Then it is the same, octet for octet: another one would be one document more than was journalled.
    """
    again = len(world.posted) - len(world.received)
    assert again <= sum(cut.before for cut in cuts)
    counters = [document.response_id.counter for document in world.received if document.response_id]
    assert counters == sorted(set(counters)), "the DCC's own counter rises with each alert"


def alerts(world: World, kind: type[CommsHubAlert | PpmidAlert]) -> list[DccAlertMessage]:
    """Return the DCC alerts of a kind that were delivered."""
    bodies = [document.body for document in world.received]
    return [body for body in bodies if isinstance(body, DccAlertMessage) and isinstance(body.alert, kind)]


def in_words(document: Response) -> str:
    """Return a document without what is different each time."""
    body = document.body
    match body:
        case ResponseMessage():
            what = f"{body.service_reference} {type(body.content).__name__}"
        case DccAlertMessage():
            what = type(body.alert).__name__
        case _:
            what = type(body).__name__
    return f"{document.response_code} {what} {document.request_id or document.response_id}"


def log_of(events: Sequence[Event]) -> Iterator[str]:
    """Yield what matters of the log; a state of the job at its first time, as a restart may repeat it."""
    states: set[str] = set()
    for event in events:
        detail = {key: value for key, value in event.detail.items() if key not in NOT_COMPARED}
        words = f"{event.kind} {event.device} {detail}"
        if event.kind not in MATTERS or words in states:
            continue
        if event.kind is EventKind.JOB_STATE:
            states.add(words)
        yield words


# -- what it may come to -------------------------------------------------------------------------------------


def check(whole: Run, killed: Run, story: str) -> None:
    """Fail where a run in which processes were killed came to what it must not; `story` tells which."""
    late = hold_is_late(killed)
    ending = apart_from_hold(killed.ending) if late else killed.ending
    if ending not in (apart_from_hold(each) if late else each for each in possible(whole, killed.deaths)):
        pytest.fail(f"{story}:\n{difference(whole.ending, killed.ending)}")


def hold_is_late(killed: Run) -> bool:
    """Tell whether nobody was there when the device was to be told to wait: it is later, or never."""
    return killed.case.kind is JobKind.HCALCS and any(
        "gbcs.received CCS08" in told and "job.state held" not in told for told in killed.deaths
    )


def apart_from_hold(ending: Ending) -> Ending:
    """Return an end without the state `held`, which service users hear nothing of."""
    return replace(ending, log=tuple(line for line in ending.log if "'state': 'held'" not in line))


def possible(whole: Run, deaths: Sequence[frozenset[str]]) -> Iterator[Ending]:
    """Yield how it may end where processes were killed with that committed, first as if none had been."""
    hcalcs = whole.case.kind is JobKind.HCALCS
    # Since when the device may have sent its message, and what tells that it was received.
    messages = {"CS06": "gbcs.sent CS06"} if hcalcs else {"CS09": "job.state activating"}
    messages["CS08"] = "gbcs.sent CS08"
    unheard = [
        use_case
        for use_case, cause in messages.items()
        if any(cause in told and f"gbcs.received {use_case}" not in told for told in deaths)
    ]
    for count in range(len(unheard) + 1):
        for lost in combinations(unheard, count):
            yield without_messages(whole, lost)


def without_messages(whole: Run, lost: Sequence[str]) -> Ending:
    """The end where nobody was there when the device sent its messages of these use cases."""
    ending = whole.ending
    for use_case in lost:
        ending = _without_message(whole.case, ending, use_case)
    activated = [line for line in ending.log if "'state': 'activated'" in line]
    if lost and not activated and "CS08" not in lost:
        # The job ends with the reading that follows instead.
        log = list(ending.log)
        (line,) = [line for line in whole.ending.log if "'state': 'activated'" in line]
        log.insert(index_of(log, "gbcs.received", "'CS08'") + 1, line)
        ending = replace(ending, log=tuple(log))
    return ending


def _without_message(case: Case, ending: Ending, use_case: str) -> Ending:
    log = without(ending.log, "gbcs.received", f"'{use_case}'")
    documents, delivered = list(ending.documents), ending.delivered
    if use_case == "CS09":
        log = without(log, "service_request.dcc_alert", "'PPMIDAlert'")
        documents = without(documents, "PpmidAlert")
        delivered -= 1
    else:
        reference, request_id = ("11.3", ACTIVATE) if use_case == "CS06" else ("11.2", case.read)
        at = index_of(log, "service_request.response", f"'{reference}'")
        log[at] = log[at][: log[at].index("'outcome'")] + (
            "'outcome': 'no response: no response within 600 s', 'response_code': 'E21'}"
        )
        documents[index_of(documents, str(request_id))] = f"E21 {reference} NoneType {request_id}"
    if use_case != "CS08":
        log = without(log, "'state': 'activated'")
    return replace(ending, documents=tuple(documents), delivered=delivered, log=tuple(log))


def index_of(lines: Sequence[str], *words: str) -> int:
    """Return where the one line with all these words is."""
    (index,) = [index for index, line in enumerate(lines) if all(word in line for word in words)]
    return index


def without(lines: Sequence[str], *words: str) -> list[str]:
    """Return the lines but the one with all these words."""
    at = index_of(lines, *words)
    return [*lines[:at], *lines[at + 1 :]]


def difference(whole: Ending, ending: Ending) -> str:
    """Say line by line what is different."""
    lines = []
    for field in fields(Ending):
        was, now = getattr(whole, field.name), getattr(ending, field.name)
        if isinstance(was, tuple):
            lines += [line for line in ndiff(list(map(str, was)), list(map(str, now))) if line[0] in "+-"]
        elif was != now:
            lines.append(f"{field.name}: {was} is {now}")
    return "\n".join(lines)
