"""Runs strategies over tasks, several at a time, and writes each row to disk when it is done."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ml_coach.batch.pools import ATTEMPTS, Done, Lost, Pool, run_all
from ml_coach.bench.reply_cache import Replies, ReplyCache
from ml_coach.bench.strategies import StrategyName
from ml_coach.bench.table import Row
from ml_coach.bench.task_worker import TaskDone, TaskWork
from ml_coach.bench.tasks import Task


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
    pool: Pool[TaskWork, TaskDone],
    results: Results,
    cache: ReplyCache,
    *,
    finished: Callable[[Row], None],
) -> list[str]:
    """Fills `results` and `cache`, and calls `finished` with each new row. Returns what has no row,
    each with the reason: two nodes were lost, or none is left.

    What is done is kept when this is cancelled, and when it raises the `ModelError` of a model.
    """
    queue = _Queue(tasks, strategies, results, cache, finished)
    await run_all(pool, queue.start_next, queue.ended)
    return queue.given_up()


class _Queue:
    """What has no row yet. Tasks of one prompt may make equal calls. So only one of them is at work
    at a time, and the next one is told the replies: nothing is drawn twice."""

    def __init__(
        self,
        tasks: Sequence[Task],
        strategies: Sequence[StrategyName],
        results: Results,
        cache: ReplyCache,
        finished: Callable[[Row], None],
    ) -> None:
        self._results = results
        self._cache = cache
        self._finished = finished
        self._waiting = deque(
            TaskWork(task, strategy)
            for task in tasks
            for strategy in strategies
            if (task.id, strategy) not in results.rows
        )
        self._at_work: set[str] = set()
        self._drawn: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._lost: list[str] = []

    def start_next(self) -> TaskWork | None:
        """The first one whose prompt nobody works on."""
        free = (work for work in self._waiting if work.task.prompt not in self._at_work)
        work = next(free, None)
        if work is None:
            return None
        self._waiting.remove(work)
        self._at_work.add(work.task.prompt)
        return replace(work, drawn=dict(self._drawn[work.task.prompt]))

    def ended(self, done: Done[TaskWork, TaskDone]) -> None:
        """Keeps a row with its replies, or has the work tried again. Raises a model's error."""
        work, result = done.item, done.result
        self._at_work.remove(work.task.prompt)
        if isinstance(result, Lost):
            if work.attempt < ATTEMPTS:
                self._waiting.appendleft(replace(work, attempt=work.attempt + 1))
            else:
                self._lost.append(_named(work, result.reason))
            return
        self._keep(work.task.prompt, result.drawn)
        if isinstance(result.row, Row):
            row = replace(result.row, attempts=work.attempt, node=done.node)
            self._results.add(row)
            self._finished(row)
        else:
            raise result.row

    def _keep(self, prompt: str, drawn: Replies) -> None:
        self._cache.keep(drawn)
        self._drawn[prompt].update(drawn)

    def given_up(self) -> list[str]:
        """What has no row, and why."""
        return [*self._lost, *(_named(work, "no node is left") for work in self._waiting)]


def _named(work: TaskWork, why: str) -> str:
    return f"{work.task.id} {work.strategy}: {why}"
