"""Spec → Suite. It never sees the code: a test writer that does repeats the code's mistakes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from ml_coach.core.agents.coder import details_text, task_text
from ml_coach.core.agents.templates import render
from ml_coach.core.asking import Asker
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.core.repairs import repair
from ml_coach.core.sanitizer import Refused, sanitize
from ml_coach.core.types import Program, Spec, Suite

TRIES = 2
_EASY = (ast.Assert, ast.With)


@dataclass(frozen=True, slots=True)
class WrittenTests:
    suite: Suite
    done: tuple[str, ...]


async def write_tests(
    asker: Asker,
    spec: Spec,
    profile: Profile,
    program_file: str,
    tests_file: str,
    refused: Callable[[str], None],
) -> WrittenTests:
    """The given examples as tests, and the model's own behind them.

    Where the model writes nothing usable the suite holds the given tests alone; it is empty
    (no test function) only where there is neither.
    """
    module = Program("", program_file).module
    given = given_tests(spec)
    messages = render(
        "tests",
        module=module,
        importing=import_line(module, spec),
        task=task_text(spec),
        details=details_text(spec),
    )
    call = Call("test_writer", messages, max_tokens=min(900, profile.max_tokens))
    for _ in range(TRIES):
        reply = await asker.ask(call)
        # A cut suite still holds whole tests: the sanitizer cuts back to the last of them.
        guessed = sanitize(reply.text, names=spec.names, kind="suite")
        if not isinstance(guessed, Refused) and test_names(guessed.source):
            source, done = repair(guessed.source)
            source = split_asserts(source)
            return WrittenTests(assemble(spec, module, tests_file, given, source), done)
        reason = guessed.reason if isinstance(guessed, Refused) else "The reply holds no test."
        refused(reason)
        again = Message("user", f"{reason} Reply with the corrected pytest file only.")
        call = replace(call, messages=(*messages, Message("assistant", reply.text), again))
    return WrittenTests(assemble(spec, module, tests_file, given, ""), ())


def import_line(module: str, spec: Spec) -> str:
    return f"from {module} import {', '.join(spec.names) or '*'}"


def given_tests(spec: Spec) -> str:
    """One test function for each example of the prompt, word for word."""
    functions: list[str] = []
    for number, example in enumerate(spec.examples, 1):
        body = "\n".join(f"    {line}" for line in example.splitlines())
        functions.append(f"def test_given_{number}():\n{body}\n")
    return "\n\n".join(functions)


def assemble(spec: Spec, module: str, file: str, given: str, guessed: str) -> Suite:
    """One file: imports, then what is given, then what is guessed."""
    imports, body = _imports_apart(guessed)
    needed = ["import pytest", import_line(module, spec)]
    ours = (*needed, f"import {module}")
    kept = [i for i in imports if i not in ours and not i.startswith(f"from {module} ")]
    head = "\n".join(dict.fromkeys([*kept, *needed]))
    parts = [head, *(part.strip() for part in (given, body) if part.strip())]
    names = frozenset(test_names(given)) if given else frozenset[str]()
    return Suite("\n\n\n".join(parts) + "\n", file, names)


def split_asserts(source: str) -> str:
    """Gives each assert a function of its own where a test is nothing but independent asserts.

    One wrong guess then costs one test, not all that happen to stand beside it.
    """
    tree = ast.parse(source)
    taken = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    body: list[ast.stmt] = []
    for node in tree.body:
        if not (isinstance(node, ast.FunctionDef) and _is_plain(node)):
            body.append(node)
            continue
        for number, statement in enumerate(node.body, 1):
            name = f"{node.name}_{number}"
            while name in taken:
                name += "_"
            taken.add(name)
            alone = ast.FunctionDef(
                name=name, args=node.args, body=[statement], decorator_list=[], returns=None,
                type_comment=None, lineno=node.lineno, **_type_parameters(),
            )  # fmt: skip
            body.append(alone)
    if len(body) == len(tree.body):
        return source
    tree.body = body
    return ast.unparse(ast.fix_missing_locations(tree)).replace("\ndef ", "\n\ndef ") + "\n"


def _type_parameters() -> dict[str, list[ast.AST]]:
    """Python 3.12 added a field that older versions must not be given."""
    return {"type_params": []} if "type_params" in ast.FunctionDef._fields else {}


def _is_plain(node: ast.FunctionDef) -> bool:
    statements = [s for s in node.body if not _is_docstring(s)]
    return (
        node.name.startswith("test")
        and not node.decorator_list
        and not node.args.args
        and len(statements) > 1
        and len(statements) == len(node.body)
        and all(isinstance(s, _EASY) for s in statements)
        and not any(isinstance(n, ast.NamedExpr) for s in statements for n in ast.walk(s))
    )


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_names(source: str) -> list[str]:
    """Names of the top-level test functions and classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, kinds) and node.name.lower().startswith("test")
    ]


def _imports_apart(source: str) -> tuple[list[str], str]:
    """Top-level imports as lines, and the text without them."""
    lines = source.splitlines()
    imports: list[str] = []
    for node in ast.parse(source).body if source else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(ast.unparse(node))
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return imports, "\n".join(lines)
