"""How many of the facts that prompts state become tests, and how many of the tests are false.

    python tests/benchmarks/stated_facts.py --data FILE [--solutions FILE] [-m MODEL] [--misses]

FILE holds JSON lines: `prompt`, `names`, `facts` (`test`, `quote`, `chosen`), `forbidden` (tests
that contradict the prompt) and `requirements` (pieces of the prompt). `--solutions` has a right
program for each `id`, on which every test that is made must pass; it runs in the sandbox. With
`-m` a model's test writer is asked as well, as in a run: those of its tests that the prompt states
are made, too. `--replies` keeps what it said.

A fact counts when a made test has the same steps, the same call and the same expected value or
error, compared at least as strictly (`_checks`), and passes on the right program. Where the prompt
only describes the input (`chosen`), the test may have another instance of it: then it must call
the same function, expect the same, and quote the same piece of the prompt. A requirement counts
when a piece of the prompt that was read holds it and is no longer than a sentence or a list item.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.bench.reply_cache import CachingModel, ReplyCache
from ml_coach.core.agents import researcher
from ml_coach.core.agents.guessed_tests import stated
from ml_coach.core.agents.model_client import Budget, ModelClient
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.test_support import support
from ml_coach.core.agents.test_writer import write_tests
from ml_coach.core.events import Event, TextArrived
from ml_coach.core.examples import extract_stated
from ml_coach.core.ports import Model
from ml_coach.core.python.repairs import add_missing_imports
from ml_coach.core.request import Request
from ml_coach.core.types import Program, Spec, StatedTest, Suite
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.models.registry import Access, Models

_SECONDS = 30.0
_WRAPPERS = {"sorted", "set", "frozenset", "list", "tuple", "Counter", "str", "repr"}
_APPROXIMATE = {"approx", "allclose", "isclose"}


# A run of a script, as the data has it; our tests have it as the fixture `run` instead.
_SCRIPT = re.compile(
    r"subprocess\.run\(\[sys\.executable, '[\w.]+'(?:, )?(?P<args>[^\]]*)\]"
    r"(?:, input=(?P<stdin>'.*?'))?, capture_output=True, text=True\)"
)


def _as_run(found: re.Match[str]) -> str:
    stdin = f", stdin={found['stdin']}" if found["stdin"] else ""
    return f"run([{found['args']}]{stdin})"


@dataclass(frozen=True, slots=True)
class Check:
    """What a test checks: its steps, the call, what is expected of it, and how it is compared."""

    steps: str
    call: str
    expected: str
    wrappers: frozenset[str]


def read_check(test: str) -> Check | None:
    """What a test checks, None where it has another form than one assertion at its end."""
    test = _SCRIPT.sub(_as_run, textwrap.dedent(test))
    try:
        body = ast.parse(test).body
    except SyntaxError:
        return None
    body = [s for s in body if not isinstance(s, ast.Import | ast.ImportFrom)]
    if not body:
        return None
    names = _Renamed()
    for statement in body:
        names.visit(statement)
    *steps, last = body
    text = "\n".join(ast.unparse(step) for step in steps)
    match last:
        case ast.With(items=[ast.withitem(context_expr=ast.Call(args=[error]))], body=inner):
            text = "\n".join([text, *(ast.unparse(step) for step in inner[:-1])]).strip()
            return Check(text, ast.unparse(inner[-1]), f"raises {ast.unparse(error)}", frozenset())
        case ast.Assert(test=test_of):
            return _assertion(text, test_of)
        case _:
            return None


def _assertion(steps: str, test: ast.expr) -> Check:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return Check(steps, ast.unparse(inner), "false", frozenset())
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left, ast.Sub(), right)]),
            ops=[ast.LtE() | ast.Lt()],
        ):
            return _compared(steps, left, right)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return _compared(steps, left, right)
        case ast.Call(func=ast.Attribute(attr="allclose" | "isclose"), args=[left, right, *_]):
            return _compared(steps, left, right)
        case _:
            return Check(steps, ast.unparse(test), "true", frozenset())


def _compared(steps: str, left: ast.expr, right: ast.expr) -> Check:
    wrappers: set[str] = set()
    left = _unwrapped(left, wrappers)
    if isinstance(right, ast.Call) and ast.unparse(right.func).split(".")[-1] in _APPROXIMATE:
        right = right.args[0]
    try:
        value: Any = ast.literal_eval(right)
    except ValueError:
        return Check(steps, ast.unparse(left), ast.unparse(right), frozenset(wrappers))
    return Check(steps, ast.unparse(left), _shown(value), frozenset(wrappers))


def _unwrapped(node: ast.expr, wrappers: set[str]) -> ast.expr:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp(generators=[inner])]) if (
            name in _WRAPPERS
        ):
            wrappers |= {name, "each"}
            return _unwrapped(inner.iter, wrappers)
        case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in _WRAPPERS:
            wrappers.add(name)
            return _unwrapped(inner, wrappers)
        case _:
            return node


def _shown(value: object) -> str:
    """A number as a number, whatever its type: 5 and 5.0 are the same expectation."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    if isinstance(value, list | tuple):
        brackets = "[]" if isinstance(value, list) else "()"
        return f"{brackets[0]}{', '.join(_shown(item) for item in value)}{brackets[1]}"
    return repr(value)


