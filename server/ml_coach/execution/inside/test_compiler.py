"""Compiles test files: asserts as pytest rewrites them, comparisons as calls of comparisons.py.

The functions that are called are constants of the code: a name could be bound to another function.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import ast
import pickle
import secrets
import types
import warnings
from collections.abc import Callable
from typing import Any

from _pytest.assertion import rewrite

from ml_coach.execution.inside.steady_calls import steady_calls
from ml_coach.execution.inside.test_text import (
    ASSERTING,
    OPERATORS,
    certain_comparisons,
    literal,
)

# Stands in compiled test files where the comparing functions will be.
COMPARE, BOTH, BEGAN, LITERAL = (
    f"<{word} {secrets.token_hex(8)}>" for word in ("compare", "both", "began", "literal")
)
HIDDEN_KINDS = (int, float, str, bytes, list, tuple, dict, set, frozenset)


def compiled(source: bytes, path: str) -> tuple[types.CodeType, dict[str, bytes]]:
    """A test file, its asserts rewritten as pytest does it, its comparisons for a `Comparer`; and
    the literals that it compares with, pickled, by the keys that stand in their places."""
    tree = ast.parse(source, path)
    certain = {id(each.node): where for where, each in certain_comparisons(tree).items()}
    literals = _Literals(path)
    tree = literals.visit(tree)
    tree = _Comparisons(certain).visit(tree)
    _tell_when_it_begins(tree)
    _Asserts(path, source, certain).run(tree)
    tree = steady_calls(tree, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # about calls of what is a text until later
        return compile(tree, path, "exec", dont_inherit=True), literals.hidden


def _tell_when_it_begins(tree: ast.Module) -> None:
    """The module's own names are known from its first line on."""
    first = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        first += 1
    call = ast.Expr(ast.Call(ast.Constant(BEGAN), [], []))
    for node in ast.walk(call):
        if isinstance(node, ast.expr | ast.stmt):
            node.lineno = node.end_lineno = 1
            node.col_offset = node.end_col_offset = 0
    tree.body.insert(first, call)


class _Literals(ast.NodeTransformer):
    """Takes the literals that are compared out of the code, where a program could read them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.hidden: dict[str, bytes] = {}

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        self.generic_visit(node)
        if all(type(each) in OPERATORS for each in node.ops):
            node.left = self._without(node.left)
            node.comparators = [*map(self._without, node.comparators)]
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ASSERTING:
            node.args[:2] = map(self._without, node.args[:2])
        return node

    def _without(self, node: ast.expr) -> ast.expr:
        try:
            value = literal(node)
            made = pickle.dumps(value)
        except (ValueError, pickle.PicklingError, RecursionError):
            return node
        if type(value) not in HIDDEN_KINDS or b"builtins" in made:  # Such as ... and 1j have names.
            return node
        key = f"{self._path}:{node.lineno}:{node.col_offset}"
        self.hidden[key] = made
        call = ast.Call(ast.Constant(LITERAL), [ast.Constant(key)], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))


class _Comparisons(ast.NodeTransformer):
    """Replaces comparisons; those that pytest explains are left to `_Asserts`. `certain` are the
    places of those that the judge asks for, by the identity of their node."""

    def __init__(self, certain: dict[int, str]) -> None:
        self._certain = certain

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        name = OPERATORS.get(type(node.ops[0])) if len(node.ops) == 1 else None
        if name is None:
            return node
        return _call(COMPARE, name, "", node.left, node.comparators[0], at=node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        name = ASSERTING.get(node.func.attr) if isinstance(node.func, ast.Attribute) else None
        if name and len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args):
            first, second, *rest = node.args
            where = self._certain.get(id(node), "")
            call = _call(BOTH, name, where, first, second, at=node)
            node.args = [ast.copy_location(ast.Starred(call, ast.Load()), node), *rest]
        return node


class _Asserts(rewrite.AssertionRewriter):
    """pytest's own, with the comparisons that it explains made by us."""

    def __init__(self, path: str, source: bytes, certain: dict[int, str]) -> None:
        super().__init__(path, None, source)
        self._certain = certain

    def generic_visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr):
            node = _Comparisons(self._certain).visit(node)
        return super().generic_visit(node)

    def visit_Call(self, call: ast.Call) -> tuple[ast.Name, str]:
        if isinstance(call.func, ast.Constant) and call.func.value == LITERAL:
            made = self.assign(call)  # Explained as the literal that it stands for.
            return made, self.explanation_param(self.display(made))
        return super().visit_Call(call)

    def visit_Compare(self, comp: ast.Compare) -> tuple[ast.expr, str]:
        before = len(self.statements)
        result = super().visit_Compare(comp)
        where = self._certain.get(id(comp), "")
        for statement in self.statements[before:]:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Compare):
                made = statement.value
                name = OPERATORS.get(type(made.ops[0]))
                if name and isinstance(made.left, ast.Name | ast.Constant):
                    right = made.comparators[0]
                    statement.value = _call(COMPARE, name, where, made.left, right, at=comp)
        return result


def _call(what: str, name: str, where: str, *operands: ast.expr, at: ast.expr) -> ast.Call:
    constants = [ast.Constant(name), ast.Constant(where)]
    call = ast.Call(ast.Constant(what), [*constants, *operands], [])
    return ast.fix_missing_locations(ast.copy_location(call, at))


def inserted(code: types.CodeType, functions: dict[str, Callable[..., Any]]) -> types.CodeType:
    """The code with these functions in the places where their names stand."""
    inner = (
        inserted(each, functions)
        if isinstance(each, types.CodeType)
        else functions.get(each, each)
        if isinstance(each, str)
        else each
        for each in code.co_consts
    )
    return code.replace(co_consts=tuple(inner))
