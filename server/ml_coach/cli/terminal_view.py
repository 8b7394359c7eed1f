"""A run in the terminal: a permanent line for each event, and a live line for the current stage."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.segment import Segment
from rich.spinner import Spinner
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ml_coach.cli.shown_replies import ReplyText
from ml_coach.cli.standard_streams import NOBODY_READS, drop_output
from ml_coach.core.events import (
    BaselineTaken,
    CallFinished,
    CallRetrying,
    CallStarted,
    CandidateChosen,
    Diagnosed,
    DownloadAdvanced,
    Event,
    FailureChosen,
    FilesSaved,
    ModelNoted,
    PatchApplied,
    PatchDiscarded,
    PatchesTried,
    PatchOffered,
    ProgramInspected,
    ProgramWritten,
    PromptNoted,
    QuestionAnswered,
    QuestionAsked,
    ReplyRefused,
    RunFinished,
    SpecWritten,
    StageStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsAdvanced,
    TestsFinished,
    TextArrived,
)
from ml_coach.core.wording import DOING, harmless, patches_text, sentence, tests_text
from ml_coach.run_log import to_json

# The word at the left of an event's line.
_LABELS: dict[type[Event], str] = {
    BaselineTaken: "baseline",
    FailureChosen: "failure",
    SpecWritten: "research",
    ProgramWritten: "code",
    SuiteWritten: "tests",
    ProgramInspected: "inspect",
    CandidateChosen: "choose",
    SuiteFiltered: "filter",
    TestsFinished: "pytest",
    Diagnosed: "debug",
    PatchOffered: "patch",
    PatchApplied: "patch",
    PatchDiscarded: "patch",
    FilesSaved: "save",
    QuestionAsked: "ask",
    QuestionAnswered: "answer",
    ReplyRefused: "reply",
    CallRetrying: "wait",
    ModelNoted: "model",
    PromptNoted: "prompt",
}
_MOST_SHOWN = 5
# Where the sentence of an event begins, after its time and its label.
_TEXT_COLUMN = 19


class EscapingConsole(Console):
    """Escapes control characters, so that no text of a model or program can drive the terminal.

    A name such as `a:b:c` is printed as it is, and not as the emoji of that name.
    """

    def __init__(
        self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None
    ) -> None:
        super().__init__(stderr=stderr, file=file, width=width, emoji=False)

    def on_broken_pipe(self) -> None:
        """See `rich.console.Console.on_broken_pipe`. Called while `BrokenPipeError` is handled."""
        drop_output()
        raise BrokenPipeError(NOBODY_READS)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See `rich.console.Console.render`."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield Segment(harmless(text), style) if control is None else segment


class JsonView:
    """`--json`: each event as one line on `out`, with prompts and replies but without keys."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        try:
            self._out.write(json.dumps(to_json(event)) + "\n")
            self._out.flush()
        except BrokenPipeError:
            drop_output()
            sys.stderr.write(f"ml-coach: {NOBODY_READS}\n")
            raise BrokenPipeError(NOBODY_READS) from None

    def paused(self) -> Paused:
        """Does nothing: there is no live line."""
        return Paused(None)

    def close(self) -> None:
        """Does nothing: every event was written."""


class Paused:
    """A context in which the live line is hidden, so that the user can be asked something."""

    def __init__(self, live: Live | None) -> None:
        self._live = live

    def __enter__(self) -> None:
        if self._live:
            self._live.stop()

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.start(refresh=True)