class _Renamed(ast.NodeTransformer):
    """Gives the variables of a test names by their order."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        node.value = self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                target.id = self._names.setdefault(target.id, f"v{len(self._names)}")
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node


def checks(made: StatedTest, fact: Mapping[str, Any], prompt: str) -> bool:
    """Whether a made test checks a fact."""
    ours, wanted = read_check(made.statement), read_check(fact["test"])
    if ours is None or wanted is None:
        return False
    truths = {"true": ("true", "True"), "false": ("false", "False")}
    same = ours.expected in truths.get(wanted.expected, (wanted.expected,))
    if not same or not ours.wrappers <= wanted.wrappers:
        return False
    if (ours.steps, ours.call) == (wanted.steps, wanted.call):
        return True
    if not fact.get("chosen"):
        return False
    start = prompt.find(fact["quote"])
    at = prompt.find(made.quote)
    if start < 0 or at < 0:
        return False
    overlap = at < start + len(fact["quote"]) and start < at + len(made.quote)
    return overlap and _called(ours.call) == _called(wanted.call)


def _called(call: str) -> list[str]:
    return [n.func.id for n in ast.walk(ast.parse(call))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]  # fmt: skip


def is_forbidden(made: StatedTest, forbidden: Sequence[Any]) -> bool:
    """Whether a made test is, but for its layout, one that contradicts the prompt."""
    texts = [f if isinstance(f, str) else f["test"] for f in forbidden]
    return ast.unparse(ast.parse(made.statement)) in {
        ast.unparse(ast.parse(textwrap.dedent(text))) for text in texts
    }


def made_tests(spec: Spec) -> list[StatedTest]:
    """The tests that the prompt gives and those that it states."""
    return [*(StatedTest(example, "") for example in spec.examples), *spec.stated]


def found_requirement(requirement: str, spec: Spec) -> bool:
    wanted = " ".join(requirement.split())
    return any(wanted in " ".join(piece.quote.split()) for piece in spec.requirements)


async def failing(
    executor: SandboxedExecutor, solution: str, tests: Sequence[StatedTest]
) -> list[StatedTest]:
    """The tests that do not pass on the right program, each on a program loaded anew."""
    script = re.match(r"# FILE: (\S+)", solution)
    program = Program(solution, script[1] if script else "generated_code.py")
    bad = [
        test for test, ok in zip(tests, await _run(executor, program, tests), strict=True) if not ok
    ]
    return [test for test in bad if not (await _run(executor, program, [test]))[0]]


async def _run(
    executor: SandboxedExecutor, program: Program, tests: Sequence[StatedTest]
) -> list[bool]:
    names = [
        s.name
        for s in ast.parse(program.source).body
        if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    lines = ["import asyncio", "import math", "import pytest"]
    if names and program.is_importable and "= run(" not in str(tests):
        lines.append(f"from {program.module} import {', '.join(names)}")
        lines.append(f"FUNC = {names[-1]}")
    statements = "\n".join(test.statement for test in tests)
    lines += _imports("\n".join([*lines, statements]))
    if "= run(" in statements:
        imports, text = support("", program.module, of_script=True)
        lines += [*imports, text]
    for number, test in enumerate(tests):
        body = textwrap.indent(test.statement, "    ")
        fixture = "run" if "= run(" in test.statement else ""
        lines.append(f"\n\ndef test_{number}({fixture}):\n{body}")
    suite = Suite("\n".join(lines) + "\n", "test_facts.py")
    (report,) = await executor.test([program], suite, timeout_seconds=_SECONDS)
    return [f"test_{number}" in report.passed for number in range(len(tests))]


def _imports(statements: str) -> tuple[str, ...]:
    """The imports that a suite of ours adds for names such as `np`."""
    return add_missing_imports(statements)[1]


@dataclass(slots=True)
class Row:
    """One prompt's figures."""

    style: str
    facts: int
    found: list[bool]
    made: int
    bad: list[StatedTest]
    missed: list[str]
    requirements: list[bool]


