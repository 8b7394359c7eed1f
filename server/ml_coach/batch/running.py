"""The batch itself: takes the rows that wait, within the budget, and keeps what comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_coach.batch.budget import BatchLimits, Budget
from ml_coach.batch.pools import ATTEMPTS, Done, Lost, Pool, run_all
from ml_coach.batch.results import Results, RowResult
from ml_coach.batch.row_run import RowDone, RowWork
from ml_coach.batch.rows import BadRow, Row
from ml_coach.core.agents.model_client import Price
from ml_coach.core.usage import Limits, Usage

RowPool = Pool[RowWork, RowDone]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be done. `digests` are the rows' by line; `wanted` is what one run may use;
    `price_of` says what a row's model costs."""

    rows: Sequence[Row | BadRow]
    digests: Mapping[int, str]
    wanted: Limits
    limits: BatchLimits
    price_of: Callable[[Row], Price]


async def run_batch(
    batch: Batch, results: Results, pool: RowPool, finished: Callable[[RowResult], None]
) -> None:
    """Runs what waits and adds a line for each row to `results`; `finished` hears of each.

    Rows that the budget has no share for, or that no node is left for, get a line that says so.
    What is done is kept when this is cancelled, and when it raises the error of a pool.
    """
    queue = _Queue(batch, results, finished)
    await run_all(pool, queue.start_next, queue.ended)
    queue.give_up()


class _Queue:
    """The rows that wait, and the budget."""

    def __init__(
        self, batch: Batch, results: Results, finished: Callable[[RowResult], None]
    ) -> None:
        self._batch = batch
        self._results = results
        self._finished = finished
        self._budget = Budget(batch.limits, results.usage)
        self._waiting: deque[tuple[Row, int]] = deque()
        for row in results.waiting(batch.rows):
            if isinstance(row, Row):
                self._waiting.append((row, 1))
            else:
                finished(results.add(RowResult(row.id, row.line, "error", row.error)))

    def start_next(self) -> RowWork | None:
        """The next row, if the budget has a share for it. If not, what a row at work leaves of its
        share may be enough."""
        if not self._waiting:
            return None
        row, attempt = self._waiting[0]
        share = self._budget.reserve(self._batch.wanted, self._batch.price_of(row))
        if share is None:
            return None
        self._waiting.popleft()
        return RowWork(row, self._batch.digests[row.line], share, attempt)

    def ended(self, done: Done[RowWork, RowDone]) -> None:
        """Keeps what became of a row, or has it tried again."""
        work, result = done.item, done.result
        if isinstance(result, Lost):
            self._lost(work, result, done.node)
            return
        self._budget.settle(work.grant, result.result.usage)
        line = replace(result.result, node=done.node)
        self._finished(self._results.add(line, result.files))

    def _lost(self, work: RowWork, lost: Lost, node: str) -> None:
        # What the node asked of a model is not known, so it counts as all that it could.
        charged = work.grant.most if self._batch.limits.any else Usage()
        self._budget.settle(work.grant, charged)
        self._results.charge(work.row, charged)
        if work.attempt < ATTEMPTS:
            self._waiting.appendleft((work.row, work.attempt + 1))
            return
        line = RowResult(
            work.row.id, work.row.line, "lost", lost.reason, work.digest,
            attempts=work.attempt, node=node,
        )  # fmt: skip
        self._finished(self._results.add(line))

    def give_up(self) -> None:
        """Gives each row that still waits its line."""
        limits, why = self._batch.limits, "No node is left that could run it."
        if self._waiting:
            price = self._batch.price_of(self._waiting[0][0])
            if self._budget.reserve(self._batch.wanted, price) is None:
                reached = limits.reached(self._budget.spent) or "the rest covers no further call"
                why = f"The batch's budget is used up ({reached})."
        for row, attempt in self._waiting:
            digest = self._batch.digests[row.line]
            line = RowResult(row.id, row.line, "not_run", why, digest, attempts=attempt)
            self._finished(self._results.add(line))
        self._waiting.clear()
