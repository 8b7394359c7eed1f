"""Which function is to blame for a failure, which failures have one cause, what is better."""

from __future__ import annotations

import pytest

from ml_coach.core.agents.project_debugger import read_change
from ml_coach.core.finding import Finding, Location
from ml_coach.core.fixing.context import case_for, sources_of
from ml_coach.core.fixing.failures import baseline, no_better
from ml_coach.core.fixing.suspicion import Sources, suspects
from ml_coach.core.project import Coverage, Project, ProjectReport
from ml_coach.core.replies.methods import within_class
from ml_coach.core.results import Case, TestReport

SHOP = """RATE = 7


class Cart:
    limit = 10

    def total(self):
        return sum(self.items) * RATE

    def add(self, item):
        self.items.append(item)


def price(item):
    if item.reduced:
        return item.price / 0
    return item.price
"""
TESTS = """from shop import Cart, price


def test_total():
    cart = Cart()
    assert cart.total() == 1


def test_price():
    assert price(None) == 1
"""
PROJECT = Project({"shop.py": SHOP.encode(), "tests/test_shop.py": TESTS.encode()})


def _report(*cases: Case, findings: tuple[Finding, ...] = (), **more: object) -> ProjectReport:
    return ProjectReport(TestReport("failed", cases, findings), **more)  # type: ignore[arg-type]


def _finding(test: str, message: str, *places: tuple[str, int]) -> Finding:
    related = tuple(Location(file, line) for file, line in places)
    return Finding("test", message, "tests/test_shop.py", 5, test=test, related=related)


def test_the_line_that_only_the_failing_test_runs_is_the_most_suspicious() -> None:
    finding = _finding(
        "tests/test_shop.py::test_price", "assert 2 == 1", ("tests/test_shop.py", 11)
    )
    coverage = Coverage(
        failed={finding.test: {"shop.py": frozenset({8, 15, 16})}},
        passed={"shop.py": {8: 3, 15: 3, 17: 3}},
    )
    found = suspects(Sources(PROJECT), coverage, [finding], "")
    assert [s.unit.name for s in found[:2]] == ["price", "Cart.total"]


def test_the_traceback_counts_where_the_spectrum_does_not_decide() -> None:
    places = ("tests/test_shop.py", 6), ("shop.py", 8)
    finding = _finding("tests/test_shop.py::test_total", "AttributeError: items", *places)
    run = {"shop.py": frozenset({8, 15})}
    coverage = Coverage(failed={finding.test: run}, passed={"shop.py": {8: 2, 15: 2}})
    found = suspects(Sources(PROJECT), coverage, [finding], "")
    assert [s.unit.name for s in found[:2]] == ["Cart.total", "price"]


def test_what_an_error_says_is_missing_is_looked_for_where_it_would_be() -> None:
    message = "ImportError: cannot import name 'Basket' from 'shop' (/box/work/shop.py)"
    found = suspects(Sources(PROJECT), Coverage(), [_finding("tests/test_shop.py", message)], "")
    assert [s.unit.key for s in found] == [("shop.py", "<module>")]


def test_of_a_test_that_runs_no_code_of_ours_the_words_tell() -> None:
    """As of one that starts a command: no line is followed in another process."""
    said = "assert 'reduced item' in 'Traceback ... shop.py ... price ... ZeroDivisionError'"
    finding = _finding("tests/test_shop.py::test_command", said)
    test = "def test_command():\n    assert 'reduced item' in run(['price']).stderr"
    assert suspects(Sources(PROJECT), Coverage(), [finding], test) == []
    starts = PROJECT.with_texts({"tests/test_shop.py": f"import subprocess\n{TESTS}"})
    found = suspects(Sources(starts), Coverage(), [finding], test)
    assert found[0].unit.name == "price"
    elsewhere = Coverage(failed={finding.test: {"shop.py": frozenset({8})}})
    (ran, *_) = suspects(Sources(PROJECT), elsewhere, [finding], test)
    assert ran.unit.name == "Cart.total"


