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
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
# What these modules give differs from call to call, or changes something.
_NEVER_TWICE = frozenset({
    "random", "secrets", "time", "uuid", "os", "shutil", "subprocess", "threading", "unittest",
})  # fmt: skip


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
    builders = builders_of(suite.source)
    calls = calls_of(suite.source, spec, builders) or typed_calls(spec.signatures)
    tests = (source_of(suite.source, name) for name in suite.tests if suite.is_binding(name))
    given = {call for test in tests for call in calls_of(test, spec, builders)}
    guessed = [call for call in calls if call not in given]
    edge = guessed[(len(guessed) + 1) // 2 :]
    ordinary = [call for call in calls if call not in edge]
    return Probes(
        _as_probes(ordinary, builders), _as_probes([*edge, *variants_of(calls)], builders)
    )


def _as_probes(calls: Sequence[str], builders: Mapping[str, str]) -> tuple[Probe, ...]:
    return tuple(Probe("\n".join([*_imports(call, builders), call]), call) for call in calls)


def _imports(call: str, builders: Mapping[str, str]) -> list[str]:
    """The import statements that a call's arguments need."""
    names = (n.id for n in ast.walk(syntax.expression(call)) if isinstance(n, ast.Name))
    return [*dict.fromkeys(builders[name] for name in names if name in builders)]


def builders_of(source: str) -> dict[str, str]:
    """The names that a test file imports from the standard library, with the statement for each:
    `date(2024, 1, 5)` is a value as much as a literal is."""
    found: dict[str, str] = {}
    tree = syntax.parse(source)
    for node in tree.body if tree else ():
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                modules = [module] * len(names)
            case _:
                continue
        for module, alias in zip(modules, names, strict=True):
            if module.partition(".")[0] in sys.stdlib_module_names - _NEVER_TWICE:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = syntax.unparsed(_with_one_name(node, alias))
    return found


def _with_one_name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import([alias])
    return ast.ImportFrom(node.module, [alias], 0)


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


def calls_of(source: str, spec: Spec, builders: Container[str] = ()) -> tuple[str, ...]:
    """The test file's calls of the spec's names, in the order of the text: those with literal
    arguments, and with such as are built by calls of `builders`.

    Each has the one form of `positional`, by which equal calls can be recognized.
    """
    found = sorted(
        _calls(source, spec.names, builders), key=lambda node: (node.lineno, node.col_offset)
    )
    signatures = signatures_of(spec)
    calls = (positional(call, signatures) for call in found)
    texts = dict.fromkeys(map(syntax.unparsed, calls))
    return tuple(text for text in texts if text)[:MOST_PROBES]


def signatures_of(spec: Spec) -> Mapping[str, ast.arguments]:
    """The parameters of each function whose signature the spec has."""
    return {one.name: one.args for one in map(_signature, spec.signatures) if one}


def positional(call: ast.Call, signatures: Mapping[str, ast.arguments]) -> ast.Call:
    """The same call, `f(n=1)` as `f(1)`: its arguments by position as far as the signature of its
    function says in which, the others sorted by name."""
    known = signatures.get(call.func.id) if isinstance(call.func, ast.Name) else None
    named = {keyword.arg: keyword for keyword in call.keywords}
    if not known or None in named:
        return call
    arguments = [*call.args]
    for parameter in known.args[max(0, len(arguments) - len(known.posonlyargs)) :]:
        if parameter.arg not in named or len(arguments) < len(known.posonlyargs):
            break
        arguments.append(named.pop(parameter.arg).value)
    return ast.Call(call.func, arguments, [named[name] for name in sorted(named, key=str)])


@lru_cache(maxsize=64)
def _signature(text: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The head of a function, written as `f(n: int) -> int` or `def f(n):`; None for others."""
    head = text.strip().rstrip(":")
    head = head if head.startswith(("def ", "async ")) else f"def {head}"
    tree = syntax.parse(f"{head}: ...")
    first = tree.body[0] if tree and tree.body else None
    return first if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) else None


def variants_of(calls: Sequence[str]) -> tuple[str, ...]:
    """Small changes of each of `calls` in turn, so many that there are `MOST_PROBES` with them."""
    rows = [list(_variants(call)) for call in calls]
    turns = (row[n] for n in range(MOST_VARIANTS) for row in rows if n < len(row))
    found = [variant for variant in dict.fromkeys(turns) if variant and variant not in calls]
    return tuple(found[: MOST_PROBES - len(calls)])


def _calls(source: str, names: Sequence[str], builders: Container[str]) -> Iterator[ast.Call]:
    tree = syntax.parse(source)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if all(_is_literal(each) or _is_built(each, builders) for each in arguments):
                yield node


def _is_built(node: ast.expr, builders: Container[str]) -> bool:
    """Whether it is a value made of literals by `builders`, such as `[date(2024, 1, 5)]`."""
    match node:
        case ast.Call(func=func, args=[_, *_] as args, keywords=keywords):
            root = func.value if isinstance(func, ast.Attribute) else func
            parts = [*args, *(keyword.value for keyword in keywords)]
            is_known = isinstance(root, ast.Name) and root.id in builders
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            is_known = True
        case _:
            return False
    return is_known and all(_is_literal(part) or _is_built(part, builders) for part in parts)


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
    others = [list(_near(argument)) for argument in tree.args]
    # One argument after the other, so that a few variants touch each of them.
    for turn in zip_longest(*others):
        for index, value in enumerate(turn):
            if value is not None:
                arguments = [*tree.args]
                arguments[index] = value
                yield syntax.unparsed(ast.Call(tree.func, arguments, tree.keywords))


def _near(argument: ast.expr) -> Iterator[ast.expr]:
    """Other values of an argument; of one that is built, those with one whole number changed, the
    last one first: days before years."""
    if _is_literal(argument):
        for value in neighbours(ast.literal_eval(argument)):
            yield syntax.expression(repr(value))
        return
    for node in reversed([*ast.walk(argument)]):
        match node:
            case ast.Constant(value=int(number)) if number is not True and number is not False:
                node.value = number + 1
                changed = syntax.unparsed(argument)
                node.value = number
                yield syntax.expression(changed)
            case _:
                continue
