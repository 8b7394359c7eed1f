"""What sentences, lists and tables state becomes tests; what can be read in two ways does not."""

from __future__ import annotations

import pytest

from ml_coach.core.agents import researcher
from ml_coach.core.agents.guessed_tests import without_copies
from ml_coach.core.agents.suite_assembly import assemble
from ml_coach.core.examples import (
    extract_examples,
    names_of,
    open_requirements,
    requirements_of,
    untested,
)
from ml_coach.core.examples.proposals import as_stated
from ml_coach.core.types import Spec, StatedTest
from unit.stated_statements import raising, statements

ASK = "Write f(text). "
ASK_NUMBER = "Write f(n). "
ASK_TWO = "Write f(a, b). "


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (ASK + "'a b' becomes 'a-b'.", ["assert f('a b') == 'a-b'"]),
        (ASK + "An empty string gives 0.", ["assert f('') == 0"]),
        (ASK + "'a' and 'b' mean True.", ["assert f('a') == True", "assert f('b') == True"]),
        (ASK + "IV -> 4, VI -> 6", ["assert f('IV') == 4", "assert f('VI') == 6"]),
        (
            ASK + "ValueError on bad texts such as XX, YY or the empty string.",
            [raising("f('XX')"), raising("f('YY')"), raising("f('')")],
        ),
        (ASK + "Texts with letters (like 'xyz') raise ValueError.", [raising("f('xyz')")]),
        (ASK_TWO + "For 12 and 18 the result is 6.", ["assert f(12, 18) == 6"]),
        ("Write f(low, high). high 3, low 4 -> 7", ["assert f(4, 3) == 7"]),
        (ASK_NUMBER + "It does not return 3 for 9.", []),
        ("Schreibe eine Funktion f(n). Für 12 ist das Ergebnis 3.", ["assert f(12) == 3"]),
        ("Écris une fonction f(texte). 'a' donne 1.", ["assert f('a') == 1"]),
        ("Escribe una función f(n). Con 4 devuelve 2.", ["assert f(4) == 2"]),
        ("関数 f(s) を書いてください。'a' を渡すと 'b' を返します。", ["assert f('a') == 'b'"]),
    ],
)  # fmt: skip
def test_a_statement_becomes_a_test(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


def test_a_row_of_a_table_becomes_a_test() -> None:
    table = (
        "| a | b | result | note |\n|---|---|---|---|\n| 1 | 2 | 3 | |\n| 0 | 0 | ValueError | |"
    )
    assert statements(f"{ASK_TWO}\n\n{table}") == ["assert f(1, 2) == 3", raising("f(0, 0)")]


def test_dates_in_a_table_are_texts() -> None:
    table = "| a | b | result |\n|---|---|---|\n| 2024-12-31 | 1 | 2025-01-01 |"
    assert statements(f"{ASK_TWO}\n\n{table}") == ["assert f('2024-12-31', 1) == '2025-01-01'"]


@pytest.mark.parametrize(
    "said",
    [
        "'a' gave 1 before.",
        "Right now 'a' gives 1.",
        "'a' gives 1 at the moment.",
        "'a' could give 1.",
        "Maybe 'a' gives 1.",
        "'a' does not give 1.",
        "The separator is ','.",
        "'a' gives 1 for short texts.",
        "'a' gives 1 and 2.",
        "Bad:\n- 'a' gives 1",
        "Known problems\n==============\nToday 'a' gives 1",
        "## Misuse\n\n'a' gives 1",
        "'size<1' and 3 letters give an error.",
        "'a' counts as the empty string.",
        "There is a bug: 'a' gives 1.",
        "For 'a' I get 1 but want something else.",
        "'a' gives 1? No, but something else.",
        "Is it right that 'a' gives '1'?",
    ],
)
def test_what_states_nothing_becomes_no_test(said: str) -> None:
    assert statements(ASK + "\n\n" + said) == []


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        ("mean([1, 0]) returns 0.15", ["assert mean([1, 0]) == pytest.approx(0.15, abs=0.01)"]),
        ("mean([1, 2]) == 1.5", ["assert mean([1, 2]) == pytest.approx(1.5)"]),
        ("mean([5]) returns 5.00", []),
        ("mean([1]) returns [2, 1] (in any order)", ["assert sorted(mean([1])) == [1, 2]"]),
        ("mean([1]) returns [[2], [1]]; the order of the lists does not matter", []),
        ("\n>>> mean([1])\n2  # wrong, should be 3", ["assert mean([1]) == 3"]),
        ("mean([1]) returns 2 today", []),
        ("Misuse: mean([1]) returns 2", []),
        ("Avoid this:\n\n    mean([1]) returns 2", []),
        ("mean([1]) raises KeyError. It should return None in that case.", []),
        ("mean([1]) returns 2 (could be any number)", []),
        ("mean([1]) returns 2 if it is cached", []),
        ("With debug on, mean([1]) returns 2", []),
        ("A bad implementation: mean([1]) = 2", []),
    ],
)  # fmt: skip
def test_nothing_false_is_given(prompt: str, tests: list[str]) -> None:
    assert list(extract_examples("Write mean(values). " + prompt)) == tests


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("BankAccount class with deposit(amount) and withdraw(amount).", ("BankAccount",)),
        ("UnionFind: UnionFind(items=()), add(x), union(a, b) -> True", ("UnionFind",)),
        ("clip(value, low, high): between low and high. Calls no other.", ("clip",)),
        ("need a py function tht checks words, name it anagram", ("anagram",)),
        ("Bitte schreib mir eine Funktion ist_gerade(n).", ("ist_gerade",)),
        ("Build a CLI `greet.py` with argparse, run(x) is up to you", ()),
        ("Please fix count_words(text). count_words('a') gives 6 at present.", ("count_words",)),
    ],
)  # fmt: skip
def test_names_are_what_the_prompt_asks_to_define(prompt: str, names: tuple[str, ...]) -> None:
    assert names_of(prompt) == names


