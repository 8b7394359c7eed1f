"""`ml-coach runs`, `show` and `answer`: what earlier runs left."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.rule import Rule

from ml_coach.app import App
from ml_coach.change_log import ChangeLog
from ml_coach.cli.endings import USAGE, complain, fail, run_until_done
from ml_coach.cli.file_commands import FolderOption, take_back
from ml_coach.cli.generate_command import carry_out
from ml_coach.cli.next_commands import next_commands, show_next
from ml_coach.cli.options import JsonOption, ModelOption, read_settings
from ml_coach.cli.report_view import show_report
from ml_coach.cli.reviewer import TerminalReviewer, read_answer, show_question
from ml_coach.cli.run_reference import RunArgument, folder_of, named_run, refuse_unusable, report_of
from ml_coach.cli.terminal_view import EscapingConsole, JsonView, TerminalView
from ml_coach.core.events import RunFinished, RunStarted
from ml_coach.core.question import Answer, Question
from ml_coach.core.wording import amount
from ml_coach.json_lines import JsonLines
from ml_coach.run_log import CALLS_FILE, RunSummary
from ml_coach.run_order import RunOrder, answered


def runs(
    limit: Annotated[int, typer.Option("-n", metavar="N", help="How many.")] = 20,
    prune: Annotated[bool, typer.Option("--prune", help="Remove old runs first.")] = False,
) -> None:
    """List the latest runs."""
    console = EscapingConsole()
    if prune:
        pruned = App().prune(read_settings())
        console.print(
            f"Removed {amount(len(pruned.run_ids), 'run')}, {pruned.size_bytes / 1e6:.1f} MB. "
            "Runs of today and those that can be undone stay.",
            highlight=False,
        )
    log = App().run_log
    latest = log.latest(limit)
    if not latest:
        refuse_unusable(log)
        console.print("There is no run yet.")
    for run in latest:
        asked = run.request
        # A run that debugs a file has no prompt; its task and its file identify it.
        prompt = asked.prompt.strip() or f"{asked.task} {asked.subject}"
        if asked.follow_up:
            prompt = f"refine {asked.program_file}: {asked.follow_up}"
        first_line = prompt.splitlines()[0]
        line = f"{run.run_id}  {_state(run):<13}  {escape(first_line[:80])}"
        console.print(line, highlight=False, soft_wrap=True)


def _state(run: RunSummary) -> str:
    """What became of a run, in one or two words."""
    app = App()
    if not run.outcome:
        if app.claims.holder(run.run_id):
            return "active"
        return "damaged" if run.is_damaged else "unfinished"
    if run.patch == "waits":
        return "patch waits"
    undone = ChangeLog(app.run_log.folder(run.run_id)).latest_action() == "undo"
    return "undone" if undone else "patch applied" if run.patch else run.outcome.replace("_", " ")


def show(
    run: RunArgument = "last",
    as_json: JsonOption = False,
    calls: Annotated[
        bool, typer.Option("--calls", help="Also what the model was told, and what it said.")
    ] = False,
) -> None:
    """Print one run again, from its log."""
    log, console = App().run_log, EscapingConsole()
    run_id, folder, clock = named_run(log, run), Path(), [0.0]
    view = JsonView(sys.stdout) if as_json else TerminalView(console, clock=lambda: clock[0])
    for clock[0], event in log.timed_events(run_id):
        view(event)
        if isinstance(event, RunStarted):
            folder = Path(event.folder)
        if isinstance(event, RunFinished) and not as_json:
            report = event.report
            applied = report.pending is not None and not log.patch_waits(run_id)
            show_report(console, report, folder=folder, run_id=run_id, applied=applied)
            if report.question is not None:
                show_question(console, report.question)
            still_open = replace(report, pending=None) if applied else report
            commands = next_commands(still_open, folder, run_id)
            itself = f"ml-coach show {run_id}"
            show_next(console, [one for one in commands if one[0] != itself])
    view.close()
    if calls and not as_json:
        _show_calls(console, log.folder(run_id) / CALLS_FILE)


def _show_calls(console: EscapingConsole, file: Path) -> None:
    """Prints each call of the model: its messages, word for word, and the reply."""
    for line in JsonLines(file):
        call = line.get("call")
        if not isinstance(call, dict):
            continue
        told = cast("dict[str, Any]", call)
        messages = cast("list[dict[str, Any]]", told.get("messages") or [])
        texts = [(str(m.get("role")), str(m.get("text"))) for m in messages]
        for role, text in [*texts, ("reply", str(line.get("reply", "")))]:
            console.print(Rule(escape(f"{told.get('purpose')}: {role}")))
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def answer(
    run: RunArgument = "last",
    text: Annotated[
        str,
        typer.Argument(
            metavar="ANSWER",
            help="A choice's number, a value such as 'abc' (for a number: `gives 1`), `raises X`, "
            "`not defined` or `skip`; else you are asked.",
        ),
    ] = "",
    output: FolderOption = None,
    model: ModelOption = None,
    force: Annotated[bool, typer.Option(help="Overwrite files that you changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer the question that a run left open, and let the run go on."""
    app, settings = App(), read_settings(model=model)
    run_id = named_run(app.run_log, run)
    begun, report = report_of(app.run_log, run_id)
    if report is None or report.question is None:
        fail(f"Run {run_id} left no question open.", USAGE)
    folder = folder_of(begun, output)
    changes_program = begun.request.task != "generate"
    if changes_program:
        _refuse_changed(app, begun, run_id)
    known = _answer(report.question, text, run_id, as_json=as_json)
    if changes_program:  # The user may have taken their time.
        _refuse_changed(app, begun, run_id)
    if model is None:  # The run goes on with the model that it began with.
        settings = replace(settings, model=begun.model or settings.model)
        if host := app.unconfirmed_host(settings):
            name = shlex.quote(settings.model)
            complain(f"OPENAI_API_KEY is not sent to {host} unless you add: --model {name}")
    order = RunOrder(
        folder, answered(begun.request, report, known), settings, overwrite=force, replay=run_id
    )
    with _taken_back(app, run_id, order) if changes_program else nullcontext():
        code = run_until_done(carry_out(app, order, as_json=as_json))
    raise SystemExit(code)


