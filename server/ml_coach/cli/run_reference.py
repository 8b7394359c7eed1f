"""How a user names an earlier run: `last`, an id, or a part of one that no other run has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_coach.app import App
from ml_coach.claims import unusable
from ml_coach.cli.endings import FAILED, USAGE, fail
from ml_coach.core.events import RunStarted
from ml_coach.core.types import RunReport
from ml_coach.run_log import RunLog

_MOST_NAMED = 5


def complete_run(begun: str) -> list[str]:
    """The ids of runs that `begun` may become."""
    return [name for name in ("last", *App().run_log.ids()[:50]) if name.startswith(begun)]


RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="`last`, an id from `ml-coach runs`, or a part of one that no other run has.",
        autocompletion=complete_run,
    ),
]


def named_run(log: RunLog, name: str) -> str:
    """The id of the run that the user means. Ends the command where no run has that
    name, or more than one."""
    found = log.named(name)
    if len(found) == 1:
        return found[0]
    if not found:
        refuse_unusable(log)
    if not found and name == "last":
        fail("There is no run yet.", USAGE)
    if not found:
        fail(f"There is no run {name!r}; `ml-coach runs` lists them.", USAGE)
    shown = ", ".join(found[:_MOST_NAMED]) + (", ..." if len(found) > _MOST_NAMED else "")
    fail(f"{name!r} may mean {len(found)} runs: {shown}. Write more of the id.", USAGE)


def refuse_unusable(log: RunLog) -> None:
    """Ends the command where the log's folder cannot be used, so that no run is found there."""
    if fault := unusable(log.root / "runs"):
        fail(fault, FAILED)


def report_of(log: RunLog, run_id: str) -> tuple[RunStarted, RunReport | None]:
    """How a run began and how it ended, None where it did not. Ends the command where its log does
    not say how it began."""
    try:
        return log.start(run_id), log.report(run_id)
    except KeyError:
        fail(f"The log of run {run_id} does not say how the run began.", FAILED)


def folder_of(begun: RunStarted, output: Path | None) -> Path:
    """The folder that the user named, else the one that the run wrote into."""
    folder = output or Path(begun.folder)
    if not folder.is_dir():
        fail(f"There is no folder {folder}. With -o you name the one to write into.", USAGE)
    return folder
