"""The work of `ml-coach bench`: runs the tasks, writes the report, prints the table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ml_coach.app import App
from ml_coach.bench.reply_cache import ProfileOverride, ReplyCache
from ml_coach.bench.runner import Results, run_bench
from ml_coach.bench.simulated_user import Manner
from ml_coach.bench.strategies import LIMITS, Part, Setup, StrategyName
from ml_coach.bench.table import Row
from ml_coach.bench.tasks import Task, read_solutions
from ml_coach.cli.bench_files import write_calibration, write_report
from ml_coach.cli.bench_table import show
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.events import DownloadAdvanced, Emit, Event
from ml_coach.core.ports import Model
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.models.calibrations import calibration_of
from ml_coach.settings import Settings

STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options of `ml-coach bench` that are not settings.

    `samples`, `seed`, `given` and `without` are those of `bench.strategies.Setup`; with `plan` the
    researcher plans even if the model's profile says that plans do not help it. `jobs` tasks run at
    a time. `output` is the report's file, `replies` that of the cached replies. A calibration is
    fitted on the loop's rows and those of the reports `also`, and written to `calibrate`. `coder`
    is the file of the programs that are the coder's replies. A simulated `user` answers up to
    `questions` of a task, by the programs in the file `solutions`.
    """

    given: bool
    without: tuple[Part, ...]
    plan: bool
    samples: int
    seed: int
    jobs: int
    output: Path
    replies: Path
    calibrate: Path | None = None
    also: tuple[Path, ...] = ()
    coder: Path | None = None
    questions: int = 0
    solutions: Path | None = None
    user: Manner = "exact"


async def run_and_report(
    tasks: list[Task], strategies: list[StrategyName], settings: Settings, options: BenchOptions
) -> None:
    """Runs the tasks that have no row yet, writes the report and prints the table.

    Rows are written as they are done. Raises `ModelError`, and `ValueError` where the file of rows
    belongs to other options.
    """
    app, console = App(), EscapingConsole()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeElapsedColumn(), console=console)
    chosen = app.model(settings, _download_bar(progress))
    try:
        executor = app.executor(settings)
        await app.prepare(executor, chosen)
        model: Model = chosen
        if options.plan:
            model = ProfileOverride(model, replace(model.profile, plans=True))
        asked = _asked(model.name, settings, options)
        results = Results(options.output.with_suffix(".rows.jsonl"), asked)
        setup = _setup(model, executor, settings, options)
        with progress:
            total = len(tasks) * len(strategies)
            done = sum((t.id, s) in results.rows for t in tasks for s in strategies)
            bar = progress.add_task("tasks", total=total, completed=done)

            def finished(row: Row) -> None:
                progress.advance(bar)
                if not console.is_terminal:
                    mark = "solved" if row.solved else "failed"
                    console.print(f"{row.task} {row.strategy} {mark} {row.tokens} tokens")

            cache = ReplyCache(options.replies)
            await run_bench(
                tasks, strategies, setup, results, cache, jobs=options.jobs, finished=finished
            )
    finally:
        await chosen.aclose()
        await app.aclose()
    wanted = {task.id for task in tasks}
    rows: dict[str, list[Row]] = {
        name: [r for r in results.of(name) if r.task in wanted] for name in strategies
    }
    write_report(options.output, asked, rows)
    if options.calibrate:
        files = [options.output, *options.also]
        write_calibration(options.calibrate, asked["model"], files)
    show(console, rows)


def _setup(
    model: Model, executor: SandboxedExecutor, settings: Settings, options: BenchOptions
) -> Setup:
    scripted = read_solutions(options.coder) if options.coder else {}
    solutions = read_solutions(options.solutions) if options.solutions else {}
    return Setup(
        model, executor, options.given, frozenset(options.without), options.samples,
        options.seed, settings.max_iters, settings.run_timeout_seconds,
        replace(LIMITS, seconds=settings.max_seconds), settings.min_confidence,
        calibration_of(model.name), scripted, options.questions, solutions, options.user,
    )  # fmt: skip


def _download_bar(progress: Progress) -> Emit:
    """Shows the download of weights, if there is one, as a bar of `progress`."""
    bar: TaskID | None = None

    def emit(event: Event) -> None:
        nonlocal bar
        if isinstance(event, DownloadAdvanced):
            if bar is None:
                bar = progress.add_task(f"Downloading {event.name}", total=event.total_bytes)
            progress.update(bar, completed=event.done_bytes)

    return emit


def _asked(model: str, settings: Settings, options: BenchOptions) -> dict[str, Any]:
    """What rows of one file must have in common to be compared."""
    return {
        "model": model, "given": options.given, "without": sorted(options.without),
        "plan": options.plan, "samples": options.samples, "seed": options.seed,
        "max_iters": settings.max_iters,
        **({"questions": options.questions, "user": options.user} if options.questions else {}),
        **({"coder": options.coder.name} if options.coder else {}),
    }  # fmt: skip
