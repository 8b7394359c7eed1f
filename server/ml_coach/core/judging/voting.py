"""Several programs for one spec: which of them agree, and which one to go on with.

Wrong programs are wrong in many ways, right ones agree (Li et al. 2022, AlphaCode). Programs and
tests that were written independently of each other are evidence for each other when they agree
(Chen et al. 2022, CodeT).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar

from ml_coach.core.python import syntax
from ml_coach.core.python.literals import value_of
from ml_coach.core.results import Evaluation, TestReport
from ml_coach.core.types import Program, Suite

# Two programs agree if they answer alike to every ordinary probe and to this share of the rest.
# Some of the rest lie outside of what was asked, where right programs differ (bench/RESULTS.md).
LEAST_OTHERS_ALIKE = 0.4
# The test writer's vote weighs as much as the votes of this many programs (bench/RESULTS.md).
TEST_VOTES = 2


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, its report on all written tests, and its answers to the probes.

    The first `ordinary_answers` of them are to ordinary probes; see `probes.Probes`. `calls` are
    the probes' texts.
    """

    program: Program
    report: TestReport
    answers: tuple[Evaluation, ...] = ()
    ordinary_answers: int = 0
    calls: tuple[str, ...] = ()

    def passed(self, suite: Suite) -> tuple[int, Fraction]:
        """How many given tests it passes, and which share of the guessed ones."""
        given = [c.outcome == "passed" for c in self.report.cases if suite.is_binding(c.function)]
        guessed = [
            c.outcome == "passed" for c in self.report.cases if not suite.is_binding(c.function)
        ]
        return sum(given), Fraction(sum(guessed), len(guessed) or 1)

    def without(self, calls: Container[str]) -> Candidate:
        """The same, as if the probes `calls` had not been asked."""
        kept = [n for n, call in enumerate(self.calls) if call not in calls]
        if len(kept) == len(self.calls):
            return self
        return replace(
            self,
            answers=tuple(self.answers[n] for n in kept),
            ordinary_answers=sum(n < self.ordinary_answers for n in kept),
            calls=tuple(self.calls[n] for n in kept),
        )

    @property
    def runs(self) -> bool:
        """Whether there is a probe at which it does not fail."""
        return any(not answer.error for answer in self.answers)

    @property
    def is_varied(self) -> bool:
        """Whether its answers differ from each other, or no probe was asked.

        Programs and tests that agree on one answer to everything are weak evidence.
        """
        return not self.answers or any(not same_answer(self.answers[0], a) for a in self.answers)

    @property
    def is_informative(self) -> bool:
        """Whether it returns values, and not one and the same value for every probe.

        The same truth value for every probe may well be right, because there are only two.
        """
        values = {answer.value for answer in self.answers if _is_value(answer)}
        return bool(values) and (self.is_varied or values <= {"True", "False"})


def clusters(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Groups of candidates with equal answers, the largest first; ties keep the given order.

    A candidate that fails at every probe agrees with no other and is a group of its own.
    """
    return grouped(candidates, agree)


def grouped(items: Iterable[T], alike: Callable[[T, T], bool]) -> list[list[T]]:
    """Groups of items that are `alike` to the first of their group, the largest group first; ties
    keep the given order."""
    groups: list[list[T]] = []
    for item in items:
        group = next((g for g in groups if alike(g[0], item)), None)
        if group is None:
            groups.append([item])
        else:
            group.append(item)
    return sorted(groups, key=len, reverse=True)


def agree(one: Candidate, other: Candidate) -> bool:
    """Whether both answer all ordinary probes alike, and enough of the others."""
    if one.program.source == other.program.source:
        return True
    if not (one.runs and other.runs):
        return False
    alike = _alike(one, other)
    ordinary, others = alike[: one.ordinary_answers], alike[one.ordinary_answers :]
    return all(ordinary) and sum(others) >= LEAST_OTHERS_ALIKE * len(others)


def _alike(one: Candidate, other: Candidate) -> list[bool]:
    return [same_answer(a, b) for a, b in zip(one.answers, other.answers, strict=True)]


def same_answer(one: Evaluation, other: Evaluation) -> bool:
    """Whether both are equal values, or errors of the same type, whatever their messages."""
    if one.error or other.error:
        return one.error_type == other.error_type
    return one.value == other.value or _equal(_literal(one.value), _literal(other.value))


@lru_cache(maxsize=4096)
def _literal(text: str) -> Any:
    """The value whose `repr` is `text`; an object that equals no other where `text` is not a
    literal."""
    try:
        return value_of(text)
    except (*syntax.NOT_PYTHON, TypeError):
        return object()


def _equal(one: Any, other: Any) -> bool:
    """Like `==`, but fractions up to rounding: `math.degrees(r)` equals `r * 180 / math.pi`."""
    match one, other:
        case float(), float():
            return math.isclose(one, other, abs_tol=1e-12)
        case [*ones], [*others] if type(one) is type(other):
            return len(ones) == len(others) and all(map(_equal, ones, others))
        case {**ones}, {**others}:
            return ones.keys() == others.keys() and all(_equal(ones[k], others[k]) for k in ones)
        case _:
            return one == other


def _is_value(answer: Evaluation) -> bool:
    """Whether it is a value; None is not, because it is what a missing `return` gives."""
    return not answer.error and answer.value != "None"


def unanimous(candidates: Sequence[Candidate]) -> bool:
    """Whether all give the same answer to every probe.

    False for several candidates that were asked no probe, because then it is not known.
    """
    first = candidates[0]
    asked = len(candidates) == 1 or bool(first.answers)
    return asked and all(all(_alike(first, other)) for other in candidates)


def passes_binding(report: TestReport, suite: Suite) -> bool:
    """Whether any test ran and every given one passed; True where none is given."""
    given = [case for case in report.cases if suite.is_binding(case.function)]
    return bool(report.cases) and all(case.outcome == "passed" for case in given)


def choose(candidates: Sequence[Candidate], suite: Suite) -> Candidate:
    """The program to go on with: the one that passes most given tests.

    Of equals, informative programs come first; of these the one with most votes, and of equals in
    that too the first. Each other program votes with the share of the probes to which it returns
    the same value, and the test writer, with the weight of `TEST_VOTES` programs, with the share of
    its tests that pass (after Shi et al. 2022, MBR-Exec). Where some programs pass all given tests,
    the others have no vote.
    """
    voters = [c for c in candidates if passes_binding(c.report, suite)] or candidates

    def rank(candidate: Candidate) -> tuple[int, bool, Fraction]:
        given, by_tests = candidate.passed(suite)
        votes = sum(_agreements(candidate, voters), TEST_VOTES * by_tests)
        return given, candidate.is_informative, votes

    return max(candidates, key=rank)  # The first of equals.


def _agreements(candidate: Candidate, voters: Sequence[Candidate]) -> list[Fraction]:
    """How far each other program of `voters` agrees with `candidate`, 0 to 1."""
    return [_agreement(candidate, other) for other in voters if other is not candidate]


def _agreement(candidate: Candidate, other: Candidate) -> Fraction:
    """The share of the probes to which both return the same value."""
    if not candidate.answers:
        return Fraction(candidate.program.source == other.program.source)
    alike = zip(_alike(candidate, other), candidate.answers, strict=True)
    values = sum(same and _is_value(answer) for same, answer in alike)
    return Fraction(values, len(candidate.answers))