def test_failures_are_put_together_by_cause_and_flaky_ones_judge_nothing() -> None:
    inner = ("shop.py", 16)
    findings = (
        _finding("t.py::test_a", "assert 1 == 2", ("t.py", 3)),
        _finding("t.py::test_b[1]", "ZeroDivisionError: by zero", ("t.py", 5), inner),
        _finding("t.py::test_c", "ZeroDivisionError: by zero", ("t.py", 9), inner),
        _finding("t.py::test_d", "TypeError: of a kind", ("t.py", 9), inner),
        _finding("t.py::test_flaky", "assert 3 == 4", ("t.py", 12)),
        _finding("t.py::test_net", "OSError: [Errno 101] Network is unreachable", ("t.py", 20)),
    )
    cases = [Case(f.test, "failed") for f in findings]
    again = [Case(c.name, "passed" if "flaky" in c.name else "failed") for c in cases]
    found = baseline(PROJECT, _report(*cases, findings=findings), _report(*again))
    together = [failure.tests for failure in found.failures]
    assert together[0] == ("t.py::test_b[1]", "t.py::test_c")
    assert sorted(together[1:]) == [("t.py::test_a",), ("t.py::test_d",)]
    assert found.flaky == {"t.py::test_flaky"}
    assert [each.test for each in found.set_aside] == ["t.py::test_net"]
    assert "network" in found.set_aside[0].reason


def test_better_is_more_and_nothing_lost_and_nothing_forged() -> None:
    before = _report(Case("a", "passed"), Case("b", "failed"), Case("c", "passed"))
    mended = _report(Case("a", "passed"), Case("b", "passed"), Case("c", "passed"))
    loses = _report(Case("a", "passed"), Case("b", "passed"), Case("c", "failed"))
    same = _report(Case("a", "passed"), Case("b", "failed"), Case("c", "passed"))
    forged = _report(*mended.tests.cases, doubts=frozenset({"replaced pytest.raises"}))
    cut = _report(*mended.tests.cases, ended=False)
    assert no_better(before, mended, frozenset()) == ""
    assert no_better(before, loses, frozenset()) == "c passed before"
    assert no_better(before, loses, frozenset({"c"})) == ""
    assert no_better(before, same, frozenset()) == "no more tests pass"
    assert no_better(before, mended, frozenset({"b"})) == "no more tests pass"
    assert "replaced pytest.raises" in no_better(before, forged, frozenset())
    assert "did not come to their end" in no_better(before, cut, frozenset())
    assert no_better(before, _report(Case("b", "passed")), frozenset(), ["b"]) == ""


def test_the_model_is_shown_the_test_the_function_and_what_it_uses_within_the_room() -> None:
    finding = _finding("tests/test_shop.py::test_total", "assert 3 == 1", ("tests/test_shop.py", 6))
    coverage = Coverage(failed={finding.test: {"shop.py": frozenset({8})}})
    report = _report(Case(finding.test, "failed"), findings=(finding,))
    (failure,) = baseline(PROJECT, report, report).failures
    found = suspects(Sources(PROJECT), coverage, [finding], sources_of(PROJECT, [finding], 1))
    case = case_for(PROJECT, failure, found, 4000, alone=True)
    assert case.name == "Cart.total"
    assert case.code == "def total(self):\n    return sum(self.items) * RATE"
    assert "assert cart.total() == 1" in case.test
    assert "test_price" not in case.test
    assert "RATE = 7" in case.context
    assert "assert 3 == 1" in case.failure
    assert case_for(PROJECT, failure, found, 60, alone=True).context == ""


TWO_CLASSES = """class Net:
    def total(self):
        return self.price - 1


class Gross:
    def total(self):
        return self.price - 1
"""


@pytest.mark.parametrize(
    "code",
    [
        "def total(self):\n    return self.price + 1\n",
        "    def total(self):\n        return self.price + 1\n",
        "class Gross:\n    def total(self):\n        return self.price + 1\n",
    ],
)
def test_a_method_that_comes_without_its_class_is_put_there(code: str) -> None:
    reply = within_class(f"The sign is wrong.\n\n```python\n{code}```\n", "Gross.total")
    found = read_change(reply, {"shop.py": TWO_CLASSES}, "shop.py")
    assert found.summary == "The sign is wrong."
    assert found.patch is not None
    (change,) = found.patch.changes
    first, second = TWO_CLASSES.split("\n\n\n")
    assert change.after == f"{first}\n\n\n{second.replace('- 1', '+ 1')}"
