"""Which case of `hanota conformance` runs: drawn on a terminal meanwhile, elsewhere told as it begins."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hanota.cli.conformance_view import told
from hanota.cli.output import stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.conformance.case import Case, CaseResult

DRAWN_PER_SECOND: Final = 2
"""Often enough for seconds that are counted; the emulated bench wants the processor."""


class RunningCase:
    """Shows the case that runs on standard error; left, it shows nothing in whatever way the run ended."""

    def __init__(self) -> None:
        self.since = 0.0
        """When the case began, of the console's clock."""
        self._words = ""
        self._drawn: Progress | None = None

    def __enter__(self) -> Self:
        """Show nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Show nothing any more."""
        self._wipe()

    def begins(self, case: Case, number: int, total: int) -> None:
        """Show a case from its start on, the `number`th of `total` that are run."""
        self._words = f"case {number} of {total}: {case.name}"
        self.since = stderr.get_time()
        if stderr.is_interactive:
            self._draw()
        else:
            stderr.print(self._words, markup=False)

    def ends(self, result: CaseResult) -> None:
        """Tell of a case as it ends."""
        self._wipe()
        told(result)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to a person who is asked something."""
        shown = self._drawn is not None
        self._wipe()
        try:
            yield
        finally:
            if shown:
                self._draw()

    def _draw(self) -> None:
        # Standard output is not redirected: it may be a file, whose lines would go to the terminal.
        self._drawn = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=stderr,
            refresh_per_second=DRAWN_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._drawn.add_task(self._words, total=None)
        self._drawn.tasks[0].start_time = self.since
        self._drawn.start()

    def _wipe(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None
