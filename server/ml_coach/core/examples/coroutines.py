"""Examples of async functions: `asyncio.run` awaits what is certain to be one of their calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Set
from dataclasses import replace

from ml_coach.core.examples import expressions
from ml_coach.core.examples.expressions import Example
from ml_coach.core.python import syntax

_SPEAKS = re.compile(r"\b(?:async\w*|await|coroutines?)\b", re.IGNORECASE)
_KIND = r"(?:async(?:hronous)?\s+(?:def|function|coroutine|method)|coroutine(?:\s+function)?)"
# Before a name in a prompt without code, this says that its calls must be awaited.
_ASYNC = rf"(?i:\b(?:{_KIND}\s+(?:(?:named|called)\s+)?`?|async\s+`?(?=\w+\()|await\s+`?(?=\w+\()))"
# This asks for something async without its name. A prompt that only speaks of such things ("tells
# whether `await` is a keyword", "for an asynchronous client") does not.
_ASKS = re.compile(
    r"(?<!not )(?<!n't )(?<!n’t )(?<!never )\b"
    r"(?:(?:write|implement|create|define|build|develop|need|provide|code)"
    rf"(?:\s+(?:me|us|an?|the|two|simple|small|short|python))*\s+(?:{_KIND}\b(?!\s+`?\w+\()"
    r"|(?:async(?:hronous)?\s+(?:functions|methods)|coroutines)\b)"
    rf"|async\w*\s+(?:generators?|helpers?|iterators?|utilities)\b"
    rf"|as\s+an?\s+{_KIND}\b|(?:(?:which|that)\s+is|(?:should|must)\s+be|make\s+(?:it|this|them))"
    r"\s+(?:an?\s+)?(?:async(?:hronous)?|coroutine)\b)",
    re.IGNORECASE,
)


def awaited(example: Example, prompt: str, tree: ast.Module | None) -> Example | None:
    """`example` such that it can stand in a plain function; None where it may need to be awaited.

    A coroutine is equal to nothing, so that a test which forgets to await it fails for ever.
    """
    if not _SPEAKS.search(prompt) or "asyncio.run(" in example.statement:
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
    if not syntax.compiles(example.statement):
        return None
    if tree is None:
        # Code that the user wrote is taken at its word, a sentence is not.
        return example if example.exact or not _ASKS.search(prompt) else None
    plain = {d.name for d in definitions if not _has_coroutine(d)}
    is_plain = len(plain) == len(definitions) or expressions.callee(example.call) in plain
    return example if is_plain else None


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
