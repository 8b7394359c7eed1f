"""A failing assert is told in the test's own words."""

from __future__ import annotations

import pytest

from ml_coach.core.finding import Finding
from ml_coach.core.judging.failures import explained
from ml_coach.core.results import Case, TestReport
from ml_coach.core.types import Suite


@pytest.mark.parametrize(
    ("test", "says", "told"),
    [
        ("f(1) == 2, 'it differs'", "AssertionError: it differs\nassert 3 == 2", "it differs"),
        ("f(1) == 2", "assert 3 == 2", "f(1) gave 3, expected 2"),
        (
            "f(1) == pytest.approx(0.5)",
            "assert 0.6 == 0.5 ± 5.0e-07\n  \n  comparison failed\n  Obtained: 0.6",
            "f(1) gave 0.6, expected 0.5",
        ),
        ("f(1) > 2", "assert 1 > 2", "f(1) > 2 is not true"),
        ("f(1) == 2", "ValueError: no", "f(1) == 2 raised ValueError: no"),
    ],
)
def test_a_failing_assert_is_explained_from_its_source(test: str, says: str, told: str) -> None:
    suite = Suite(f"def test_a():\n    assert {test}\n")
    finding = Finding("test", says, file=suite.file, line=2, test="test_a")
    report = TestReport("failed", (Case("test_a", "failed"),), (finding,))
    assert [f.message for f in explained(report, suite).findings] == [told]
