"""`hanota client jobs`, `approve`, `pause`, `resume`, `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanota.cli.client.session import JsonOption, YesOption, confirm, run
from hanota.cli.client.tables import show_table
from hanota.cli.client.when import headed, shown
from hanota.cli.client.words import SHORT_DIGEST, job_words, show_json
from hanota.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection

JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")]


def jobs(
    context: typer.Context,
    *,
    all_jobs: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show progress until every open job has ended or is held.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the jobs, newest first: each is one image for one device."""
    if follow:
        from hanota.cli.client.following import follow_jobs  # noqa: PLC0415  # httpx takes its time to load

        run(context, lambda connection: follow_jobs(connection, None, as_json=as_json))
        return
    document = run(context, lambda connection: _list(connection, all_jobs=all_jobs))
    if as_json:
        show_json(document)
        return
    show_table(
        ("job", "device", "image", "version", "stands", headed("since")),
        (_row(job) for job in document["jobs"]),
        texts=("stands",),
        nothing="no jobs" if all_jobs else "no open jobs; --all shows those that ended",
    )


def approve(context: typer.Context, job: JobArgument, *, yes: YesOption = False) -> None:
    """Let a device that waits for approval have the last block of its image."""
    confirm(f"let the device of job {job} have its image, and activate it where it is a PPMID?", yes=yes)
    _act(context, job, "approve")
    console.print("the device asks for its last block within a few minutes")


def pause(context: typer.Context, job: JobArgument) -> None:
    """Have a device wait with its next image blocks."""
    _act(context, job, "pause")


def resume(context: typer.Context, job: JobArgument) -> None:
    """Serve a paused device again."""
    _act(context, job, "resume")


def cancel(context: typer.Context, job: JobArgument, *, yes: YesOption = False) -> None:
    """End a job; the transfer is answered ABORT."""
    confirm(f"end job {job}?", yes=yes)
    _act(context, job, "cancel")


def _act(context: typer.Context, job: int, action: str) -> None:
    after = run(context, lambda connection: connection.post(f"/jobs/{job}/{action}"))
    console.print(f"job {after['id']} of {after['device']}: {job_words(after)}", markup=False)


async def _list(connection: Connection, *, all_jobs: bool) -> Any:
    return await connection.get("/jobs", None if all_jobs else {"open": True})


def _row(job: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(job["id"]),
        job["device"],
        job["image"][:SHORT_DIGEST],
        job["firmware_version"],
        job_words(job),
        shown(job["updated"]),
    )
