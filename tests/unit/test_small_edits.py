"""Programs an expression away: what they are, and which of them a run takes."""

from __future__ import annotations

import ast
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from ml_coach.core.judging.evaluator import Evaluator
from ml_coach.core.judging.small_edits import Edit, small_edits
from ml_coach.core.types import Program, Spec, Suite
from ml_coach.execution.executor import SandboxedExecutor

SOURCE = '''def f(xs, n: int = 1):  # größer
    """Those above n. 1 < 2"""
    assert n < 10
    found = [x
             for x in xs if x > n]  # kept as it is
    if not found or len(found) == 2:
        return "".join(str(x) for x in found[1:])
    for i in range(n):
        n += 1
    return max(found) * (n - 1)


if __name__ == "__main__":
    print(f([1, 2]) + "3")
'''


def edited(source: str) -> dict[str, Edit]:
    return {edit.what.partition(": ")[2]: edit for edit in small_edits(Program(source, "a.py"))}


def test_an_edit_leaves_the_rest_of_the_text_alone() -> None:
    edits = edited(SOURCE)
    assert edits["`x > n` becomes `x >= n`"].program == Program(
        SOURCE.replace("x > n]", "x >= n]"), "a.py"
    )
    assert edits["`max(found)` becomes `min(found)`"].program.source == SOURCE.replace("max", "min")
    assert "`n - 1` becomes `n + 1`" in edits
    assert "`range(n)` becomes `range(n + 1)`" in edits
    assert edits["`n += 1` becomes `n -= 1`"].what.startswith("line 9: ")


def test_every_edit_is_a_program_that_differs_in_code_under_test() -> None:
    tree = ast.dump(ast.parse(SOURCE))
    edits = small_edits(Program(SOURCE))
    assert len(edits) > 40
    assert len({edit.program.source for edit in edits}) == len(edits)
    for edit in edits:
        assert ast.dump(ast.parse(edit.program.source)) != tree, edit.what
        for kept in ("# größer", '"""Those above n. 1 < 2"""', "assert n < 10", "n: int", '"3")'):
            assert kept in edit.program.source, edit.what


def test_an_edit_keeps_the_precedence_of_operators() -> None:
    (edit,) = [e for w, e in edited("def f(a):\n    return 2 * len(a)\n").items() if "sorted" in w]
    assert edit.program.source == "def f(a):\n    return sorted(2 * len(a))\n"
    inner = edited("def f(a, b):\n    return not a < b and b\n")
    assert inner["`a < b` becomes `a <= b`"].program.source.endswith("not a <= b and b\n")
    sliced = edited("def f(a, n):\n    return a[: n * 2]\n")
    assert any(e.program.source.endswith("a[:n * 2 + 1]\n") for e in sliced.values())


def test_an_argument_that_is_changed_is_copied_first() -> None:
    source = 'def f(a, b, c):\n    """Sorts."""\n    a[0] = b[1]\n    c.sort()\n    return a\n'
    copies = {w: e for w, e in edited(source).items() if "copy" in w}
    assert list(copies) == ["`a = a.copy()` comes first", "`c = c.copy()` comes first"]
    copied = source.replace("    a[0]", "    a = a.copy()\n    a[0]")
    assert copies["`a = a.copy()` comes first"].program.source == copied
    assert not any("copy" in what for what in edited("def f(a): a.sort(); return a\n"))


def test_edits_are_bounded_and_those_of_limits_come_first() -> None:
    source = "def f(a):\n" + "    if a > 1:\n        a = a + 1\n" * 99 + "    return a\n"
    edits = small_edits(Program(source), 120)
    assert len(edits) <= 120
    assert [edit.kind for edit in edits] == sorted(edit.kind for edit in edits)
    assert small_edits(Program("def f(:")) == ()
    assert small_edits(Program("")) == ()


def test_a_program_that_is_nested_too_deeply_has_no_edits() -> None:
    chain = " + ".join("a" for _ in range(900))
    assert small_edits(Program(f"def f(a):\n    return a < 3 and {chain}\n")) == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evaluator() -> AsyncGenerator[Evaluator]:
    executor = SandboxedExecutor()
    yield Evaluator(executor, 5.0, lambda event: None)
    await executor.aclose()


def given(*statements: str) -> Suite:
    tests = {f"test_{n}": statement for n, statement in enumerate(statements)}
    text = "\n\n".join(f"def {name}():\n    {statement}" for name, statement in tests.items())
    return Suite(f"from a import f\n\n\n{text}\n", "test_a.py", dict.fromkeys(tests, "given"))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "tests", "becomes"),
    [
        # One boundary, and it answers as the tests say.
        ("sum(x for x in a if x > 3)", ["assert f([1, 2, 3, 4]) == 7"], "`x > 3` becomes `x >= 3`"),
        ("sorted(a)", ["assert f([1, 3, 2]) == [3, 2, 1]"], "`sorted(a)` becomes"),
        # A condition turned round passes half of all single tests.
        ("a in 'aeiou'", ["assert f('b')"], None),
        ("a in 'aeiou'", ["assert f('b')", "assert not f('e')"], "becomes `a not in 'aeiou'`"),
        # Many a number makes a single test pass.
        ("a * 2", ["assert f(2) == 6"], None),
        # Two limits make it pass and differ elsewhere.
        ("a < 3 and a < 9", ["assert f(3)"], None),
        ("a + 1", ["assert f('b') == 'a'"], None),
    ],
)
async def test_an_edit_is_taken_where_it_hardly_passes_by_chance(
    evaluator: Evaluator, body: str, tests: list[str], becomes: str | None
) -> None:
    program = Program(f"def f(a):\n    return {body}\n", "a.py")
    edit = await evaluator.small_edit(program, given(*tests), Spec("", names=("f",)))
    assert (edit is None) == (becomes is None), edit
    if edit is not None and becomes is not None:
        assert becomes in edit.what
