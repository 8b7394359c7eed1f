"""What a user reads when a run is over: what holds, what does not, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_coach.cli.report_view import show_report
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.agents.model_client import Budget
from ml_coach.core.errors import BudgetSpent
from ml_coach.core.evidence import Division, Evidence
from ml_coach.core.judging.verdict import verdict
from ml_coach.core.repair_loop import after_install
from ml_coach.core.results import Case, TestReport
from ml_coach.core.types import Dropped, Outcome, RunReport
from ml_coach.core.usage import Usage
from ml_coach.core.wording import ending
from ml_coach.settings import SETTINGS

# Names of our code, of the protocol and of the system, that mean nothing to a user.
_API_WORDS = re.compile(r"\b[a-z]+[A-Z]\w*|\b\w+_\w+\b|\bErrno\b|\bNone\b|\bgave_up\b|<|>")
_NEXT = re.compile(
    r"An example in the prompt|another model|may help|raises it|start the run again|first\b|"
    r"waits for your decision|debug (?:this|the) file",
    re.I,
)
assert all(_API_WORDS.search(row.variable) for row in SETTINGS)


def _evidence(**more: object) -> Evidence:
    few: dict[str, object] = {
        "passed": {"given": 2}, "refuting": 0, "mutation_score": None, "programs": 4,
        "agreeing": 3, "agreement": 0.75, "probes": 5, "values": 3, "division": None,
        "untested": (), "repaired": False,
    }  # fmt: skip
    return Evidence(**(few | more))  # type: ignore[arg-type]


def _verdicts() -> Iterator[tuple[Outcome, str]]:
    divided = Division("f(1)", (("1", 2), ("2", 2)))
    for evidence in (
        _evidence(),
        _evidence(passed={}),
        _evidence(passed={"guessed": 1}),
        _evidence(untested=("it sorts", "it is fast")),
        _evidence(passed={"guessed": 2}, refuting=5),
        _evidence(division=divided, passed={"given": 1}),
    ):
        for confidence in (None, 0.5, 0.99):
            yield verdict(evidence, confidence, 0.85)


def _spent() -> Iterator[tuple[Outcome, str]]:
    for calls, tokens, seconds in ((0, 9, 9.0), (9, 0, 9.0), (9, 9, 0.0)):
        budget = Budget(max_calls=calls, max_tokens=tokens, max_seconds=seconds)
        with pytest.raises(BudgetSpent) as raised:
            budget.take_call()
        yield "gave_up", str(raised.value)


def _others() -> Iterator[tuple[Outcome, str]]:
    yield "gave_up", "The model wrote no valid program: `inc` has no body"
    yield "gave_up", "1 of 2 tests did not pass: test_small failed"
    yield "gave_up", "2 tests fail. Debug the file, or correct the test that is wrong."
    yield "gave_up", "every test was skipped"
    yield "gave_up", after_install("the package numpy is not installed; if you trust it: pip")
    yield "failed", "There is no file sums.py: write it first."


ENDS = [*dict.fromkeys([*_verdicts(), *_spent(), *_others()])]


def _report(outcome: Outcome, reason: str, *, tested: bool) -> RunReport:
    cases = (Case("test_small", "passed"), Case("test_zero", "failed"))
    cases = cases[:1] if outcome in ("passed", "unsure") else cases
    tests = TestReport("passed" if len(cases) == 1 else "failed", cases) if tested else None
    evidence = _evidence() if outcome in ("passed", "unsure") else None
    dropped = (Dropped("test_guess", "most programs fail it"),) if tested else ()
    return RunReport(
        outcome, reason, None, None, tests, 1, Usage(), 1.0, "m", "namespaces",
        dropped=dropped, evidence=evidence,
    )  # fmt: skip


def _at_the_terminal(report: RunReport) -> str:
    console = EscapingConsole(width=400)
    with console.capture() as shown:
        show_report(console, report, folder=Path("nowhere"), run_id="r")
    return " ".join(shown.get().split())


@pytest.mark.parametrize("tested", [True, False])
@pytest.mark.parametrize(("outcome", "reason"), ENDS)
def test_every_end_says_what_holds_and_what_is_next(
    outcome: Outcome, reason: str, tested: bool
) -> None:
    report = _report(outcome, reason, tested=tested)
    said = ending(report)
    assert reason.rstrip(".") in said
    if tested:
        assert re.search(r"1 of \d tests? pass", said)
    if outcome != "passed":
        assert _NEXT.search(said), said
        assert len(_NEXT.findall(said)) <= 2, said
        assert _NEXT.search(_at_the_terminal(report).partition("│ model")[0])
    words = re.sub(r"`[^`]*`|test_\w+|gave_up", "", said)
    assert not _API_WORDS.search(words), words
    assert said.endswith(".")
    assert ".." not in said


def test_all_outcomes_are_walked() -> None:
    assert {outcome for outcome, _ in ENDS} == {"passed", "unsure", "gave_up", "failed"}
