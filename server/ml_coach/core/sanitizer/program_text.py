"""Tidies a program: importing it must define things and do nothing else."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

from ml_coach.core.python import syntax

Destination = Literal["stay", "main", "drop"]

# What a call by itself is made for: to show something, to wait, or to run what is defined. Every
# other call may set up what is defined: `random.seed(0)`, `register("a", handler)`.
_ACTS = frozenset({
    "print", "pprint", "input", "display", "exit", "quit", "help", "breakpoint", "main", "testmod",
    "run", "mainloop", "show", "sleep", "write", "writelines", "flush", "run_until_complete",
    "serve_forever", "run_docstring_examples", "start", "join",
})  # fmt: skip


def tidy(source: str, tree: ast.Module, names: Collection[str]) -> str:
    """`source` without side effects on import.

    Calls, prints and `input()` move under `if __name__ == "__main__":`; asserts go, because they
    are guesses that would fail a run.
    """
    places = _places(tree, names)
    return rewrite(source, tree, places) if {"main", "drop"} & set(places) else source


# Places


def _places(tree: ast.Module, names: Collection[str]) -> list[Destination]:
    """Where each top-level statement belongs, found from the last to the first.

    What binds or changes a name that is needed stays: one that a definition reads, that is asked
    for or public, or that a statement which stays reads. Of the rest, what shows something, runs
    the program's own code or belongs to such a statement moves.
    """
    definitions = [s for s in tree.body if isinstance(s, syntax.Definition)]
    if len({s.name for s in definitions}) == len(definitions) and all(
        map(_only_defines, tree.body)
    ):
        return ["stay"] * len(tree.body)  # most replies, at no cost
    real = {s.name for s in definitions if not syntax.is_empty(s)}
    imports = [s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
    own = syntax.top_level(ast.Module([*definitions, *imports], []))
    effects = _effects(tree)
    read = (syntax.free_names(ast.Module([s], [])) for s in tree.body if _only_defines(s))
    needed = set(names).union(*read) - own
    moved: set[str] = set()
    places: list[Destination] = []
    for statement in reversed(tree.body):
        inside = _outside_functions(statement)
        called = _called(inside)
        changed = changes(statement).union(*(effects.get(name, ()) for name in called))
        asks = any(map(_asks, inside))
        is_public = any(name[:1].isupper() or name.startswith("_") for name in changed)
        is_needed = changed & needed or (is_public and not asks)
        never_ends = any(isinstance(node, ast.While) for node in inside)
        place: Destination = "stay"
        if _is_sketch(statement, real) or _checks(statement, inside):
            place = "drop"
        elif _only_defines(statement) or (is_needed and not never_ends and "input" not in called):
            needed |= syntax.loads(statement) - own
        elif called & own or changed & moved or asks or never_ends or any(map(_acts, inside)):
            place = "main"
        if place == "main":
            moved |= syntax.loads(statement)
        places.append(place)
    return places[::-1]


def _is_sketch(statement: ast.stmt, real: Collection[str]) -> bool:
    """Whether it is an empty definition of what another one really defines."""
    if not isinstance(statement, syntax.Definition) or statement.decorator_list:
        return False
    return statement.name in real and syntax.is_empty(statement)


def _effects(tree: ast.Module) -> dict[str, set[str]]:
    own = syntax.top_level(tree)
    effects: dict[str, set[str]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            local = {arg.arg for arg in syntax.walk(statement) if isinstance(arg, ast.arg)}
            changed = {
                name
                for node in syntax.walk(statement)
                for name in (node.names if isinstance(node, ast.Global) else ())
            }
            for part in statement.body:
                changed |= changes(part) - set(syntax.bindings(part)) - local
            if changed & own:
                effects[statement.name] = changed & own
    return effects


def _only_defines(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return type(statement).__name__ == "TypeAlias" or syntax.is_main_guard(statement)


def _checks(statement: ast.stmt, inside: Sequence[ast.AST]) -> bool:
    """Whether it does nothing but check or mention: an assert, a value, a call of a test. It would
    fail the run for what may be a wrong guess."""
    if _only_defines(statement):
        return False
    if not isinstance(statement, ast.Expr):
        return isinstance(statement, ast.Assert)
    value = statement.value
    is_active = any(isinstance(node, ast.Call | ast.Await) for node in inside)
    is_test = isinstance(value, ast.Call) and syntax.is_test(syntax.unparsed(value.func))
    return not is_active or isinstance(value, ast.Compare | ast.BoolOp) or is_test


def _acts(node: ast.AST) -> bool:
    """Whether it shows something, waits or ends the program."""
    if isinstance(node, ast.Raise):
        return True
    func = node.func if isinstance(node, ast.Call) else None
    return getattr(func, "attr", getattr(func, "id", "")) in _ACTS


def _asks(node: ast.AST) -> bool:
    """Whether it reads what only the user of a script gives."""
    return isinstance(node, ast.Attribute) and syntax.unparsed(node) in ("sys.argv", "sys.stdin")


def _called(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that are called."""
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    return {func.id for func in calls if isinstance(func, ast.Name)}


