"""What a prompt takes back, leaves open or says of other functions holds no program to anything."""

from __future__ import annotations

import pytest

from ml_coach.core.examples import extract_examples, names_of
from unit.stated_statements import raising, statements

ASK = "Write f(text). "
ASK_LIST = "Write f(xs). "


def _given_and_stated(prompt: str) -> list[str]:
    return [*extract_examples(prompt), *statements(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        ASK + "'a' -> 1. Correction: start at 0.",
        ASK + "'a' -> 1. Actually return a list instead.",
        ASK + "'a' gives 1, no wait, that would be the length.",
        ASK + "f('a') returns 1. Hmm, no: it depends.",
        ASK + "'a' -> 1. EDIT: lists are wanted, so the first example is wrong",
        ASK + "'a' wird zu 1. Nein, doch nicht.",
        ASK + "'a' -> 1. Perdón, sin números.",
        "My boss wrote: \"f('a') should be 1\". He is wrong. Write f(text).",
    ],
)
def test_what_the_next_words_take_back_becomes_no_test(prompt: str) -> None:
    assert _given_and_stated(prompt) == []


def test_what_stands_after_a_second_thought_is_kept() -> None:
    prompt = ASK + "f('a') is 1, sorry, I meant f('b') is 2. 'd' gives 4."
    assert _given_and_stated(prompt) == ["assert f('b') == 2", "assert f('d') == 4"]


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        ("Write f(n), n random digits: f(2) -> '37', f(-1) raises ValueError.", [raising("f(-1)")]),
        ("def f(n):\n    '''Random.\n\n    >>> f(2)\n    7\n    >>> f(0)\n    0\n    '''\n",
         ["assert f(0) == 0"]),
        ("Write f(day), the days until today. f('2020-01-01') gives 99. '' raises ValueError.",
         [raising("f('')")]),
        ("A CLI dice.py with random dice:\n\n$ python dice.py 2d6\n7\n", []),
    ],
)  # fmt: skip
def test_results_that_differ_by_call_become_no_test(prompt: str, tests: list[str]) -> None:
    assert _given_and_stated(prompt) == tests


@pytest.mark.parametrize(
    "prompt",
    [
        "Write f(xs), which sorts in place. [2, 1] becomes [1, 2].",
        "Write f(xs), which sorts in place. f([2, 1]) -> [1, 2]",
        "Write f(xs). [2, 1] becomes [1, 2]. It returns nothing.",
    ],
)
def test_what_an_argument_becomes_in_place_may_be_no_result(prompt: str) -> None:
    assert _given_and_stated(prompt) == [
        "given = [2, 1]\nresult = f(given)\nassert [1, 2] in (given, result)"
    ]


def test_a_new_list_is_a_result_also_where_in_place_is_refused() -> None:
    prompt = ASK_LIST + "[2, 1] becomes [1, 2]; do not sort in place."
    assert statements(prompt) == ["assert f([2, 1]) == [1, 2]"]


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (ASK + "str.title gives \"Don'T\" for \"don't\".", []),
        (ASK + "From '' it returns 0 (list.pop would raise IndexError).", []),
        (ASK + "Python's f('a') gives 1. f('b') gives 2.", ["assert f('b') == 2"]),
        ("Write f(a, b). `5 in f(1, 5)` is False, f(2, 3) is 6.", ["assert f(2, 3) == 6"]),
        (ASK_LIST + "f(xs) appends 0 and returns None.", []),
        (ASK_LIST + "It sorts IN CAPITALS and returns 1.", []),
        (ASK + "'a' shouldn't give 1 but 2, and a text like 'b' must not give 3 but 4.",
         ["assert f('a') == 2", "assert f('b') == 4"]),
    ],
)  # fmt: skip
def test_what_is_said_of_something_else_is_not_read_as_a_result(
    prompt: str, tests: list[str]
) -> None:
    assert _given_and_stated(prompt) == tests


def test_in_a_report_a_wish_behind_a_result_says_what_is_and_not_what_is_wanted() -> None:
    prompt = (
        "### f loses keys\nActual: nothing\n\nf('a') returns 1, the second should win. Write f."
    )
    assert _given_and_stated(prompt) == []


def test_parameters_of_different_types_are_not_compared() -> None:
    assert statements("Write f(xs, n). If n is larger than xs, it returns [].") == []
    assert statements("Write f(s, n=3, end='...'). n smaller than end raises ValueError.") == []


@pytest.mark.parametrize(
    ("cells", "tests"),
    [
        (("5", "25 (was 20)"), ["assert f(0) == 5", "assert f(1) == 25"]),
        (("5", "unchanged"), []),
        (("5", "'5'"), ["assert f(0) == 5", "assert f(1) == '5'"]),
    ],
)
def test_a_column_of_numbers_and_words_is_read_where_it_is_clear(
    cells: tuple[str, ...], tests: list[str]
) -> None:
    rows = "".join(f"| {n} | {cell} |\n" for n, cell in enumerate(cells))
    assert statements(f"Write f(n).\n\n| n | result |\n|---|---|\n{rows}") == tests


def test_a_terminal_shows_both_streams() -> None:
    prompt = "A CLI a.py; errors go to stderr.\n\n$ python a.py x\nno number\n\n"
    assert statements(prompt) == [
        "r = run(['x'])\nassert (r.stdout + r.stderr).strip() == 'no number'"
    ]
    assert statements(prompt.rstrip() + "\n(exit code 2)\n") == []


@pytest.mark.parametrize(
    "prompt",
    [
        "Write f(text), which returns a set. 'a' -> {}",
        'Write f(text). \'a"b\' -> \'"a""b"\'; an empty string is written as "".',
        "Write f(d). {'a': 1, 'b': 1} -> {1: ['a', 'b']} (lists in any order)",
    ],
)
def test_a_value_that_may_mean_another_one_becomes_no_test(prompt: str) -> None:
    assert [t for t in statements(prompt) if t.endswith(("{}", '""', "['a', 'b']}"))] == []


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("Schreibe eine Klasse Schlange mit rein(x) und raus().", ("Schlange",)),
        ("Write unique(xs). In JavaScript [...new Set([1, 1])] gives [1].", ("unique",)),
        ("Write `q(x)` that does f(x)^2.", ("q",)),
        ("Write link(<name>, <url>): link('a', '') -> 'a'.", ("link",)),
    ],
)
def test_only_what_is_asked_for_is_named(prompt: str, names: tuple[str, ...]) -> None:
    assert names_of(prompt) == names
    statements(prompt)  # Nor does what is no Python keep the prompt from being read.
