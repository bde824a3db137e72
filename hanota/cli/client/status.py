"""`hanota client status`: how the daemon and its hub are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002  # Typer reads the annotations
from rich.markup import escape

from hanota.cli.client.session import JsonOption, run
from hanota.cli.client.tables import show_table
from hanota.cli.client.words import job_words, show_json
from hanota.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection


def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show how the hub is, who you are to it, and what it does at the moment."""
    hub, jobs = run(context, _ask)
    if as_json:
        show_json({"hub": hub, "jobs": jobs})
        return
    ready = "[green]ready[/]" if hub["ready"] else f"[red]not ready:[/] {escape('; '.join(hub['faults']))}"
    console.print(
        f"hub {hub['eui64'] or '(coordinator not opened yet)'}, hanota {escape(hub['version'])}: {ready}"
    )
    activates = "activates by itself" if hub["can_activate"] else "has activation signed elsewhere"
    console.print(
        f"you are {escape(hub['caller'])} ({hub['role']})\nservice user {hub['service_user']} {activates}"
    )
    console.print(
        f"{hub['devices']} devices, {hub['open_jobs']} open jobs, event {hub['last_event']}\n"
        f"{hub['documents_waiting']} documents waiting for service users"
    )
    if jobs:
        rows = ((str(job["id"]), job["device"], job_words(job)) for job in jobs)
        show_table(("job", "device", "stands"), rows, texts=("stands",), nothing="")


async def _ask(connection: Connection) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    hub = await connection.get("/hub")
    jobs = await connection.get("/jobs", {"open": True})
    return hub, jobs["jobs"]
