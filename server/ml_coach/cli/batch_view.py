"""How a batch goes on and ends, at the terminal and on a pipe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from ml_coach.batch.results import ROW_OUTCOMES, RowResult
from ml_coach.cli.shown_paths import shown
from ml_coach.core.events import DownloadAdvanced, Event, ModelNoted
from ml_coach.core.wording import amount, harmless

_MOST_SHOWN = 8
_LONGEST_REASON = 160


class BatchView:
    """A bar with the time that is left, at a terminal; else a line for each row.

    `done` of `total` rows were there before.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        done: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._total = total
        self._done = done
        self._ran = 0
        self._clock = clock
        self._began = clock()
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bar = self._progress.add_task("", total=total, completed=done)
        self._downloads: dict[str, TaskID] = {}
        self._progress.start()

    def finished(self, row: RowResult) -> None:
        """One more row has its line."""
        self._done += 1
        self._ran += row.outcome != "error"  # Which takes no time.
        text = self._left()
        self._progress.update(self._bar, completed=self._done, description=escape(text))
        line = f"[{self._done}/{self._total}] {row_line(row)}"
        if not self._console.is_terminal and text:
            line += f"; {text}"
        self._console.print(escape(line), soft_wrap=True, highlight=False)

    def note(self, text: str) -> None:
        """Something that the user should know."""
        self._console.print(escape(text), soft_wrap=True, highlight=False)

    def heard(self, event: Event) -> None:
        """A download advanced, or the model has something to say."""
        if isinstance(event, ModelNoted):
            self.note(f"{event.text}.")
        elif isinstance(event, DownloadAdvanced):
            bar = self._downloads.get(event.name)
            if bar is None:
                name = escape(f"Downloading {event.name}")
                bar = self._progress.add_task(name, total=event.total_bytes or None)
                self._downloads[event.name] = bar
            self._progress.update(bar, completed=event.done_bytes)

    def close(self) -> None:
        """Ends the live display. May be called twice."""
        self._progress.stop()

    def _left(self) -> str:
        """How long the rest takes if it goes on as it did, counted from this start."""
        rest = self._total - self._done
        if not rest or not self._ran:
            return ""
        return f"about {_duration((self._clock() - self._began) / self._ran * rest)} left"


def row_line(row: RowResult) -> str:
    """A row in one line: its id, how it ended, its tests or the reason."""
    text = f"{row.id} {row.outcome.replace('_', ' ')}"
    if row.tests:
        text += f", {row.tests_passed} of {amount(row.tests, 'test')}"
    if row.seconds:
        text += f", {row.seconds:.1f} s"
    if row.attempts > 1:
        text += f", attempt {row.attempts}"
    if row.outcome not in ("passed", "unsure") and row.reason:
        text += f": {_brief(row.reason)}"
    return harmless(text)


def show_summary(console: Console, lines: Sequence[RowResult], out: Path) -> None:
    """Prints how many rows ended how and what they cost, and the rows that need a look."""
    table = Table(box=None)
    for column in ("outcome", "rows", "tests passed", "calls", "tokens", "seconds", "cost"):
        table.add_column(column, justify="left" if column == "outcome" else "right")
    count = Counter(line.outcome for line in lines)
    for outcome in [*filter(count.__contains__, ROW_OUTCOMES), ""]:
        group = [line for line in lines if outcome in ("", line.outcome)]
        cost = sum(line.cost for line in group)
        table.add_row(
            outcome.replace("_", " ") or "all", str(len(group)),
            f"{sum(r.tests_passed for r in group)} of {sum(r.tests for r in group)}",
            str(sum(r.calls for r in group)), str(sum(r.usage.tokens for r in group)),
            f"{sum(r.seconds for r in group):.0f}", f"${cost:.4f}" if cost else "–",
        )  # fmt: skip
    console.print(table)
    others = [r for r in lines if r.outcome in ("failed", "lost", "error")]
    for row in others[:_MOST_SHOWN]:
        console.print(escape(row_line(row)), soft_wrap=True, highlight=False)
    if more := len(others[_MOST_SHOWN:]):
        console.print(f"and {more} more", highlight=False)
    where = escape(shown(out / "results.jsonl"))
    console.print(f"The lines are in {where}", soft_wrap=True, highlight=False)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
