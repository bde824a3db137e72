"""What `hanota demo` shows: progress bars while it runs, then the transcript; or the events as JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, Self

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from hanota.cli.output import console, stderr
from hanota.demo.transcript import describe, is_milestone, parties
from hanota.hub.events import Party

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from hanota.demo.run import DemoReport
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.hub.progress import Progress as TransferProgress


class View(Protocol):
    """Shows one run; entered before it begins, left when it has ended in whatever way."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def event(self, event: Event) -> None:
        """Show an event."""
        ...

    def progress(self, transfers: Sequence[TransferProgress]) -> None:
        """Show how far the transfers are."""
        ...

    def notice(self, at: float, device: Eui64, text: str) -> None:
        """Show what a device found and did."""
        ...

    def conclude(self, report: DemoReport) -> None:
        """Show how it ended."""
        ...


class JsonView:
    """The events on standard output, one JSON object a line; how it ended on standard error."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def event(self, event: Event) -> None:
        """Print the event."""
        console.out(json.dumps(event.to_json()), highlight=False)

    def progress(self, transfers: Sequence[TransferProgress]) -> None:
        """The journal's own progress events have it."""

    def notice(self, at: float, device: Eui64, text: str) -> None:
        """A device's console is no event of the hub's."""

    def conclude(self, report: DemoReport) -> None:
        """Say on standard error how it ended."""
        stderr.print(_verdict(report))


class LiveView:
    """Progress bars, then the transcript as a table."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, str, str, str]] = []
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            console=console,
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are; where the run failed, show what had happened until then."""
        self._bars.stop()
        if kind is not None and self._lines:
            console.print(self._transcript())

    def event(self, event: Event) -> None:
        """Keep the event for the transcript."""
        if is_milestone(event):
            device = "" if event.device is None else _short(event.device)
            self._lines.append((event.at, parties(event), device, describe(event)))

    def notice(self, at: float, device: Eui64, text: str) -> None:
        """Keep what a device found for the transcript."""
        self._lines.append((at, str(Party.DEVICE), _short(device), text))

    def progress(self, transfers: Sequence[TransferProgress]) -> None:
        """Move the bars; rate and time left are those of the modelled link."""
        under_way = {transfer.job for transfer in transfers}
        for job, ended in self._tasks.items():
            if job not in under_way:
                self._bars.update(ended, completed=self._bars.tasks[ended].total, figures="")
        for transfer in transfers:
            task = self._tasks.get(transfer.job)
            if task is None:
                task = self._bars.add_task(str(transfer.device), total=transfer.total, figures="")
                self._tasks[transfer.job] = task
            self._bars.update(task, completed=transfer.octets, figures=_figures(transfer))

    def conclude(self, report: DemoReport) -> None:
        """Print the transcript and the verdict."""
        console.print(self._transcript())
        console.print(_outcomes(report))
        console.print(_verdict(report))

    def _transcript(self) -> Table:
        table = Table(box=None, pad_edge=False, title="What happened", title_justify="left")
        for heading in ("time", "from -> to", "device", "what, and how it was verified"):
            table.add_column(heading, no_wrap=heading == "time")
        begin = self._lines[0][0] if self._lines else 0.0
        for at, who, device, text in self._lines:
            table.add_row(f"{at - begin:8.2f} s", who, device, escape(text))
        return table


def _short(device: Eui64) -> str:
    """Return the end of an EUI-64, enough to tell the devices of a bench apart."""
    return str(device)[-5:]


def _figures(transfer: TransferProgress) -> str:
    if transfer.rate is None or transfer.seconds_left is None:
        return ""
    return f"{transfer.rate:,.0f} octets/s, {transfer.seconds_left:.0f} s left"


def _outcomes(report: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False, title="How it ended", title_justify="left")
    for heading in ("device", "kind", "ran", "runs", "job"):
        table.add_column(heading)
    for outcome in report.outcomes:
        reported = "no answer" if outcome.reported is None else outcome.reported.hex().upper()
        table.add_row(
            str(outcome.device),
            str(outcome.kind),
            outcome.before.hex().upper(),
            reported,
            str(outcome.job or "none"),
        )
    return table


def _verdict(report: DemoReport) -> str:
    if report.succeeded:
        return "[bold green]Every device runs its new version; every signature and MAC was verified.[/]"
    faults = [
        f"{outcome.device} was to run {outcome.wanted.hex().upper()}, its job is "
        + (f"{outcome.job}: {outcome.cause}" if outcome.job else "none")
        for outcome in report.outcomes
        if not outcome.succeeded
    ]
    if report.refused:
        faults.append(f"{report.refused} messages or frames were refused")
    return f"[bold red]Not as it should be:[/] {'; '.join(faults)}."
