"""Runs strategies over tasks, several at a time, and writes each row to disk when it is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ml_coach.bench.grading import solves
from ml_coach.bench.reply_cache import CachingModel, ReplyCache
from ml_coach.bench.scripted_coder import ScriptedCoder
from ml_coach.bench.strategies import Setup, StrategyName, solve
from ml_coach.bench.table import Row
from ml_coach.bench.tasks import Task
from ml_coach.core.agents.concurrency import all_of


class Results:
    """Rows in the JSON-lines file `file`, whose first line holds `asked`, the bench's settings.

    A file with the same first line is continued. Raises `ValueError` for one with another. `rows`
    are found by task and strategy.
    """

    def __init__(self, file: Path, asked: dict[str, Any]) -> None:
        self._file = file
        self.rows: dict[tuple[str, str], Row] = {}
        if file.exists():
            self._read(asked)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asked) + "\n", encoding="utf-8")

    def _read(self, asked: dict[str, Any]) -> None:
        first, *lines = self._file.read_text(encoding="utf-8").splitlines() or ["{}"]
        if json.loads(first) != asked:
            raise ValueError(
                f"{self._file} holds results of other settings; name another file or delete it."
            )
        for line in lines:
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):
                continue  # An interruption cut this line off.
            self.rows[row.task, row.strategy] = row

    def add(self, row: Row) -> None:
        """Keeps a row, here and in the file."""
        self.rows[row.task, row.strategy] = row
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(row)) + "\n")

    def of(self, strategy: str) -> list[Row]:
        """The rows of one strategy, in the order in which they were finished."""
        return [row for (_, name), row in self.rows.items() if name == strategy]


async def run_bench(
    tasks: Sequence[Task],
    strategies: Sequence[StrategyName],
    setup: Setup,
    results: Results,
    cache: ReplyCache,
    *,
    jobs: int,
    finished: Callable[[Row], None],
) -> None:
    """Fills `results` and `cache`, and calls `finished` with each new row.

    `jobs` tasks run at a time and share the machine, so each may take that many times as long. What
    is done is kept when this is cancelled, and when it raises the `ModelError` of a model.
    """
    free = asyncio.Semaphore(jobs)

    async def one(task: Task, strategy: StrategyName) -> None:
        async with free:
            row = await _row(task, strategy, setup, cache, jobs)
            results.add(row)
            finished(row)

    await all_of(
        *(
            one(task, strategy)
            for task in tasks
            for strategy in strategies
            if (task.id, strategy) not in results.rows
        )
    )


async def _row(
    task: Task, strategy: StrategyName, setup: Setup, cache: ReplyCache, jobs: int
) -> Row:
    caching = CachingModel(setup.model, cache, sharing=jobs)
    program = setup.known_programs.get(task.id)
    model = caching if program is None else ScriptedCoder(caching, program)
    limits = replace(setup.limits, seconds=setup.limits.seconds * jobs)
    answer = await solve(strategy, task, replace(setup, model=model, limits=limits))
    grades = {
        program: await solves(setup.executor, program, task)
        for program in dict.fromkeys(answer.stages.values())
    }
    solved, extended = grades[answer.program]
    row = Row(
        task=task.id,
        strategy=strategy,
        solved=solved,
        solved_extended=extended,
        calls=answer.usage.calls,
        tokens=answer.usage.tokens,
        seconds=None if caching.hits else round(answer.seconds, 2),
        outcome=answer.outcome,
        reason=answer.reason,
        program=answer.program,
        evidence=asdict(answer.evidence) if answer.evidence else None,
        confidence=answer.confidence,
        questions=answer.questions,
    )
    return replace(
        row, stages={name: grades[program][0] for name, program in answer.stages.items()}
    )
