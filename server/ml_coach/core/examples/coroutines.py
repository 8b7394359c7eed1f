"""Examples of async functions: `asyncio.run` awaits what is certain to be one of their calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Set
from dataclasses import replace

from ml_coach.core import syntax
from ml_coach.core.examples import expressions
from ml_coach.core.examples.expressions import Example

_SPEAKS = re.compile(r"\b(?:async\w*|await|coroutines?)\b", re.IGNORECASE)
_ASYNC = (
    r"\b(?:async(?:hronous)?\s+(?:def|function|coroutine)\s+(?:(?:named|called)\s+)?|await\s+)`?"
)


def awaited(example: Example, prompt: str, tree: ast.Module | None) -> Example | None:
    """`example` such that it can stand in a plain function; None where it may need to be awaited.

    A coroutine is equal to nothing, so that a test which forgets to await it fails for ever.
    """
    if not _SPEAKS.search(prompt) or "asyncio" in example.statement:
        return example
    definitions = [s for s in tree.body if isinstance(s, syntax.Definition)] if tree else []
    coroutines = {s.name for s in definitions if isinstance(s, ast.AsyncFunctionDef)}
    if tree is None:
        called = expressions.called(example.call)
        coroutines = {name for name in called if re.search(rf"{_ASYNC}{name}\b", prompt)}
    runs = _Runs(coroutines)
    statement = ast.unparse(runs.visit(syntax.module(example.statement)))
    if runs.any:
        return replace(example, statement=statement) if syntax.compiles(statement) else None
    plain = {d.name for d in definitions if not _has_coroutine(d)}
    return example if expressions.callee(example.call) in plain else None


def _has_coroutine(definition: syntax.Definition) -> bool:
    return any(isinstance(node, ast.AsyncFunctionDef) for node in syntax.walk(definition))


class _Runs(ast.NodeTransformer):
    """Puts `asyncio.run(...)` around what is awaited and around calls of `coroutines`."""

    def __init__(self, coroutines: Set[str]) -> None:
        self._coroutines = coroutines
        self.any = False

    def visit_Await(self, node: ast.Await) -> ast.expr:
        self.generic_visit(node.value)
        return self._run(node.value)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        is_one = isinstance(node.func, ast.Name) and node.func.id in self._coroutines
        return self._run(node) if is_one else node

    def _run(self, value: ast.expr) -> ast.expr:
        self.any = True
        return ast.Call(ast.Attribute(ast.Name("asyncio"), "run"), [value], [])
