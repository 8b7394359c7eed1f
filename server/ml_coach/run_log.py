"""What happened in each run, as JSON lines that are written while it runs.

    <state folder>/runs/<run id>/events.jsonl    one event a line (without the models' text)
                                 calls.jsonl     every prompt and reply, word for word
                                 patch.diff      the patch that waits, until it is applied

The folder suffices to list, show, undo and resume a run.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, cast, get_args

from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_tagged_union

from ml_coach.change_log import ChangeLog
from ml_coach.core.events import (
    Event,
    PatchesTried,
    RunFinished,
    RunStarted,
    TestsAdvanced,
    TextArrived,
)
from ml_coach.core.question import Question
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.json_lines import JsonLines, encoded, open_for_append, parsed

# The last line holds the report: all of it is in here unless the program is very large.
_MOST_LOOKED_AT = 300
_TAIL_BYTES = 1_000_000
EVENTS_FILE = "events.jsonl"
CALLS_FILE = "calls.jsonl"
_PATCH = "patch.diff"
_LONGEST_NAME = 255


@cache
def _converter() -> Converter:
    converter = Converter(unstruct_collection_overrides={frozenset: sorted})
    configure_tagged_union(Event, converter, tag_name="event")
    return converter


def to_json(event: Event) -> dict[str, Any]:
    """An event as plain JSON data, its type's name under `event`."""
    return cast("dict[str, Any]", _converter().unstructure(event, unstructure_as=Event))


