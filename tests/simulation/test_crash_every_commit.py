"""The process is killed before and after every commit of 11.1, 11.3 and 11.4: it ends as if it had not been.

With two exceptions, each where it must be. What a device says while nobody is there is lost, since GBCS has
no repetition: the service user hears E21 for that command, once, or no alert, and what the device runs is
learnt from the next reading. And a job whose device could not be told to wait goes on to activation without
having been held.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields, replace
from difflib import ndiff
from typing import TYPE_CHECKING

import pytest

from hanota.demo.parties import BROKER, HCALCS, PPMID, SUPPLIER
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
from hanota.emulator.loop import run_virtual
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES, ZNP
from tests.simulation.crash_support import DOWN, Cut, crash_world
from tests.simulation.update_support import NEW, supplier_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hanota.duis.response import Response
    from hanota.emulator.devices import FirmwareDevice
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from tests.radio_dongles import Dongle
    from tests.simulation.crash_support import World

SHARDS = 4
"""So many tests share the cuts on one dongle and side between them."""
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
pytestmark = pytest.mark.parametrize("case", CASES, ids=str, scope="module")


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
class Whole:
    """The run in which nobody was killed: its end, and what each commit told."""

    case: Case
    ending: Ending
    commits: Sequence[Sequence[str]]

    def telling(self, words: str) -> int:
        """Return the number of the commit with that event."""
        (number,) = [
            number for number, told in enumerate(self.commits, 1) if any(words in event for event in told)
        ]
        return number


# -- the run -------------------------------------------------------------------------------------------------


async def service_user(world: World, case: Case) -> list[Response]:
    """Do what a supplier does and return the synchronous answers, in order."""
    if case.kind is JobKind.HCALCS:
        answers = [await world.ask(UpdateFirmware(UPDATE, world.file.data, NEW.hex(), (HCALCS,)))]
        await world.until(lambda: alerts(world, CommsHubAlert))
        answers += await activate(world)
    else:
        answers = [await world.ask(UpdatePpmidFirmware(UPDATE, world.file.data, NEW.hex(), (PPMID,)))]
        await world.within(SOON, lambda: alerts(world, PpmidAlert))
    answers.append(await world.ask(ReadFirmwareVersion(case.read)))
    await world.until(lambda: any(document.request_id == case.read for document in world.received))
    return answers


async def activate(world: World) -> list[Response]:
    """Send 11.3, sign its Pre-Command once and send that until it is answered; return both answers."""
    asked = await world.ask(ActivateFirmware(ACTIVATE, world.file.manufacturer_image_hash, None))
    match asked.body:
        case ResponseMessage(content=PreCommand(gbcs_payload=octets)):
            signed = sign(Message.decode(octets), supplier_key(world.parties)).encode()
        case _:
            pytest.fail(f"no Pre-Command: {asked}")
    sent = await world.ask(SignedPreCommand(ACTIVATE, signed))
    await world.until(lambda: any(document.request_id == ACTIVATE for document in world.received))
    return [asked, sent]


async def run(case: Case, path: Path, cut: Cut | None) -> Whole:
    async with crash_world(case.dongle, path, case.kind) as world:
        device = world.bench.devices[case.device]
        executed, versions = observe(device)
        world.begin(cut)
        answers = await service_user(world, case)
        await world.settled()
        assert world.lives == (1 if cut is None else 2), "it was killed once"
        check_deliveries(world, cut)
        events = world.events()
        ending = Ending(
            tuple(map(in_words, answers)),
            tuple(map(in_words, world.received)),
            sum(event.kind is EventKind.DOCUMENT_DELIVERED for event in events),
            tuple(log_of(events)),
            device.firmware_version,
            tuple(executed),
            len(versions),
        )
        return Whole(case, ending, tuple(map(tuple, world.commits)))


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


def check_deliveries(world: World, cut: Cut | None) -> None:
    """A document is delivered again only where the process was killed before it could note the first time."""
    again = len(world.posted) - len(world.received)
    assert again <= (cut is not None and cut.before)
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


# -- what else it may come to --------------------------------------------------------------------------------


def unheard(whole: Whole, use_case: str) -> Ending:
    """The end where nobody was there when the device sent its message of that use case."""
    ending = whole.ending
    log = without(ending.log, "gbcs.received", f"'{use_case}'")
    documents, delivered = list(ending.documents), ending.delivered
    if use_case == "CS09":
        log = without(log, "service_request.dcc_alert", "'PPMIDAlert'")
        documents = list(without(documents, "PpmidAlert"))
        delivered -= 1
    else:
        reference, request_id = ("11.3", ACTIVATE) if use_case == "CS06" else ("11.2", whole.case.read)
        at = index_of(log, "service_request.response", f"'{reference}'")
        log[at] = log[at][: log[at].index("'outcome'")] + (
            "'outcome': 'no response: no response within 600 s', 'response_code': 'E21'}"
        )
        documents[index_of(documents, str(request_id))] = f"E21 {reference} NoneType {request_id}"
    if use_case != "CS08":
        # The job ends with the reading that follows instead.
        activated = log.pop(index_of(log, "'state': 'activated'"))
        log.insert(index_of(log, "gbcs.received", "'CS08'") + 1, activated)
    return replace(ending, documents=tuple(documents), delivered=delivered, log=tuple(log))


def index_of(lines: Sequence[str], *words: str) -> int:
    """Return where the one line with all these words is."""
    (index,) = [index for index, line in enumerate(lines) if all(word in line for word in words)]
    return index


def without(lines: Sequence[str], *words: str) -> list[str]:
    """Return the lines but the one with all these words."""
    at = index_of(lines, *words)
    return [*lines[:at], *lines[at + 1 :]]


def other_endings(whole: Whole, cut: Cut) -> list[Ending]:
    """The endings besides the usual one that killing at `cut` may come to."""
    last = cut.number - 1 if cut.before else cut.number
    """The last commit there was."""
    # Since when the device may have sent its message, and the commit in which it is received.
    messages = {"CS08": "gbcs.sent CS08"} | (
        {"CS06": "gbcs.sent CS06"} if whole.case.kind is JobKind.HCALCS else {"CS09": "job.state activating"}
    )
    others = [
        unheard(whole, use_case)
        for use_case, cause in messages.items()
        if whole.telling(cause) <= last < whole.telling(f"gbcs.received {use_case}")
    ]
    if whole.case.kind is JobKind.HCALCS and (
        whole.telling("gbcs.received CCS08") <= last < whole.telling("job.state held")
    ):
        others.append(replace(whole.ending, log=tuple(without(whole.ending.log, "'state': 'held'"))))
    return others


# -- the tests -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return run_virtual(run(case, tmp_path_factory.mktemp("whole") / "hub.db", None))


def test_where_nobody_is_killed_each_request_has_one_answer_and_one_response(
    case: Case, whole: Whole
) -> None:
    hcalcs = case.kind is JobKind.HCALCS
    activation = [f"I0 11.3 PreCommand {ACTIVATE}", f"I99 11.3 NoneType {ACTIVATE}"]
    assert list(whole.ending.answers) == [
        f"I99 {'11.1' if hcalcs else '11.4'} NoneType {UPDATE}",
        *(activation if hcalcs else ()),
        f"I99 11.2 NoneType {case.read}",
    ]
    assert list(whole.ending.documents) == [
        f"I0 CspFirmwareDeliveryStatus {BROKER}:{SUPPLIER}:1",
        f"I0 CommsHubAlert {BROKER}:{SUPPLIER}:2",
        f"I0 11.3 GbcsPayload {ACTIVATE}" if hcalcs else f"I0 PpmidAlert {BROKER}:{SUPPLIER}:3",
        f"I0 11.2 GbcsPayload {case.read}",
    ]
    assert whole.ending.delivered == len(whole.ending.documents)
    assert (whole.ending.version, whole.ending.activations) == (NEW, 1)
    assert [code for code, _ in whole.ending.executed] == (["0012", "0129"] if hcalcs else ["0129"])
    assert len(whole.commits) > 20


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_commit_it_ends_as_if_it_had_not_been(
    case: Case, whole: Whole, tmp_path: Path, before: bool, shard: int
) -> None:
    for number in range(shard + 1, len(whole.commits) + 1, SHARDS):
        cut = Cut(number, before)
        ending = run_virtual(run(case, tmp_path / f"{number}.db", cut)).ending
        if ending not in (whole.ending, *other_endings(whole, cut)):
            pytest.fail(f"killed {cut} ({whole.commits[number - 1]}):\n{difference(whole.ending, ending)}")


def test_what_a_device_says_while_the_hub_is_starting_is_heard_or_lost_but_never_refused(
    case: Case, tmp_path: Path
) -> None:
    async def main(path: Path, delay: float) -> int:
        async with crash_world(case.dongle, path, case.kind) as world:
            device = world.bench.devices[case.device]
            held: list[Message] = []
            send_message = device.send_message
            device.send_message = held.append  # type: ignore[assignment,method-assign]
            await world.ask(ReadFirmwareVersion(case.read))
            await asyncio.sleep(1)
            (response,) = held
            world.kill()
            await asyncio.sleep(DOWN + delay)
            send_message(response)
            await asyncio.sleep(30)
            assert not [event for event in world.events() if event.kind is EventKind.GBCS_REFUSED]
            return len(world.received)

    delays = [number / 10 for number in range(6)]
    heard = [run_virtual(main(tmp_path / f"{delay}.db", delay)) for delay in delays]
    assert 0 in heard
    assert heard[-1] == 1, "by then it has started"
