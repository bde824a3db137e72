"""A daemon whose database is taken away says so, does nothing that would be lost, and goes on after it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx

from hanota.duis.request import ReadFirmwareVersion, RequestId
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import PPMID, SUPPLIER
from hanota.hub.jobs import JobKind
from tests.radio_dongles import ZNP
from tests.simulation.crash_compositions import DaemonProcess, daemon, fresh

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.simulation.crash_support import World

READ = ReadFirmwareVersion(RequestId(SUPPLIER, PPMID, 3001))


async def ready(world: World) -> tuple[int, str]:
    assert isinstance(world.process, DaemonProcess)
    transport = httpx.ASGITransport(world.process.parts.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8079") as client:
        answer = await client.get("/ready")
    return answer.status_code, answer.text


def test_a_daemon_whose_database_was_moved_away_refuses_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with daemon(ZNP, fresh(tmp_path / "run"), JobKind.PPMID) as world:
            assert (await ready(world))[0] == 200
            assert world.process is not None
            before = len(world.events())
            away = move(world.path)

            status, words = await ready(world)
            assert (status, "was deleted or moved" in words) == (503, True)
            assert await world.process.ask(READ) is None, "503: send it again"
            world.devices[PPMID].power_off()
            await world.devices[PPMID].power_on()
            await asyncio.sleep(60)
            assert len(world.events()) == before

            away.rename(world.path)
            assert (await ready(world))[0] == 200
            await world.ask(READ)
            await world.until(lambda: world.received)

    with caplog.at_level(logging.ERROR):
        run_virtual(main())
    assert all(record.exc_info is None for record in caplog.records), "words, no traceback"
    assert "was deleted or moved while it was in use" in caplog.text


def move(path: Path) -> Path:
    """Move a file away and return where it is now; what SQLite keeps beside it stays."""
    return path.rename(path.with_name("away"))
