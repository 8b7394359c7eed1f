"""The work of `ml-coach bench`: runs the tasks, writes the report, prints the table."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ml_coach.app import App
from ml_coach.batch.keys import without_keys
from ml_coach.bench.reply_cache import ReplyCache
from ml_coach.bench.runner import Results, run_bench
from ml_coach.bench.simulated_user import Manner
from ml_coach.bench.strategies import LIMITS, Part, Setup, StrategyName
from ml_coach.bench.table import Row
from ml_coach.bench.task_worker import MakeSetup, TaskWorker, node_worker, opened
from ml_coach.bench.tasks import Task, read_solutions
from ml_coach.cli.bench_files import write_calibration, write_report
from ml_coach.cli.bench_table import show
from ml_coach.cli.place import Place
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.cli.worker_pools import opened_pool
from ml_coach.core.events import DownloadAdvanced, Emit, Event
from ml_coach.models import registry
from ml_coach.models.calibrations import calibration_of
from ml_coach.settings import Settings

STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options of `ml-coach bench` that are not settings.

    `samples`, `seed`, `given` and `without` are those of `bench.strategies.Setup`; with `plan` the
    researcher plans even if the model's profile says that plans do not help it. `place` says where
    they run. `output` is the report's file, `replies` that of the cached replies. A calibration is
    fitted on the loop's rows and those of the reports `also`, and written to `calibrate`. `coder`
    is the file of the programs that are the coder's replies. A simulated `user` answers up to
    `questions` of a task, by the programs in the file `solutions`.
    """

    given: bool
    without: tuple[Part, ...]
    plan: bool
    samples: int
    seed: int
    place: Place
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
) -> list[str]:
    """Runs the tasks that have no row yet, writes the report and prints the table. Returns what has
    no row after that, because no node is left for it.

    Rows are written as they are done. Raises `ModelError`, `SetupError`, and `ValueError` where the
    file of rows belongs to other options.
    """
    console = EscapingConsole()
    settings, name = await _chosen_model(settings)
    asked = _asked(name, settings, options)
    results = Results(options.output.with_suffix(".rows.jsonl"), asked)
    cache = ReplyCache(options.replies)
    total = len(tasks) * len(strategies)
    done = sum((t.id, s) in results.rows for t in tasks for s in strategies)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    given_up: list[str] = []
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("tasks", total=total, completed=done)

        def finished(row: Row) -> None:
            progress.advance(bar)
            if not console.is_terminal:
                mark = "solved" if row.solved else "failed"
                console.print(f"{row.task} {row.strategy} {mark} {row.tokens} tokens")

        if done < total:
            make_setup, jobs = _make_setup(name, settings, options), options.place.jobs
            opening = opened(settings, make_setup, _download_bar(progress))
            async with opened_pool(
                options.place, settings,
                here=lambda: TaskWorker(opening, cache, jobs),
                on_node=partial(
                    node_worker, without_keys(settings), make_setup, cache.of(name), jobs
                ),
                note=lambda text: console.print(escape(text), soft_wrap=True, highlight=False),
            ) as pool:  # fmt: skip
                given_up = await run_bench(
                    tasks, strategies, pool, results, cache, finished=finished
                )
    wanted = {task.id for task in tasks}
    rows: dict[str, list[Row]] = {
        name: [r for r in results.of(name) if r.task in wanted] for name in strategies
    }
    write_report(options.output, asked, rows)
    if options.calibrate:
        files = [options.output, *options.also]
        write_calibration(options.calibrate, asked["model"], files)
    show(console, rows)
    return given_up


async def _chosen_model(settings: Settings) -> tuple[Settings, str]:
    """The settings with the model that they choose, and what that model calls itself."""
    app = App()
    chosen = settings.model or registry.default_model(app.access(settings))
    settings = replace(settings, model=chosen)
    async with aclosing(app.model(settings, lambda event: None)) as model:
        return settings, model.name


def _make_setup(name: str, settings: Settings, options: BenchOptions) -> MakeSetup:
    scripted = read_solutions(options.coder) if options.coder else {}
    solutions = read_solutions(options.solutions) if options.solutions else {}
    return partial(
        Setup, given=options.given, without=frozenset(options.without), samples=options.samples,
        seed=options.seed, max_iters=settings.max_iters,
        timeout_seconds=settings.run_timeout_seconds,
        limits=replace(LIMITS, seconds=settings.max_seconds),
        min_confidence=settings.min_confidence, calibration=calibration_of(name),
        known_programs=scripted, questions=options.questions, solutions=solutions,
        manner=options.user, plans=options.plan,
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
