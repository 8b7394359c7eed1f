"""Values as text, also `inf` and `nan`, which Python shows but does not read."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ml_coach.core.python import syntax

_SHOWN = ("inf", "nan")


def value_of(text: str) -> Any:
    """The value of a literal in which `inf`, `nan` and `float("inf")` may stand.

    Raises one of `syntax.NOT_PYTHON`, or TypeError, where `text` is none.
    """
    tree = syntax.expression(text)
    if any(name in text.lower() for name in _SHOWN):
        tree = _Replaced(_constant).visit(tree)
    return ast.literal_eval(tree)


def expected_value(node: ast.expr) -> Any:
    """The value that a test compares with; `pytest.approx` of it, at any depth, is as good.

    Raises as `value_of`.
    """
    exact = _Exact().visit(syntax.expression(syntax.unparsed(node)))
    return value_of(syntax.unparsed(exact))


def spelled(text: str) -> str:
    """The same literal as Python reads it: `float('inf')` for `inf`. Raises as `value_of`."""
    tree = syntax.expression(text)
    named = any(isinstance(node, ast.Name) and node.id in _SHOWN for node in syntax.walk(tree))
    return syntax.unparsed(_Replaced(_call).visit(tree)) if named else text


def _constant(text: str) -> ast.expr:
    return ast.Constant(float(text))


def _call(text: str) -> ast.expr:
    return ast.Call(ast.Name("float"), [ast.Constant(text)], [])


class _Exact(ast.NodeTransformer):
    """Replaces `pytest.approx(x)` by `x`."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        is_close = bool(node.args) and syntax.unparsed(node.func) in ("approx", "pytest.approx")
        return self.visit(node.args[0]) if is_close else node


class _Replaced(ast.NodeTransformer):
    """Replaces what stands for a float that has no literal."""

    def __init__(self, replacement: Callable[[str], ast.expr]) -> None:
        self._replacement = replacement

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._replacement(node.id) if node.id in _SHOWN else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(ast.Name("float"), [ast.Constant(str() as text)], []):
                return self._replacement(text)
            case _:
                return node
