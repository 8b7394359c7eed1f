"""Evidence, what recorded runs say about it, and the verdict."""

from __future__ import annotations

import json
import random
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_coach.bench.table import Row
from ml_coach.bench.trust import calibration_error, curve_svg, outcomes, risk_coverage
from ml_coach.core.evidence import Division, Evidence
from ml_coach.core.judging.agreement import agreement
from ml_coach.core.judging.calibration import Calibration, fit
from ml_coach.core.judging.questions import division, ranked_calls
from ml_coach.core.judging.verdict import verdict
from ml_coach.core.judging.voting import Candidate
from ml_coach.core.python.marks import marked
from ml_coach.core.results import Evaluation, TestReport
from ml_coach.core.types import Program, Spec, Suite
from ml_coach.models.calibrations import FILE, calibration_of

GOOD = Evidence(
    {"stated": 3, "guessed": 5}, mutation_score=0.9, programs=4, agreeing=3, agreement=0.9, probes=9
)


def _candidate(name: str, *answers: str) -> Candidate:
    values = tuple(
        Evaluation(error=answer) if answer.endswith("!") else Evaluation(answer)
        for answer in answers
    )
    calls = tuple(f"f({n})" for n in range(len(answers)))
    return Candidate(Program(f"# {name}\n"), TestReport("passed"), values, len(answers), calls)


def _division(programs: list[Candidate]) -> Division | None:
    return division(ranked_calls(programs, Suite(""), Spec("")), ())


def test_a_program_agrees_with_itself_and_with_equal_answers() -> None:
    a, b, c = _candidate("a", "1", "2"), _candidate("b", "1", "2"), _candidate("c", "1", "3")
    found = agreement(a, [a, b, c], 3)
    assert (found.programs, found.agreeing, found.share) == (3, 2, 0.75)
    assert (found.probes, found.values) == (2, 2)


def test_a_reply_that_held_no_program_agrees_with_nothing() -> None:
    a, b = _candidate("a", "1"), _candidate("b", "1")
    found = agreement(a, [a, b], 4)
    assert (found.programs, found.agreeing) == (4, 2)
    assert found.share == pytest.approx(1 / 3)


def test_a_repaired_program_is_none_of_those_that_were_drawn() -> None:
    drawn = [_candidate("a", "1"), _candidate("b", "2")]
    found = agreement(_candidate("mended", "1"), drawn, 2)
    assert (found.agreeing, found.share) == (1, 0.5)


def test_the_call_is_named_whose_right_answer_would_leave_fewest_programs() -> None:
    drawn = [
        _candidate("a", "1", "5", "9"), _candidate("b", "1", "5", "8"),
        _candidate("c", "1", "6", "8"), _candidate("d", "1", "6", "ValueError: no!"),
    ]  # fmt: skip
    assert _division(drawn) == Division("f(2)", (("8", 2), ("9", 1), ("ValueError", 1)))
    assert _division(drawn[:1]) is None


def test_programs_that_fail_in_different_ways_are_not_divided() -> None:
    assert _division([_candidate("a", "KeyError: 1!"), _candidate("b", "ValueError: 2!")]) is None


def test_passed_says_which_tests_hold_and_how_many_programs_agree() -> None:
    outcome, reason = verdict(GOOD, 0.96, 0.8)
    assert outcome == "passed"
    assert reason == (
        "3 stated and 5 guessed tests hold; 3 of 4 programs written apart agree; "
        "runs with such evidence were right 19 times in 20"
    )


def test_a_model_that_was_not_measured_passes_and_the_reason_says_so() -> None:
    outcome, reason = verdict(GOOD, None, 0.9)
    assert outcome == "passed"
    assert "not measured for this model" in reason


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (replace(GOOD, untested=("ValueError on IIII",)), "not tested: 'ValueError on IIII'"),
        (replace(GOOD, passed={"given": 1}), "only one test judges"),
        (replace(GOOD, passed={}), "no test is fit to judge"),
        (replace(GOOD, passed={"guessed": 2}, refuting=3), "3 of 5 guessed tests fail"),
        (replace(GOOD, passed={"stated": 2}, refuting=3), "3 of 3 guessed tests fail"),
        (
            replace(GOOD, passed={"stated": 1, "property": 1, "guessed": 1}, refuting=4),
            "4 of 6 guessed tests fail",
        ),
    ],
)
def test_what_is_missing_keeps_a_run_from_passed_however_sure(
    evidence: Evidence, says: str
) -> None:
    outcome, reason = verdict(evidence, 1.0, 0.0)
    assert outcome == "unsure"
    assert says in reason


def test_wrong_guesses_beside_more_given_tests_leave_a_run_passed() -> None:
    evidence = replace(GOOD, passed={"given": 3}, refuting=2)
    assert verdict(evidence, 0.95, 0.9)[0] == "passed"
    assert verdict(replace(evidence, refuting=4), 0.95, 0.9)[0] == "unsure"