def _outside_functions(statement: ast.stmt) -> list[ast.AST]:
    """The nodes that run when the statement does; a nested function's own node, not its body."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        found.append(node)
        if not isinstance(node, syntax.Definition | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return found


def changes(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or whose objects it changes: `T[i] = 1`, `xs.sort()`."""
    names = set(syntax.bindings(statement))
    for node in _outside_functions(statement):
        match node:
            case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                names.add(_owner(node))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as func) as call) if not _acts(call):
                names.add(_owner(func))
            case _:
                pass
    return names - {""}


def _owner(part: ast.expr) -> str:
    """The name whose object `part` is a part of, empty where it has none: `T` for `T.a[0]`."""
    while isinstance(part, ast.Subscript | ast.Attribute | ast.Call):
        part = part.func if isinstance(part, ast.Call) else part.value
    return part.id if isinstance(part, ast.Name) else ""


# Text


def rewrite(source: str, tree: ast.Module, places: Sequence[Destination]) -> str:
    """`source` with each top-level statement where it belongs, comments kept."""
    lines = source.split("\n")
    spans = [(syntax.first_line(s), syntax.last_line(s)) for s in tree.body]
    if any(b[0] <= a[1] for a, b in pairwise(spans)):
        # Two statements share a line: only the tree can be taken apart, comments are lost.
        return _joined(
            [ast.unparse(s) for s, p in zip(tree.body, places, strict=True) if p == "stay"],
            [ast.unparse(s) for s, p in zip(tree.body, places, strict=True) if p == "main"],
        )
    gone: set[int] = set()
    moved: list[str] = []
    for statement, place, (begin, end) in zip(tree.body, places, spans, strict=True):
        if place == "stay":
            continue
        while begin > 1 and lines[begin - 2].startswith("#"):
            begin -= 1
        gone.update(range(begin, end + 1))
        if place == "main":
            moved.append(indented(lines[begin - 1 : end], begin, statement))
    kept = [line for number, line in enumerate(lines, 1) if number not in gone]
    return _joined(["\n".join(kept).rstrip()], moved)


def indented(lines: Sequence[str], begin: int, statement: ast.stmt) -> str:
    """Four spaces more for each line, except inside strings, whose value must not change."""
    inside = syntax.lines_in_strings(statement)
    return "\n".join(
        line if number in inside or not line.strip() else "    " + line
        for number, line in enumerate(lines, begin)
    )


def _joined(kept: Sequence[str], moved: Sequence[str]) -> str:
    text = "\n".join(kept).strip("\n")
    if not moved:
        return text
    body = "\n".join(
        part if part.startswith("    ") else "    " + part.replace("\n", "\n    ") for part in moved
    )
    guard = 'if __name__ == "__main__":\n' + body
    return f"{text}\n\n\n{guard}" if text else guard