class TerminalView:
    """Prints events on `console`, with a live line where it is a terminal.

    `verbose` prints the model's text as well. `clock` counts seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._replies = ReplyText(self._show_text) if verbose else None
        self._clock = clock
        self._started = clock()
        self._status = _Status(self._started)
        self._download: Progress | None = None
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self._render, console=console, refresh_per_second=8, transient=True
            )
            self._live.start()

    def __call__(self, event: Event) -> None:
        try:
            self._take(event)
        except BrokenPipeError:
            sys.stderr.write(f"ml-coach: {NOBODY_READS}\n")
            raise

    def _take(self, event: Event) -> None:
        if self._replies and isinstance(event, CallStarted | TextArrived | CallFinished):
            self._replies(event)
        match event:
            case StageStarted():
                self._status.stage = DOING[event.stage]
                self._status.iteration = f"{event.iteration} of {event.of}"
            case TestsAdvanced():
                self._status.stage = tests_text(event.done, event.total)
            case PatchesTried():
                self._status.stage = patches_text(event.done)
            case CallStarted():
                self._status.call_started(self._clock())
            case TextArrived():
                self._status.pieces += 1
            case CallFinished():
                self._status.first_piece = None
            case DownloadAdvanced():
                self._advance(event)
            case RunFinished():
                self.close()
            case _:
                self._line(event)

    def paused(self) -> Paused:
        """A context in which the live line is hidden."""
        return Paused(self._live)

    def close(self) -> None:
        """Removes the live line. May be called twice."""
        if self._live:
            self._live.stop()

    def _show_text(self, text: str) -> None:
        self._console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def _line(self, event: Event) -> None:
        label, text = _LABELS.get(type(event), ""), sentence(event)
        if not text:
            return
        seconds = f"{self._clock() - self._started:6.1f} s"
        bad = isinstance(event, PatchDiscarded | ReplyRefused | CallRetrying)
        style = "yellow" if bad else _verdict_style(event)
        line = Table.grid()
        line.add_column(width=_TEXT_COLUMN)
        line.add_column(overflow="fold")
        head = Text.assemble((f"{seconds}  ", "dim"), (label, "bold cyan"))
        line.add_row(head, Text(harmless(text), style))
        self._console.print(line)
        if isinstance(event, TestsFinished):
            for finding in event.report.findings[:_MOST_SHOWN]:
                found = Text(f"✗ {harmless(finding.message)}", "red")
                self._console.print(Padding(found, (0, 0, 0, _TEXT_COLUMN)))

    def _advance(self, event: DownloadAdvanced) -> None:
        if self._download is None:
            self._download = Progress(
                TextColumn("Downloading {task.description}"), BarColumn(), DownloadColumn(),
                TransferSpeedColumn(), console=self._console,
            )  # fmt: skip
            self._download.add_task(event.name, total=event.total_bytes or None)
            if self._live is None:
                self._console.print(f"Downloading {event.name} from {event.source} ...")
        (task,) = self._download.tasks
        self._download.update(
            task.id, completed=event.done_bytes, description=f"{event.name} from {event.source}"
        )
        if event.total_bytes and event.done_bytes >= event.total_bytes:
            self._download = None

    def _render(self) -> RenderableType:
        line = self._status.render(self._clock())
        return Group(self._download, line) if self._download else line


class _Status:
    """The live line: stage, iteration, speed, time."""

    def __init__(self, started: float) -> None:
        self.stage = "getting ready"
        self.iteration = ""
        self.pieces = 0
        self.first_piece: float | None = None
        self._started = started
        self._spinner = Spinner("dots")

    def call_started(self, now: float) -> None:
        self.pieces, self.first_piece = 0, now

    def render(self, now: float) -> RenderableType:
        parts = [self.stage]
        if self.iteration:
            parts.append(f"iteration {self.iteration}")
        if self.pieces and self.first_piece is not None:
            # Every provider that streams sends about one token in each piece.
            parts.append(f"{self.pieces / max(now - self.first_piece, 0.1):.0f} tokens/s")
        parts.append(f"{now - self._started:.0f} s")
        self._spinner.update(text=Text(" · ".join(parts), "dim"))
        return self._spinner


def _verdict_style(event: Event) -> str:
    if isinstance(event, TestsFinished):
        return "green" if event.report.verdict == "passed" else "red"
    if isinstance(event, ProgramInspected):
        return "yellow" if event.findings else ""
    return "green" if isinstance(event, PatchApplied) else ""


def show_diff(console: Console, text: str) -> None:
    """Prints a unified diff in colours."""
    console.print(Syntax(text, "diff", theme="ansi_dark", background_color="default"))
