"""`ml-coach apply`, `undo` and `open`: what a run did to files, and what it left to be done."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml_coach.app import App
from ml_coach.change_log import Action, ChangeLog
from ml_coach.claims import Taken
from ml_coach.cli.endings import FAILED, USAGE, fail, run_until_done
from ml_coach.cli.run_reference import RunArgument, folder_of, named_run, report_of
from ml_coach.cli.shown_paths import shown
from ml_coach.cli.terminal_view import EscapingConsole, show_diff
from ml_coach.core.changes import FileChange, Patch, PatchRefused
from ml_coach.core.patches import make_patch
from ml_coach.disk import FolderWorkspace
from ml_coach.folder_runs import changes_to, make_changes, undo_or_redo
from ml_coach.undo_steps import NextStep, next_step, texts_after

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="DIR", help="The folder to write into; else that of the run."
    ),
]


def apply(run: RunArgument = "last", output: FolderOption = None) -> None:
    """Apply the patch that a run left waiting."""
    app = App()
    run_id = named_run(app.run_log, run)
    begun, report = report_of(app.run_log, run_id)
    if report is None or report.pending is None:
        fail(f"No patch waits in run {run_id}.", USAGE)
    if not app.run_log.patch_waits(run_id):
        fail(f"The patch of run {run_id} was applied already.", USAGE)
    workspace = FolderWorkspace(folder_of(begun, output).resolve(), app.written_files)
    log = ChangeLog(app.run_log.folder(run_id))
    with _claimed(app, run_id, workspace.root, [c.file for c in report.pending.changes]):
        made = run_until_done(_apply(report.pending, workspace, log))
        if isinstance(made, str):
            fail(made, FAILED)
        # Where the patch made again what stood there before the run, there is nothing to undo.
        can_undo = run_until_done(next_step(log, workspace.read)) is not None
    app.run_log.note_applied(run_id)
    files = ", ".join(
        shown(workspace.root / change.file) for change in made or report.pending.changes
    )
    told = f"Applied to {escape(files)}."
    if not made:
        told = f"The patch is in {escape(files)} already. Nothing was changed."
    elif can_undo:
        told += f" Take it back with: [bold]ml-coach undo {run_id}[/]"
    EscapingConsole().print(told, soft_wrap=True, highlight=False)


def undo(run: RunArgument = "last") -> None:
    """Put back the files as they were before a run; said twice, it puts the run's texts back."""
    app = App()
    run_id = named_run(app.run_log, run)
    root, step, made = take_back(app, run_id)
    was = "As before the run" if step.action == "undo" else "As the run left it"
    console = EscapingConsole()
    for file in dict.fromkeys(change.file for change in step.changes):
        path = root / file
        what = escape(shown(path)) + ("" if path.exists() else " (removed)")
        console.print(f"{was}: {what}", soft_wrap=True, highlight=False)
    if made:
        console.print(f"Take that back with: [bold]ml-coach undo {run_id}[/]", highlight=False)


def take_back(
    app: App, run_id: str, only: Action | None = None
) -> tuple[Path, NextStep, tuple[FileChange, ...]]:
    """Undoes what the run did to files, or does it again: its folder, the step, and what had to be
    changed for it. Ends the command where that cannot be, or where the step would be no `only`."""
    log = ChangeLog(app.run_log.folder(run_id))
    root = log.root
    if log.is_damaged:
        fail(f"The log of what run {run_id} changed is damaged, so it cannot be undone.", FAILED)
    if root is None:
        fail(f"Run {run_id} changed no file.", USAGE)
    workspace = FolderWorkspace(root, app.written_files)
    with _claimed(app, run_id, root, log.files()):
        done = run_until_done(undo_or_redo(workspace, log, only))
    if isinstance(done, str):
        fail(done, FAILED)
    return root, *done


def open_files(run: RunArgument = "last") -> None:
    """Open a run's program and tests in your editor; without a terminal, print where they are."""
    app = App()
    run_id = named_run(app.run_log, run)
    begun, report = report_of(app.run_log, run_id)
    folder = Path(begun.folder)
    paths = [folder / file for file in report.files] if report else []
    there = [str(path) for path in paths if path.exists()]
    if not there:
        fail(f"Run {run_id} left no file that is still there.", USAGE)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        EscapingConsole().print("\n".join(there), soft_wrap=True, markup=False, highlight=False)
        return
    try:
        raise SystemExit(subprocess.run([*shlex.split(editor), *there], check=False).returncode)
    except (OSError, ValueError) as error:
        fail(f"The editor {editor} does not start: {error}. Set VISUAL or EDITOR.", USAGE)


@contextmanager
def _claimed(app: App, run_id: str, root: Path, files: Iterable[str]) -> Generator[None]:
    """Ends the command where another process works on the run or on one of the files."""
    claim = app.claims.claim(run_id, [root / file for file in files])
    if isinstance(claim, Taken):
        fail(claim.sentence, USAGE)
    try:
        yield
    finally:
        claim.release()


async def _apply(
    patch: Patch, workspace: FolderWorkspace, log: ChangeLog
) -> tuple[FileChange, ...] | str:
    """Applies and shows the patch: what was changed, nothing where the files have it already; the
    reason where it cannot be applied."""
    for change in patch.changes:
        if change.before is not None and await workspace.read(change.file) is None:
            there = f"There is no {change.file} in {workspace.root}."
            return f"{there} With -o you name the folder that holds it."
    texts = await texts_after(patch.changes, workspace.read)
    if isinstance(texts, PatchRefused):
        return f"{texts.reason} Nothing was changed."
    changes = await changes_to(texts, workspace)
    for change in changes:
        if workspace.was_ours(change):
            workspace.note(change.file, change.after or "")
    await make_changes(changes, workspace, log, "run")
    made = make_patch({c.file: c.before for c in changes}, {c.file: c.after for c in changes})
    show_diff(EscapingConsole(), made.text)
    return changes
