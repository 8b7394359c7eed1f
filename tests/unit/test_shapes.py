"""What people ask for that is no single function: its shape, its names, the form of its tests."""

from __future__ import annotations

import ast

import pytest

from ml_coach.core.agents.guessed_tests import read_guessed
from ml_coach.core.agents.researcher import read
from ml_coach.core.agents.suite_assembly import assemble, renamed
from ml_coach.core.agents.test_forms import form_of
from ml_coach.core.agents.test_steps import apart
from ml_coach.core.examples import Shape, shape_of
from ml_coach.core.judging.mutants import mutants
from ml_coach.core.judging.probes import MOST_PROBES, probes
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import Program, Spec, Suite

STACK = "class Stack with push(x), pop() that gives the newest item, and a size property"
SCRIPT = "A command line script that takes a file path and prints its longest line"


@pytest.mark.parametrize(
    ("prompt", "shape"),
    [
        ("Write add(a, b) that returns the sum", Shape()),
        (STACK, Shape("class")),
        ("Queue class supporting put(x) and get()", Shape("class")),
        ("Escribe una clase Pila con apilar(x)", Shape("class")),
        (SCRIPT, Shape("script", uses_files=True)),
        ("cli with argparse that adds the numbers it gets", Shape("script")),
        ("a generator evens(n) that yields even numbers", Shape(is_lazy=True)),
        ("async function fetch_all(jobs) that awaits all jobs", Shape(is_async=True)),
        ("count_lines(path): how many lines the file has", Shape(uses_files=True)),
        ("using numpy: center(a) subtracts the mean", Shape(packages=("numpy",))),
        ("matmul(a, b) for lists of lists without numpy", Shape()),
        ("hello(name) prints a greeting", Shape(prints=True)),
        ("hello(name) returns a greeting and does not print it", Shape()),
        ("def f(path):\n    '''Reads a file lazily.'''\n", Shape()),
        ("async def f(x):\n    '''Doubles x.'''\n", Shape(is_async=True)),
        ("class A:\n    '''Holds x.'''\n    def get(self):\n        pass\n", Shape("class")),
    ],
)
def test_the_shape_is_read_from_the_prompt(prompt: str, shape: Shape) -> None:
    assert shape_of(read(prompt)) == shape


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("class Lamp, starts 'off', toggle() turns it. add reset()", ("Lamp",)),
        ("head(path, n=10) -> list of lines. plus a function: size(path)", ("size", "head")),
        ("decorator for timing. @timed: keeps the name", ("timed",)),
        ("metrics:\nmae(y, p), rmse(y, p): errors\nScaler(low=0): fit(rows) learns",
         ("Scaler", "mae", "rmse")),
        ("Pair(a, b):\nfirst() gives a", ("Pair",)),
        (SCRIPT, ()),
    ],
)  # fmt: skip
def test_names_are_those_of_what_is_to_be_defined(prompt: str, names: tuple[str, ...]) -> None:
    assert read(prompt).names == names


def test_the_name_of_a_misread_prompt_gives_way_to_what_the_programs_define() -> None:
    suite = Suite("from m import wanted, x\n\n\ndef test_1():\n    assert wanted(1) == 2\n")
    one, names = renamed(suite, "m", ("wanted",), [{"given"}, {"given", "help"}])
    assert (names, "assert given(1) == 2" in one.source) == (("given",), True)
    some, names = renamed(suite, "m", ("wanted", "x"), [{"wanted"}])
    assert (names, "from m import wanted\n" in some.source) == (("wanted",), True)
    assert renamed(suite, "m", ("wanted",), [{"a"}, {"b"}]) == (suite, ("wanted",))


def _guessed(prompt: str, reply: str) -> Suite:
    spec = read(prompt)
    form = form_of(spec, shape_of(spec))
    assert form is not None
    found = read_guessed(reply, spec, shape_of(spec), single=form.single)
    assert not isinstance(found, Refused)
    return assemble(spec, "generated_code", "test_generated.py", found[0])


STEPS = """\
def test_1():
    s = Stack()
    s.push(0.5)
    assert s.size == 1
    assert s.pop() == 0.5
    with pytest.raises(IndexError):
        s.pop()
    assert s.size == 0
"""


