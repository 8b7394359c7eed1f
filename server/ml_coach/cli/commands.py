"""`ml-coach`'s commands. Each parses its arguments, asks app.py, and shows what comes back."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.markup import escape

from ml_coach import __version__
from ml_coach import app as app_module
from ml_coach import settings as settings_module
from ml_coach.app import DEFAULT_PROMPT, App
from ml_coach.cli.reviewer import NobodyToAsk, TerminalReviewer
from ml_coach.cli.sandbox_commands import main as sandbox_command
from ml_coach.cli.terminal_view import (
    HarmlessConsole,
    JsonView,
    TerminalView,
    show_diff,
    show_report,
)
from ml_coach.core.errors import ModelError
from ml_coach.core.events import DownloadAdvanced, Event, RunFinished
from ml_coach.core.types import RunReport
from ml_coach.disk import FolderWorkspace, RunFolder
from ml_coach.run_order import RunOrder, request_from
from ml_coach.settings import Settings

EXIT_CODES = {"passed": 0, "gave_up": 1, "failed": 1, "stopped": 130}
USAGE = 2
T = TypeVar("T")

_EPILOG = "Settings from the environment: " + "; ".join(
    f"{s.variable} ({s.description.rstrip('.')})" for s in settings_module.SETTINGS
)
cli = typer.Typer(
    name="ml-coach",
    help="A prompt becomes a tested Python program.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
model_cli = typer.Typer(help="The local model's weights.", no_args_is_help=True)
cli.add_typer(model_cli, name="model")


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ml-coach {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    pass


def _setting(field: str, *flags: str) -> Any:
    """The option of a setting, described by the table that the README is made from."""
    row = next(s for s in settings_module.SETTINGS if s.field == field)
    default = getattr(Settings(), field)
    flag = row.flag
    if isinstance(default, bool):
        flag, default = f"{flag}/--no-{flag.removeprefix('--')}", int(default)
    shown = f", default {default}" if default != "" else ""
    return typer.Option(flag, *flags, help=f"{row.description} ({row.variable}{shown})")


_Model = Annotated[str | None, _setting("model", "-m")]
_Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")]


def run() -> None:
    """Runs the command line; no traceback reaches the user for what they can mend."""
    try:
        cli()
    except (ModelError, OSError) as error:
        fail(str(error), 1)
    except Exception:  # noqa: BLE001 - the last resort: a bug of ours is told, not dumped
        log = app_module.state_folder() / "bug.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        fail(f"That was a bug in ML Coach, sorry. What happened is in {log}", 1)


def fail(text: str, code: int) -> NoReturn:
    HarmlessConsole(stderr=True).print(f"[red]ml-coach:[/] {escape(text)}", soft_wrap=True)
    raise SystemExit(code)


def _settings(**flags: Any) -> Settings:
    """Environment, then flags. A bad variable is told and its default used; a bad flag ends it."""
    settings, problems = settings_module.from_environment(os.environ)
    console = HarmlessConsole(stderr=True)
    for problem in problems:
        console.print(f"[yellow]ml-coach:[/] {escape(problem)}", soft_wrap=True)
    settings, problems = settings_module.with_flags(settings, flags)
    if problems:
        fail(problems[0].split("; using")[0] + ".", USAGE)
    return settings


def _until_done(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work`; Ctrl-C and termination cancel it once, a second Ctrl-C ends us at once."""

    async def guarded() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if task.cancelling():
                os._exit(130)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, stop)
            except NotImplementedError:  # Windows: asyncio's own handler cancels the main task.
                break
        return await task

    try:
        return asyncio.run(guarded())
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise SystemExit(130) from None


