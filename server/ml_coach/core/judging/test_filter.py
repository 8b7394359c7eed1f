"""Which tests may judge the code. A given test always may; a guessed one must be fit to.

About half of the tests that small models write are wrong (bench/RESULTS.md). A guessed test is kept
only if it collects and gives the same outcome twice. Where there are several candidates, a test
that the chosen program fails is kept only if most others pass it, and at least two where two vote.
A test that the chosen program passes must notice at least one planted mistake.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ml_coach.core.python import syntax
from ml_coach.core.python.marks import first_line, is_mark
from ml_coach.core.types import CaseOutcome, Dropped, Suite, TestReport

# How many programs, written independently of each other, must pass a test that rejects the chosen
# one: one program may share the test's mistake (after Chen et al. 2022, CodeT).
LEAST_AGREEING = 2


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The suite that judges from now on, and what was dropped from it.

    `mutation_score` is the share of planted mistakes that the kept tests notice, 0 to 1.
    """

    suite: Suite
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    mutation_score: float | None


def filter_tests(
    suite: Suite,
    chosen: TestReport,
    again: TestReport,
    candidates: Sequence[TestReport],
    mutants: Sequence[TestReport],
) -> FilterResult:
    """The tests of `suite` that may judge, and why the others may not.

    `chosen` and `again` are two reports on the program that the run goes on with, `candidates`
    those on all programs that were written independently of each other, `mutants` those on the
    mutants of the chosen program.
    """
    first, second = _outcomes(chosen), _outcomes(again)
    # A program that hangs or ends the run keeps tests from running, which is no fault of theirs.
    prevented = {t for t, how in first.items() if how == "not_run" and not chosen.ended}
    if not first:
        # The program cannot even be imported, which is no evidence against any test.
        return FilterResult(suite, suite.tests, (), None)
    votes = _votes([_outcomes(report) for report in candidates], suite)
    planted = [_outcomes(report) for report in mutants]
    kept: list[str] = []
    dropped: list[Dropped] = []
    for test in first:
        is_exempt = suite.is_binding(test) or test in prevented
        reason = "" if is_exempt else _unfit(test, first, second, votes, planted)
        if reason:
            dropped.append(Dropped(test, reason))
        else:
            kept.append(test)
    # A test that fails on the unchanged program cannot show that a mistake was planted.
    passing = [test for test in kept if first[test] == "passed"]
    noticed = [p for p in planted if any(p.get(test) != "passed" for test in passing)]
    score = len(noticed) / len(planted) if planted and passing else None
    return FilterResult(
        without(suite, {d.test for d in dropped}), tuple(kept), tuple(dropped), score
    )


def _votes(
    candidates: list[dict[str, CaseOutcome]], suite: Suite
) -> list[Mapping[str, CaseOutcome]]:
    """Each candidate's outcomes as its votes on the guessed tests.

    A candidate that fails a given test has no vote, unless every candidate fails one.
    """
    passing = [
        bool(c) and all(c[test] == "passed" for test in c if suite.is_binding(test))
        for c in candidates
    ]
    if not any(passing):
        return list(candidates)
    return [c if passes else {} for c, passes in zip(candidates, passing, strict=True)]


def _unfit(
    test: str,
    first: Mapping[str, CaseOutcome],
    second: Mapping[str, CaseOutcome],
    votes: Sequence[Mapping[str, CaseOutcome]],
    planted: Sequence[Mapping[str, CaseOutcome]],
) -> str:
    """Why `test` may not judge, empty when it may."""
    if first[test] in ("error", "not_run"):
        return "it cannot be run"
    if first[test] != second.get(test):
        return "its outcome changes from run to run"
    rejects = first[test] != "passed"
    voting = sum(bool(vote) for vote in votes)
    agreeing = sum(vote.get(test) == "passed" for vote in votes)
    needed = max(min(LEAST_AGREEING, voting), voting // 2 + 1)
    if rejects and len(votes) > 1 and agreeing < needed:
        agree = f"{agreeing} of {voting} candidates agree" if agreeing else "no candidate agrees"
        return f"{agree} with it"
    if not rejects and planted and all(p.get(test) == "passed" for p in planted):
        return "it notices no planted mistake"
    return ""


def _outcomes(report: TestReport) -> dict[str, CaseOutcome]:
    """One outcome for each test function: passed only where all its cases are."""
    outcomes: dict[str, CaseOutcome] = {}
    for case in report.cases:
        if outcomes.get(case.function, "passed") == "passed":
            outcomes[case.function] = case.outcome
    return outcomes


def without(suite: Suite, tests: set[str]) -> Suite:
    """`suite` without these test functions (`test_x`, `TestA::test_b`); other text is unchanged."""
    lines = suite.source.splitlines(keepends=True)
    for node in reversed(_removable(syntax.module(suite.source), "", tests)):
        start = first_line(node)
        if start > 1 and is_mark(lines[start - 2]):
            start -= 1
        end = node.end_lineno or node.lineno
        while end < len(lines) and not lines[end].strip():
            end += 1
        del lines[start - 1 : end]
    return replace(suite, source="".join(lines).rstrip() + "\n")


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _removable(scope: ast.Module | ast.ClassDef, prefix: str, tests: set[str]) -> list[_Definition]:
    """The definitions to take out, in order; a whole class where nothing of it would be left."""
    found: list[_Definition] = []
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and prefix + node.name in tests:
            found.append(node)
        elif isinstance(node, ast.ClassDef):
            inner = _removable(node, f"{prefix}{node.name}::", tests)
            found += [node] if len(inner) == len(node.body) else inner
    return found
