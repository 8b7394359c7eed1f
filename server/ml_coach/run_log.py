"""What happened in each run, as JSON lines that are written while it runs.

    <state folder>/runs/<run id>/events.jsonl    one event a line (without the models' text)
                                 calls.jsonl     every prompt and reply, word for word
                                 patch.diff      the patch that waits for a decision, if any

The folder suffices to list, show, undo and resume a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast, get_args

from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_tagged_union

from ml_coach.core.events import Event, RunFinished, RunStarted, TextArrived
from ml_coach.core.types import Request


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
    if line.get("event") not in {kind.__name__ for kind in get_args(Event)}:
        raise ValueError(f"{line.get('event')!r} is no event")
    try:
        return cast(Event, _converter().structure(line, cast(Any, Event)))
    except BaseValidationError as error:
        raise ValueError(str(error)) from None


class RunRecord:
    """One run's folder, open for writing. Call it with each event; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._events: IO[str] = (folder / "events.jsonl").open("a", encoding="utf-8")

    @property
    def calls_file(self) -> Path:
        """Where the run's prompts and replies are to be recorded."""
        return self.folder / "calls.jsonl"

    def __call__(self, event: Event) -> None:
        if isinstance(event, TextArrived):
            return  # calls.jsonl holds the whole reply.
        self._events.write(json.dumps(to_json(event)) + "\n")
        # Flushed after each line, so that a crash loses nothing that was generated.
        self._events.flush()
        if isinstance(event, RunFinished) and event.report.pending is not None:
            text = event.report.pending.text
            (self.folder / "patch.diff").write_text(text, encoding="utf-8", newline="")

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
    """A line of `ml-coach runs`. `outcome` is empty for a run that never finished."""

    run_id: str
    request: Request
    outcome: str
    reason: str


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
        if not (folder / "events.jsonl").is_file():
            raise KeyError(run_id)
        return folder

    def folder_for(self, run_id: str) -> Path:
        """Where a run's log is or would be. Raises `KeyError` for an impossible id."""
        if not run_id or "/" in run_id or "\\" in run_id or run_id.startswith("."):
            raise KeyError(run_id)
        return self.root / "runs" / run_id

    def events(self, run_id: str) -> Iterator[Event]:
        """The run's events in order. Lines that a crash cut off, or of other versions, are skipped.

        Raises `KeyError` when there is no such run.
        """
        with (self.folder(run_id) / "events.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield from_json(json.loads(line))
                except ValueError:
                    continue

    def ids(self) -> list[str]:
        """All run ids, newest first."""
        runs = self.root / "runs"
        return sorted((f.name for f in runs.iterdir()), reverse=True) if runs.is_dir() else []

    def start(self, run_id: str) -> RunStarted:
        """The run's first event: its request and model. Raises `KeyError` as `summary` does."""
        return _start(run_id, self.events(run_id))

    def summary(self, run_id: str) -> RunSummary:
        """The run in a few words. Raises `KeyError` when there is no such run.

        A run that ended before it logged its request counts as none.
        """
        events = self.events(run_id)
        request, outcome, reason = _start(run_id, events).request, "", ""
        for event in events:
            if isinstance(event, RunFinished):
                outcome, reason = event.report.outcome, event.report.reason
        return RunSummary(run_id, request, outcome, reason)

    def latest(self, limit: int) -> list[RunSummary]:
        """At most `limit` runs, newest first."""
        found: list[RunSummary] = []
        for run_id in self.ids():
            if len(found) == limit:
                break
            with suppress(KeyError):
                found.append(self.summary(run_id))
        return found


def _start(run_id: str, events: Iterator[Event]) -> RunStarted:
    for event in events:
        if isinstance(event, RunStarted):
            return event
    raise KeyError(run_id)