@cli.command()
def generate(
    prompt: Annotated[
        str, typer.Argument(help="What the program must do; - reads it from standard input.")
    ] = DEFAULT_PROMPT,
    output: _Output = Path(),
    model: _Model = None,
    max_iters: Annotated[str | None, _setting("max_iters")] = None,
    run_timeout: Annotated[str | None, _setting("run_timeout_seconds")] = None,
    auto_patch: Annotated[bool | None, _setting("auto_patch")] = None,
    program_file: Annotated[str | None, _setting("program_file")] = None,
    tests_file: Annotated[str | None, _setting("tests_file")] = None,
    python: Annotated[str | None, _setting("python")] = None,
    allow_weak_sandbox: Annotated[bool | None, _setting("allow_weak_sandbox")] = None,
    max_calls: Annotated[str | None, _setting("max_calls")] = None,
    max_tokens: Annotated[str | None, _setting("max_tokens")] = None,
    max_seconds: Annotated[str | None, _setting("max_seconds")] = None,
    prompt_price: Annotated[str | None, _setting("prompt_price")] = None,
    reply_price: Annotated[str | None, _setting("reply_price")] = None,
    force: Annotated[bool, typer.Option(help="Overwrite files ML Coach did not write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    record: Annotated[
        Path | None, typer.Option(help="Write the model's transcript to this file.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the model text.")] = False,
) -> None:
    """Write a program and its tests, run both, and debug until the tests pass."""
    settings = _settings(
        model=model, max_iters=max_iters, run_timeout_seconds=run_timeout, auto_patch=auto_patch,
        program_file=program_file, tests_file=tests_file, python=python,
        allow_weak_sandbox=allow_weak_sandbox, max_calls=max_calls, max_tokens=max_tokens,
        max_seconds=max_seconds, prompt_price=prompt_price, reply_price=reply_price,
    )  # fmt: skip
    try:
        prompt = sys.stdin.read() if prompt == "-" else prompt
        prompt.encode()  # Where Python let other bytes in as half characters, this tells.
    except UnicodeError:
        fail("The prompt must be UTF-8 text.", USAGE)
    if not prompt.strip():
        fail("The prompt is empty. Say what the program must do.", USAGE)
    app = App()
    folder = FolderWorkspace(output, app.written_files)
    order = RunOrder(
        output, request_from(settings, prompt), settings, overwrite=force, record=record
    )
    files = order.replaced_files
    if files[0] == files[1]:
        fail("The program and its tests need two different files.", USAGE)
    # Before it is looked whose they are, so that nothing can come in between unseen.
    workspace = RunFolder(
        folder, folder.texts(files), app.run_log.folder_for(order.run_id) / "kept"
    )
    if not order.overwrite and (foreign := folder.foreign(files)):
        fail(
            f"{' and '.join(foreign)} in {output.resolve()} was not written by ML Coach, or was "
            "changed since. Nothing was touched: use --force to overwrite, or -o for a folder.",
            USAGE,
        )
    report = _until_done(_generate(app, order, workspace, as_json=as_json, verbose=verbose))
    if not as_json:
        _say_what_remains(report, output, order.run_id)
    raise SystemExit(EXIT_CODES[report.outcome])


async def _generate(
    app: App, order: RunOrder, workspace: RunFolder, *, as_json: bool, verbose: bool
) -> RunReport:
    console = HarmlessConsole()
    view = JsonView(sys.stdout) if as_json else TerminalView(console, verbose=verbose)
    can_ask = sys.stdin.isatty() and console.is_terminal and not as_json
    reviewer = TerminalReviewer(console, view.paused) if can_ask else NobodyToAsk()
    try:
        return await app.run(order, workspace, reviewer, view)
    finally:
        view.close()
        await app.aclose()


def _say_what_remains(report: RunReport, output: Path, run_id: str) -> None:
    console = HarmlessConsole()
    show_report(console, report, folder=str(output), run_id=run_id)
    if report.pending is not None:
        where = "" if output == Path() else f" -o {shlex.quote(str(output))}"
        command = f"[bold]ml-coach apply {run_id}{escape(where)}[/]"
        console.print(f"Apply the waiting patch with: {command}", soft_wrap=True)
    if report.outcome == "stopped" and report.program and report.files:
        console.print(f"The best program so far is in {escape(str(output / report.program.file))}")


@cli.command()
def runs(limit: Annotated[int, typer.Option("-n", help="How many.")] = 20) -> None:
    """List the latest runs."""
    console = HarmlessConsole()
    for run in App().run_log.latest(limit):
        asked = run.request
        # Debugging a file has no prompt: what was done, and to what, says which run it was.
        prompt = asked.prompt.strip() or f"{asked.task} {asked.program_file}"
        first_line = prompt.splitlines()[0]
        outcome = run.outcome or "unfinished"
        line = f"{run.run_id}  {outcome:<10}  {escape(first_line[:80])}"
        console.print(line, highlight=False, soft_wrap=True)


@cli.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id; see `runs`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
) -> None:
    """Print one run again, from its log."""
    log, console = App().run_log, HarmlessConsole()
    view = JsonView(sys.stdout) if as_json else TerminalView(console, verbose=False)
    try:
        events: list[Event] = list(log.events(run_id))
    except KeyError:
        fail(f"There is no run {run_id!r}; `ml-coach runs` lists them.", USAGE)
    for event in events:
        view(event)
        if isinstance(event, RunFinished) and not as_json:
            show_report(console, event.report, folder=str(log.folder(run_id)), run_id=run_id)
    view.close()


