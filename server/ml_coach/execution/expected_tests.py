"""Which tests a file has, read from its text: known before anything runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ml_coach.core.python import syntax

Definition = ast.FunctionDef | ast.AsyncFunctionDef
How = Literal["plain", "decorated", "async", "unittest"]


@dataclass(frozen=True, slots=True)
class ExpectedTest:
    """One test of a file.

    `name` is pytest's id within the file without parameters, `function` the name of its function,
    and `line` the first line of the definition, decorators included. `how` says how it is called: a
    decorator that is not a pytest mark may hide the function's own code.
    """

    name: str
    function: str
    line: int
    how: How


@lru_cache(maxsize=16)  # A suite judges many programs, and is read once.
def expected_tests(source: str) -> tuple[ExpectedTest, ...]:
    """The tests of a file with this text. Of several with one name the last counts. Raises
    `SyntaxError` or `ValueError` as `ast.parse` does."""
    found: dict[str, ExpectedTest] = {}
    for test in _within(syntax.module(source).body, (), in_test_case=False):
        found[test.name] = test
    return tuple(found.values())


@lru_cache(maxsize=16)
def rebound(source: str) -> frozenset[str]:
    """The global names that functions of the file bind anew."""
    nodes = syntax.walk(syntax.module(source))
    return frozenset(name for node in nodes if isinstance(node, ast.Global) for name in node.names)


def _within(
    body: list[ast.stmt], outer: tuple[str, ...], *, in_test_case: bool
) -> Iterator[ExpectedTest]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_test(node):
                yield ExpectedTest(
                    "::".join((*outer, node.name)),
                    node.name,
                    syntax.first_line(node),
                    _how(node, in_test_case=in_test_case),
                )
            case ast.ClassDef():
                test_case = any("TestCase" in ast.unparse(base) for base in node.bases)
                if test_case or (node.name.startswith("Test") and _is_collected(node)):
                    yield from _within(node.body, (*outer, node.name), in_test_case=test_case)
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for part in ("body", "orelse", "finalbody"):
                    yield from _within(getattr(node, part, []), outer, in_test_case=in_test_case)
            case _:
                pass


def _is_test(node: Definition) -> bool:
    decorators = [ast.unparse(d) for d in node.decorator_list]
    return node.name.startswith("test") and not any("fixture" in d for d in decorators)


def _is_collected(node: ast.ClassDef) -> bool:
    """pytest leaves out classes with a constructor and those that say `__test__ = False`."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name in ("__init__", "__new__"):
            return False
        if isinstance(part, ast.Assign) and ast.unparse(part) == "__test__ = False":
            return False
    return True


def _how(node: Definition, *, in_test_case: bool) -> How:
    if isinstance(node, ast.AsyncFunctionDef):
        return "async"
    if in_test_case:
        return "unittest"
    marks = all("pytest.mark" in ast.unparse(d) for d in node.decorator_list)
    return "plain" if marks else "decorated"
