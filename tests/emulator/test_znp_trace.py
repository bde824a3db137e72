"""The emulated coordinator gives the answers a recorded dialogue has, frame by frame."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Air
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.unpi import MtFrame, UnpiDecoder
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = Path(__file__).parents[2] / "../shared/reference/traces/znp.txt"
LINE = re.compile(r"\s*[\d.]+ (host->ncp|ncp->host) ([0-9a-f]{2}) ([0-9a-f]{2}) \S+\s*([0-9a-f]*)")
PING = (0x61, 0x01)
SHAPE_ONLY = {(0x61, 0x33), (0x61, 0x1C), (0x45, 0xFF)}
"""Answers whose content is this network's own: NV values, sequence numbers."""

Answer = tuple[int, int, bytes]


def dialogues() -> Iterator[tuple[str, MtFrame, list[Answer]]]:
    """Each host frame of the sections that need no device, with the answers recorded up to the next."""
    section, request, answers = "", None, []
    for line in TRACE.read_text().splitlines():
        if line.startswith("###"):
            if request is not None:
                yield section, request, answers
            section, request = line.removeprefix("### "), None
            continue
        match = LINE.match(line)
        if match is None:
            continue
        direction, cmd0, cmd1, data = match.groups()
        head, command, octets = int(cmd0, 16), int(cmd1, 16), bytes.fromhex(data)
        if direction == "ncp->host":
            answers.append((head, command, octets))
            continue
        if request is not None:
            yield section, request, answers
        request, answers = MtFrame(head >> 5, head & 0x1F, command, octets), []
    if request is not None:
        yield section, request, answers


class Recorder:
    """A host that only listens."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._decoder = UnpiDecoder()

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.answers.append((frame.type << 5 | frame.subsystem, frame.command, frame.data))

    def connection_lost(self, exc: Exception | None) -> None:
        raise AssertionError(exc)


def alike(answer: Answer, recorded: Answer) -> bool:
    """Same command and length; same octets unless they are this network's own, or a CC2652's capabilities."""
    if answer[:2] != recorded[:2] or len(answer[2]) != len(recorded[2]):
        return False
    return answer[:2] in SHAPE_ONLY | {PING} or answer[2] == recorded[2]


@pytest.mark.skipif(not TRACE.exists(), reason=f"the recorded dialogue is not here: {TRACE}")
def test_every_recorded_request_that_needs_no_device_gets_the_recorded_answers() -> None:
    wanted = ("COLD", "shutdown", "WARM", "permit(60)", "watchdog", "permit_with_link_key")

    async def replay() -> list[str]:
        ncp = ZnpCoordinator(Air(), eui64=Eui64.parse("00-12-4B-00-AA-BB-CC-DD"))
        host = Recorder()
        ncp.line.open(host)
        differences, replayed = [], 0
        for section, request, recorded in dialogues():
            if not section.startswith(wanted):
                continue
            replayed += 1
            host.answers.clear()
            ncp.line.write(Direction.TO_NCP, request.encode())
            await asyncio.sleep(0.2)
            matched = len(host.answers) == len(recorded) and all(map(alike, host.answers, recorded))
            if not matched:
                differences.append(f"{section}: {request}: {host.answers} instead of {recorded}")
        ncp.stop()
        assert replayed > 400
        return differences

    assert run_virtual(replay()) == []