def from_json(line: dict[str, Any]) -> Event:
    """The inverse of `to_json`. Raises `ValueError` for what is not an event of this version."""
    name = line.get("event")
    if not isinstance(name, str) or name not in {kind.__name__ for kind in get_args(Event)}:
        raise ValueError(f"{name!r} is no event")
    try:
        return cast(Event, _converter().structure(line, cast(Any, Event)))
    except (BaseValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The converter expects the shape to be right at some depth and stumbles otherwise.
        raise ValueError(str(error)) from None


class RunRecord:
    """One run's folder, open for writing. Call it with each event; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._events: IO[bytes] = open_for_append(folder / EVENTS_FILE)

    @property
    def calls_file(self) -> Path:
        """Where the run's prompts and replies are to be recorded."""
        return self.folder / CALLS_FILE

    def __call__(self, event: Event) -> None:
        if isinstance(event, TextArrived | TestsAdvanced | PatchesTried):
            return  # calls.jsonl holds the whole reply, and how far tests were says nothing later.
        # Not buffered, so that a crash loses nothing that was generated.
        self._events.write(encoded(to_json(event) | {"at": round(time.time(), 3)}))
        if isinstance(event, RunFinished) and event.report.pending is not None:
            text = event.report.pending.text
            (self.folder / _PATCH).write_text(text, encoding="utf-8", newline="")

    def __enter__(self) -> RunRecord:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._events.close()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of `ml-coach runs`. `outcome` is empty for a run that never finished.

    `is_damaged` says that the end of its log cannot be read, so that the outcome is not known.
    `question` is the one that the run left open; `patch` says what became of the patch that the
    run left.
    """

    run_id: str
    request: Request
    outcome: str
    reason: str
    is_damaged: bool = False
    question: Question | None = None
    patch: Literal["", "waits", "applied"] = ""


@dataclass(frozen=True, slots=True)
class RunLog:
    """All runs of this user, in folders under `root`/runs."""

    root: Path

    def record(self, run_id: str) -> RunRecord:
        """Opens the log of a run for writing, and makes its folder where there is none."""
        return RunRecord(self.folder_for(run_id))

    def folder(self, run_id: str) -> Path:
        """The run's folder. Raises `KeyError` when there is no such run."""
        folder = self.folder_for(run_id)
        if not (folder / EVENTS_FILE).is_file():
            raise KeyError(run_id)
        return folder

    def folder_for(self, run_id: str) -> Path:
        """Where a run's log is or would be. Raises `KeyError` for an impossible id."""
        is_name = 0 < len(run_id) <= _LONGEST_NAME and not set(run_id) & {"/", "\\", "\0"}
        if not is_name or run_id.startswith("."):
            raise KeyError(run_id)
        return self.root / "runs" / run_id

    def events(self, run_id: str) -> Iterator[Event]:
        """The run's events in order. Damaged lines, and those of other versions, are skipped.

        Raises `KeyError` when there is no such run.
        """
        for _, event in self.timed_events(run_id):
            yield event

    def timed_events(self, run_id: str) -> Iterator[tuple[float, Event]]:
        """As `events`, each with the seconds since the first; 0 in a log without times."""
        return timed_events(self.folder(run_id) / EVENTS_FILE)

    def named(self, name: str) -> tuple[str, ...]:
        """The ids that `name` may mean, newest first: `last` is the newest run that began, also
        where its log is damaged; an id is itself, and any part of an id means each run that has
        it."""
        ids = self.ids()
        if name == "last":
            return tuple(itertools.islice(filter(self._has_begun, ids), 1))
        return (
            (name,) if name in ids else tuple(run_id for run_id in ids if name and name in run_id)
        )

    def ids(self) -> list[str]:
        """All run ids, newest first."""
        runs = self.root / "runs"
        try:
            return sorted((f.name for f in os.scandir(runs) if f.is_dir()), reverse=True)
        except OSError:
            return []

    def _has_begun(self, run_id: str) -> bool:
        try:
            return (self.folder(run_id) / EVENTS_FILE).stat().st_size > 0
        except (KeyError, OSError):
            return False

    def start(self, run_id: str) -> RunStarted:
        """The run's first event: its request and model. Raises `KeyError` as `summary` does."""
        return _start(run_id, self.events(run_id))

    def on(self, folder: Path, program_file: str) -> Iterator[tuple[str, Request]]:
        """The runs on a program of that folder, newest first: their ids and what they were asked.
        Only the newest runs of all are looked at."""
        for run_id in self.ids()[:_MOST_LOOKED_AT]:
            with suppress(KeyError):
                begun = self.start(run_id)
                if begun.request.program_file == program_file and Path(begun.folder) == folder:
                    yield run_id, begun.request

    def prompt_of(self, folder: Path, program_file: str) -> str:
        """What a program of that folder was written for, follow-ups included: the prompt of the
        newest run that wrote it and was not undone. Empty where no run is known."""
        for run_id, request in self.on(folder, program_file):
            wrote = request.task == "generate" or (
                request.task == "refine"
                and (report := self.report(run_id)) is not None
                and report.outcome in ("passed", "unsure")
            )
            if wrote and ChangeLog(self.folder(run_id)).latest_action() != "undo":
                return request.prompt
        return ""

    def changed_since(self, run_id: str) -> str:
        """The newest run that changed the program of an earlier one after it and was not undone;
        empty where none did. Raises `KeyError` when there is no such run."""
        begun = self.start(run_id)
        for later, request in self.on(Path(begun.folder), begun.request.program_file):
            if later == run_id:
                break
            log = ChangeLog(self.folder(later))
            if request.program_file in log.files() and log.latest_action() != "undo":
                return later
        return ""

    def report(self, run_id: str) -> RunReport | None:
        """How the run ended; None where it did not. Raises `KeyError` when there is no such run."""
        last, _ = _last_event(self.folder(run_id) / EVENTS_FILE)
        return last.report if isinstance(last, RunFinished) else None

    def patch_waits(self, run_id: str) -> bool:
        """Whether the run left a patch that was not applied since."""
        return (self.folder_for(run_id) / _PATCH).is_file()

    def note_applied(self, run_id: str) -> None:
        """Notes that the patch of a run waits no longer. Raises `OSError`."""
        (self.folder_for(run_id) / _PATCH).unlink(missing_ok=True)

    def summary(self, run_id: str) -> RunSummary:
        """The run in a few words. Raises `KeyError` when there is no such run.

        A run that ended before it logged its request counts as none.
        """
        request = self.start(run_id).request
        last, is_damaged = _last_event(self.folder(run_id) / EVENTS_FILE)
        if isinstance(last, RunFinished):
            report = last.report
            patch = "waits" if self.patch_waits(run_id) else "applied"
            return RunSummary(
                run_id, request, report.outcome, report.reason,
                question=report.question, patch=patch if report.pending else "",
            )  # fmt: skip
        return RunSummary(run_id, request, "", "", is_damaged)

    def latest(self, limit: int) -> list[RunSummary]:
        """At most `limit` runs, newest first."""
        found: list[RunSummary] = []
        for run_id in self.ids():
            if len(found) == limit:
                break
            with suppress(KeyError):
                found.append(self.summary(run_id))
        return found


def timed_events(file: Path) -> Iterator[tuple[float, Event]]:
    """The events in a log, as `RunLog.timed_events` gives them."""
    begun: float | None = None
    for line in JsonLines(file):
        at = line.pop("at", None)
        at = float(at) if isinstance(at, int | float) else begun or 0.0
        begun = at if begun is None else begun
        with suppress(ValueError):
            yield max(0.0, at - begun), from_json(line)


def _start(run_id: str, events: Iterator[Event]) -> RunStarted:
    for event in events:
        if isinstance(event, RunStarted):
            return event
    raise KeyError(run_id)


def _last_event(file: Path, tail_bytes: int = _TAIL_BYTES) -> tuple[Event | None, bool]:
    """The last event in a log, and whether something follows that cannot be read."""
    with file.open("rb") as lines:
        begin = max(0, lines.seek(0, os.SEEK_END) - tail_bytes)
        lines.seek(begin)
        tail = lines.read().split(b"\n")
    is_damaged = False
    for line in reversed(tail[1:] if begin else tail):
        with suppress(ValueError):
            if found := parsed(line):
                return from_json(found), is_damaged
        is_damaged = is_damaged or bool(line.strip())
    return _last_event(file, tail_bytes * 100) if begin else (None, is_damaged)
