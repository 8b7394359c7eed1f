"""Probes made of tests: what a test does, as a program text that reports what it sees.

A test of a class, of files or of a script judges with asserts. The same steps with a look in place
of each assert can be taken with any program, and what is seen can be compared. An error is
something seen, too. Variants of the steps (another value, a step twice, a step left out) are drawn
from the tests alone, so every program is asked the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

from ml_coach.core.agents.test_steps import is_check, subject
from ml_coach.core.agents.test_support import RUN_SCRIPT, SCRIPT_IMPORTS, async_support
from ml_coach.core.judging.values import neighbours
from ml_coach.core.python import syntax
from ml_coach.core.types import Program, Suite

# The name under which the text of a script stands in the program that is asked.
SCRIPT = "_script_under_test"
MOST_VARIANTS = 3  # of each test
_SEEN = """\
_seen = []
def _see(look):
    try:
        value = look()
        if isinstance(value, collections.abc.Iterator):
            value = list(itertools.islice(value, 50))
        text = repr(value)
    except Exception as error:
        text = repr(type(error).__name__)
    _seen.append(re.sub(r" at 0x[0-9a-f]+", "", text).replace(_folder, "FOLDER"))
"""
_IMPORTS = (
    "import asyncio, collections.abc, contextlib, io, itertools, os, pathlib, re, sys, tempfile\n"
    "import types"
)
_RUN = f"""\
def run(args=(), stdin=""):
    script = pathlib.Path(tempfile.mkdtemp(), "script.py")
    script.write_text({SCRIPT})
    return run_script(script, tmp_path, args, stdin)
"""
_FOLDER = "_folder = tempfile.mkdtemp()\ntmp_path = pathlib.Path(_folder)\n"
_CAPSYS = """\
_printed = sys.stdout = io.StringIO()
class capsys:
    @staticmethod
    def readouterr():
        text = _printed.getvalue()
        _printed.seek(0)
        _printed.truncate()
        return types.SimpleNamespace(out=text, err="")
"""
_ANSWER = 'return type("Seen", (), {"__repr__": lambda self: "[" + ", ".join(_seen) + "]"})()'


@dataclass(frozen=True, slots=True)
class Probe:
    """A text whose last expression has a value in each program; `shown` is what a person reads."""

    code: str
    shown: str


def of_tests(
    suite: Suite, module: str, *, of_script: bool
) -> Iterator[tuple[str, Probe, tuple[Probe, ...]]]:
    """Each test function's name with the probe of its steps, and variants of that. `module` is the
    name that the suite imports the program by."""
    tree = syntax.module(suite.source)
    head = "\n".join(
        ast.unparse(s)
        for s in tree.body
        if isinstance(s, ast.Import | ast.ImportFrom) and not _is_ours(s, module)
    )
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and syntax.is_test(node.name):
            bodies = (node.body, *islice(_variants(node.body), MOST_VARIANTS))
            first, *others = (_probe(body, head, of_script=of_script) for body in bodies)
            yield node.name, first, tuple(others)


def _is_ours(statement: ast.Import | ast.ImportFrom, module: str) -> bool:
    """Whether it imports the program itself, or pytest, which a probe has no use for."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module in (module, "pytest")
    return any(alias.name in (module, "pytest") for alias in statement.names)


def driver(program: Program) -> Program:
    """A program that holds the text of a script, for probes that run it."""
    return Program(f"{SCRIPT} = {program.source!r}\n", program.file)


def _probe(body: list[ast.stmt], imports: str, *, of_script: bool) -> Probe:
    looks = [look for statement in body for look in _looks(statement)]
    text = "\n".join(looks)
    parts = [_IMPORTS, imports, _FOLDER, _SEEN, async_support(text)]
    if "capsys" in text:
        parts.append(_CAPSYS)
    if of_script:
        parts += [*SCRIPT_IMPORTS, RUN_SCRIPT, _RUN]
    inside = "\n".join([*(part for part in parts if part), text, _ANSWER])
    indented = "\n".join(f"    {line}" if line else "" for line in inside.split("\n"))
    shown = "; ".join(ast.unparse(s).replace("\n", " ") for s in body)
    return Probe(f"def _probe():\n{indented}\n_probe()", shown)


def _looks(statement: ast.stmt) -> list[str]:
    """A statement of a test as steps that look instead of judging."""
    match statement:
        case ast.With(body=inner) if is_check(statement) or _suppresses(statement):
            return [look for step in inner for look in _looks(step)]
        case ast.Expr(value=value) if not is_check(statement):
            looked: ast.expr | None = value
        case _ if is_check(statement):
            looked = subject(statement)
        case _:
            return [ast.unparse(statement)]
    return [f"_see(lambda: {ast.unparse(looked)})"] if looked is not None else []


def _suppresses(statement: ast.With) -> bool:
    return ast.unparse(statement.items[0]).startswith("contextlib.suppress")


def _variants(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The steps with one value changed, then with one step taken twice, then with one left out."""
    yield from _with_other_values(body)
    acts = [n for n, s in enumerate(body) if isinstance(s, ast.Expr | ast.With)]
    for at in acts:
        yield [*body[: at + 1], body[at], *body[at + 1 :]]
    for at in acts:
        yield [*body[:at], *body[at + 1 :]]


def _with_other_values(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """One literal changed at a time, spread over the steps."""
    literals = [
        (at, number)
        for at, statement in enumerate(body)
        for number, node in enumerate(_arguments(statement))
        if isinstance(node, ast.Constant) and node.value not in (None, "")
    ]
    # The last ones first: what the check itself calls shows most.
    for at, number in literals[::-1]:
        changed = deepcopy(body[at])
        node = list(_arguments(changed))[number]
        assert isinstance(node, ast.Constant)
        value = node.value
        # What a file or a script's input holds decides more than any other value of a test.
        most = MOST_VARIANTS if isinstance(value, str) and "\n" in value.rstrip() else 1
        for node.value in islice(neighbours(value), most):
            yield [*body[:at], deepcopy(changed), *body[at + 1 :]]


def _arguments(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes inside of the calls of a step, but not what a check compares with."""
    roots: list[ast.AST] = [statement]
    if is_check(statement) and not isinstance(statement, ast.With):
        looked = subject(statement)
        roots = [looked] if looked is not None else []
    for root in roots:
        for call in ast.walk(root):
            if isinstance(call, ast.Call):
                for argument in (*call.args, *(k.value for k in call.keywords)):
                    yield from ast.walk(argument)
