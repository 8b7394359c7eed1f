"""`ml-coach runs`, `show` and `apply`: what earlier runs left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.markup import escape

from ml_coach.app import App
from ml_coach.cli.endings import USAGE, fail, run_until_done
from ml_coach.cli.generate_command import carry_out
from ml_coach.cli.options import JsonOption, OutputOption, RunArgument, read_settings
from ml_coach.cli.report_view import show_report
from ml_coach.cli.reviewer import TerminalReviewer, read_answer, show_question
from ml_coach.cli.terminal_view import (
    EscapingConsole,
    JsonView,
    TerminalView,
    show_diff,
)
from ml_coach.core.changes import Patch
from ml_coach.core.events import RunFinished
from ml_coach.core.question import Answer, Question
from ml_coach.disk import FolderWorkspace
from ml_coach.run_order import RunOrder, answered

T = TypeVar("T")


def runs(
    limit: Annotated[int, typer.Option("-n", help="How many.")] = 20,
    prune: Annotated[bool, typer.Option("--prune", help="Remove old runs first.")] = False,
) -> None:
    """List the latest runs."""
    console = EscapingConsole()
    if prune:
        pruned = App().prune(read_settings())
        console.print(
            f"Removed {len(pruned.run_ids)} runs, {pruned.size_bytes / 1e6:.1f} MB. "
            "Runs of today and those that can be undone stay.",
            highlight=False,
        )
    for run in App().run_log.latest(limit):
        asked = run.request
        # A run that debugs a file has no prompt; its task and its file identify it.
        prompt = asked.prompt.strip() or f"{asked.task} {asked.program_file}"
        first_line = prompt.splitlines()[0]
        outcome = run.outcome or ("damaged" if run.is_damaged else "unfinished")
        if not run.outcome and App().claims.holder(run.run_id):
            outcome = "active"
        line = f"{run.run_id}  {outcome:<10}  {escape(first_line[:80])}"
        console.print(line, highlight=False, soft_wrap=True)


def show(run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Print one run again, from its log."""
    log, console = App().run_log, EscapingConsole()
    view = JsonView(sys.stdout) if as_json else TerminalView(console, verbose=False)
    for event in _known(lambda run_id: list(log.events(run_id)), run_id):
        view(event)
        if isinstance(event, RunFinished) and not as_json:
            show_report(console, event.report, folder=str(log.folder(run_id)), run_id=run_id)
    view.close()


def apply(run_id: RunArgument, output: OutputOption = Path()) -> None:
    """Apply the patch that a run left waiting."""
    app = App()
    report = _known(app.run_log.report, run_id)
    if report is None or report.pending is None:
        fail(f"No patch waits in run {run_id}.", USAGE)
    workspace = FolderWorkspace(output, app.written_files)
    if refusal := run_until_done(_apply(report.pending, workspace, output.resolve())):
        fail(refusal, 1)


def answer(
    run_id: RunArgument,
    text: Annotated[
        str,
        typer.Argument(
            metavar="ANSWER",
            help="A choice's letter, a value such as 'abc', `raises X`, `not defined`; else asked.",
        ),
    ] = "",
    output: OutputOption = Path(),
    force: Annotated[bool, typer.Option(help="Overwrite files that you changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer the question that a run left open, and let the run go on."""
    app, settings = App(), read_settings()
    begun, report = _known(app.run_log.start, run_id), _known(app.run_log.report, run_id)
    if report is None or report.question is None:
        fail(f"Run {run_id} left no question open.", USAGE)
    if begun.request.task != "generate":
        fail(f"Run {run_id} works on a function of your own: answer it in your editor.", USAGE)
    known = _answer(report.question, text)
    request = answered(begun.request, report, known)
    root = Path(begun.folder) if output == Path() and begun.folder else output
    if not root.is_dir():
        fail(f"There is no folder {root}. With -o you name the one to write into.", USAGE)
    order = RunOrder(root, request, settings, overwrite=force, replay=run_id)
    raise SystemExit(run_until_done(carry_out(app, order, as_json=as_json)))


def _answer(question: Question, text: str) -> Answer:
    """What the user says, on the command line or at the terminal. Ends the command without it."""
    console = EscapingConsole()
    if not text:
        if not (sys.stdin.isatty() and console.is_terminal):
            show_question(console, question)
            fail("Say the answer: ml-coach answer RUN ANSWER", USAGE)
        asked = run_until_done(TerminalReviewer(console, nullcontext).answer(question))
        if asked is None:
            raise SystemExit(USAGE)
        return asked
    found = read_answer(question, text)
    if isinstance(found, str):
        fail(found, USAGE)
    return found


def _known(look_up: Callable[[str], T], run_id: str) -> T:
    """What the log says of a run. Ends the command where there is no such run."""
    try:
        return look_up(run_id)
    except KeyError:
        fail(f"There is no run {run_id!r}; `ml-coach runs` lists them.", USAGE)


async def _apply(patch: Patch, workspace: FolderWorkspace, folder: Path) -> str:
    """Applies and shows the patch; the reason where it cannot be applied, else empty."""
    from ml_coach.core.changes import PatchRefused
    from ml_coach.core.patches import rebase

    texts: dict[str, str] = {}
    for change in patch.changes:
        text = await workspace.read(change.file)
        if text is None and change.before is not None:
            there = f"There is no {change.file} in {folder}."
            return f"{there} With -o you name the folder that the run wrote into."
        texts[change.file] = text or ""
    fitted = rebase(patch, texts)
    if isinstance(fitted, PatchRefused):
        return f"{fitted.reason} Nothing was changed."
    for change in fitted.changes:
        workspace.note(change.file, change.after or "")
    await workspace.write({c.file: c.after or "" for c in fitted.changes})
    show_diff(EscapingConsole(), fitted.text)
    return ""