async def measure(
    rows: Sequence[Mapping[str, Any]], solutions: Mapping[str, str], model: Model | None
) -> list[Row]:
    executor = SandboxedExecutor(allow_weak=True)
    try:
        return [await _measure(row, solutions.get(row["id"]), executor, model) for row in rows]
    finally:
        await executor.aclose()
        if model is not None:
            await model.aclose()


async def _proposed(spec: Spec, model: Model) -> tuple[StatedTest, ...]:
    """Those of the test writer's tests that the prompt states."""
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, TextArrived):
            said.append(event.text)

    budget = Budget(max_calls=9, max_tokens=20_000, max_seconds=600)
    client = ModelClient(model, budget, listen)
    await write_tests(Team(client, Request(spec.prompt), model.profile, listen, spec))
    return stated("".join(said), spec)


async def _measure(
    row: Mapping[str, Any],
    solution: str | None,
    executor: SandboxedExecutor,
    model: Model | None,
) -> Row:
    prompt = row["prompt"]
    spec = researcher.read(prompt)
    if not spec.names:
        # The data calls by this name what its prompt leaves without one.
        spec = replace(spec, names=("FUNC",), stated=extract_stated(prompt, ("FUNC",)))
    made = made_tests(spec)
    if model is not None:
        made += await _proposed(spec, model)
    bad = [test for test in made if is_forbidden(test, row["forbidden"])]
    if solution is not None and made:
        failed = await failing(executor, solution, made)
        bad += [test for test in failed if test not in bad]
    good = [test for test in made if test not in bad]
    found = [any(checks(test, fact, prompt) for test in good) for fact in row["facts"]]
    missed = [fact["test"] for fact, ok in zip(row["facts"], found, strict=True) if not ok]
    requirements = [found_requirement(r, spec) for r in row["requirements"]]
    return Row(row["style"], len(found), found, len(made), bad, missed, requirements)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--solutions", type=Path)
    parser.add_argument("-m", "--model", help="a model whose tests are read as well")
    parser.add_argument("--replies", type=Path, help="where the model's replies are kept")
    parser.add_argument("--misses", action="store_true", help="show what is missed and false")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.data.read_text("utf-8").splitlines()]
    solutions: dict[str, str] = {}
    if options.solutions:
        for line in options.solutions.read_text("utf-8").splitlines():
            record = json.loads(line)
            solutions[record["id"]] = record["solution"]
    model = None
    if options.model:
        model = CachingModel(Models().open(options.model, Access()), ReplyCache(options.replies))
    measured = asyncio.run(measure(rows, solutions, model))
    _report(rows, measured, options.misses)


def _report(rows: Sequence[Mapping[str, Any]], measured: Sequence[Row], misses: bool) -> None:
    if misses:
        for row, result in zip(rows, measured, strict=True):
            for test in result.missed:
                print(f"missed {row['id']} {row['style']}: {test!r}")
            for bad in result.bad:
                print(f"FALSE  {row['id']} {row['style']}: {bad.statement!r}")
    styles: dict[str, Counter[str]] = defaultdict(Counter)
    for result in measured:
        for key in (result.style, "all"):
            styles[key].update(facts=result.facts, found=sum(result.found), made=result.made)
            styles[key].update(bad=len(result.bad), asked=len(result.requirements))
            styles[key].update(read=sum(result.requirements))
    print(f"{'style':22} {'facts':>11} {'false of made':>14} {'requirements':>13}")
    for style, n in sorted(styles.items()):
        print(
            f"{style:22} {n['found']:4} of {n['facts']:3} {n['bad']:6} of {n['made']:4}"
            f" {n['read']:5} of {n['asked']:3}"
        )
    total = styles["all"]
    print(f"facts that become tests: {total['found'] / max(total['facts'], 1):.1%}")
    print(f"false or forbidden: {total['bad'] / max(total['made'], 1):.2%} of the tests made")
    names = sum(set(researcher.read(row["prompt"]).names) == set(row["names"]) for row in rows)
    print(f"names right: {names} of {len(rows)} prompts")


if __name__ == "__main__":
    main()
