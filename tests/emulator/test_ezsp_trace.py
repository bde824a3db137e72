"""The emulated co-processor gives the answers a recorded dialogue has, frame by frame."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.eui64 import Eui64
from tests.emulator.ezsp_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACES = Path(__file__).parents[2] / "../shared/reference/traces"
LINE = re.compile(r"\s*[\d.]+ (host->ncp|ncp->host) ([0-9a-f]{4}) (\S+)\s*([0-9a-f]*)")
SECTIONS = ("COLD", "WARM", "permit(60)", "watchdog", "permit_with_link_key", "create_backup")
"""Those that need no device."""
LEGACY_VERSION = (0x0000, bytes.fromhex("00000004"))
"""Begins a dialogue after a reset of the link, which the trace does not show."""

GET_CHILD_DATA = 0x004A
"""EmberChildData has 18 octets since EZSP 10; the recorded stand-in had two more."""
GET_VALUE, GET_MFG_TOKEN, SET_CONFIGURATION, GET_EXTENDED_TIMEOUT = 0x00AA, 0x000B, 0x0053, 0x007F
DIFFERENT = {
    # Read before it was set: the recorded stand-in had no such value.
    (GET_VALUE, b"\x3a"),
    # The recorded stand-in had two octets; an EUI64 has eight.
    (GET_MFG_TOKEN, b"\x0c"),
    # The key table's size is fixed by the firmware build, and bellows leaves a larger one alone.
    (SET_CONFIGURATION, b"\x1e\x04\x00"),
    # The recorded stand-in kept its address table over a reset; firmware does not.
    (GET_EXTENDED_TIMEOUT, bytes.fromhex("ddccbbaa006f0d00")),
}
BEYOND_RECORD = {0x003F, 0x0019}
"""Reports of broadcasts and of the join window, which the recorded stand-in left out and firmware sends."""

Frame = tuple[int, bytes]


@dataclass
class Exchange:
    """A frame of the host's and what came back before the next."""

    section: str
    request: Frame
    answers: list[Frame] = field(default_factory=list)


def dialogue(trace: Path) -> Iterator[Exchange]:
    """Every exchange of the sections that need no device."""
    section = ""
    exchange: Exchange | None = None
    for line in trace.read_text().splitlines():
        if line.startswith("###"):
            section = line.removeprefix("### ")
        match = LINE.match(line)
        if match is None:
            continue
        direction, frame_id, _, data = match.groups()
        frame = int(frame_id, 16), bytes.fromhex(data)
        if direction == "ncp->host" and exchange is not None:
            if exchange.section == section:
                exchange.answers.append(frame)
        elif direction == "host->ncp":
            if exchange is not None and exchange.section.startswith(SECTIONS):
                yield exchange
            exchange = Exchange(section, frame)
    if exchange is not None and exchange.section.startswith(SECTIONS):
        yield exchange


def alike(answers: list[Frame], recorded: list[Frame]) -> bool:
    """Same frames of the same lengths in the same order, and every bare status the same."""
    told = {frame_id for frame_id, _ in recorded}
    answers = [frame for frame in answers if frame[0] in told or frame[0] not in BEYOND_RECORD]
    return [(frame_id, len(data)) for frame_id, data in answers] == [
        (frame_id, len(data)) for frame_id, data in recorded
    ] and all(
        data == expected
        for (_, data), (_, expected) in zip(answers, recorded, strict=True)
        if len(expected) in {1, 4} and expected.strip(b"\x00") == b""
    )


@pytest.mark.parametrize("version", [13, 14])
def test_every_recorded_request_that_needs_no_device_gets_the_recorded_answers(version: int) -> None:
    trace = TRACES / f"ezsp_v{version}.txt"
    if not trace.exists():
        pytest.skip(f"the recorded dialogue is not here: {trace}")

    async def replay() -> list[str]:
        host = Host(version, eui64=Eui64.parse("00-0D-6F-00-AA-BB-CC-DD"))
        differences, replayed = [], 0
        for exchange in dialogue(trace):
            frame_id, data = exchange.request
            if exchange.request == LEGACY_VERSION:
                await host.reset()
                assert (await host.frame(bytes((0, 0, 4))))[1][0] == version
                continue
            if frame_id == GET_CHILD_DATA or (frame_id, data) in DIFFERENT:
                continue
            replayed += 1
            answer = await host.frame(struct.pack("<BBH", 0, 1, frame_id) + data, wait=0.2)
            answers = [answer, *host.callbacks]
            if not alike(answers, exchange.answers):
                differences.append(f"{exchange}: {answers}")
        host.ncp.stop()
        assert replayed > 300
        assert host.ncp.statistics.unknown_commands == 0
        return differences

    assert run_virtual(replay()) == []