@pytest.mark.parametrize(
    ("proposed", "prompt"),
    [
        ("assert f('ab') == 2", "Write f(x) mapping the text 'ab' somehow to 2."),
        (raising("f('zz')"), "Write f(x). ValueError whenever x is odd, like zz"),
        (raising("f('')"), "Write f(x). Nobody wants an empty string, so it raises ValueError."),
    ],
)
def test_a_proposal_with_all_literals_in_one_sentence_is_stated(proposed: str, prompt: str) -> None:
    test = as_stated(proposed, researcher.read(prompt))
    assert test is not None
    assert test.statement == proposed
    assert test.quote in prompt


@pytest.mark.parametrize(
    ("proposed", "prompt"),
    [
        ("assert f('ab') == 2", "Write f(x). 'ab' is a text. It gives 2."),
        ("assert f(2) == 'ab'", "Write f(x) mapping the text 'ab' to 2."),
        ("assert f('ab') == 2", "Write f(x). Today 'ab' becomes 2."),
        ("assert f('ab') == 2", "Write f(x). 'ab' becomes 1, 'b' becomes 2."),
        (raising("f('ab')"), "Write f(x). 'ab' is fine and never raises ValueError."),
        ("assert f('ab') == 2", "Write f(x). 'ab' becomes 2?"),
        (raising("f('ab')"), "Write f(x). 'ab' gives 1, '' gives ValueError."),
    ],
)
def test_other_proposals_are_not_stated(proposed: str, prompt: str) -> None:
    assert as_stated(proposed, researcher.read(prompt)) is None


def test_an_apostrophe_opens_no_text() -> None:
    assert statements(ASK + "It's so: 'a' becomes 'b'.") == ["assert f('a') == 'b'"]


def test_a_column_of_present_results_is_left_out() -> None:
    table = "| text | current output | expected output |\n|---|---|---|\n| 'a' | 'x' | 'b' |"
    assert statements(f"Fix f(text).\n\n{table}") == ["assert f('a') == 'b'"]


def test_a_report_gives_what_it_expects() -> None:
    report = "Write f(s).\nActual:\n  f('a') -> ''\nExpected:\n  'b'\n"
    assert extract_examples(report) == ("assert f('a') == 'b'",)
    assert extract_examples("There is a bug in f(s): f('a') returns 1.") == ()
    trace = ">>> f('')\nTraceback (most recent call last):\nIndexError: no\n"
    assert extract_examples(f"{trace}This is a bug in f(s).") == ()


def test_the_tests_that_a_prompt_shows_are_given() -> None:
    shown = (
        "def test_a():\n    assert f(1) == 2\n\ndef test_b():\n    with pytest.raises(KeyError):\n"
    )
    prompt = f"Write f(x) so that these pass:\n\n{shown}        f(0)\n"
    assert names_of(prompt) == ("f",)
    assert set(extract_examples(prompt)) == {"assert f(1) == 2", raising("f(0)", "KeyError")}


def test_a_name_that_the_model_chose_is_used_in_stated_tests() -> None:
    spec = researcher.read("Write a function that doubles a text: 'a' becomes 'aa'.")
    assert (spec.names, spec.stated) == ((), ())
    named = researcher.with_interface(spec, "def double(text: str) -> str:")
    assert [test.statement for test in named.stated] == ["assert double('a') == 'aa'"]


def test_requirements_are_pieces_of_the_prompt() -> None:
    prompt = (
        "Hi! Write slug(text).\n- drops punctuation\n- 'A' becomes 'a'\nToday it has dots. Bye!"
    )
    assert [r.quote for r in requirements_of(prompt)] == ["drops punctuation"]


def test_a_requirement_without_a_test_is_untested() -> None:
    prompt = "Write f(text).\n- raises ValueError on odd texts such as 'x'\n- never keeps any dots"
    spec = researcher.read(prompt)
    suite = assemble(spec, "m", "test_m.py", "")
    assert [r.quote for r in untested(spec, suite)] == ["never keeps any dots"]
    empty = assemble(Spec(prompt, names=("f",), requirements=spec.requirements), "m", "t.py", "")
    bare = Spec(prompt, names=("f",), requirements=spec.requirements)
    assert len(untested(bare, empty)) == 2
    assert [r.quote for r in open_requirements(bare, empty)] == [
        "raises ValueError on odd texts such as 'x'"
    ]


@pytest.mark.parametrize(
    ("said", "is_open"),
    [
        ("Return an empty string if there is no vowel.", True),
        ("It raises ValueError for odd texts.", True),
        ("The vowels are 'a' and 'e'.", False),
        ("You may assume that the text is an empty string or a word.", False),
    ],
)
def test_a_requirement_is_open_where_it_names_its_result(said: str, *, is_open: bool) -> None:
    spec = researcher.read(f"Write f(text). {said}")
    assert bool(open_requirements(spec, assemble(spec, "m", "test_m.py", ""))) == is_open


def test_a_stated_test_has_its_provenance_and_no_copy_beside_it() -> None:
    stated = (StatedTest("assert f('a') == 1", "'a' gives 1"),)
    spec = Spec("", names=("f",), examples=("assert f('b') == 2",), stated=stated)
    guessed = "def test_a():\n    assert f('a') == 3\n\n\ndef test_c():\n    assert f('c') == 3\n"
    suite = assemble(spec, "m", "test_m.py", without_copies(guessed, spec))
    assert suite.tests == ("test_given_1", "test_stated_1", "test_c")
    assert [suite.provenance_of(test) for test in suite.tests] == ["given", "stated", "guessed"]
