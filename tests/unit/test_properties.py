"""Which invariants become property tests, and on which inputs."""

from __future__ import annotations

import re

import pytest

from ml_coach.core.agents import researcher
from ml_coach.core.agents.suite_assembly import assemble
from ml_coach.core.examples import properties_of, unchanged_arguments
from ml_coach.core.judging.test_filter import filter_tests
from ml_coach.core.results import Case, CaseOutcome, TestReport

PAIR = 'Write encode(text) and decode(text). encode("abc") == "def", decode("def") == "abc"'
SORT = "Write f(xs) that sorts them. f([1, 2]) == [2, 1], f([3, 1]) == [3, 1]"
LIMIT = 'Write cut(text, n), never longer than n. cut("hello", 2) == "he"'
TWICE = 'Write f(s), which is idempotent. f("aab") == "ab"'


def _checks(prompt: str) -> list[str]:
    tests = properties_of(researcher.read(prompt))
    return [line.strip() for test in tests for line in re.findall("assert (.+)", test)]


@pytest.mark.parametrize(
    ("prompt", "check"),
    [
        (PAIR, "decode(encode(a)) == a"),
        (SORT, "sorted(f(a)) == sorted(a)"),
        (LIMIT, "len(cut(a, b)) <= b"),
        (TWICE, "f(f(a)) == f(a)"),
    ],
)
def test_an_invariant_becomes_a_property_test(prompt: str, check: str) -> None:
    assert _checks(prompt) == [check]


@pytest.mark.parametrize(
    "prompt",
    [
        # One function is not asked for, or the names do not say that one undoes the other.
        'Write encode(text). encode("abc") == "def"',
        'Write encode(text) and render(text). encode("abc") == "def"',
        # An example disagrees, or there is none.
        "Write f(xs) that sorts them without doubles. f([1, 1]) == [1], f([2, 1]) == [1, 2]",
        'Write cut(text, n), at most n words. cut("hello you", 2) == "hello you"',
        "Write f(s), which is idempotent.",
    ],
)
def test_other_prompts_have_no_property_test(prompt: str) -> None:
    assert _checks(prompt) == []


def test_the_inputs_are_made_of_what_the_examples_hold() -> None:
    (test,) = properties_of(researcher.read(PAIR))
    assert "st.text(alphabet='abc', max_size=3)" in test
    (test,) = properties_of(researcher.read(SORT))
    assert "st.lists(st.integers(1, 3), max_size=2)" in test


def test_a_property_test_does_not_bind() -> None:
    suite = assemble(researcher.read(PAIR), "m", "test_m.py", "")
    assert suite.provenance_of("test_property_1") == "property"
    assert not suite.is_binding("test_property_1")


def test_where_hypothesis_is_missing_a_property_test_is_dropped_and_counts_for_nothing() -> None:
    suite = assemble(researcher.read(PAIR), "m", "test_m.py", "")
    outcomes: tuple[CaseOutcome, ...] = ("passed", "passed", "skipped")
    cases = [Case(t, how) for t, how in zip(suite.tests, outcomes, strict=True)]
    report = TestReport("failed", tuple(cases))
    filtered = filter_tests(suite, report, report, [], [])
    assert filtered.kept == ("test_given_1", "test_given_2")
    (dropped,) = filtered.dropped
    assert (dropped.reason, dropped.answer) == ("it cannot be run", "")


@pytest.mark.parametrize(
    "said",
    [
        "returns a new sorted list", "gibt eine neue Liste zurück", "renvoie une nouvelle liste",
        "not in place", "returns a sorted copy", "without modifying xs", "xs stays unchanged",
        "the input must not be changed", "input isn't modified", "don't change the given array",
        "never mutates its argument", "it must not modify the list", "leaves xs untouched",
    ],
)  # fmt: skip
def test_arguments_that_stay_as_they_are_become_a_test(said: str) -> None:
    spec = researcher.read(f"Write f(xs): {said}.")
    (test,) = unchanged_arguments(spec, "assert f([3, 1]) == [1, 3]")
    assert test.startswith("given_1 = [3, 1]\n")
    assert "\nassert given_1 == [3, 1], 'f([3, 1]) changes its argument" in test


@pytest.mark.parametrize(
    "said",
    [
        "adds one to each item", "do not return a new list, sort in place",
        "instead of returning a new list it changes xs", "sorts them in-place, returns None",
        "until the list is not changed", "while xs is unchanged it goes on",
    ],
)  # fmt: skip
def test_arguments_that_may_change_have_no_test(said: str) -> None:
    assert unchanged_arguments(researcher.read(f"Write f(xs): {said}."), "assert f([3, 1])") == ()


def test_a_list_out_of_order_is_watched_first() -> None:
    spec = researcher.read("Write f(xs) that returns a new list. f([1, 2], 1) == [2], f([]) == []")
    first, second = unchanged_arguments(spec, "assert f([2, 3, 1]) == [3]\nassert f((2, 1)) == 0")
    assert first.startswith("given_1 = [2, 3, 1]\ntry:\n    f(given_1)\n")
    assert "f(given_1, 1)" in second


def test_no_vote_drops_a_test_that_arguments_stay() -> None:
    spec = researcher.read("Write f(xs) that returns a new sorted list.")
    suite = assemble(spec, "m", "test_m.py", "def test_1():\n    assert f([3, 1]) == [1, 3]\n")
    failed = ("test_property_1", "test_1")
    cases = [Case(t, "failed" if t in failed else "passed") for t in suite.tests]
    report = TestReport("failed", tuple(cases))
    result = filter_tests(suite, report, report, [report, report], [])
    assert result.kept == ("test_property_1",)
