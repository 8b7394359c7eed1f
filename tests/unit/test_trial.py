"""The five tiny tasks of `ml-coach models --try`."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio

from ml_coach.bench.grading import solves
from ml_coach.bench.strategies import Setup
from ml_coach.bench.trial import TRIALS, Tried, outlook, try_model
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.usage import Usage
from ml_coach.execution.executor import SandboxedExecutor

SOLUTIONS = {
    "double_all": "def double_all(items):\n    return [2 * item for item in items]\n",
    "median": (
        "def median(numbers):\n"
        "    if not numbers:\n        raise ValueError('empty')\n"
        "    ordered, middle = sorted(numbers), len(numbers) // 2\n"
        "    if len(ordered) % 2:\n        return ordered[middle]\n"
        "    return (ordered[middle - 1] + ordered[middle]) / 2\n"
    ),
    "parse_duration": (
        "import re\n\n\ndef parse_duration(text):\n"
        "    units = {'h': 3600, 'm': 60, 's': 1}\n"
        "    return sum(int(n) * units[u] for n, u in re.findall(r'(\\d+)([hms])', text))\n"
    ),
    "Counter": (
        "class Counter:\n    def __init__(self):\n        self.words = {}\n\n"
        "    def add(self, word):\n        self.words[word] = self.words.get(word, 0) + 1\n\n"
        "    def count(self, word):\n        return self.words.get(word, 0)\n\n"
        "    def top(self):\n        return max(self.words, key=self.words.get, default=None)\n"
    ),
    "chunks": (
        "def chunks(items, size):\n"
        "    return [items[n:n + size] for n in range(0, len(items), size)]\n"
    ),
}


@pytest_asyncio.fixture
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    sandbox = SandboxedExecutor()
    yield sandbox
    await sandbox.aclose()


@dataclass
class Knowing:
    """A model that knows the solutions of these names and answers others with nothing useful."""

    known: set[str]
    name: str = "fake:knowing"
    profile: Profile = field(default_factory=lambda: Profile(plans=False))

    async def stream(self, call: Call) -> AsyncIterator[str | Ended]:
        asked = " ".join(message.text for message in call.messages)
        (name,) = {n for n in SOLUTIONS if f" {n}" in asked or f"`{n}" in asked}
        program = SOLUTIONS[name] if name in self.known else f"{name} = None\n"
        yield f"```python\n{program}```"
        yield Ended("stop", Usage(1, 100, 40))

    async def aclose(self) -> None:
        pass


async def test_right_programs_pass_and_the_broken_one_does_not(executor: SandboxedExecutor) -> None:
    assert len(TRIALS) == 5
    for task in TRIALS:
        assert (await solves(executor, SOLUTIONS[task.entry_point], task))[0], task.id
    repair = TRIALS[-1]
    broken = repair.prompt.partition("\n\n")[2]
    assert not (await solves(executor, broken, repair))[0]


async def test_a_model_is_judged_by_what_its_programs_do(executor: SandboxedExecutor) -> None:
    told: list[Tried] = []
    model = Knowing({"double_all", "chunks"})
    tried = await try_model(Setup(model, executor), told.append)  # type: ignore[arg-type]
    assert tuple(told) == tried
    assert [t.solved for t in tried] == [True, False, False, False, True]
    assert all(t.usage.tokens for t in tried)


def test_the_outlook_names_time_and_cost() -> None:
    tried = [Tried("a", n < 4, 2.0, Usage(1, 100, 40)) for n in range(5)]
    first, second = outlook(tried, 0.01)
    assert first == "4 of 5 solved, 20 tokens/s. It can write programs."
    assert second.startswith("A run on such a task takes about 5 to 12 seconds and costs $0.0054")
    first, second = outlook([Tried("a", False, 1.0, Usage(1, 9, 9))] * 5, 0.0)
    assert "Most of its runs will not pass" in first
    assert "costs" not in second
