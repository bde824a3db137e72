"""The process is killed before and after every commit of 11.1, 11.3 and 11.4: it ends as if it had not been.

`crash_cases` tells the two exceptions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.duis.request import ReadFirmwareVersion
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import BROKER, SUPPLIER
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.simulation.crash_cases import ACTIVATE, CASES, UPDATE, check, run
from tests.simulation.crash_compositions import bare, fresh
from tests.simulation.crash_support import DOWN, Cut
from tests.simulation.update_support import NEW

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.gbcs.message import Message
    from tests.simulation.crash_cases import Case, Run

SHARDS = 4
"""So many tests share the cuts on one dongle and side between them."""
pytestmark = pytest.mark.parametrize("case", CASES, ids=str, scope="module")


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_virtual(run(case, tmp_path_factory.mktemp("whole") / "run"))


def test_where_nobody_is_killed_each_request_has_one_answer_and_one_response(case: Case, whole: Run) -> None:
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
    case: Case, whole: Run, tmp_path: Path, before: bool, shard: int
) -> None:
    for number in range(shard + 1, len(whole.commits) + 1, SHARDS):
        cut = Cut(number, before)
        killed = run_virtual(run(case, tmp_path / str(number), cut))
        check(whole, killed, f"killed {cut} ({whole.commits[number - 1]})")


def test_what_a_device_says_while_the_hub_is_starting_is_heard_or_lost_but_never_refused(
    case: Case, tmp_path: Path
) -> None:
    async def main(path: Path, delay: float) -> int:
        async with bare(case.dongle, fresh(path), case.kind) as world:
            device = world.devices[case.device]
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
    heard = [run_virtual(main(tmp_path / str(delay), delay)) for delay in delays]
    assert 0 in heard
    assert heard[-1] == 1, "by then it has started"
