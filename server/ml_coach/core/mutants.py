"""Small deliberate mistakes in a program: what a test must be able to notice to be worth anything.

The operators are the classic ones of mutation testing (DeMillo, Lipton and Sayward 1978; the set of
mutmut and cosmic-ray): comparison, arithmetic, logic, constants, conditions, return values.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from ml_coach.core import syntax
from ml_coach.core.types import Program

MOST_MUTANTS = 24

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


def mutants(program: Program, most: int = MOST_MUTANTS) -> tuple[Program, ...]:
    """At most `most` programs, each one mistake away from `program`, spread over its whole text.

    Deterministic. Code under `if __name__ == "__main__"` is left alone: no test runs it.
    """
    tree = syntax.parse(program.source)
    if tree is None:
        return ()
    nodes = _tested(tree)
    changes = [(index, change) for index, node in enumerate(nodes) for change in _changes(node)]
    step = max(1, len(changes) // most)
    found: dict[str, Program] = {}
    for index, change in changes[::step][:most]:
        twin = copy.deepcopy(tree)
        _apply(_tested(twin)[index], change)
        source = ast.unparse(ast.fix_missing_locations(twin)) + "\n"
        found[source] = replace(program, source=source)
    return tuple(found.values())


def _tested(tree: ast.Module) -> list[ast.AST]:
    return [node for s in tree.body if not _is_main(s) for node in _inner(s)]


def _inner(statement: ast.stmt) -> Iterator[ast.AST]:
    """The statement's nodes, without those of annotations and docstrings, which no test sees."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            children = cast("list[object]", value) if isinstance(value, list) else [value]
            for child in reversed(children):
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    stack.append(child)


def _changes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            yield "compare"
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            yield "arithmetic"
        case ast.BoolOp():
            yield "logic"
        case ast.UnaryOp(op=ast.Not()):
            yield "drop not"
        case ast.Constant(value=bool()):
            yield "negate"
        case ast.Constant(value=int() | float()):
            yield "increment"
        case ast.Constant(value=str()):
            yield "text"
        case ast.If() | ast.While() | ast.IfExp():
            yield "condition"
        case ast.Return(value=ast.expr()):
            yield "return"
        case _:
            return


def _apply(node: ast.AST, change: str) -> None:
    match node:
        case ast.Compare():
            node.ops = [_COMPARISONS[type(node.ops[0])]()]
        case ast.BinOp() | ast.AugAssign():
            node.op = _ARITHMETIC[type(node.op)]()
        case ast.BoolOp():
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        case ast.UnaryOp():
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant():
            match node.value:
                case bool():
                    node.value = not node.value
                case int() | float():
                    node.value = node.value + 1
                case _:
                    node.value = f"{node.value}x"
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Return():
            node.value = ast.Constant(None)
        case _:
            raise AssertionError(change)


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
