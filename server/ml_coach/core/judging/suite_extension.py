"""A follow-up's tests behind those that stand there already, and where the two contradict."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

from ml_coach.core.agents.guessed_tests import call_of
from ml_coach.core.agents.test_steps import is_check
from ml_coach.core.evidence import Provenance
from ml_coach.core.judging.test_filter import without
from ml_coach.core.patches.line_endings import Text
from ml_coach.core.python import syntax
from ml_coach.core.python.marks import marked
from ml_coach.core.types import Dropped, Spec, Suite

_NUMBERED = re.compile(r"(.*?)_?(\d+)?")


@dataclass(frozen=True, slots=True)
class ExtendedSuite:
    """`suite` holds the old tests word for word and the new ones behind them, without the guessed
    ones in `replaced`, whose calls the follow-up answers in another way."""

    suite: Suite
    replaced: tuple[Dropped, ...]


def contradiction(old: Suite, spec: Spec) -> str:
    """Why no program can do what `spec` demands and pass the `old` tests, as a sentence that names
    the test; empty where no test says so. Guessed tests do not count."""
    wanted = [*spec.examples, *(test.statement for test in spec.stated)]
    said = {call_of(statement): statement for statement in wanted}
    for name, node in syntax.test_functions(old.source):
        for check in _checks(node):
            new = said.get(call_of(ast.unparse(check)))
            if new and old.provenance_of(name) != "guessed" and _differ(check, _last(new)):
                return (
                    f"The new sentence says `{_one_line(new)}`, but {name} in {old.file} demands "
                    f"`{_one_line(ast.unparse(check))}`. Change that test if it is out of date, or "
                    "the sentence. Nothing was changed."
                )
    return ""


def extended(old: Suite, new: Suite) -> ExtendedSuite:
    """The `old` tests, which stood there before the run, and those of `new` that say more."""
    answers = {
        call_of(ast.unparse(check)): check
        for name, node in syntax.test_functions(new.source)
        if new.provenance_of(name) not in ("guessed", "property")
        for check in _checks(node)
    }
    replaced = tuple(
        Dropped(name, "the follow-up says what its call gives", ast.unparse(check))
        for name, node in syntax.test_functions(old.source)
        if old.provenance_of(name) == "guessed"
        for check in _checks(node)[:1]
        if (answer := answers.get(call_of(ast.unparse(check)))) and _differ(check, answer)
    )
    text = Text.of(old.source)  # Its lines keep their ends.
    bare = replace(old, source="".join(f"{line}\n" for line in text.lines))
    kept = without(bare, {d.test for d in replaced}) if replaced else bare
    source, provenance = _with_tests(kept, new)
    origins: dict[str, Provenance] = {name: old.provenance_of(name) for name in kept.functions}
    stay = frozenset(name for name, origin in origins.items() if origin != "guessed")
    whole = text.with_lines(source.removesuffix("\n").split("\n"))
    return ExtendedSuite(Suite(whole, old.file, {**origins, **provenance}, kept=stay), replaced)


def _with_tests(old: Suite, new: Suite) -> tuple[str, dict[str, Provenance]]:
    """The text with the tests of `new` that `old` has not, and where these come from."""
    tree = syntax.module(old.source)
    bound = set(syntax.top_level(tree))
    functions = [node for _, node in syntax.test_functions(old.source)]
    bodies = {_body(node) for node in functions}
    calls = {call_of(ast.unparse(check)) for node in functions for check in _checks(node)}
    lines = new.source.splitlines()
    imports: list[ast.Import | ast.ImportFrom] = []
    parts: list[str] = []
    provenance: dict[str, Provenance] = {}
    tests = {node.name for node in syntax.tests(new.source)}
    for node in syntax.module(new.source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif not (isinstance(node, syntax.Definition) and node.name in tests):
            if not bound.intersection(syntax.bindings(node)):
                parts.append("\n".join(lines[syntax.first_line(node) - 1 : node.end_lineno]))
        elif _body(node) not in bodies and not calls.intersection(
            call_of(ast.unparse(check)) for check in _checks(node)
        ):
            shown = "\n".join(lines[syntax.first_line(node) - 1 : node.end_lineno])
            name, origin = _free(node.name, bound), new.provenance_of(node.name)
            bound.add(name)
            provenance[name] = origin
            shown = re.sub(rf"\b{re.escape(node.name)}\b", name, shown, count=1)
            parts.append(marked(f"{shown}\n", {name: origin}, otherwise=origin).rstrip("\n"))
    source = old.source
    used = syntax.loads(syntax.module("\n\n".join(parts))) - bound
    missing = [line for node in imports for line in _import_of(node, used)]
    if provenance and missing:
        source = syntax.insert_at_top(source, tree, "\n".join(missing))
    added = "".join(f"\n\n\n{part}" for part in parts) + "\n"
    return (source.rstrip("\n") + added if provenance else old.source), provenance


def _import_of(node: ast.Import | ast.ImportFrom, used: Container[str]) -> Iterator[str]:
    """The import of those names alone that are `used`; nothing where none is."""
    names = [a for a in node.names if (a.asname or a.name).split(".")[0] in used or a.name == "*"]
    if not names:
        return
    if isinstance(node, ast.ImportFrom):
        yield ast.unparse(ast.ImportFrom(node.module, names, node.level))
    else:
        yield ast.unparse(ast.Import(names))


def _free(name: str, taken: Container[str]) -> str:
    """`test_given_1` or the next number that no other test has."""
    found = _NUMBERED.fullmatch(name)
    stem, number = (found[1], int(found[2] or 1)) if found else (name, 1)
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _body(node: syntax.Definition) -> str:
    return "\n".join(map(ast.unparse, node.body))


def _checks(node: syntax.Definition) -> list[ast.stmt]:
    return [statement for statement in node.body if is_check(statement)]


def _last(statement: str) -> ast.stmt:
    return syntax.module(statement).body[-1]


def _differ(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether no result of a call passes both checks of it; False where that is not plain."""
    first, second = _result(one), _result(other)
    return first is not None and second is not None and first != second


def _result(check: ast.stmt) -> tuple[str, object] | None:
    """The value that a check expects, or that it expects an error; None where it is neither."""
    match check:
        case ast.With():
            return "raises", None
        case ast.Assert(test=ast.Compare(ops=[ast.Eq() | ast.Is()], comparators=[value])):
            if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("approx"):
                value = value.args[0] if value.args else value
            try:
                return "value", ast.literal_eval(value)
            except (*syntax.NOT_PYTHON, TypeError):
                return None
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=ast.Call())):
            return "value", False
        case ast.Assert(test=ast.Call()):
            return "value", True
        case _:
            return None


def _one_line(statement: str) -> str:
    return " ".join(statement.removeprefix("assert ").split())
