"""Rows of results → the table that is printed, and how sure a difference is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

# With 10,000 resamples the interval's ends are exact within about half a point.
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One task under one strategy.

    `stages` says of each stage whether its program solves the task; `program` is the last one's
    source. `outcome`, `reason`, `evidence` and `confidence` are those of the
    loop's run, and `questions` how many it asked. `seconds` is what a user would have waited, None
    where replies came from the cache. `node` of a Ray cluster did the work, empty for this machine;
    `attempts` is 2 where a node was lost in the first.
    """

    task: str
    strategy: str
    solved: bool
    solved_extended: bool
    calls: int
    tokens: int
    seconds: float | None
    outcome: str = ""
    reason: str = ""
    program: str = ""
    evidence: dict[str, Any] | None = None
    confidence: float | None = None
    questions: int = 0
    stages: dict[str, bool] = field(default_factory=dict[str, bool])
    attempts: int = 1
    node: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """All tasks under one strategy: how many were solved, and what they cost together.

    `solved_extended` counts those that also pass the extended tests. `seconds` is None where they
    are not known for every task.
    """

    strategy: str
    tasks: int
    solved: int
    solved_extended: int
    calls: int
    tokens: int
    median_tokens: float
    seconds: float | None


def summarize(rows: Sequence[Row]) -> Summary:
    """Totals over rows of one strategy. Seconds are added up, also those of parallel jobs."""
    seconds = [r.seconds for r in rows if r.seconds is not None]
    return Summary(
        strategy=rows[0].strategy if rows else "",
        tasks=len(rows),
        solved=sum(r.solved for r in rows),
        solved_extended=sum(r.solved_extended for r in rows),
        calls=sum(r.calls for r in rows),
        tokens=sum(r.tokens for r in rows),
        median_tokens=median([r.tokens for r in rows]) if rows else 0.0,
        seconds=sum(seconds) if len(seconds) == len(rows) else None,
    )


def stage_yields(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """For each step between two stages: how many tasks became solved, how many stopped being so."""
    yields: dict[str, tuple[int, int]] = {}
    for row in rows:
        names = list(row.stages)
        for before, after in pairwise(names):
            gained, lost = yields.get(f"{before} → {after}", (0, 0))
            gained += row.stages[after] and not row.stages[before]
            lost += row.stages[before] and not row.stages[after]
            yields[f"{before} → {after}"] = (gained, lost)
    return yields


def difference(ours: Sequence[Row], theirs: Sequence[Row]) -> tuple[float, float, float]:
    """How many percentage points more of the common tasks `ours` solves, with a 95 % interval.

    Returns the points, then the interval's ends. Paired bootstrap over tasks (Efron 1979), seeded
    so that the same rows in any order give the same interval.
    """
    other = {row.task: row.solved for row in theirs}
    pairs = sorted(row.solved - other[row.task] for row in ours if row.task in other)
    if not pairs:
        return 0.0, 0.0, 0.0
    chance = random.Random(0)
    means = sorted(
        sum(chance.choices(pairs, k=len(pairs))) / len(pairs) * 100 for _ in range(RESAMPLES)
    )
    low, high = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]
    return sum(pairs) / len(pairs) * 100, low, high
