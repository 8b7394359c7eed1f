"""Which tests call a program with arguments of a kind that other tests also use.

A crash of every program on such arguments is a mistake that they share; on arguments that nothing
else uses (None, a text where numbers are meant) it may well be right to crash.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, cast

from ml_coach.core.judging.probes import calls_of, source_of
from ml_coach.core.python import syntax
from ml_coach.core.types import Spec, Suite


def familiar(suite: Suite, spec: Spec, trusted: Iterable[str]) -> frozenset[str]:
    """The tests of `suite` all of whose calls have arguments of the kinds that the calls
    in the `trusted` tests have. A test without such a call is not among them."""
    known = {kind for test in trusted for kind in _kinds(suite, test, spec)}
    return frozenset(
        test
        for test in suite.tests
        if (kinds := _kinds(suite, test, spec)) and all(kind in known for kind in kinds)
    )


def _kinds(suite: Suite, test: str, spec: Spec) -> list[str]:
    calls = (syntax.expression(call) for call in calls_of(source_of(suite.source, test), spec))
    return [_kind_of_call(call) for call in calls if isinstance(call, ast.Call)]


def _kind_of_call(call: ast.Call) -> str:
    values = [ast.literal_eval(argument) for argument in call.args]
    named = [(k.arg or "", ast.literal_eval(k.value)) for k in call.keywords]
    texts = [_kind(value) for value in values] + [f"{n}={_kind(v)}" for n, v in sorted(named)]
    return f"{ast.unparse(call.func)}({', '.join(texts)})"


def _kind(value: Any) -> str:
    """`list[tuple[int, int]]` and the like: what a container holds, not how much of it."""
    name = type(value).__name__
    match value:
        case tuple():
            return f"tuple[{', '.join(map(_kind, cast('tuple[Any, ...]', value)))}]"
        case dict():
            pairs = cast("dict[Any, Any]", value).items()
            return f"dict[{'|'.join(sorted({f'{_kind(k)}: {_kind(v)}' for k, v in pairs}))}]"
        case list() | set():
            held = cast("list[Any] | set[Any]", value)
            return f"{name}[{'|'.join(sorted({_kind(one) for one in held}))}]"
        case _:
            return name
