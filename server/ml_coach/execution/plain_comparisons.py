"""Compares plain values outside of the sandbox, once more, with what the text of the tests says."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ml_coach.core.python import syntax
from ml_coach.execution.inside.test_text import certain_comparisons, literal

ASKED: dict[str, Callable[[Any, Any], object]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}
UNSAID = object()
WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class CertainComparison:
    """`assert VALUE OPERATOR LITERAL` in a test that cannot pass without it; `literal` is `UNSAID`
    where it is another expression. `line` is its own, `test_line` the first of its test."""

    operator: str
    literal: Any
    line: int
    test_line: int

    def contradicts(self, written: str) -> bool:
        """Whether a value, written as its `repr`, does not compare as a passed test says. An empty
        text, which stands for an object, contradicts nothing."""
        if self.literal is UNSAID:
            return False
        try:
            return bool(written) and not ASKED[self.operator](
                ast.literal_eval(written), self.literal
            )
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return False  # not a number that can be written as a literal, such as infinity


@dataclass(frozen=True, slots=True)
class TestText:
    """What the text of a test file says: `certain` are its comparisons by their place, `words` the
    names in it."""

    __test__ = False
    certain: dict[str, CertainComparison]
    words: frozenset[str]


@lru_cache(maxsize=16)  # A suite judges many programs, and is read once.
def test_text(source: str) -> TestText:
    """Reads a test file. Raises `SyntaxError` or `ValueError` as `ast.parse` does."""
    found = {
        where: CertainComparison(
            each.operator,
            UNSAID if each.expected is None else literal(each.expected),
            each.node.lineno,
            each.first,
        )
        for where, each in certain_comparisons(syntax.module(source)).items()
    }
    return TestText(found, frozenset(WORD.findall(source)))
