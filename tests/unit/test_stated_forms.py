"""What prompts state in lists, ranges, described inputs, steps, files and runs becomes tests."""

from __future__ import annotations

import pytest

from ml_coach.core.agents import researcher
from ml_coach.core.agents.guessed_tests import call_of
from ml_coach.core.agents.suite_assembly import assemble
from unit.stated_statements import raising, statements


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "Write leap(year). 2000 is a leap year, 1900 isn't. Leap: 2012.",
            ["assert leap(2000)", "assert not leap(1900)", "assert leap(2012)"],
        ),
        (
            "I need is_palindrome(text). Palindromes: 'abba'. Not palindromes: 'abc', 'ab'.",
            ["assert is_palindrome('abba')", "assert not is_palindrome('abc')",
             "assert not is_palindrome('ab')"],
        ),
        (
            "is_email(text)\n\nValid:\n- a@b.co\n\nInvalid:\n- a@\n",
            ["assert is_email('a@b.co')", "assert not is_email('a@')"],
        ),
        (
            "Write minutes(text). Invalid: '90', 'abc' (ValueError).",
            [raising("minutes('90')"), raising("minutes('abc')")],
        ),
        (
            "Write parse(s). It must reject 'x' and '' with a ValueError.",
            [raising("parse('x')"), raising("parse('')")],
        ),
        ("make is_prime(n), e.g. 7 yes, 9 no", ["assert is_prime(7)", "assert not is_prime(9)"]),
        (
            "Schreibe ist_primzahl(n). 2 und 17 sind Primzahlen, 4 nicht.",
            ["assert ist_primzahl(2)", "assert ist_primzahl(17)", "assert not ist_primzahl(4)"],
        ),
    ],
)  # fmt: skip
def test_inputs_that_are_called_valid_or_not(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "Write grade(score): 90 and above is 'A', 80 to 89 'B', everything below 80 'C'.",
            ["assert grade(90) == 'A'", "assert grade(80) == 'B'", "assert grade(89) == 'B'",
             "assert grade(79) == 'C'"],
        ),
        (
            "Write weekday(n). Anything outside 0..6 raises IndexError.",
            [raising("weekday(-1)", "IndexError"), raising("weekday(7)", "IndexError")],
        ),
        (
            "Write state(temp): returns 'ice' for temperatures below 0 and 'steam' above 100.",
            ["assert state(-1) == 'ice'", "assert state(101) == 'steam'"],
        ),
        (
            "Write name(text). ValueError if text is longer than 3 characters or not a string.",
            [raising("name('aaaa')"), raising("name(5)")],
        ),
        (
            "clamp(x, lo, hi): Given 15, 0, 10 it returns 10. If lo > hi, raise ValueError.",
            ["assert clamp(15, 0, 10) == 10", raising("clamp(15, 10, 0)")],
        ),
        (
            "Write wrap(i, n). wrap(0, 5) is 0. n must be positive, otherwise ValueError.",
            [raising("wrap(0, 0)")],
        ),
        (
            'def power(base, exponent):\n    """Power.\n\n    Raises:\n        ValueError: exponent'
            ' is negative\n\n    >>> power(2, 3)\n    8\n    """\n',
            [raising("power(2, -1)")],
        ),
        ("Write divide(a, b). divide(6, 3) is 2. Division by zero gives None.",
         ["assert divide(6, 0) is None"]),
        ("Función f(n). Si n es negativo lanza ValueError.", [raising("f(-1)")]),
        # Nothing says what may be passed for the jobs.
        ("Write run_all(jobs, limit). limit < 1 -> ValueError", []),
    ],
)  # fmt: skip
def test_an_input_that_is_described_becomes_an_instance(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "Write class Stack with push, pop. After push(1), push(2), pop() returns 2.",
            ["obj = Stack()\nobj.push(1)\nobj.push(2)\nassert obj.pop() == 2"],
        ),
        (
            "Write class Queue. q = Queue(); q.put('a'); q.get() returns 'a'; len(q) is then 0.",
            ["q = Queue()\nq.put('a')\nassert q.get() == 'a'",
             "q = Queue()\nq.put('a')\nq.get()\nassert len(q) == 0"],
        ),
        (
            "class Stack with pop(). Popping from an empty stack raises IndexError.",
            [raising("Stack().pop()", "IndexError")],
        ),
        (
            "Given an Account with balance 50\nWhen I withdraw 80\nThen a ValueError is raised\n"
            "And the balance is still 50\n\n"
            "Write class Account(balance) with withdraw(amount) and the attribute balance.",
            ["obj = Account(50)\n" + raising("obj.withdraw(80)"),
             "obj = Account(50)\ntry:\n    obj.withdraw(80)\nexcept ValueError:\n    pass\n"
             "assert obj.balance == 50"],
        ),
        (
            'class Box:\n    """A box.\n\n    >>> b = Box()\n    >>> b.put(1)\n    >>> b.size()\n'
            '    1\n    """\n',
            ["b = Box()\nb.put(1)\nassert b.size() == 1"],
        ),
        ("Create class Vec with x, y. Vec(1, 2) + Vec(3, 4) equals Vec(4, 6).",
         ["assert Vec(1, 2) + Vec(3, 4) == Vec(4, 6)"]),
    ],
)  # fmt: skip
def test_steps_with_an_object(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


@pytest.mark.parametrize(
    "said",
    [
        "After close(), open() returns True unless it is locked.",
        "Today d = Door(); d.open() returns 1.",
        "d = Door(); d.open() may return 1.",
        "Opening an old door raises ValueError.",
        "Sliding an empty door raises ValueError.",  # slide(door) takes an argument
    ],
)
def test_steps_that_are_in_doubt_become_no_test(said: str) -> None:
    assert statements(f"Write class Door with open(), close() and slide(way). {said}") == []


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        ("Fix mean(xs). mean([1]) gives 3 today; it must be 2.", ["assert mean([1]) == 2"]),
        ("Write trim(s): trim(' a b ') isn't 'ab', it's 'a b'.", ["assert trim(' a b ') == 'a b'"]),
        (
            "first([]) raises IndexError. Write first(xs) so that it returns None in that case.",
            ["assert first([]) is None"],
        ),
        (
            '>>> last("")\nTraceback (most recent call last):\nIndexError: no\n\n'
            "It should return an empty string there. Write last(text).",
            ["assert last(\"\") == ''"],
        ),
        ("Write pick(xs). An empty list used to be 0.", []),
        ("Write parse(text). Default values: 'loud' is False, 'tries' is 3.", []),
        ("Write is_open(hour). The first door is valid for customers, 3 is not.", []),
    ],
)  # fmt: skip
def test_what_is_put_right(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


def test_a_run_of_a_script_is_tested_by_the_fixture() -> None:
    prompt = (
        "Write a command line script up.py that prints its input in capitals.\n\n"
        "$ echo a b | python up.py\nA B\n\n`python up.py --help-me` prints `no help`."
    )
    spec = researcher.read(prompt)
    assert [test.statement for test in spec.stated] == [
        "r = run([], stdin='a b\\n')\nassert r.stdout.strip() == 'A B'",
        "r = run(['--help-me'])\nassert r.stdout.strip() == 'no help'",
    ]
    source = assemble(spec, "up", "test_up.py", "").source
    assert "def test_stated_1(run):" in source
    assert "def run(tmp_path):" in source


def test_what_is_stated_of_a_file_writes_the_file() -> None:
    first, second = statements(
        "Write words(path). A file containing 'a b' gives 2. A missing file raises OSError."
    )
    assert "fh.write('a b')\nassert words(path) == 2" in first
    assert second == raising("words('/no/such/file')", "OSError")


@pytest.mark.parametrize(
    ("prompt", "test"),
    [
        ("Write evens(), an endless generator: 0, 2, 4, ...",
         "from itertools import islice\nassert list(islice(evens(), 3)) == [0, 2, 4]"),
        ("Write a generator down(n). down(0) yields nothing.", "assert list(down(0)) == []"),
        ("Write hex3(r, g, b).\ncases:\n  - args: [1, 2, 3]\n    result: '#123'\n",
         "assert hex3(1, 2, 3) == '#123'"),
        ("Write rle(s) so that aaabb turns into a3b2.", "assert rle('aaabb') == 'a3b2'"),
        ("Write gcd(a, b). The gcd of 12 and 18 is 6.", "assert gcd(12, 18) == 6"),
        ("Write cost(x). cost(5) returns $5.00", "assert cost(5) == '$5.00'"),
        ("Write unit(a). np.array([2, 2]) becomes [0.5, 0.5].",
         "assert np.allclose(unit(np.array([2, 2])), [0.5, 0.5])"),
    ],
)  # fmt: skip
def test_other_forms(prompt: str, test: str) -> None:
    assert statements(prompt) == [test]


def test_a_number_in_another_base_may_be_a_text() -> None:
    spec = researcher.read("Write to_bin(n). to_bin(5) returns 101.")
    assert spec.examples == ("assert str(to_bin(5)) == '101'",)


def test_a_test_of_several_steps_is_about_all_of_them() -> None:
    steps = "s = Stack()\ns.push(1)\nassert s.pop() == 1"
    assert call_of(steps) == "s = Stack()\ns.push(1)\ns.pop()"
