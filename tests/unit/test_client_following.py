"""What `hanota client ... --follow` tells of jobs that wait for somebody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from hanota.cli.client import following
from hanota.cli.client.words import job_words

if TYPE_CHECKING:
    import pytest

    from hanota.cli.client.connection import Connection

JOB = {"id": 7, "device": "00-DB-12-34-56-78-90-A4", "state": "transferring", "ended": False, "reason": ""}


def transferring(octets: int, *, waits: bool) -> dict[str, Any]:
    progress = {"octets": octets, "total": 40_056, "percentage": octets / 400.56, "rate": 38.8}
    return {**JOB, "waits_for_approval": waits, "progress": {**progress, "seconds_left": 0.4}}


def followed(*looks: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is told of a job that stands like this from look to look."""

    class Daemon:
        def __init__(self) -> None:
            self.looks = list(looks)

        async def get(self, path: str, _: object = None) -> Any:
            if path == "/jobs":
                return {"jobs": [self.looks.pop(0)] if len(self.looks) > 1 else []}
            return self.looks[0]

    asyncio.run(following.follow_jobs(cast("Connection", Daemon()), [7]))
    told = capsys.readouterr()
    return told.out + told.err


def test_a_device_that_lacks_its_last_block_is_told_so_instead_of_its_rate() -> None:
    assert job_words(transferring(40_040, waits=True)) == (
        "transferring, waits for approval, all but its last block"
    )
    assert "100 %" in job_words(transferring(39_900, waits=True))


def test_a_paused_transfer_has_no_rate_and_no_time_left() -> None:
    words = job_words({**transferring(20_028, waits=False), "paused": True})
    assert words == "transferring, paused, 50 %"
    assert "left" in job_words(transferring(20_028, waits=False))


def test_an_open_job_whose_activation_has_a_time_is_told_with_it() -> None:
    activating = {
        **JOB,
        "state": "activating",
        "upgrade_at": None,
        "execution_at": "2031-01-15T14:30:00.000Z",
    }
    assert job_words(activating) == "activating, activates at 2031-01-15T14:30:00.000Z"
    assert job_words({**activating, "execution_at": None}) == "activating"
    assert job_words({**activating, "state": "expired", "ended": True}) == "expired"


def test_whoever_follows_an_update_is_told_when_it_waits_for_approval_and_what_approves_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(following, "LOOK_INTERVAL", 0)
    told = followed(
        transferring(100, waits=True),
        transferring(40_040, waits=True),
        transferring(40_040, waits=True),
        {**JOB, "state": "activated", "ended": True},
        capsys=capsys,
    )
    assert told.count("`hanota client approve 7` lets job 7 have its last block") == 1
    assert told.count("transferring, waits for approval, all but its last block") == 1


def test_the_end_of_a_common_download_asks_for_no_approval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(following, "LOOK_INTERVAL", 0)
    last = {**JOB, "state": "activated", "ended": True}
    assert "approve" not in followed(transferring(40_040, waits=False), last, capsys=capsys)