def test_an_unsure_run_says_where_the_programs_differ() -> None:
    divided = replace(GOOD, division=Division("f(3)", (("[1]", 2), ("TypeError", 1))))
    outcome, reason = verdict(divided, 0.5, 0.9)
    assert outcome == "unsure"
    assert "right 10 times in 20" in reason
    assert "differ at f(3): [1] (2), TypeError (1)" in reason


def _runs(number: int) -> list[tuple[Evidence, bool]]:
    """Made-up runs, of which those with much agreement are mostly right."""
    chance = random.Random(1)
    runs: list[tuple[Evidence, bool]] = []
    for _ in range(number):
        agreeing = chance.randint(1, 4)
        evidence = Evidence(
            {"guessed": chance.randint(2, 4)}, chance.randint(0, 2), chance.random(), 4, agreeing,
            agreeing / 4, 10,
        )  # fmt: skip
        runs.append((evidence, chance.random() < 0.2 * agreeing + 0.15))
    return runs


def test_a_calibration_is_right_on_runs_that_it_was_not_fitted_on() -> None:
    runs = _runs(2000)
    fitted = fit(runs[:300], "made up")
    pairs = [(fitted.confidence(evidence), right) for evidence, right in runs[300:]]
    assert calibration_error(pairs) < 0.07
    assert fitted.runs == 300


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.floats(0, 1))
def test_more_evidence_never_lowers_the_confidence(
    given_tests: int, guessed: int, agreeing: int, score: float
) -> None:
    for calibration in filter(None, map(calibration_of, _MEASURED)):
        less = Evidence(
            {"given": given_tests, "guessed": guessed}, 1, score, 4, agreeing, agreeing / 4, 8, 4
        )
        more = [
            replace(less, passed={"given": given_tests + 1, "guessed": guessed}),
            replace(less, passed={"given": given_tests, "guessed": guessed + 1}),
            replace(less, refuting=0), replace(less, agreeing=4, agreement=1.0),
            replace(less, mutation_score=1.0), replace(less, values=8),
        ]  # fmt: skip
        for evidence in more:
            assert calibration.confidence(evidence) >= calibration.confidence(less)


_MEASURED = ("local:qwen2.5-coder-0.5b", "local:qwen2.5-coder-1.5b")


def test_only_measured_models_have_a_calibration() -> None:
    assert all(calibration_of(name) for name in _MEASURED)
    assert calibration_of("openai:gpt-9") is None
    assert calibration_of("local:qwen2.5-coder-1.5b-other") is None
    for row in json.loads(FILE.read_text(encoding="utf-8")):
        assert row["source"]
        assert row["runs"] > 100


def test_a_calibration_needs_right_and_wrong_runs() -> None:
    with pytest.raises(ValueError, match="right and runs that were wrong"):
        fit([(GOOD, True)], "all right")


def test_a_calibration_survives_json() -> None:
    fitted = fit(_runs(100), "made up")
    row = json.loads(json.dumps(asdict(fitted)))
    assert Calibration(**row) == fitted


def _row(outcome: str, *, solved: bool) -> Row:
    return Row("t", "loop", solved, solved, 1, 1, 1.0, outcome)


def test_the_bench_counts_right_programs_by_outcome() -> None:
    rows = [_row("passed", solved=True), _row("passed", solved=False), _row("unsure", solved=True)]
    assert outcomes(rows) == {"passed": (2, 1), "unsure": (1, 1)}


def test_risk_rises_where_less_trusted_runs_are_wrong() -> None:
    pairs = [(0.9, True), (0.8, True), (0.5, False), (0.5, True)]
    assert risk_coverage(pairs) == [(0.25, 0.0), (0.5, 0.0), (1.0, 0.25)]
    picture = curve_svg(pairs, "a < b")
    assert picture.startswith("<svg")
    assert "a &lt; b" in picture


def test_the_calibration_error_is_the_distance_to_the_share_of_right_runs() -> None:
    assert calibration_error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == 0.0
    assert calibration_error([(0.95, False)]) == pytest.approx(0.95)
    assert calibration_error([]) == 0.0


def marks_of(source: str) -> dict[str, str]:
    """The word above each test."""
    found = re.findall(r"^# ml-coach: (\w+)\n(?:@.*\n)*def (\w+)", source, re.MULTILINE)
    return {name: word for word, name in found}


def test_a_mark_above_each_test_says_where_it_comes_from() -> None:
    source = (
        "import pytest\n\n\ndef test_a():\n    pass\n\n\n@pytest.mark.x\ndef test_b():\n    pass\n"
    )
    text = marked(source, {"test_a": "given"}, otherwise="guessed")
    assert marks_of(text) == {"test_a": "given", "test_b": "guessed"}
    assert text.replace("# ml-coach: given\n", "").replace("# ml-coach: guessed\n", "") == source
    faked = marked(text, {}, otherwise="guessed")
    assert marks_of(faked) == {"test_a": "guessed", "test_b": "guessed"}, "a model wrote the first"
    assert faked.count("# ml-coach") == 2
