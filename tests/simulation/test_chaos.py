"""Chaos by the seed: whatever happens, an update ends activated or by name, and no octet is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.ota.client_events import DownloadComplete
from tests.radio_dongles import DONGLES
from tests.simulation.chaos_support import DEVICES, chaos
from tests.simulation.update_support import NEW, OLD

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle
    from tests.simulation.chaos_support import Chaos

NAMED_FAILURES = {"aborted", "expired", "failed"}


async def judge(run: Chaos) -> None:
    b = run.b
    assert [event.seq for event in b.events] == list(range(1, len(b.events) + 1)), "events lost or doubled"
    assert list(b.assembly.store.events(limit=len(b.events) + 1)) == b.events
    for kind, device in DEVICES.items():
        downloads = [event.data for event in b.device(device).log if isinstance(event, DownloadComplete)]
        assert all(octets == b.files[kind].data for octets in downloads)
        if b.device(device).firmware_version == NEW:
            assert downloads
        if b.state(device) == "activated":
            assert b.device(device).firmware_version == NEW
        else:
            assert b.state(device) in NAMED_FAILURES
            assert b.transfer_alerts(device), "the service user was told nothing"
    assert run.mishaps == []
    for device in DEVICES.values():
        if b.device(device).firmware_version == OLD:
            await b.still_serves(device)


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_chaos_ends_activated_or_in_a_named_failure_with_the_image_octet_exact(
    dongle: Dongle, chaos_seed: int
) -> None:
    async def main() -> None:
        async with chaos(dongle, chaos_seed) as run:
            await judge(run)

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_seed_replays(dongle: Dongle) -> None:
    async def main() -> list[object]:
        async with chaos(dongle, 3) as run:
            return [str(run), *(event.to_json() for event in run.b.events)]

    assert run_virtual(main()) == run_virtual(main())
