"""`ml-coach bench`: a scoreboard that anyone can repeat."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ml_coach.app import App
from ml_coach.bench.remembered import Replies, WithProfile
from ml_coach.bench.runner import Results, run_bench
from ml_coach.bench.strategies import LIMITS, Part, Setup, StrategyName
from ml_coach.bench.table import Row, difference, stage_yields, summarize
from ml_coach.bench.tasks import Task
from ml_coach.cli.terminal_view import HarmlessConsole
from ml_coach.core.events import DownloadAdvanced, Event
from ml_coach.core.ports import Model
from ml_coach.settings import Settings

STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)
PARTS: tuple[Part, ...] = get_args(Part)


async def bench(
    tasks: list[Task],
    strategies: list[StrategyName],
    settings: Settings,
    *,
    given: bool,
    without: list[Part],
    plan: bool,
    samples: int,
    seed: int,
    jobs: int,
    output: Path,
    replies: Path,
) -> None:
    """Runs and prints; rows go to disk at once, the report to `output` at the end. With `plan` the
    researcher plans also for a model that its own plans do not help."""
    app, console = App(), HarmlessConsole()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeElapsedColumn(), console=console)
    downloading: int | None = None

    def emit(event: Event) -> None:
        nonlocal downloading
        if isinstance(event, DownloadAdvanced):
            if downloading is None:
                downloading = progress.add_task(
                    f"Downloading {event.name}", total=event.total_bytes
                )
            progress.update(progress.tasks[downloading].id, completed=event.done_bytes)

    chosen = app.model(settings, emit)
    try:
        executor = app.executor(settings)
        await app.prepare(executor, chosen)
        model: Model = chosen
        if plan:
            model = WithProfile(model, replace(model.profile, plans=True))
        asked = {
            "model": model.name, "given": given, "without": sorted(without), "plan": plan,
            "samples": samples, "seed": seed, "max_iters": settings.max_iters,
        }  # fmt: skip
        results = Results(output.with_suffix(".rows.jsonl"), asked)
        setup = Setup(
            model, executor, given, frozenset(without), samples, seed, settings.max_iters,
            settings.run_timeout_seconds, replace(LIMITS, seconds=settings.max_seconds),
        )  # fmt: skip
        with progress:
            total = len(tasks) * len(strategies)
            done = sum((t.id, s) in results.rows for t in tasks for s in strategies)
            bar = progress.add_task("tasks", total=total, completed=done)

            def finished(row: Row) -> None:
                progress.advance(bar)
                if not console.is_terminal:
                    mark = "solved" if row.solved else "failed"
                    console.print(f"{row.task} {row.strategy} {mark} {row.tokens} tokens")

            await run_bench(
                tasks, strategies, setup, results, Replies(replies), jobs=jobs, finished=finished
            )
    finally:
        await chosen.aclose()
        await app.aclose()
    wanted = {task.id for task in tasks}
    rows: dict[StrategyName, list[Row]] = {
        name: [r for r in results.of(name) if r.task in wanted] for name in strategies
    }
    report = {
        "asked": asked,
        "summaries": [asdict(summarize(r)) for r in rows.values()],
        "rows": [asdict(row) for group in rows.values() for row in group],
    }
    scratch = output.with_suffix(".part")
    scratch.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    scratch.replace(output)
    show(console, rows)


def show(console: Console, rows: dict[StrategyName, list[Row]]) -> None:
    table = Table(box=None)
    for column in (
        "strategy", "solved", "extended", "calls", "tokens", "median tokens", "seconds",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for group in rows.values():
        total = summarize(group)
        table.add_row(
            total.strategy, _share(total.solved, total.tasks),
            _share(total.solved_extended, total.tasks), str(total.calls), str(total.tokens),
            f"{total.median_tokens:.0f}",
            "–" if total.seconds is None else f"{total.seconds:.0f}",
        )  # fmt: skip
    console.print(table)
    for name, group in rows.items():
        for step, (gained, lost) in stage_yields(group).items():
            console.print(f"{name}, {step}: {gained} turned to solved, {lost} turned back")
    if len(rows) == 2:
        (first, ours), (second, theirs) = list(rows.items())[::-1]
        points, low, high = difference(ours, theirs)
        console.print(
            f"{first} solves {points:+.1f} points against {second} "
            f"(95 % interval {low:+.1f} to {high:+.1f}, paired over tasks)"
        )


def _share(count: int, total: int) -> str:
    return f"{count}/{total} ({count / total:.1%})" if total else "0"
