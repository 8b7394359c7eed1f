"""A user who knows what the program should do: a reference program answers for them.

Only the values and errors of its calls are used; its text reaches no prompt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

from ml_coach.core.changes import Patch
from ml_coach.core.judging.voting import same_answer
from ml_coach.core.ports import Decision
from ml_coach.core.question import Answer, Choice, Question
from ml_coach.core.results import Evaluation
from ml_coach.core.types import Program
from ml_coach.execution.executor import SandboxedExecutor

Manner = Literal["exact", "errs", "skips"]
MANNERS: tuple[Manner, ...] = get_args(Manner)
# How often such a user errs, or skips a question.
ERRS, SKIPS = 0.1, 1 / 3
_SECONDS = 8.0
# What a program raises by accident for what nobody asked it to handle.
_ACCIDENTS = (
    "TypeError", "AttributeError", "IndexError", "KeyError", "NameError", "UnboundLocalError",
    "RecursionError", "ZeroDivisionError", "AssertionError",
)  # fmt: skip


@dataclass(slots=True)
class SimulatedUser:
    """Implements `core.ports.Reviewer`: accepts every patch, answers up to `patience` questions.

    `solution` is the reference program; without one, no question is answered. With the manner
    `errs` one answer in ten is another choice, with `skips` one question in three is left open;
    which ones depends on `seed` alone.
    """

    executor: SandboxedExecutor
    solution: str | None = None
    patience: int = 0
    manner: Manner = "exact"
    seed: str = ""
    asked: int = 0

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        return Decision("apply")

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        if self.solution is None or self.asked >= self.patience:
            return None
        self.asked += 1
        chance = random.Random(f"{self.seed} {question.call}")
        if self.manner == "skips" and chance.random() < SKIPS:
            return Answer(question.call, "skip")
        ((right,),) = await self.executor.evaluate(
            [Program(self.solution)], [question.call], timeout_seconds=_SECONDS
        )
        if self.manner == "errs" and chance.random() < ERRS:
            wrong = [n for n, c in enumerate(question.choices) if not _is(c, right)]
            return question.pick(chance.choice(wrong)) if wrong else Answer(question.call, "skip")
        return _answer(question, right)


def _answer(question: Question, right: Evaluation) -> Answer:
    if right.error.split(":")[0] in _ACCIDENTS:
        return Answer(question.call, "open")
    for number, choice in enumerate(question.choices):
        if _is(choice, right):
            return question.pick(number)
    if right.error:
        return Answer(question.call, "raises", right.error.split(":")[0])
    typed = question.read(right.value)
    return typed if isinstance(typed, Answer) else Answer(question.call, "skip")


def _is(choice: Choice, right: Evaluation) -> bool:
    answer = Evaluation(error=choice.text) if choice.raises else Evaluation(choice.text)
    return same_answer(answer, right)
