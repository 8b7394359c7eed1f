"""Tests of several statements, so that each assert is judged alone.

A small model guesses about every second result wrong. In a test with four asserts one wrong guess
would take the others with it, so each assert becomes a test that does all that stood before it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from copy import copy

from ml_coach.core.python import syntax

_TAKES_ALL = frozenset(("list", "tuple", "set", "sorted", "sum", "len", "max", "min"))
_ENDLESS = frozenset(("count", "cycle", "itertools.count", "itertools.cycle"))
_BOUNDS = frozenset(("islice", "takewhile", "zip", "next"))


def is_check(statement: ast.stmt) -> bool:
    """Whether a statement of a test can fail it by what it compares."""
    match statement:
        case ast.Assert():
            return True
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=function))]):
            return "raises" in ast.unparse(function)
        case ast.Expr(value=ast.Call(func=function)):
            return ast.unparse(function).rpartition(".")[2].startswith("assert_")
        case _:
            return False


def subject(check: ast.stmt) -> ast.expr | None:
    """The value that a check is about: the left side of its comparison."""
    match check:
        case ast.Assert(test=ast.Compare(left=left)):
            return left
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=operand)):
            return operand
        case ast.Assert(test=test):
            return test
        case ast.Expr(value=ast.Call(args=[first, *_])):
            return first
        case _:
            return None


def is_endless(test: ast.AST) -> bool:
    """Whether a test takes all items of what gets endless items: `list(f(count()))`."""
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and _called(call) in _TAKES_ALL:
            inside = [n for n in ast.walk(call) if isinstance(n, ast.Call)]
            is_bounded = any(_called(n) in _BOUNDS for n in inside)
            if not is_bounded and any(ast.unparse(n.func) in _ENDLESS for n in inside):
                return True
    return False


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def apart(source: str, most: int, improve: Callable[[ast.stmt], ast.stmt]) -> str:
    """The test file with one check in each test, at most `most` tests; `improve` changes a
    check."""
    tree = syntax.module(source)
    kept: list[str] = []
    tests: list[str] = []
    for node in tree.body:
        if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test")):
            kept.append(ast.unparse(node))
        elif node.decorator_list:
            tests.append(ast.unparse(node))
        else:
            tests += [ast.unparse(test) for test in _tests(node, improve)]
    return "\n\n\n".join([*kept, *dict.fromkeys(tests[:most])]) + "\n"


def _tests(node: ast.FunctionDef, improve: Callable[[ast.stmt], ast.stmt]) -> list[ast.FunctionDef]:
    places = [at for at, statement in enumerate(node.body) if is_check(statement)]
    found: list[ast.FunctionDef] = []
    if any(isinstance(n, ast.Constant) and _is_placeholder(n.value) for n in ast.walk(node)):
        return []  # The form was copied.
    for number, at in enumerate(places, 1):
        steps = [step for each in node.body[:at] for step in _without_check(each)]
        name = node.name if len(places) == 1 else f"{node.name}_{number}"
        test = copy(node)
        test.name, test.body = name, [*steps, improve(node.body[at])]
        found.append(ast.fix_missing_locations(test))
    return found


def _is_placeholder(value: object) -> bool:
    return value is ... or (isinstance(value, str) and "..." in value and not value.strip(". \n"))


def _without_check(statement: ast.stmt) -> list[ast.stmt]:
    """What a check does beside checking."""
    if not is_check(statement):
        return [statement]
    if isinstance(statement, ast.With):
        suppress = ast.Call(
            ast.Attribute(ast.Name("contextlib", ast.Load()), "suppress", ast.Load()),
            [ast.Name("Exception", ast.Load())], [],
        )  # fmt: skip
        return [ast.With([ast.withitem(suppress)], statement.body)]
    looked = subject(statement)
    acts = looked is not None and any(isinstance(n, ast.Call) for n in ast.walk(looked))
    return [ast.Expr(looked)] if looked is not None and acts else []