def test_each_assert_of_a_sequence_is_judged_alone_after_all_steps_before_it() -> None:
    suite = _guessed(STACK, STEPS)
    assert suite.tests == ("test_1_1", "test_1_2", "test_1_3", "test_1_4")
    last = suite.source[suite.source.index("def test_1_4") :]
    assert last == (
        "def test_1_4():\n    s = Stack()\n    s.push(0.5)\n    s.pop()\n"
        "    with contextlib.suppress(Exception):\n        s.pop()\n    assert s.size == 0\n"
    )
    assert "import contextlib\n" in suite.source
    assert "assert s.pop() == pytest.approx(0.5)" in suite.source


def test_apart_leaves_whole_what_has_one_check_and_bounds_the_tests() -> None:
    one = "def test_a():\n    x = f()\n    assert x\n"
    assert apart(one, 9, lambda check: check) == one
    many = "".join(f"def test_{n}():\n    assert f({n})\n" for n in range(9))
    assert len(ast.parse(apart(many, 4, lambda check: check)).body) == 4


def test_what_only_copies_the_form_is_no_test() -> None:
    copied = "def test_1():\n    assert f(...) == ...\ndef test_2():\n    assert f('...\\n')\n"
    right = "def test_3():\n    assert f(1) == '1...'\n"
    assert apart(copied + right, 9, lambda check: check) == right


def test_a_test_of_something_else_is_left_out() -> None:
    other = "def test_2():\n    assert Queue().size == 0\n"
    assert "Queue" not in _guessed(STACK, STEPS + other).source


def test_a_test_that_cannot_end_is_left_out() -> None:
    bounded = "assert list(islice(batches(count(), 2), 1)) == [[0, 1]]"
    endless = "assert list(batches(count(), 2)) == [list(islice(count(), 2))]"
    suite = _guessed("a generator batches(items, n) that yields lists", f"{bounded}\n{endless}\n")
    assert suite.tests == ("test_guessed_1",)


def test_a_suite_holds_what_its_tests_need_beside_the_program() -> None:
    lazy = _guessed("a generator evens() without end", "assert list(islice(evens(), 2)) == [0, 2]")
    assert "from itertools import islice\n" in lazy.source
    waits = _guessed("async function f(x)", "def test_1():\n    assert run_async(f(1)) == 1\n")
    assert "def run_async(" in waits.source
    assert "def job(" not in waits.source
    script = _guessed(SCRIPT, "def test_1(run):\n    assert run(['a']).code == 1\n")
    assert "def run(tmp_path):" in script.source
    assert "from generated_code import" not in script.source


def test_arrays_are_compared_up_to_rounding() -> None:
    suite = _guessed("using numpy: f(a)", "def test_1():\n    assert f([1]) == [1]\n")
    assert "np.testing.assert_allclose(f([1]), [1])" in suite.source


@pytest.mark.parametrize("prompt", [STACK, SCRIPT, "async function f(x)", "count(path)"])
def test_no_form_shows_a_name_that_nobody_defines(prompt: str) -> None:
    spec = read(prompt)
    form = form_of(spec, shape_of(spec))
    assert form is not None
    assert "the_function" not in form.form
    assert "root ::=" in form.grammar


def test_probes_of_steps_are_the_steps_and_changes_of_them() -> None:
    asked = probes(_guessed(STACK, STEPS), read(STACK))
    assert asked.ordinary[0].shown == "s = Stack(); s.push(0.5); assert s.size == 1"
    assert any("s.push(1.0)" in probe.code for probe in asked.others)
    everything = [*asked.ordinary, *asked.others]
    assert len({probe.code for probe in everything}) == len(everything) <= MOST_PROBES


def test_mistakes_are_planted_below_the_main_guard_where_tests_run_it() -> None:
    program = Program('if __name__ == "__main__":\n    print(1)\n')
    assert mutants(program) == ()
    assert any("print(2)" in m.source for m in mutants(program, runs_main=True))


@pytest.mark.parametrize(
    ("prompt", "made"),
    [(STACK, "Stack()"), ("class Grid(width, height) with area()", "Grid(width, height)")],
)
def test_the_form_makes_an_object_as_the_prompt_does(prompt: str, made: str) -> None:
    spec = read(prompt)
    form = form_of(spec, shape_of(spec))
    assert form is not None
    assert f"thing = {made}\n" in form.form


def test_several_functions_are_each_asked_about() -> None:
    spec = Spec("add(a, b), sub(a, b)", names=("add", "sub"))
    form = form_of(spec, Shape())
    assert form is not None
    assert form.form == "assert add(...) == ...\nassert sub(...) == ..."
