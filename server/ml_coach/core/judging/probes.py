"""Calls that show how programs differ: those that the tests make, and small changes of them.

A probe is a text that is evaluated beside each program, such as `f([3, 1], 2)`, or the steps of a
test (observations.py). The tests' arguments have the right types and
shapes, so that changing a literal at a time gives inputs a generator could only guess: an empty
list where the tests have none. Some of these are outside of what was asked, where right programs
may differ, and so may they in the edge cases that a guessed test comes up with.
Where no test makes a call, calls are made of the signature's type hints.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ml_coach.core.examples import shape_of
from ml_coach.core.judging.inputs import typed_calls
from ml_coach.core.judging.observations import Probe, of_tests
from ml_coach.core.judging.values import neighbours
from ml_coach.core.python import syntax
from ml_coach.core.types import Spec, Suite

# Enough to split programs that differ, and a few milliseconds to evaluate.
MOST_PROBES = 40
MOST_VARIANTS = 4
_NO_MORE = object()


@dataclass(frozen=True, slots=True)
class Probes:
    """Right programs agree on the `ordinary` probes; on some of the `others` they may differ."""

    ordinary: tuple[Probe, ...]
    others: tuple[Probe, ...]


def probes(suite: Suite, spec: Spec, module: str = "generated_code") -> Probes:
    """What each program is asked: the calls that the tests make, or, where these are not plain
    calls of a function, the tests' steps; and variants of them.

    Ordinary are the given tests' calls and the first half of the guessed ones, because the test
    writer is asked for normal inputs first. The others are the second half and all variants.
    `module` is the name that the suite imports the program by.
    """
    shape = shape_of(spec)
    if not shape.is_plain:
        return _of_steps(suite, module, of_script=shape.kind == "script")
    calls = calls_of(suite.source, spec.names) or typed_calls(spec.signatures)
    tests = (source_of(suite.source, name) for name in suite.tests if suite.is_binding(name))
    given = {call for test in tests for call in calls_of(test, spec.names)}
    guessed = [call for call in calls if call not in given]
    edge = guessed[(len(guessed) + 1) // 2 :]
    ordinary = [call for call in calls if call not in edge]
    return Probes(_as_probes(ordinary), _as_probes([*edge, *variants_of(calls)]))


def _as_probes(calls: Sequence[str]) -> tuple[Probe, ...]:
    return tuple(Probe(call, call) for call in calls)


def _of_steps(suite: Suite, module: str, *, of_script: bool) -> Probes:
    if syntax.parse(suite.source) is None:
        return Probes((), ())
    asked = list(of_tests(suite, module, of_script=of_script))
    given = [probe for name, probe, _ in asked if suite.is_binding(name)]
    guessed = [probe for name, probe, _ in asked if not suite.is_binding(name)]
    half = (len(guessed) + 1) // 2
    variants = [probe for _, _, others in asked for probe in others]
    ordinary = dict.fromkeys([*given, *guessed[:half]])
    others = [p for p in dict.fromkeys([*guessed[half:], *variants]) if p not in ordinary]
    return Probes(tuple(ordinary), tuple(others[: max(0, MOST_PROBES - len(ordinary))]))


def source_of(source: str, function: str) -> str:
    """The text of one test function (`test_x`, `TestA::test_b`), empty where none can be read."""
    scope: ast.Module | ast.FunctionDef | ast.ClassDef | None = syntax.parse(source)
    for name in function.split("::"):
        body = scope.body if scope else ()
        parts = (node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef))
        scope = next((part for part in parts if part.name == name), None)
    return syntax.unparsed(scope) if scope else ""


def calls_of(source: str, names: Sequence[str]) -> tuple[str, ...]:
    """The test file's calls of `names` with literal arguments, in the order of the text."""
    found = sorted(_calls(source, names), key=lambda node: (node.lineno, node.col_offset))
    texts = dict.fromkeys(map(syntax.unparsed, found))
    return tuple(text for text in texts if text)[:MOST_PROBES]


def variants_of(calls: Sequence[str]) -> tuple[str, ...]:
    """Small changes of each of `calls` in turn, so many that there are `MOST_PROBES` with them."""
    rows = [list(_variants(call)) for call in calls]
    turns = (row[n] for n in range(MOST_VARIANTS) for row in rows if n < len(row))
    found = [variant for variant in dict.fromkeys(turns) if variant and variant not in calls]
    return tuple(found[: MOST_PROBES - len(calls)])


def _calls(source: str, names: Sequence[str]) -> Iterator[ast.Call]:
    tree = syntax.parse(source)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if all(_is_literal(argument) for argument in arguments):
                yield node


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _variants(call: str) -> Iterator[str]:
    """`call` with one literal changed at a time: neighbours, empties, reversals, repetitions."""
    tree = syntax.expression(call)
    assert isinstance(tree, ast.Call)
    others = [list(neighbours(ast.literal_eval(argument))) for argument in tree.args]
    # One argument after the other, so that a few variants touch each of them.
    for turn in zip_longest(*others, fillvalue=_NO_MORE):
        for index, value in enumerate(turn):
            if value is not _NO_MORE:
                arguments = [*tree.args]
                arguments[index] = syntax.expression(repr(value))
                yield syntax.unparsed(ast.Call(tree.func, arguments, tree.keywords))