@cli.command()
def apply(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id; see `runs`.")],
    output: _Output = Path(),
) -> None:
    """Apply the patch that a run left waiting."""
    from ml_coach.core.patches import rebase
    from ml_coach.core.types import PatchRefused

    app, console = App(), HarmlessConsole()
    try:
        events = list(app.run_log.events(run_id))
    except KeyError:
        fail(f"There is no run {run_id!r}; `ml-coach runs` lists them.", USAGE)
    report = next((e.report for e in reversed(events) if isinstance(e, RunFinished)), None)
    if report is None or report.pending is None:
        fail(f"No patch waits in run {run_id}.", USAGE)
    workspace = FolderWorkspace(output, app.written_files)

    async def apply_it() -> str:
        patch = report.pending
        assert patch is not None
        texts: dict[str, str] = {}
        for change in patch.changes:
            text = await workspace.read(change.file)
            if text is None and change.before is not None:
                there = f"There is no {change.file} in {output.resolve()}."
                return f"{there} With -o you name the folder that the run wrote into."
            texts[change.file] = text or ""
        fitted = rebase(patch, texts)
        if isinstance(fitted, PatchRefused):
            return f"{fitted.reason} Nothing was changed."
        await workspace.write({c.file: c.after or "" for c in fitted.changes})
        show_diff(console, fitted.text)
        return ""

    if refusal := _until_done(apply_it()):
        fail(refusal, 1)


@cli.command()
def models() -> None:
    """List the models that can be used, and why one can not."""
    from ml_coach.models import registry

    app, settings, console = App(), _settings(), HarmlessConsole()
    access = app.access(settings)
    default = settings.model or registry.default_model(access)
    for row in registry.list_models(access):
        profile = row.profile
        state = "" if row.available else "  [red]not available[/]"
        state += "  [green]default[/]" if row.name == default else ""
        console.print(f"[bold]{escape(row.name)}[/]{state}", soft_wrap=True, highlight=False)
        facts = (
            f"context {profile.context}, candidates {profile.candidates}, edits by "
            f"{profile.edit_format}{', plans first' if profile.plans else ''}"
        )
        note = f"; {row.why}" if row.why else ""
        console.print(f"    {escape(facts + note)}", style="dim", soft_wrap=True, highlight=False)


@model_cli.command()
def pull(
    name: Annotated[str, typer.Argument(help="Which one; see `ml-coach models`.")] = "",
) -> None:
    """Download and check the local model's weights, once."""
    from ml_coach.models import weights

    settings = _settings()
    wanted = name.removeprefix("local:") or weights.KNOWN[0].name
    view = TerminalView(HarmlessConsole(), verbose=False)

    def advanced(done_bytes: int, total_bytes: int, source: str) -> None:
        view(DownloadAdvanced(wanted, done_bytes, total_bytes, source))

    try:
        path = _until_done(weights.ensure(wanted, source=settings.weights, progress=advanced))
    except weights.WeightsError as error:
        view.close()
        fail(str(error), 1)
    view.close()
    HarmlessConsole().print(f"{wanted} is ready: {path}", soft_wrap=True)


