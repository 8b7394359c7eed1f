"""Several programs for one spec: which of them say the same, and which one to go on with.

Wrong programs are wrong in many ways, right ones agree (Li et al. 2022, AlphaCode); programs and
tests that were written apart from each other vouch for one another (Chen et al. 2022, CodeT).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ml_coach.core.python import syntax
from ml_coach.core.types import Evaluation, Program, Suite, TestReport

# So many tests do not all pass by chance; one guessed test beside what is given does not, either.
ENOUGH, ENOUGH_WITH_GIVEN = 4, 2
# Where a batch of samples holds no program that does what is given, the next one may.
MOST_BATCHES = 2
# Beside all ordinary probes. Of the others some are outside of what was asked, where right programs
# differ (bench/RESULTS.md).
LEAST_OTHERS_ALIKE = 0.4
# Beside a second opinion where nothing is given: of the guessed tests, and of the probes.
HALF = Fraction(1, 2)
# The test writer's word counts as much as that of two programs (bench/RESULTS.md).
TEST_VOICES = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, how it did in the tests, and what it answered to the probes, of which the first
    so many are `ordinary`."""

    program: Program
    report: TestReport
    answers: tuple[Evaluation, ...] = ()
    ordinary: int = 0

    def passed(self, suite: Suite) -> tuple[int, Fraction]:
        """How many given tests it passes, and which share of the guessed ones."""
        given = [c.outcome == "passed" for c in self.report.cases if suite.is_given(c.function)]
        guessed = [
            c.outcome == "passed" for c in self.report.cases if not suite.is_given(c.function)
        ]
        return sum(given), Fraction(sum(guessed), len(guessed) or 1)

    @property
    def runs(self) -> bool:
        """Whether there is a probe at which it does not fail."""
        return any(not answer.error for answer in self.answers)

    @property
    def tells(self) -> bool:
        """Whether its answers differ: that programs or tests say True to everything shows little.

        Where it was asked nothing, that is not its fault.
        """
        return not self.answers or any(not _same(self.answers[0], a) for a in self.answers)

    @property
    def says_something(self) -> bool:
        """Whether a value is among its answers, and not a single one for everything. The same truth
        value for everything may well be right, as there are but two."""
        values = {answer.value for answer in self.answers if _is_value(answer)}
        return bool(values) and (self.tells or values <= {"True", "False"})


