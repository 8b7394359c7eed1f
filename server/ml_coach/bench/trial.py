"""Five tiny tasks that show within a minute what a model can do, and what a run will take.

They tell a model that cannot write Python from one that can, and no more: five tasks say nothing of
two models that are alike. For that there is `ml-coach bench`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ml_coach.bench.grading import solves
from ml_coach.bench.strategies import Setup, solve
from ml_coach.bench.tasks import Task
from ml_coach.core.usage import Usage

# The median task takes so many times the tokens of one answer, at the lower and the upper end of
# what was measured (RESULTS.md).
LEAST_FACTOR, MOST_FACTOR = 2.7, 5.8
# Fewer than so many solved, and most runs end `unsure` or give up.
_ENOUGH = 3


def _task(skill: str, prompt: str, name: str, *tests: str) -> Task:
    return Task(skill, prompt, name, (), "\n".join(tests), ())


TRIALS: tuple[Task, ...] = (
    _task(
        "a function with an example",
        "Write a function double_all(items) that returns a list with each number of items doubled."
        " double_all([1, 2]) == [2, 4]",
        "double_all",
        "assert double_all([1, 2]) == [2, 4]",
        "assert double_all([]) == []",
        "assert double_all([-3]) == [-6]",
    ),
    _task(
        "edge cases",
        "Write a function median(numbers) that returns the median of a list of numbers, in any"
        " order; for an even count the mean of the middle two. An empty list raises ValueError.",
        "median",
        "assert median([3, 1, 2]) == 2",
        "assert median([4, 1, 3, 2]) == 2.5",
        "try:\n    median([])\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError",
    ),
    _task(
        "reading text",
        "Write a function parse_duration(text) that reads durations like '1h30m', '45s' or"
        " '2h5s' and returns the number of seconds as an int. parse_duration('1h30m') == 5400",
        "parse_duration",
        "assert parse_duration('1h30m') == 5400",
        "assert parse_duration('45s') == 45",
        "assert parse_duration('2h5s') == 7205",
    ),
    _task(
        "a class with a state",
        "Write a class Counter with the methods add(word), which counts a word, count(word), which"
        " returns how often it was added, and top(), which returns the most frequent word, or None"
        " if there is none.",
        "Counter",
        "c = Counter()",
        "assert c.top() is None",
        "for word in ('a', 'b', 'b'):\n    c.add(word)",
        "assert (c.count('a'), c.count('b'), c.count('x')) == (1, 2, 0)",
        "assert c.top() == 'b'",
    ),
    _task(
        "a repair",
        "This function has a bug: it drops the last group. Write the corrected function"
        " chunks(items, size).\n\n"
        "def chunks(items, size):\n"
        "    groups = []\n"
        "    for start in range(0, len(items) - size + 1, size):\n"
        "        groups.append(items[start:start + size])\n"
        "    return groups\n",
        "chunks",
        "assert chunks([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]",
        "assert chunks([1, 2], 2) == [[1, 2]]",
        "assert chunks([], 3) == []",
    ),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a task went: `skill` is what it asks for."""

    skill: str
    solved: bool
    seconds: float
    usage: Usage


async def try_model(setup: Setup, finished: Callable[[Tried], None]) -> tuple[Tried, ...]:
    """Asks for each task once, one after another, so that the seconds are those of one call.
    Raises `ModelError`."""
    tried: list[Tried] = []
    for task in TRIALS:
        answer = await solve("one-shot", task, setup)
        solved, _ = await solves(setup.executor, answer.program, task)
        tried.append(Tried(task.id, solved, answer.seconds, answer.usage))
        finished(tried[-1])
    return tuple(tried)


def total(tried: Sequence[Tried]) -> Usage:
    """What all of them took together."""
    return sum((replace(t.usage, seconds=t.seconds) for t in tried), Usage())


def outlook(tried: Sequence[Tried], price_of_all: float) -> tuple[str, ...]:
    """What the tasks say of a run, in sentences; `price_of_all` is what they cost in US dollars."""
    solved = sum(t.solved for t in tried)
    able = "It can write programs." if solved >= _ENOUGH else "Most of its runs will not pass."
    middle = median(t.seconds for t in tried)
    seconds = f"{LEAST_FACTOR * middle:.0f} to {MOST_FACTOR * middle:.0f} seconds"
    all_of_it = total(tried)
    rate = f"{all_of_it.completion_tokens / all_of_it.seconds:.0f} tokens/s" if tried else ""
    each = price_of_all / len(tried)
    cost = f" and costs ${LEAST_FACTOR * each:.4f} to ${MOST_FACTOR * each:.4f}" if each else ""
    return (
        f"{solved} of {len(tried)} solved, {rate}. {able}",
        f"A run on such a task takes about {seconds}{cost}.",
    )
