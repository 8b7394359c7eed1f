"""The two commands that a user would type next, after a run."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ml_coach.cli.shown_paths import shown
from ml_coach.core.types import RunReport


def next_commands(report: RunReport, folder: Path, run_id: str) -> list[tuple[str, str]]:
    """At most two commands, each with what it does, the most useful one first.

    None of them is about files that are not in `folder` any more.
    """
    found: list[tuple[str, str]] = []
    if report.pending is not None:
        found.append((f"ml-coach apply {run_id}", "apply the patch that waits"))
    if report.question is not None:
        found.append((f"ml-coach answer {run_id}", "answer the question; the run goes on"))
    if report.program is not None and any((folder / file).exists() for file in report.files):
        found.append((f"ml-coach open {run_id}", "look at the program and its tests"))
        if report.outcome == "passed" and report.suite and (folder / report.suite.file).exists():
            again = f"ml-coach pytest {shlex.quote(shown(folder))}"
            found.append((again, "run its tests again, in the sandbox"))
    if report.outcome in ("failed", "stopped", "gave_up") and len(found) < 2:
        found.append((f"ml-coach show {run_id}", "see the run again, step by step"))
    if report.outcome == "failed" and len(found) < 2:
        found.append(("ml-coach doctor", "check the model, the sandbox and the disk"))
    return found[:2]


def show_next(console: Console, commands: list[tuple[str, str]]) -> None:
    """Prints each command on a line of its own, so that it can be copied."""
    width = max((len(command) for command, _ in commands), default=0)
    for command, what in commands:
        line = Text.assemble("  ", (f"{command:<{width}}", "bold"), (f"   {what}", "dim"))
        console.print(line, soft_wrap=True)
