"""A follow-up's tests behind those that stand there already."""

from __future__ import annotations

import pytest

from ml_coach.core.agents.researcher import of_follow_up, read, with_program
from ml_coach.core.evidence import Provenance
from ml_coach.core.judging.suite_extension import contradiction, extended
from ml_coach.core.python.syntax import compiles
from ml_coach.core.types import Program, Spec, Suite

OLD = '''"""Tests."""
from sums import add


# ml-coach: given
def test_given_1():
    assert add(1, 2) == 3


# ml-coach: guessed
def test_a():
    assert add(None, 2) == 9


class TestMine:
    def test_b(self):
        assert add(4, 4) == 8
'''
NEW = """import math
import pytest
from sums import add, sub


def test_given_1():
    assert add(None, 2) == 2


def test_stated_1():
    with pytest.raises(TypeError):
        add('x', 2)


def test_a():
    assert add(1, 2) == 4


def test_c():
    assert sub(5, 3) == 2
"""
ORIGINS: dict[str, Provenance] = {"test_given_1": "given", "test_a": "guessed"}
NEW_ORIGINS: dict[str, Provenance] = {"test_given_1": "given", "test_stated_1": "stated"}


def old(source: str = OLD) -> Suite:
    return Suite(source, "test_sums.py", ORIGINS, own=True)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_old_tests_stay_word_for_word_and_new_ones_follow(line_end: str) -> None:
    source = OLD.replace("\n", line_end)
    suite = extended(old(source), Suite(NEW, "test_sums.py", NEW_ORIGINS)).suite
    assert compiles(suite.source)
    assert suite.source.replace(line_end, "").count("\n") == 0
    mine = source[source.index("class TestMine") :]
    assert mine in suite.source
    assert suite.functions == (
        "test_given_1", "TestMine::test_b", "test_given_2", "test_stated_1", "test_c",
    )  # fmt: skip
    origins = [suite.provenance_of(test) for test in suite.functions]
    assert origins == ["given", "own", "given", "stated", "guessed"]
    assert suite.kept == {"test_given_1", "TestMine::test_b"}
    assert "import pytest" in suite.source
    assert "from sums import sub" in suite.source
    assert "import math" not in suite.source  # No test uses it.


def test_a_guess_that_the_follow_up_answers_otherwise_goes_and_is_told() -> None:
    whole = extended(old(), Suite(NEW, "test_sums.py", NEW_ORIGINS))
    assert [(d.test, d.source) for d in whole.replaced] == [("test_a", "assert add(None, 2) == 9")]


def test_nothing_new_changes_nothing() -> None:
    again = "from sums import add\n\n\ndef test_x():\n    assert add(1, 2) == 3\n"
    assert extended(old(), Suite(again)).suite.source == OLD


def follow_up(sentence: str) -> Spec:
    program = Program("def add(a, b):\n    return a + b\n", "sums.py")
    return of_follow_up(with_program(read(f"Add two numbers.\n\n{sentence}"), program), sentence)


@pytest.mark.parametrize(
    ("sentence", "test"),
    [
        ("add(1, 2) should be 4", "test_given_1"),
        ("add(1, 2) raises ValueError", "test_given_1"),
        ("add(4, 4) gives 9", "TestMine::test_b"),
        ("add(1, 2) gives 3", ""),
        ("add(None, 2) gives 2", ""),  # a guess only
        ("add(7, 7) gives 14", ""),
    ],
)
def test_a_contradiction_names_the_test(sentence: str, test: str) -> None:
    spec = follow_up(sentence)
    assert spec.names == ("add",)
    assert len(spec.examples) == 1
    said = contradiction(old(), spec)
    assert (f"{test} in test_sums.py demands" in said) if test else said == ""


@pytest.mark.parametrize(
    ("wanted", "said"), [("pytest.approx(3)", False), ("value()", False), ("4", True)]
)
def test_only_plain_results_contradict(wanted: str, said: bool) -> None:
    suite = Suite(f"def test_x():\n    assert add(1, 2) == {wanted}\n", own=True)
    assert bool(contradiction(suite, follow_up("add(1, 2) gives 3"))) == said
