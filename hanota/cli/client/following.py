"""Jobs followed to their end with progress bars, over whatever happens to the connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from hanota.cli.client.errors import ClientError, RefusedError, UpdateFailedError
from hanota.cli.client.words import colour, job_words, lacks_last_block, show_json
from hanota.cli.output import console, stderr

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rich.progress import TaskID

    from hanota.cli.client.connection import Connection

    Job = Mapping[str, Any]

LOOK_INTERVAL: Final = 1.0
"""Seconds between looks: a block takes some 30 ms, a person none."""
PATIENCE: Final = 300.0
"""Seconds for a daemon that is gone to be back; it restarts in a few."""
SERVER_ERROR: Final = 500
"""From here on the HTTP status says that it is the daemon's fault, or that it is about to stop."""
HAS_IMAGE: Final = frozenset({"transferred", "held", "activating", "activated"})
"""States in which a device has the whole image."""
BROAD: Final = 115
"""Columns from which on a bar of 40 stands between a device and how far it is; else that is beneath it."""
HELD: Final = "held"
"""The state in which an HCALCS has its image and waits for its activation."""


async def follow_jobs(
    connection: Connection,
    wanted: Collection[int] | None,
    *,
    as_json: bool = False,
    held_settles: bool = True,
) -> None:
    """Show jobs until each has ended or, where that settles it, is held; None means those that are open now.

    Raise UpdateFailedError where one ended otherwise than activated, ClientError where the daemon stays away.
    """
    view = _JsonView() if as_json else _BarView()
    ids = set(wanted) if wanted is not None else {job["id"] for job in await _open_jobs(connection)}
    jobs: dict[int, Job] = {}
    with view:
        waiting = set(ids)
        while waiting:
            for job in await _look(connection, waiting):
                jobs[job["id"]] = job
                view.show(job)
                if job["ended"] or (held_settles and job["state"] == HELD):
                    waiting.discard(job["id"])
            if waiting:
                await asyncio.sleep(LOOK_INTERVAL)
    if not ids and not as_json:
        console.print("no open jobs; `hanota client jobs --all` shows those that ended")
    failed = [job for job in jobs.values() if job["ended"] and job["state"] != "activated"]
    if failed:
        raise UpdateFailedError(
            "; ".join(f"job {job['id']} of {job['device']} is {job_words(job)}" for job in failed),
            hint=f"`hanota client events --device {failed[0]['device']}` shows what happened",
        )
    for job in jobs.values():
        if job["state"] == HELD and not as_json:
            stderr.print(
                f"job {job['id']} is held: `hanota client activate {job['id']}` activates its image",
                markup=False,
            )


async def _open_jobs(connection: Connection) -> list[Job]:
    document = await connection.get("/jobs", {"open": True})
    jobs: list[Job] = document["jobs"]
    return jobs


async def _look(connection: Connection, waiting: Collection[int]) -> list[Job]:
    """Return how the jobs waited for stand; wait for a daemon that is gone for a moment."""
    loop = asyncio.get_running_loop()
    given_up = loop.time() + PATIENCE
    told = False
    while True:
        try:
            found = [job for job in await _open_jobs(connection) if job["id"] in waiting]
            missing = set(waiting) - {job["id"] for job in found}
            return found + [await connection.get(f"/jobs/{job_id}") for job_id in sorted(missing)]
        except RefusedError as error:
            if error.status < SERVER_ERROR:
                raise
            failure: ClientError = error
        except ClientError as error:
            failure = error
        if loop.time() >= given_up:
            raise failure
        if not told:
            stderr.print(f"[yellow]{escape(str(failure))}; trying again[/]")
            told = True
        await asyncio.sleep(connection.settings.retry_delay)


class _BarView:
    """A bar for each job."""

    def __init__(self) -> None:
        words = "{task.fields[words]}"
        columns: tuple[ProgressColumn, ...]
        if console.width < BROAD:
            columns = (TextColumn(f"{{task.description}}\n  {words}"), BarColumn())
        else:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(words))
        self._bars = Progress(*columns, console=console)
        self._tasks: dict[int, TaskID] = {}
        self._shown: dict[int, tuple[str, bool]] = {}

    def __enter__(self) -> None:
        self._bars.start()

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, job: Job) -> None:
        """Move the bar of a job."""
        task = self._tasks.get(job["id"])
        if task is None:
            description = escape(f"{job['id']} {job['device']}")
            task = self._tasks[job["id"]] = self._bars.add_task(description, total=100, words="")
        progress = job.get("progress")
        state = str(job["state"])
        completed = 100 if state in HAS_IMAGE else None
        if progress is not None:
            completed = progress["percentage"]
        self._bars.update(task, words=f"[{colour(state)}]{escape(job_words(job))}[/]", completed=completed)
        held_back = lacks_last_block(job) and job["waits_for_approval"]
        stage = (state, held_back)
        if self._shown.get(job["id"]) == stage:
            return
        self._shown[job["id"]] = stage
        if not console.is_terminal:  # bars are drawn on terminals alone; a log has a line for each stage
            stderr.print(f"job {job['id']} of {job['device']}: {job_words(job)}", markup=False)
        if held_back:
            words = f"`hanota client approve {job['id']}` lets job {job['id']} have its last block"
            self._bars.console.print(words, markup=False)


class _JsonView:
    """A line for each look at a job that shows something new."""

    def __init__(self) -> None:
        self._shown: dict[int, Job] = {}

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, job: Job) -> None:
        """Print a job that has changed."""
        if self._shown.get(job["id"]) != job:
            self._shown[job["id"]] = job
            show_json(job)