@cli.command()
def doctor() -> None:
    """Check Python, model, sandbox, disk and memory, each with how to mend it."""
    from ml_coach.doctor import examine

    app, settings, console = App(), _settings(), HarmlessConsole()
    checks = _until_done(examine(settings, app.access(settings), app.state, Path.cwd()))
    for check in checks:
        mark = "[green]ok[/]  " if check.ok else "[red]mend[/]"
        console.print(f"{mark}  {check.name:<8} {escape(check.found)}", soft_wrap=True)
        if check.mend:
            console.print(f"      {escape(check.mend)}", style="yellow", soft_wrap=True)
    raise SystemExit(0 if all(check.ok for check in checks) else 1)


@cli.command()
def bench(
    tasks: Annotated[Path, typer.Argument(help="JSON lines, one task each.")],
    model: _Model = None,
    strategy: Annotated[str, typer.Option(help="one-shot, best-of-n, majority or loop.")] = "loop",
    versus: Annotated[str, typer.Option(help="A second strategy, to pair with.")] = "",
    limit: Annotated[int, typer.Option(help="The first so many tasks only; 0: all.")] = 0,
    skip: Annotated[int, typer.Option(help="Pass over so many tasks first.")] = 0,
    only: Annotated[
        str, typer.Option(help="One task, or all of a source: `MBPP/12`, `MBPP`.")
    ] = "",
    jobs: Annotated[int, typer.Option(help="Tasks at a time.")] = 1,
    given: Annotated[
        bool, typer.Option("--given/--no-given", help="Give the public tests.")
    ] = True,
    programs: Annotated[
        Path | None,
        typer.Option(help="JSON lines task_id, code: programs of these tasks to debug."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave out filter, candidates or repair.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Let the researcher plan.")] = False,
    samples: Annotated[int, typer.Option(help="n of best-of-n and majority.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the sampled programs.")] = 0,
    max_iters: Annotated[str | None, _setting("max_iters")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The report.")] = Path(
        "bench.json"
    ),
    replies: Annotated[
        Path | None,
        typer.Option(help="Where the model's replies are kept and looked up; else beside it."),
    ] = None,
) -> None:
    """Measure how many tasks a strategy solves; interrupted, it goes on where it was."""
    from ml_coach.bench.tasks import read_programs, read_tasks
    from ml_coach.cli.bench_command import PARTS, STRATEGIES
    from ml_coach.cli.bench_command import bench as run_it

    settings = _settings(model=model, max_iters=max_iters)
    wanted = [name for name in (versus, strategy) if name]
    if unknown := [name for name in wanted if name not in STRATEGIES]:
        fail(f"{unknown[0]} is no strategy; there are {', '.join(STRATEGIES)}.", USAGE)
    if unknown := [name for name in without or () if name not in PARTS]:
        fail(f"{unknown[0]} is no part to leave out; there are {', '.join(PARTS)}.", USAGE)
    try:
        chosen = [t for t in read_tasks(tasks) if only in ("", t.id, t.id.partition("/")[0])]
        if programs is not None:
            chosen = read_programs(programs, chosen)
        chosen = chosen[max(0, skip) :][: limit or None]
        if not chosen:
            fail(f"{tasks} holds no such task.", USAGE)
        _until_done(
            run_it(
                chosen, [s for s in STRATEGIES if s in wanted], settings,
                given=given, without=[part for part in PARTS if part in (without or ())],
                plan=plan, samples=samples, seed=seed, jobs=max(1, jobs), output=output,
                replies=replies or output.with_suffix(".replies.jsonl"),
            )
        )  # fmt: skip
    except ValueError as error:
        fail(str(error), USAGE)


# Both only stand here for the help text: `main` hands them on before typer is imported.
@cli.command("exec")
def execute(file: Path) -> None:
    """Run any Python file in the sandbox; `ml-coach exec --help` tells more."""
    raise SystemExit(sandbox_command(["exec", str(file)]))


@cli.command("pytest")
def run_pytest(folder: Path) -> None:
    """Run and judge any folder of tests in the sandbox; `ml-coach pytest --help` tells more."""
    raise SystemExit(sandbox_command(["pytest", str(folder)]))


@cli.command()
def serve() -> None:
    """Serve the Language Server Protocol to an editor; `ml-coach serve --help` tells more."""
    from ml_coach.cli.serve import serve as serve_editor

    raise SystemExit(serve_editor([]))
