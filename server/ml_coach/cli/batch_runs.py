"""The work of `ml-coach batch`: runs the rows that wait, and shows what became of all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ml_coach import __version__
from ml_coach.app import App
from ml_coach.batch.budget import BatchLimits
from ml_coach.batch.keys import without_keys
from ml_coach.batch.results import Results, RowResult
from ml_coach.batch.row_run import RowWorker, row_worker
from ml_coach.batch.rows import BadRow, Row
from ml_coach.batch.running import Batch, run_batch
from ml_coach.cli.batch_view import BatchView, show_summary
from ml_coach.cli.endings import FAILED, USAGE
from ml_coach.cli.place import Place
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.cli.worker_pools import opened_pool
from ml_coach.core.agents.model_client import Price
from ml_coach.core.usage import Limits
from ml_coach.core.wording import amount
from ml_coach.models import registry
from ml_coach.models.prices import price_of
from ml_coach.settings import Settings

# What decides how a run ends, beside its row and chance.
_SHAPING = (
    "max_iters", "min_confidence", "run_timeout_seconds", "program_file", "tests_file", "python",
    "allow_weak_sandbox", "max_calls", "max_tokens", "max_seconds",
)  # fmt: skip
# Models that cost nothing for each token; of others the price must be known.
_FREE = ("local", "recorded", "editor")
_TURNS = (
    "One local model serves all rows of a machine and answers them in turns: --jobs above 1 gains "
    "only what the sandbox does meanwhile, and each row may take that many times as long."
)


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The options of `ml-coach batch` that are not settings."""

    output: Path
    place: Place
    limits: BatchLimits


async def run_and_show(
    rows: Sequence[Row | BadRow], settings: Settings, options: BatchOptions
) -> int:
    """Runs the rows that have no line yet and prints the table; returns the exit code.

    Raises `OutInUse`, and `ValueError` where the cost of a model is to be bounded and not known.
    """
    console = EscapingConsole()
    settings = replace(
        settings, model=settings.model or registry.default_model(App().access(settings))
    )
    batch = _batch(rows, settings, options.limits)
    results = Results.resume(options.output, rows, batch.digests)
    try:
        done = len(results.lines)
        if done:
            console.print(f"{amount(done, 'row')} of {len(rows)} done before.", highlight=False)
        view = BatchView(console, len(rows), done)
        try:
            if results.waiting(rows):
                await _run(batch, results, settings, options, view)
        except asyncio.CancelledError:
            view.close()
            left = len(rows) - len(results.lines)
            console.print(
                f"Stopped. {amount(len(results.lines), 'row')} of {len(rows)} are kept in "
                f"{options.output}; the same command again runs the other {left}.",
                highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip
            raise
        finally:
            view.close()
    finally:
        results.close()
    lines = sorted(results.lines, key=lambda line: line.line)
    show_summary(console, lines, options.output)
    return _exit_code(lines, settings.unsure_exit)


async def _run(
    batch: Batch, results: Results, settings: Settings, options: BatchOptions, view: BatchView
) -> None:
    jobs = options.place.jobs
    if jobs > 1 and settings.model.startswith("local:"):
        view.note(_TURNS)
    here = partial(RowWorker, settings, jobs, view.heard)
    on_node = partial(row_worker, without_keys(settings), jobs)
    async with opened_pool(options.place, settings, here, on_node, view.note) as pool:
        await run_batch(batch, results, pool, view.finished)


def _batch(rows: Sequence[Row | BadRow], settings: Settings, limits: BatchLimits) -> Batch:
    """Raises `ValueError`."""
    shaping: dict[str, Any] = {name: getattr(settings, name) for name in _SHAPING}
    shaping |= {"model": settings.model, "version": __version__}
    whole = [row for row in rows if isinstance(row, Row)]
    price = partial(price_of, prompt_price=settings.prompt_price, reply_price=settings.reply_price)
    if limits.cost is not None:
        for name in dict.fromkeys(row.model or settings.model for row in whole):
            if name.partition(":")[0] not in _FREE and price(name) == Price():
                raise ValueError(
                    f"The price of {name} is not known, so --total-cost cannot hold: say "
                    "--prompt-price and --reply-price."
                )
    return Batch(
        rows=rows,
        digests={row.line: row.digest(shaping) for row in whole},
        wanted=Limits(settings.max_calls, settings.max_tokens, settings.max_seconds),
        limits=limits,
        price_of=lambda row: price(row.model or settings.model),
    )


def _exit_code(lines: Sequence[RowResult], unsure_exit: int) -> int:
    """0 where every row passed; else what is worst: a fault outside of the programs, a row that
    cannot be read, one that gave up or was not run, an unsure one."""
    outcomes = {line.outcome for line in lines}
    if outcomes & {"failed", "lost"}:
        return FAILED
    if "error" in outcomes:
        return USAGE
    if outcomes & {"gave_up", "not_run"}:
        return 1
    return unsure_exit if "unsure" in outcomes else 0