def _refuse_changed(app: App, begun: RunStarted, run_id: str) -> None:
    """Ends the command where a later run changed the program."""
    if later := app.run_log.changed_since(run_id):
        changed = f"Run {later} changed {begun.request.program_file} after run {run_id}"
        fail(f"{changed}. Take that back first: ml-coach undo {later}", USAGE)


@contextmanager
def _taken_back(app: App, run_id: str, order: RunOrder) -> Generator[None]:
    """Undoes a run that changed a program of the user's, because the calls that it recorded are
    about the program as it was before. Where `order` changes nothing, as it cannot begin or fails,
    what the run wrote is put back."""
    log = ChangeLog(app.run_log.folder(run_id))
    is_made = log.latest_action() in ("run", "redo")
    if is_made:
        take_back(app, run_id, "undo")
    try:
        yield
    finally:
        if is_made and not ChangeLog(app.run_log.folder_for(order.run_id)).files():
            take_back(app, run_id, "redo")


def _answer(question: Question, text: str, run_id: str, *, as_json: bool) -> Answer:
    """What the user says, on the command line or at the terminal. Ends the command without it."""
    console = EscapingConsole(stderr=as_json)  # The standard output is for events alone.
    if not text:
        if not (sys.stdin.isatty() and console.is_terminal):
            show_question(console, question)
            fail(f"Say the answer, such as: ml-coach answer {run_id} 1", USAGE)
        asked = run_until_done(TerminalReviewer(console, nullcontext).answer(question))
        if asked is None:
            raise SystemExit(USAGE)
        return asked
    found = read_answer(question, text)
    if isinstance(found, str):
        fail(found, USAGE)
    return found
