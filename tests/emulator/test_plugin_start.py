"""What one rig for each test costs a dongle: no network is formed again, and nothing is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hanota.conformance.places import RADIO_LOG
from hanota.conformance.rig import RigOptions, open_rig
from hanota.emulator.loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

SENT = re.compile(r"Sending (?:command|request:)\s+([\w.]+)")
WRITES = re.compile(
    r"OSALNV(Write|ItemInit|Delete)|NV(Write|Update|Create|Delete)"  # Z-Stack
    r"|set(Mfg)?Token|TokenFactoryReset|import|formNetwork|leaveNetwork|setInitialSecurity",  # EmberZNet
    re.IGNORECASE,
)


@pytest.mark.parametrize("family", ["znp", "ezsp"])
def test_a_hub_that_starts_on_its_network_writes_nothing_into_the_dongle(family: str, tmp_path: Path) -> None:
    log = tmp_path / RADIO_LOG

    async def main() -> tuple[str, str]:
        async with open_rig(RigOptions(radio=family, artifacts=tmp_path)) as rig:
            first = log.read_text(encoding="utf-8")
            # At once: what has not had its first turn yet must let go of the port too.
            await rig.restart_hub()
            return first, log.read_text(encoding="utf-8")[len(first) :]

    first, second = ([name for name in SENT.findall(text) if name] for text in run_virtual(main()))
    assert [name for name in first if WRITES.search(name)]  # forming is written
    assert len(second) > 20
    assert [name for name in second if WRITES.search(name)] == []
