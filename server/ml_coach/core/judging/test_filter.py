"""Which tests may judge the code. A given test always may; a guessed one must be fit to.

About half of the tests that small models write are wrong (bench/RESULTS.md). A guessed test is kept
only if it collects and gives the same outcome twice. A test that the chosen program fails is kept
if most of the other programs pass it; else it is dropped, and counts as evidence against the
program. It is kept too where all programs crash in it, on arguments like those of other tests: then
they share a mistake. A test that the chosen program passes must notice a planted mistake.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_coach.core.judging.probes import source_of
from ml_coach.core.python import syntax
from ml_coach.core.python.marks import is_mark
from ml_coach.core.results import CaseOutcome, TestReport
from ml_coach.core.types import Dropped, Suite

# How many other programs must pass a test that rejects the chosen one, where there are so many: one
# program may share the test's mistake (after Chen et al. 2022, CodeT).
LEAST_AGREEING = 2
# Errors that nobody plans: a program that refuses its input raises ValueError or one of its own.
_CRASHES = (
    "TypeError", "AttributeError", "IndexError", "KeyError", "NameError", "UnboundLocalError",
    "ZeroDivisionError", "RecursionError",
)  # fmt: skip

_WRONG_CALL = re.compile(
    r"\(\) (?:missing \d+ required|takes (?:no|\d+|from \d+)\b|got an unexpected keyword)"
)


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
    others: Sequence[TestReport],
    mutants: Sequence[TestReport],
    familiar: Container[str] = (),
    undefined: Container[str] = (),
) -> FilterResult:
    """The tests of `suite` that may judge, and why the others may not.

    `chosen` and `again` are two reports on the program that the run goes on with, `others` those on
    the other programs, which were written independently of each other, `mutants` those on the
    mutants of the chosen program. `familiar` are the tests whose arguments are like those of other
    tests (kinds.py), `undefined` those of a call that the user left open.
    """
    first, second = _outcomes(chosen), _outcomes(again)
    # A program that hangs or ends the run keeps tests from running, which is not their fault.
    prevented = {t for t, how in first.items() if how == "not_run" and not chosen.ended}
    if not first:
        # The program cannot even be imported, which says nothing against any test.
        return FilterResult(suite, suite.tests, (), None)
    votes = _votes([_outcomes(report) for report in others], suite)
    planted = [_outcomes(report) for report in mutants]
    crashing = [_crashed(report) for report in others]
    # Without other programs to compare with, a crash cannot be shared.
    everywhere = {t for t in _crashed(chosen) if others and all(t in c for c in crashing)}
    shared = {t for t in everywhere if t in familiar}
    kept: list[str] = []
    dropped: list[Dropped] = []
    for test in first:
        is_exempt = suite.is_binding(test) or test in prevented or test in shared
        reason = "" if is_exempt else _unfit(test, first, second, votes, planted)
        if test in undefined and not suite.is_binding(test):
            reason = "you left open what its call gives"
        elif reason and test in everywhere:
            reason = "every program crashes in it, which says nothing of the test"
        if reason:
            dropped.append(_dropped(suite, test, reason, chosen))
        else:
            kept.append(test)
    # A test that fails on the unchanged program cannot show that a mistake was planted.
    passing = [test for test in kept if first[test] == "passed"]
    noticed = [p for p in planted if any(p.get(test) != "passed" for test in passing)]
    score = len(noticed) / len(planted) if planted and passing else None
    return FilterResult(
        without(suite, {d.test for d in dropped}), tuple(kept), tuple(dropped), score
    )


def _crashed(report: TestReport) -> set[str]:
    """The tests that failed with an error that nobody plans, but for a call with wrong arguments,
    which is a mistake of the test."""
    failed = (case for case in report.cases if case.outcome == "failed")
    return {
        case.function
        for case in failed
        if case.message.startswith(_CRASHES) and not _WRONG_CALL.search(case.message)
    }


def _dropped(suite: Suite, test: str, reason: str, report: TestReport) -> Dropped:
    bad = next((c for c in report.cases if c.function == test and c.outcome == "failed"), None)
    statements = source_of(suite.source, test).splitlines()[1:]
    source = "; ".join(line.strip() for line in statements)
    return Dropped(test, reason, source, bad.message if bad else "")


def _votes(
    candidates: list[dict[str, CaseOutcome]], suite: Suite
) -> list[Mapping[str, CaseOutcome]]:
    """Each program's outcomes as its votes on the guessed tests.

    A program that fails a binding test has no vote, unless every program fails one.
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
    if first[test] in ("error", "not_run", "skipped"):
        return "it cannot be run"
    if first[test] != second.get(test):
        return "its outcome changes from run to run"
    rejects = first[test] != "passed"
    voting = sum(bool(vote) for vote in votes)
    agreeing = sum(vote.get(test) == "passed" for vote in votes)
    needed = max(min(LEAST_AGREEING, voting), voting // 2 + 1)
    if rejects and voting and agreeing < needed:
        agree = f"{agreeing} of {voting} other programs pass" if agreeing else "no program passes"
        return f"{agree} it"
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
    nodes = _removable(syntax.module(suite.source), "", tests)
    return replace(suite, source=taken_out(suite.source, nodes))


def taken_out(source: str, statements: Sequence[ast.stmt]) -> str:
    """A test file without these statements of it, and without the marks above them."""
    lines = source.splitlines(keepends=True)
    for node in sorted(statements, key=syntax.first_line, reverse=True):
        start = syntax.first_line(node)
        if start > 1 and is_mark(lines[start - 2]):
            start -= 1
        end = node.end_lineno or node.lineno
        while end < len(lines) and not lines[end].strip():
            end += 1
        del lines[start - 1 : end]
    return "".join(lines).rstrip() + "\n"


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
