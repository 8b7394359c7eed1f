"""What becomes of a small model's reply: single tests, and what the prompt itself states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_coach.core.agents.guessed_tests import (
    MOST_GUESSED,
    read_guessed,
    single_tests,
    split_asserts,
    stated,
)
from ml_coach.core.agents.model_client import Budget, ModelClient
from ml_coach.core.agents.researcher import read
from ml_coach.core.agents.suite_assembly import assemble
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.test_writer import write_tests
from ml_coach.core.events import Event, SuiteWritten
from ml_coach.core.examples import shape_of
from ml_coach.core.request import Request
from ml_coach.core.types import Spec
from unit.parts import SMALL, ScriptedModel

ROMAN = Spec(
    "Write roman_to_int(s), ValueError on invalid numerals such as IIII, VX or the empty string",
    names=("roman_to_int",),
)
REPLY = """Here are the tests:
```python
def test_roman():
    assert roman_to_int("I") == 1  # one
    assert roman_to_int("IV") == 4
    with pytest.raises(ValueError):
        roman_to_int("VX")
```
1. assert roman_to_int("IX") == 9
- `roman_to_int("IIII") raises ValueError`
assert roman_to_int("") raises ValueError
roman_to_int("ABC") raises ValueError
roman_to_int("IIV") raises TypeError
assert roman_to_int("X") == 10
assert roman_to_int("X") == 11
assert other(3) == 3
assert roman_to_int("XL
"""


def raising(call: str, error: str = "ValueError") -> str:
    return f"with pytest.raises({error}):\n    {call}"


def test_single_tests_are_found_in_any_form() -> None:
    assert single_tests(REPLY, ROMAN) == (
        "assert roman_to_int('I') == 1",
        "assert roman_to_int('IV') == 4",
        raising("roman_to_int('VX')"),
        "assert roman_to_int('IX') == 9",
        raising("roman_to_int('IIII')"),
        raising("roman_to_int('')"),
        raising("roman_to_int('ABC')"),
        raising("roman_to_int('IIV')", "TypeError"),
    )


@pytest.mark.parametrize(
    ("guessed", "test"),
    [
        ("f(1) == 0.3", "f(1) == pytest.approx(0.3)"),
        ("f(1) == -0.5", "f(1) == pytest.approx(-0.5)"),
        ("f(1) == [1, 0.5]", "f(1) == pytest.approx([1, 0.5])"),
        ("f(0.5) == 1", "f(0.5) == 1"),
        ("f(1) == [[0.5]]", "f(1) == [[0.5]]"),
        ("f(1) == {0.5}", "f(1) == {0.5}"),
        ("f(1) > 0.5", "f(1) > 0.5"),
        ("f(1) == '0.5'", "f(1) == '0.5'"),
    ],
)
def test_a_guessed_fraction_holds_up_to_rounding(guessed: str, test: str) -> None:
    spec = Spec("", names=("f",))
    assert single_tests(f"assert {guessed}", spec) == (f"assert {test}",)


def test_a_call_that_the_prompt_answers_is_not_guessed_again() -> None:
    spec = Spec("", names=("f",), examples=("assert f(1) == 2",))
    assert single_tests("assert f(1) == 3\nassert f(2) == 3", spec) == ("assert f(2) == 3",)


def test_guessed_tests_are_bounded() -> None:
    lines = "\n".join(f"assert f({n}) == {n}" for n in range(99))
    assert len(single_tests(lines, Spec("", names=("f",)))) == MOST_GUESSED


def test_errors_that_the_prompt_states_are_given() -> None:
    assert tuple(test.statement for test in stated(REPLY, ROMAN)) == tuple(
        raising(f"roman_to_int({text!r})") for text in ("VX", "IIII", "")
    )


@pytest.mark.parametrize(
    "line", ["f(4) raises ValueError", "f('a') raises ValueError", "f('ab') raises TypeError"]
)
def test_an_error_that_the_prompt_does_not_state_is_not_given(line: str) -> None:
    spec = Spec("Write f(x), ValueError on a bad x such as abc. f(4) is 2", names=("f",))
    assert stated(line, spec) == ()


def test_the_suite_has_imports_then_given_then_guessed() -> None:
    spec = Spec("", names=("f",), examples=("assert f(1) == 2",))
    pi = "def test_pi():\n    assert f(math.pi)\n"
    guessed = f"from generated_code import f\nimport math\n\n\n{pi}"
    suite = assemble(spec, "generated_code", "test_generated.py", guessed)
    assert suite.source == (
        "import math\nimport pytest\nfrom generated_code import f\n\n\n"
        "# ml-coach: given\ndef test_given_1():\n    assert f(1) == 2\n\n\n"
        "# ml-coach: guessed\ndef test_pi():\n    assert f(math.pi)\n"
    )
    assert suite.provenance == {"test_given_1": "given"}


def test_a_text_over_several_lines_is_not_indented() -> None:
    text, call = "assert f('''a\nb''') == 2", 'assert f(\n"1"\n) == 2'
    source = assemble(Spec("", names=("f",), examples=(text, call)), "m", "t.py", "").source
    assert "def test_given_1():\n    assert f('a\\nb') == 2\n" in source
    assert 'def test_given_2():\n    assert f(\n    "1"\n    ) == 2\n' in source


def test_a_guessed_test_never_takes_the_name_of_a_given_one() -> None:
    spec = Spec("", names=("f",), examples=("assert f(1) == 2",))
    one = "def test_given_1():\n    assert f(1) == 3\n"
    suite = assemble(spec, "m", "test_m.py", one)
    assert suite.tests == ("test_given_1", "test_given_1_guessed")
    assert "def test_given_1():\n    assert f(1) == 2\n" in suite.source
    assert suite.provenance == {"test_given_1": "given"}
    two = split_asserts("def test_given():\n    assert f(1) == 3\n    assert f(2) == 3\n")
    suite = assemble(spec, "m", "test_m.py", two)
    assert suite.tests == ("test_given_1", "test_given_1_guessed", "test_given_2")
    assert suite.provenance == {"test_given_1": "given"}


def test_a_helper_of_the_prompt_that_an_example_calls_is_imported() -> None:
    stub = 'def encode(s):\n    return s[::-1]\n\n\ndef decode(s):\n    """Undo encode."""\n'
    spec = Spec(stub, stub, names=("decode",), examples=("assert decode(encode('ab')) == 'ab'",))
    assert "from m import decode, encode\n" in assemble(spec, "m", "test_m.py", "").source
    plain = Spec(stub, stub, names=("decode",), examples=("assert decode('ba') == 'ab'",))
    assert "from m import decode\n" in assemble(plain, "m", "test_m.py", "").source


@pytest.mark.parametrize(
    ("stub", "example", "line"),
    [
        ("", "assert math.isclose(f(1), 3.14)", "import math"),
        ("", "assert asyncio.run(f(2)) == 4", "import asyncio"),
        ("", "assert f(date(2020, 1, 1)) == 3", "from datetime import date"),
        (
            "import re\nfrom stock import Price\n\n\ndef f(x):\n    pass\n",
            "assert f(Price(1)) == Price(2)",
            "from stock import Price",
        ),
    ],
)
def test_library_names_in_an_example_are_imported(stub: str, example: str, line: str) -> None:
    spec = Spec(stub, stub, names=("f",), examples=(example,))
    head = assemble(spec, "m", "test_m.py", "").source.split("\n\n\n")[0]
    assert head == f"{line}\nimport pytest\nfrom m import f"


def test_the_given_tests_import_wins_over_a_guessed_one_of_the_same_name() -> None:
    spec = Spec("", names=("f",), examples=("assert f(date(2020, 1, 1)) == 3",))
    guessed = "from calendars import date\n\n\ndef test_a():\n    assert f(date()) == 2\n"
    head = assemble(spec, "m", "test_m.py", guessed).source.split("\n\n\n")[0]
    assert head.index("from calendars import date") < head.index("from datetime import date")


def test_a_function_that_only_an_example_names_is_imported() -> None:
    spec = Spec("", names=("decode",), examples=("assert decode(encode('ab')) == sorted('ab')",))
    assert "from m import decode, encode\n" in assemble(spec, "m", "test_m.py", "").source


@pytest.mark.parametrize(
    ("prompt", "example", "head"),
    [
        ("", "f(1) == approx(2)", "from pytest import approx\nimport pytest\nfrom m import f"),
        ("", "f(array([1])) == 2", "import pytest\nfrom m import f"),
        ("", "f(0) == sin(0)", "import pytest\nfrom m import f"),
        ("As in: from lib import box, lid", "f(box(1)) == 2", "import pytest\nfrom m import f"),
        ("from m import f, box", "f(box(1)) == 2", "import pytest\nfrom m import f, box"),
    ],
)
def test_names_that_another_module_defines_are_not_imported_from_the_program(
    prompt: str, example: str, head: str
) -> None:
    spec = Spec(prompt, names=("f",), examples=(f"assert {example}",))
    assert assemble(spec, "m", "test_m.py", "").source.split("\n\n\n")[0] == head


def test_a_function_approx_that_is_asked_for_is_the_program_s_own() -> None:
    spec = Spec("", names=("approx",), examples=("assert approx(1) == 2",))
    head = assemble(spec, "m", "test_m.py", "").source.split("\n\n\n")[0]
    assert head == "import pytest\nfrom m import approx"


async def test_a_copy_of_the_programs_function_is_left_out_of_the_tests() -> None:
    reply = "def encode(s):\n    return s\n\n\ndef test_a():\n    assert decode('a') == 'a'\n"
    model = ScriptedModel({"test_writer": [reply]}, replace(SMALL, edit_format="diff"))
    budget = Budget(max_calls=1, max_tokens=1000, max_seconds=1)
    model_client = ModelClient(model, budget, lambda event: None)
    spec = Spec("", names=("decode",), examples=("assert decode(encode('a')) == 'a'",))
    events: list[Event] = []
    team = Team(model_client, Request("", program_file="m.py"), model.profile, events.append, spec)
    suite = await write_tests(team)
    assert suite.tests == ("test_given_1", "test_a")
    assert "def encode" not in suite.source
    assert [e.suite for e in events if isinstance(e, SuiteWritten)] == [suite]


def test_independent_asserts_get_a_function_each() -> None:
    source = "def test_f():\n    assert f(1) == 1\n    assert f(2) == 2\n"
    assert split_asserts(source) == (
        "def test_f_1():\n    assert f(1) == 1\n\n\ndef test_f_2():\n    assert f(2) == 2\n"
    )


def test_asserts_that_need_each_other_stay_together() -> None:
    source = "def test_f():\n    x = f(1)\n    assert x == 1\n    assert x + 1 == 2\n"
    assert split_asserts(source) == source


def test_plain_asserts_bring_the_imports_that_they_need() -> None:
    spec = read("function days(start) with a datetime.date")
    assert shape_of(spec).is_plain
    reply = "assert days(datetime.date(2024, 1, 1)) == 1\nassert days(None) == 0\n"
    found = read_guessed(reply, spec, shape_of(spec), single=True)
    assert isinstance(found, tuple)
    assert "import datetime\n" in assemble(spec, "m", "test_m.py", found[0]).source
