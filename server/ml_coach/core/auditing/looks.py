"""What a test looks at, looked at with other values: candidates for a test of what a program does.

A test that runs the lines of a mistake and does not notice it has the right steps and the wrong
values (Smith and Williams 2009: most tests that kill a surviving mutant are variants of one that
reaches it). So its steps are taken again, with one literal changed at a time: to a neighbour, to
something empty, and to the values that the function itself compares with, where mistakes at a
boundary show.
"""

from __future__ import annotations

import ast
import builtins
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import Any

from ml_coach.core.agents.test_steps import is_check, subject
from ml_coach.core.judging.mutants import sites_under_test
from ml_coach.core.judging.values import neighbours
from ml_coach.core.python import syntax
from ml_coach.core.python.literals import spelled, value_of

MOST_OF_A_TEST = 60
_MOST_ROWS = 3  # of a parametrized test
_LONGEST = 200  # characters of what is looked at, and of its value
_UNITTEST = ("assertEqual", "assertTrue", "assertFalse", "assertIs", "assertIn", "assertIsNone")
_INDENTS = re.compile("^(?: {4})+", re.MULTILINE)
_WATCH, _SEEN = "_ml_coach_watch", "_ml_coach_saw"
# What the look gave or raised, as one line of JSON with which the test fails. Who asks for chance,
# the clock or the machine gets something else tomorrow or elsewhere, so that is `changes` instead.
_SHOW = f"""
def {_WATCH}():
    import datetime, os, random, sys, time
    {_WATCH}.asked = asked = []
    {_WATCH}.chance = _ml_coach_chance()
    names = {{
        time: "time time_ns localtime gmtime ctime asctime strftime monotonic monotonic_ns"
        " perf_counter perf_counter_ns process_time",
        datetime.datetime: "now utcnow today fromtimestamp",
        datetime.date: "today fromtimestamp",
        os: "getcwd getcwdb getpid urandom cpu_count uname getuid getlogin",
    }}
    told = [getattr(of, name, None) for of, all in names.items() for name in all.split()]
    if "socket" in sys.modules:
        told.append(sys.modules["socket"].gethostname)
    variables = type(os.environ).__getitem__.__code__

    def watch(frame, event, called):
        if event == "call" and frame.f_code is variables:
            frame = frame.f_back
        elif event != "c_call" or called not in told:
            return
        if not frame.f_globals.get("__name__", "").startswith("logging"):
            asked.append(called)

    sys.setprofile(watch)


def _ml_coach_chance():
    import random, sys
    numbers = getattr(sys.modules.get("numpy"), "random", None)
    return random.getstate(), numbers and repr(numbers.get_state())


def {_SEEN}(look):
    import collections.abc, itertools, json, os, pytest, sys
    try:
        kind, value = "is", look()
        if isinstance(value, collections.abc.Iterator):
            kind, value = "gives", list(itertools.islice(value, 50))
        text = repr(value)
    except Exception as error:
        kind, text = "raises", type(error).__name__
    sys.setprofile(None)
    places = [os.getcwd(), *map(os.environ.get, ("HOME", "TMPDIR")), " at 0x"]
    is_of_here = any(place in text for place in places if place)
    if is_of_here or {_WATCH}.asked or {_WATCH}.chance != _ml_coach_chance():
        kind = "changes"
    pytest.fail(json.dumps([kind, text[:{_LONGEST + 1}]]), pytrace=False)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """Steps of a test, and then one value. `of` is the test's name, `arguments` are its fixtures'
    names, `indent` is what a block of its file is indented by."""

    of: str
    arguments: tuple[str, ...]
    steps: tuple[str, ...]
    value: str
    indent: str = "    "

    def asking(self, name: str) -> str:
        """A test of that name that always fails, and says what it sees (`seen`)."""
        return self._function(name, [f"{_SEEN}(lambda: {self.value})"], [f"{_WATCH}()"])

    def expecting(self, name: str, seen: tuple[str, str], known: Collection[str]) -> str:
        """A test of that name that expects what was seen; empty where that cannot be written.
        `known` are the names that the test's module has."""
        kind, text = seen
        if len(text) > _LONGEST or len(self.value) > _LONGEST:
            return ""
        head = [] if "pytest" in known else ["import pytest", ""]
        if kind == "raises":
            if not text.isidentifier() or not (text in known or hasattr(builtins, text)):
                return ""
            return self._function(name, [f"with pytest.raises({text}):", f"    {self.value}"], head)
        try:
            value = value_of(text)
            written = spelled(text)
        except (*syntax.NOT_PYTHON, TypeError):
            return ""
        looked = f"list({self.value})" if kind == "gives" else self.value
        if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
            # The last digits are those of a Python and a machine.
            return self._function(name, [f"assert {looked} == pytest.approx({written})"], head)
        sign = "is" if text in ("None", "True", "False") else "=="
        return self._function(name, [f"assert {looked} {sign} {written}"])

    def _function(self, name: str, last: Sequence[str], first: Sequence[str] = ()) -> str:
        lines = [*first, *chain.from_iterable(step.split("\n") for step in self.steps), *last]
        text = "".join(f"    {line}".rstrip() + "\n" for line in lines)
        body = _INDENTS.sub(lambda found: self.indent * (len(found[0]) // 4), text)
        return f"def {name}({', '.join(self.arguments)}):\n{body}"


def asking_text(tests: Iterable[str]) -> str:
    """What stands behind a test file so that the tests made by `Look.asking` run."""
    return "\n" + _SHOW + "".join(f"\n\n{test}" for test in tests)


def seen(detail: str) -> tuple[str, str] | None:
    """What a test made by `Look.asking` saw, from the details of its failure; None where it saw
    nothing, or what changes with time, chance or the machine."""
    try:
        found: Any = json.loads(detail.partition("\n")[0])
    except (ValueError, RecursionError):
        return None
    match found:
        case ["is" | "gives" | "raises" as kind, str(text)]:
            return kind, text
        case _:
            return None


def looks_of(source: str, test: str, seeds: Collection[Any]) -> Iterator[Look]:
    """What a test looks at, by pytest's id without parameters, each with other values; `source` is
    the text of its file, `seeds` are values that the function under test speaks of."""
    node = dict(syntax.test_functions(source)).get(test.partition("::")[2])
    if not isinstance(node, ast.FunctionDef):
        return
    indent = syntax.indentation(source)
    names = [argument.arg for argument in node.args.args if argument.arg != "self"]
    rows = list(islice(_rows(node), _MOST_ROWS)) or [{}]
    found: list[Iterator[Look]] = []
    for row in rows:
        arguments = tuple(name for name in names if name not in row)
        body = [_With(row).visit(deepcopy(statement)) for statement in node.body]
        for steps, value in _checks(body):
            if not any("self" in syntax.loads(each) for each in (*steps, value)):
                empty = Look(test, arguments, (), "", indent)
                found.append(_with_other_values(empty, steps, value, seeds))
    turns = chain.from_iterable(zip_longest(*found))
    yield from islice(dict.fromkeys(look for look in turns if look), MOST_OF_A_TEST)


def constants_of(node: ast.AST) -> tuple[Any, ...]:
    """The values that a piece of code speaks of, and the whole numbers beside them."""
    found: dict[tuple[type, Any], Any] = {}
    for each in syntax.walk(node):
        match each:
            case ast.Constant(value=bool() | None):
                continue
            case ast.Constant(value=int(value) | float(value)):
                values: tuple[Any, ...] = (value, value + 1, value - 1, -value)
            case ast.Constant(value=str(value)) if len(value) < _LONGEST // 2:
                values = (value,)
            case _:
                continue
        found |= {(type(value), value): value for value in values}
    return tuple(found.values())


def _rows(node: ast.FunctionDef) -> Iterator[Mapping[str, ast.expr]]:
    """The arguments of the cases of a parametrized test, as far as they are written out."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(args=[ast.Constant(value=str(names)), ast.List() | ast.Tuple() as cases]):
                named = [name.strip() for name in names.split(",")]
            case ast.Call(args=[ast.List(elts=each) | ast.Tuple(elts=each), ast.List() as cases]):
                named = [str(n.value) for n in each if isinstance(n, ast.Constant)]
            case _:
                continue
        for case in cases.elts:
            parts = case.elts if len(named) > 1 and isinstance(case, ast.Tuple) else [case]
            if len(parts) == len(named):
                yield dict(zip(named, parts, strict=True))


def _with_other_values(
    empty: Look, steps: Sequence[ast.stmt], value: ast.expr, seeds: Collection[Any]
) -> Iterator[Look]:
    """The same steps, then with one literal changed at a time; those of the last step first."""
    tree = deepcopy(ast.Module([*steps, ast.Expr(value)], []))  # Others change the same steps.

    def look() -> Look:
        *before, last = map(syntax.unparsed, tree.body)
        return replace(empty, steps=tuple(before), value=last)

    yield look()
    sites = [site for site in sites_under_test(tree) if not isinstance(site.parent, ast.JoinedStr)]
    rows = [[(site, other) for other in _others(site.node, seeds)] for site in reversed(sites)]
    for site, other in filter(None, chain.from_iterable(zip_longest(*rows))):
        site.put(syntax.expression(repr(other)))
        yield look()
        site.put(site.node)


def _others(node: ast.AST, seeds: Collection[Any]) -> Iterator[Any]:
    """Values of the same type in the place of a literal."""
    if not isinstance(node, ast.expr):
        return
    try:
        value: Any = ast.literal_eval(node)
    except (*syntax.NOT_PYTHON, TypeError):
        return
    if value is None or value is ...:
        return
    near = (seed for seed in seeds if type(seed) is type(value))
    for other in chain(near, neighbours(value), [type(value)()]):
        if other != value:
            yield other


class _With(ast.NodeTransformer):
    """Puts values in the place of names."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        is_read = isinstance(node.ctx, ast.Load)
        return deepcopy(self._values[node.id]) if is_read and node.id in self._values else node


def _checks(body: Sequence[ast.stmt]) -> Iterator[tuple[list[ast.stmt], ast.expr]]:
    """Each value that a test judges, with the steps before it."""
    steps: list[ast.stmt] = []
    for statement in body:
        looked = _looked_at(statement)
        if looked is not None:
            yield [*steps], looked
        if not _judges(statement) and not syntax.is_docstring(statement):
            steps.append(statement)


def _judges(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(ast.Name("self"), name))):
            return name.startswith("assert")
        case _:
            return is_check(statement)


def _looked_at(statement: ast.stmt) -> ast.expr | None:
    match statement:
        # A message in the same brackets: what was meant is the first part.
        case ast.Assert(test=ast.Tuple(elts=[first, _])):
            return first
        case ast.With(body=[ast.Expr(value=value)]) if is_check(statement):
            return value
        case ast.With():
            return None
        case ast.Expr(value=ast.Call(ast.Attribute(ast.Name("self"), name), [first, *_])):
            return first if name in _UNITTEST else None
        case _ if is_check(statement):
            return subject(statement)
        case ast.Expr(value=ast.Call() as value):  # What a step gives, nobody looked at.
            return value
        case _:
            return None