def clusters(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Candidates with equal answers together, the largest cluster first, else in their order.

    Candidates that fail at every probe agree on nothing and stand alone.
    """
    groups: list[list[Candidate]] = []
    for candidate in candidates:
        home = next((g for g in groups if _agree(g[0], candidate)), None)
        if home is None:
            groups.append([candidate])
        else:
            home.append(candidate)
    return sorted(groups, key=len, reverse=True)


def _agree(one: Candidate, other: Candidate) -> bool:
    if one.program.source == other.program.source:
        return True
    if not (one.runs and other.runs):
        return False
    alike = _alike(one, other)
    others = alike[one.ordinary :]
    return all(alike[: one.ordinary]) and sum(others) >= LEAST_OTHERS_ALIKE * len(others)


def _alike(one: Candidate, other: Candidate) -> list[bool]:
    return [_same(a, b) for a, b in zip(one.answers, other.answers, strict=True)]


def _same(one: Evaluation, other: Evaluation) -> bool:
    """Equal values, or errors of the same type: messages are a matter of taste."""
    if one.error or other.error:
        return one.error.split(":")[0] == other.error.split(":")[0]
    return one.value == other.value or _equal(_literal(one.value), _literal(other.value))


@lru_cache(maxsize=4096)
def _literal(text: str) -> Any:
    """The value whose `repr` is `text`; one like no other where that is not to be read."""
    try:
        return ast.literal_eval(syntax.expression(text))
    except (*syntax.NOT_PYTHON, TypeError):
        return object()


def _equal(one: Any, other: Any) -> bool:
    """As `==` says, but fractions up to rounding: `math.degrees(r)` and `r * 180 / math.pi`."""
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
    """None is what a function returns that forgot to return anything, or gave up."""
    return not answer.error and answer.value != "None"


def unanimous(candidates: Sequence[Candidate]) -> bool:
    """Whether all give the same answer to every probe; several that were asked nothing do not."""
    first = candidates[0]
    asked = len(candidates) == 1 or bool(first.answers)
    return asked and all(all(_alike(first, other)) for other in candidates)


def agreeing(candidate: Candidate, candidates: Sequence[Candidate]) -> int:
    """How many of `candidates` answer as `candidate` does, itself included."""
    return next(len(group) for group in clusters(candidates) if candidate in group)


def more_wanted(candidates: Sequence[Candidate], suite: Suite, batch: int, samples: int) -> int:
    """How many more programs are worth their cost; 0 when the matter is settled.

    `batch` is how many samples the model decodes in parallel; one with a batch of 1 is not sampled.
    `samples` were drawn already, those that are no valid program included. Beside the first program
    there is one second opinion; a batch in all where opinions differ; `MOST_BATCHES` where no
    program does what is given. Among those that do, two of three may settle it; where nothing is
    given, that is too few (bench/RESULTS.md).
    """
    passing = [c for c in candidates if passes_given(c.report, suite)]
    if batch == 1 or _is_settled(passing, candidates, suite):
        return 0
    if passing and samples < (2 if suite.gives else 1):
        return 1
    most = batch if passing else MOST_BATCHES * batch
    return max(0, min(batch - samples % batch, most - samples))


def _is_settled(
    passing: Sequence[Candidate], candidates: Sequence[Candidate], suite: Suite
) -> bool:
    """Whether one agrees with what was written apart from it: all tests, or most others; half of
    the tests are wrong (bench/RESULTS.md), so that beside a second opinion some will do."""
    enough = ENOUGH_WITH_GIVEN if suite.gives else ENOUGH
    settling = [c for c in passing if len(c.report.cases) >= enough and c.tells]
    if any(c.report.verdict == "passed" for c in settling):
        return True
    if len(candidates) > 1 and any(_is_likely(c, passing, suite) for c in settling):
        return True
    groups = clusters(passing)
    return any(len(g) >= 2 and len(g) * 2 > len(passing) and g[0].tells for g in groups)


def _is_likely(candidate: Candidate, passing: Sequence[Candidate], suite: Suite) -> bool:
    """Whether a guessed test bears out one that does what is given; where nothing is given, half of
    the tests and, to half of the probes, the others."""
    _, by_tests = candidate.passed(suite)
    if suite.gives:
        return by_tests > 0
    voices = _voices(candidate, passing)
    return bool(voices) and by_tests >= HALF and sum(voices) >= HALF * len(voices)


def passes_given(report: TestReport, suite: Suite) -> bool:
    given = [case for case in report.cases if suite.is_given(case.function)]
    return bool(report.cases) and all(case.outcome == "passed" for case in given)


def choose(candidates: Sequence[Candidate], suite: Suite) -> Candidate:
    """The one that does most of what is given; among equals the one that most others vouch for, or
    the first. Each other program vouches by the share of the probes to which it gives the same
    value, and the test writer, with two voices, by the share of its tests that pass (after Shi et
    al. 2022, MBR-Exec). Where some do all that is given, the others are no witnesses. What says
    nothing, where others do, is no answer at all."""
    witnesses = [c for c in candidates if passes_given(c.report, suite)] or candidates

    def rank(candidate: Candidate) -> tuple[int, bool, Fraction]:
        given, by_tests = candidate.passed(suite)
        voices = sum(_voices(candidate, witnesses), TEST_VOICES * by_tests)
        return given, candidate.says_something, voices

    return max(candidates, key=rank)  # The first of equals.


def _voices(candidate: Candidate, witnesses: Sequence[Candidate]) -> list[Fraction]:
    """What each other of `witnesses` says for `candidate`, 0 to 1."""
    return [_vouched(candidate, other) for other in witnesses if other is not candidate]


def _vouched(candidate: Candidate, other: Candidate) -> Fraction:
    if not candidate.answers:
        return Fraction(candidate.program.source == other.program.source)
    alike = zip(_alike(candidate, other), candidate.answers, strict=True)
    values = sum(same and _is_value(answer) for same, answer in alike)
    return Fraction(values, len(candidate.answers))
