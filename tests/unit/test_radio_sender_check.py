"""Whose key a frame came under: frames held, judged, refused, and how that cannot be raced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.radio.sender_check import ADDRESS_CHANGING, FOREIGN_KEY, NO_ANSWER, TOO_MANY, SenderCheck
from tests.radio_support import HCALCS, PPMID

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

NWK = 0x1234


class Rig:
    """A check whose coordinator answers when it is told to."""

    def __init__(self, limit: int = 4) -> None:
        self.answers: asyncio.Queue[Eui64 | None] = asyncio.Queue()
        self.asked = 0
        self.verdicts: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.check = SenderCheck(
            limit, owner=self._owner, spawn=lambda work: self.tasks.append(asyncio.ensure_future(work))
        )

    async def _owner(self, _nwk: int) -> Eui64 | None:
        self.asked += 1
        return await self.answers.get()

    def frame(self, device: Eui64 = PPMID, nwk: int = NWK) -> None:
        self.check.examine(nwk, device, lambda: self.verdicts.append("believed"), self.verdicts.append)

    async def answer(self, owner: Eui64 | None) -> None:
        self.answers.put_nowait(owner)
        for _ in range(5):
            await asyncio.sleep(0)


async def test_the_coordinator_is_asked_once_and_its_word_stands() -> None:
    rig = Rig()
    rig.frame()
    assert rig.verdicts == []
    await rig.answer(PPMID)
    rig.frame()
    assert rig.verdicts == ["believed", "believed"]
    assert rig.asked == 1


@pytest.mark.parametrize("owner", [HCALCS, None])
async def test_a_frame_under_the_key_of_another_is_refused_and_the_next_asked_for_again(
    owner: Eui64 | None,
) -> None:
    rig = Rig()
    rig.frame()
    await rig.answer(owner)
    rig.frame()
    await rig.answer(PPMID)
    assert rig.verdicts == [FOREIGN_KEY, "believed"]


async def test_an_announcement_makes_it_ask_again() -> None:
    rig = Rig()
    rig.frame()
    await rig.answer(PPMID)
    rig.check.doubt(NWK)
    rig.frame()
    await rig.answer(HCALCS)
    assert rig.verdicts == ["believed", FOREIGN_KEY]


async def test_an_announcement_while_it_is_asked_leaves_nothing_agreed() -> None:
    rig = Rig()
    rig.frame()
    await asyncio.sleep(0)
    rig.check.doubt(NWK)
    await rig.answer(PPMID)
    rig.frame()
    await rig.answer(HCALCS)
    assert rig.verdicts == ["believed", FOREIGN_KEY]


async def test_frames_that_came_after_the_question_wait_for_another_answer() -> None:
    rig = Rig()
    rig.frame()
    await asyncio.sleep(0)
    rig.frame()
    await rig.answer(PPMID)
    assert rig.verdicts == ["believed"]
    await rig.answer(HCALCS)
    assert rig.verdicts == ["believed", FOREIGN_KEY]


async def test_frames_before_and_while_the_coordinator_is_told_an_address_are_refused() -> None:
    rig = Rig()
    rig.frame()
    await asyncio.sleep(0)
    rig.check.change(NWK)
    rig.frame()
    rig.check.changed(NWK)
    rig.frame()
    await rig.answer(PPMID)
    assert rig.verdicts == [ADDRESS_CHANGING, ADDRESS_CHANGING]
    await rig.answer(HCALCS)
    assert rig.verdicts == [ADDRESS_CHANGING, ADDRESS_CHANGING, FOREIGN_KEY]


async def test_a_flood_of_frames_in_doubt_is_not_held() -> None:
    rig = Rig(limit=2)
    for nwk in range(5):
        rig.frame(nwk=nwk)
    assert rig.verdicts == [TOO_MANY] * 3
    for task in rig.tasks:
        task.cancel()
    await asyncio.gather(*rig.tasks, return_exceptions=True)


async def test_no_answer_is_no_agreement() -> None:
    async def broken(_nwk: int) -> Eui64 | None:
        raise RuntimeError

    verdicts: list[str] = []
    check = SenderCheck(4, owner=broken, spawn=asyncio.ensure_future)
    check.examine(NWK, PPMID, lambda: verdicts.append("believed"), verdicts.append)
    for _ in range(5):
        await asyncio.sleep(0)
    assert verdicts == [NO_ANSWER]


async def test_a_question_that_is_broken_off_holds_nobody_up() -> None:
    """The task goes with the coordinator it asked; what it held does not fill the room for ever."""
    rig = Rig(limit=1)
    rig.frame()
    await asyncio.sleep(0)
    rig.tasks[0].cancel()
    await asyncio.gather(*rig.tasks, return_exceptions=True)
    rig.check.reset()
    rig.frame()
    await rig.answer(PPMID)
    assert rig.verdicts[-1] == "believed"


async def test_another_life_of_the_coordinator_refuses_what_was_held_in_the_last_one() -> None:
    rig = Rig(limit=1)
    rig.frame()
    await asyncio.sleep(0)
    rig.check.reset()
    assert rig.verdicts == [NO_ANSWER]
    rig.frame()
    await asyncio.sleep(0)
    await rig.answer(HCALCS)  # to the question of the last life, which is of no account
    await rig.answer(PPMID)
    assert rig.verdicts == [NO_ANSWER, "believed"]


async def test_a_change_that_ends_after_the_coordinator_was_reopened_counts_for_nothing() -> None:
    rig = Rig()
    rig.check.change(NWK)
    rig.check.reset()
    rig.check.changed(NWK)
    rig.frame()
    await rig.answer(PPMID)
    assert rig.verdicts == ["believed"]
