"""`ml-coach generate`: a run at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from ml_coach.app import DEFAULT_PROMPT, App
from ml_coach.change_log import ChangeLog
from ml_coach.claims import Claim, Taken
from ml_coach.cli.endings import USAGE, complain, exit_code, fail, run_until_done
from ml_coach.cli.next_commands import next_commands, show_next
from ml_coach.cli.options import setting
from ml_coach.cli.prompt_text import read_prompt
from ml_coach.cli.python_consent import ask_about_python
from ml_coach.cli.report_view import show_report
from ml_coach.cli.reviewer import TerminalReviewer, show_question
from ml_coach.cli.run_options import RunOptions, with_run_options
from ml_coach.cli.shown_paths import shown
from ml_coach.cli.terminal_view import EscapingConsole, JsonView, TerminalView
from ml_coach.core.types import RunReport
from ml_coach.disk import FolderWorkspace, RunWorkspace
from ml_coach.file_orders import FileOrders
from ml_coach.folder_files import FolderFiles
from ml_coach.folder_runs import DeferringReviewer, refusal, run_workspace
from ml_coach.run_order import RunOrder, next_order


@with_run_options
def generate(
    run: RunOptions,
    prompt: Annotated[
        str,
        typer.Argument(
            metavar="PROMPT",
            help="What the program must do; @FILE reads it from a file, - from standard input.",
        ),
    ] = DEFAULT_PROMPT,
    prompt_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the prompt from this file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder to write into; else this one, in a project its package and tests folder.",
        ),
    ] = None,
    program_file: Annotated[str | None, setting("program_file")] = None,
    tests_file: Annotated[str | None, setting("tests_file")] = None,
) -> None:
    """Write a program and its tests, run both, and debug until the tests pass."""
    settings = run.settings(program_file=program_file, tests_file=tests_file)
    text, app = read_prompt(prompt, prompt_file), App()
    # Where a folder is named that one is meant, and none in it.
    files = FolderFiles(output or Path(), app)
    orders = FileOrders(files, settings, in_root=output is not None)
    named = settings.program_file if program_file else ""
    start(app, run_until_done(orders.generate(text, named)), run)


def start(app: App, order: RunOrder | str, run: RunOptions) -> NoReturn:
    """Runs the order and ends the command with its exit code; a sentence in the place of the order
    says why there is none."""
    if isinstance(order, str):
        fail(order, USAGE)
    order = replace(order, overwrite=run.force, record=run.record)
    work = carry_out(app, order, as_json=run.as_json, verbose=run.verbose)
    raise SystemExit(run_until_done(work))


async def carry_out(app: App, order: RunOrder, *, as_json: bool, verbose: bool = False) -> int:
    """Runs `order` at the terminal, and what follows it, and shows how each ended; returns the
    command's exit code."""
    terminal = _Terminal(app, EscapingConsole(), as_json, verbose)
    try:
        with terminal.view() as view:
            following = await app.divided(order, view)
        code = 0
        while following is not None:
            order = following
            ended = await terminal.run(order)
            if isinstance(ended, str):
                complain(ended)
                return USAGE
            unsure = order.settings.unsure_exit
            ended_with = exit_code(ended.outcome, unsure)
            code = ended_with if code in (0, unsure) and ended_with else code
            following = await next_order(order, ended)
            if isinstance(following, str):
                complain(following)
                return code or USAGE
        return code
    finally:
        await app.aclose()


@dataclass(frozen=True, slots=True)
class _Terminal:
    """Where runs are shown, and how."""

    app: App
    console: EscapingConsole
    as_json: bool
    verbose: bool

    @contextmanager
    def view(self) -> Generator[JsonView | TerminalView]:
        """Shows the events of one run."""
        if self.as_json:
            view = JsonView(sys.stdout)
        else:
            view = TerminalView(self.console, verbose=self.verbose)
        try:
            yield view
        finally:
            view.close()

    async def run(self, order: RunOrder) -> RunReport | str:
        """The report of the run, which was shown; a sentence where it cannot begin."""
        app, console = self.app, self.console
        claim = app.claims.claim(order.run_id, [order.root / file for file in order.files])
        if isinstance(claim, Taken):
            return claim.sentence
        try:
            workspace = _workspace(app, order, claim)
            if isinstance(workspace, str):
                return workspace
            with self.view() as view:
                can_ask = sys.stdin.isatty() and console.is_terminal and not self.as_json
                reviewer = DeferringReviewer()
                if can_ask:
                    reviewer = TerminalReviewer(console, view.paused)
                    with view.paused():
                        await ask_about_python(console, app, order.settings, order.root)
                report = await app.run(order, workspace, reviewer, claim.released_at_end(view))
        finally:
            claim.release()
        if not self.as_json:
            log = ChangeLog(app.run_log.folder_for(order.run_id))
            _show_end(console, report, order.root, order.run_id, log.replaced())
        return report


def _workspace(app: App, order: RunOrder, claim: Claim) -> RunWorkspace | str:
    """The folder to write into; a sentence where a file in it may not be overwritten."""
    folder = FolderWorkspace(order.root.resolve(), app.written_files)
    workspace = run_workspace(app, order, folder, claim)
    why = refusal(workspace, order)
    return f"{why}: use --force to overwrite, or -o for another folder." if why else workspace


def _show_end(
    console: EscapingConsole,
    report: RunReport,
    output: Path,
    run_id: str,
    replaced: Sequence[str],
) -> None:
    """Shows the report, the files that were `replaced`, and what the user can do next."""
    show_report(console, report, folder=output, run_id=run_id)
    if report.question is not None:
        console.print()
        show_question(console, report.question)
    if report.outcome == "stopped" and not report.pending and report.program and report.files:
        best = escape(shown(output / report.program.file))
        console.print(f"The best program so far is in {best}", soft_wrap=True, highlight=False)
    if replaced:
        files = " and ".join(escape(shown(output / file)) for file in replaced)
        back = f"what stood there comes back with [bold]ml-coach undo {run_id}[/]"
        console.print(f"Replaced {files}; {back}", soft_wrap=True, highlight=False)
    show_next(console, next_commands(report, output, run_id))
