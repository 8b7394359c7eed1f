"""Invariants that a prompt states or implies → property tests, which run on Hypothesis.

Four are known: two functions undo each other, a second application changes nothing, a sorted list
has the same items, a text is no longer than a limit. An invariant is tested only where every given
example agrees with it, and only on inputs that are made of what the examples hold, because a prompt
rarely says for which inputs it is meant.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_coach.core.python import syntax
from ml_coach.core.types import Spec

# Few, so that a run on thirty mutants stays short; the same ones in every run.
MOST_INPUTS = 25
_OPPOSITES = (
    ("encode", "decode"), ("encrypt", "decrypt"), ("compress", "decompress"), ("pack", "unpack"),
    ("serialize", "deserialize"), ("escape", "unescape"), ("quote", "unquote"), ("to", "from"),
    ("dump", "load"), ("dumps", "loads"), ("format", "parse"),
)  # fmt: skip
_IDEMPOTENT = re.compile(r"\bidempotent\b|\b(?:twice|again|second time) changes nothing\b", re.I)
_SORTS = re.compile(r"\bsort(?:s|ed)?\b", re.IGNORECASE)
_LIMITS = re.compile(r"\b(?:never|not?) longer than\b|\bat most\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A given example: the function, its arguments and its result, as values."""

    name: str
    arguments: tuple[Any, ...]
    result: Any


def properties_of(spec: Spec) -> tuple[str, ...]:
    """The bodies of the property tests, in Python. Each skips itself where Hypothesis is not
    installed."""
    shown = [one for example in spec.examples if (one := _shown(example))]
    found: list[str] = []
    for name in spec.names:
        own = [example for example in shown if example.name == name]
        inputs = _strategies(own)
        if inputs and len(inputs) <= 2:
            found += [_test(inputs, check) for check in _checks(spec, name, own)]
    return tuple(dict.fromkeys(found))


def _checks(spec: Spec, name: str, own: Sequence[_Shown]) -> list[str]:
    """What must hold for the arguments `a`, `b`, … of the function, as expressions."""
    checks: list[str] = []
    count = len(own[0].arguments)
    if count == 1:
        checks += [f"{other}({name}(a)) == a" for other in spec.names if _undoes(name, other)]
        keeps_type = all(type(e.result) is type(e.arguments[0]) for e in own)
        if keeps_type and _IDEMPOTENT.search(spec.prompt):
            checks.append(f"{name}({name}(a)) == {name}(a)")
        if _SORTS.search(spec.prompt) and len(own) > 1 and all(map(_is_reordered, own)):
            checks.append(f"sorted({name}(a)) == sorted(a)")
    elif count == 2 and _LIMITS.search(spec.prompt) and all(map(_is_within, own)):
        checks.append(f"len({name}(a, b)) <= b")
    return checks


def _undoes(name: str, other: str) -> bool:
    """Whether `other` takes back what `name` does: their names differ in two opposite words."""
    one, two = name.split("_"), other.split("_")
    differing = tuple(pair for pair in zip(one, two, strict=False) if pair[0] != pair[1])
    return len(one) == len(two) and len(differing) == 1 and differing[0] in _OPPOSITES


def _is_reordered(example: _Shown) -> bool:
    given, result = example.arguments[0], example.result
    return type(given) is type(result) is list and (
        sorted(map(repr, given)) == sorted(map(repr, result))
    )


def _is_within(example: _Shown) -> bool:
    text, limit = example.arguments
    is_limit = isinstance(text, str) and type(limit) is int and isinstance(example.result, str)
    return is_limit and len(example.result) <= limit


def _shown(example: str) -> _Shown | None:
    tree = syntax.parse(example)
    match tree.body if tree else ():
        case [
            ast.Assert(
                test=ast.Compare(
                    left=ast.Call(func=ast.Name(id=name), args=[*given], keywords=[]),
                    ops=[ast.Eq()],
                    comparators=[wanted],
                )
            )
        ] if given:
            try:
                values = tuple(map(ast.literal_eval, given))
                return _Shown(name, values, ast.literal_eval(wanted))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
        case _:
            return None


def _strategies(shown: Sequence[_Shown]) -> list[str]:
    """One of Hypothesis' strategies for each argument; none where one is of a mixed type."""
    if not shown or len({len(example.arguments) for example in shown}) > 1:
        return []
    columns = zip(*(example.arguments for example in shown), strict=True)
    found = [_strategy(column) for column in columns]
    return found if all(found) else []


def _strategy(values: Sequence[Any]) -> str:
    """Inputs made of what `values` hold: their characters, items and range. Empty where unknown."""
    types: set[type] = {type(value) for value in values}
    if types == {str} and (characters := "".join(sorted(set("".join(values))))):
        return f"st.text(alphabet={characters!r}, max_size={max(map(len, values))})"
    if types == {int}:
        return f"st.integers({min(values)}, {max(values)})"
    if types == {list} and (items := _strategy([item for value in values for item in value])):
        return f"st.lists({items}, max_size={max(map(len, values))})"
    return ""


def _test(inputs: Sequence[str], check: str) -> str:
    parameters = ", ".join("ab"[: len(inputs)])
    return (
        'hypothesis = pytest.importorskip("hypothesis")\n'
        "st = hypothesis.strategies\n\n"
        f"@hypothesis.settings(max_examples={MOST_INPUTS}, derandomize=True, database=None, "
        "deadline=None)\n"
        f"@hypothesis.given({', '.join(inputs)})\n"
        f"def check({parameters}):\n"
        f"    assert {check}\n\n"
        "check()"
    )
