"""Tidies a program: importing it must define things and do nothing else."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

from ml_coach.core.python import syntax

Place = Literal["stay", "main", "drop"]

_SHOWS = frozenset(
    {"print", "pprint", "input", "display", "exit", "quit", "help", "breakpoint"},
)
_RUNS = frozenset({
    "main", "testmod", "run", "exit", "mainloop", "show", "sleep", "write", "writelines", "flush",
    "print", "run_until_complete", "serve_forever", "pprint", "run_docstring_examples",
})  # fmt: skip


def tidy(source: str, tree: ast.Module, names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """`source` without side effects on import, and what was done to it in plain words.

    Calls, prints and `input()` move under `if __name__ == "__main__":`; asserts go, because they
    are guesses that would fail a run; of two definitions of one name the last one stays.
    """
    places = _places(tree, names)
    doubles = _overridden(tree)
    for index in doubles:
        places[index] = "drop"
    if all(place == "stay" for place in places):
        return source, ()
    done: list[str] = []
    if moved := places.count("main"):
        done.append(
            f'moved {_count(moved, "statement")} at module level under `if __name__ == "__main__":`'
        )
    if dropped := places.count("drop") - len(doubles):
        done.append(f"dropped {_count(dropped, 'example')} at module level")
    for index in sorted(doubles):
        done.append(f"dropped an earlier definition of `{_name(tree.body[index])}`")
    return rewrite(source, tree, places), tuple(done)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _name(statement: ast.stmt) -> str:
    return statement.name if isinstance(statement, syntax.Definition) else ""


def _places(tree: ast.Module, names: Collection[str]) -> list[Place]:
    """Where each top-level statement belongs."""
    if all(_firm_place(statement, set()) == "stay" for statement in tree.body):
        return ["stay"] * len(tree.body)  # nothing but definitions: most replies, at no cost
    functions = {_name(s) for s in tree.body if isinstance(s, syntax.Definition)}
    plain = {s.name for s in tree.body if isinstance(s, ast.FunctionDef)}
    effects = _effects(tree)
    firm: list[Place | None] = [
        _firm_place(statement, functions - effects.keys()) for statement in tree.body
    ]
    read = _read_by_definitions(tree)
    firm = [
        "stay" if _fills(statement) & read else place
        for statement, place in zip(tree.body, firm, strict=True)
    ]
    _drag_along(tree, firm)
    needed = set(names)
    for statement, place in zip(tree.body, firm, strict=True):
        if place == "stay":
            needed |= syntax.loads(statement)
    moved: set[str] = set()
    for statement, place in zip(tree.body, firm, strict=True):
        if place in ("main", "drop"):
            moved |= syntax.loads(statement)
    for index in range(len(firm) - 1, -1, -1):
        if firm[index] is not None:
            continue
        statement = tree.body[index]
        bound = _changes(statement)
        for name in _calls(statement) & effects.keys():
            bound |= effects[name]
        public = any(name[:1].isupper() or name.startswith("_") for name in bound)
        idle = bound & moved or _is_idle_example(statement, plain)
        if bound & needed or public or not idle:
            firm[index] = "stay"
            needed |= syntax.loads(statement)
        else:
            firm[index] = "main"
            moved |= syntax.loads(statement)
    _drag_along(tree, firm)
    return [place or "stay" for place in firm]


def _read_by_definitions(tree: ast.Module) -> frozenset[str]:
    """The module's own names that its functions and classes read."""
    definitions = [s for s in tree.body if isinstance(s, syntax.Definition)]
    imports = [s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
    read = frozenset[str]().union(*(syntax.free_names(ast.Module([d], [])) for d in definitions))
    return read - syntax.top_level(ast.Module([*definitions, *imports], []))


def _fills(statement: ast.stmt) -> set[str]:
    """The names that a block surely sets or fills: `T = 1`, `T[i] = 1`, `T.append(1)`.

    No name where it may never end: where it waits for the user, or has a `while` in it.
    """
    inside = _outside_functions(statement)
    if not isinstance(statement, ast.For | ast.If | ast.With | ast.Try) or any(
        isinstance(node, ast.While)
        or (isinstance(node, ast.Call) and _calls_one_of(node, {"input"}))
        for node in inside
    ):
        return set()
    names = set(syntax.bindings(statement))
    for node in inside:
        match node:
            case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                names.add(_owner(node))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as func) as call):
                names |= set() if _is_effect(call) else {_owner(func)}
            case _:
                pass
    return names


def _effects(tree: ast.Module) -> dict[str, set[str]]:
    """For each function that changes the module's own names, such as a registry, those names."""
    own = syntax.top_level(tree)
    effects: dict[str, set[str]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            changed = {
                name
                for node in syntax.walk(statement)
                for name in (node.names if isinstance(node, ast.Global) else ())
            }
            local = {arg.arg for arg in ast.walk(statement) if isinstance(arg, ast.arg)}
            for part in statement.body:
                changed |= _changes(part) - set(syntax.bindings(part)) - local
            if changed & own:
                effects[statement.name] = changed & own
    return effects


def _is_idle_example(statement: ast.stmt, functions: Collection[str]) -> bool:
    """Whether it runs a function of this module for nobody: `result = f(3)`, `try: main()`."""
    return not _calls(statement).isdisjoint(functions)


def _firm_place(statement: ast.stmt, functions: set[str]) -> Place | None:
    """Where a statement belongs by itself; None where that depends on who uses its names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return "stay"
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global():
            return "stay"
        case ast.Assert():
            return "drop"  # even one about a constant: nothing at import may fail
        case ast.Expr(value=ast.Constant(value=str())):
            return "stay"
        case ast.Expr(value=value):
            return _expression_place(value, functions)
        case ast.If() if syntax.is_main_guard(statement):
            return "stay"
        case _:
            pass
    return _compound_place(statement)


def _compound_place(statement: ast.stmt) -> Place | None:
    inside = _outside_functions(statement)
    calls = [node for node in inside if isinstance(node, ast.Call)]
    if any(_calls_one_of(call, {"input"}) for call in calls):
        return "main"
    if any(isinstance(node, ast.Import | ast.ImportFrom | syntax.Definition) for node in inside):
        return "stay"
    if any(isinstance(node, ast.Assert) for node in inside):
        return "drop"
    if isinstance(statement, ast.Raise) or any(_is_effect(call) for call in calls):
        return "main"
    return None


def _expression_place(value: ast.expr, functions: set[str]) -> Place | None:
    calls = [node for node in syntax.walk(value) if isinstance(node, ast.Call | ast.Await)]
    if not calls:
        return "drop"
    if not isinstance(value, ast.Call | ast.Await | ast.ListComp):
        return "drop" if isinstance(value, ast.Compare | ast.BoolOp) else "main"
    if any(
        isinstance(c, ast.Call) and (_is_effect(c) or _calls_one_of(c, functions)) for c in calls
    ):
        name = (
            value.func.id
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
            else ""
        )
        # A call of the model's own tests would fail the run for what may be a wrong guess.
        return "drop" if name.startswith("test") else "main"
    return None


def _is_effect(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _RUNS
    return _calls_one_of(call, _SHOWS)


def _calls_one_of(call: ast.Call, names: Collection[str]) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in names


def _calls(statement: ast.stmt) -> set[str]:
    return {
        node.func.id
        for node in _outside_functions(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


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


def _changes(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or whose objects it may change: `T[i] = 1`, `xs.sort()`."""
    names = set(syntax.bindings(statement))
    for node in _outside_functions(statement):
        if isinstance(node, ast.Subscript | ast.Attribute):
            names.add(_owner(node))
    return names - {""}


def _owner(part: ast.expr) -> str:
    """The name whose object `part` is a part of, empty where it has none: `T` for `T.a[0]`."""
    while isinstance(part, ast.Subscript | ast.Attribute):
        part = part.value
    return part.id if isinstance(part, ast.Name) else ""


def _drag_along(tree: ast.Module, places: list[Place | None]) -> None:
    """What reads a name at import that only a moved statement binds must move with it."""
    moved: set[str] = set()
    kept: set[str] = set()
    for index, statement in enumerate(tree.body):
        bound = set(syntax.bindings(statement))
        if places[index] in ("main", "drop"):
            moved |= bound
        elif isinstance(statement, syntax.Definition | ast.Import | ast.ImportFrom):
            kept |= bound
        elif syntax.loads(statement) & (moved - kept) and not syntax.is_main_guard(statement):
            places[index] = "main"
            moved |= bound
        else:
            kept |= bound


def _overridden(tree: ast.Module) -> set[int]:
    """Definitions that a later one of the same name replaces, or an empty later one repeats."""
    gone: set[int] = set()
    last: dict[str, int] = {}
    for index, statement in enumerate(tree.body):
        if not isinstance(statement, syntax.Definition) or statement.decorator_list:
            continue
        before = last.get(statement.name)
        if before is not None and not _is_read_between(tree, before, index):
            if syntax.is_empty(statement) and not syntax.is_empty(tree.body[before]):
                gone.add(index)
                continue
            gone.add(before)
        last[statement.name] = index
    return gone


def _is_read_between(tree: ast.Module, begin: int, end: int) -> bool:
    name = _name(tree.body[begin])
    return any(
        name in syntax.loads(statement)
        for statement in tree.body[begin + 1 : end + 1]
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr | ast.Assert)
        or getattr(statement, "decorator_list", ())
    )


def rewrite(source: str, tree: ast.Module, places: Sequence[Place]) -> str:
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
            moved.append(_indented(lines[begin - 1 : end], begin, statement))
    kept = [line for number, line in enumerate(lines, 1) if number not in gone]
    return _joined(["\n".join(kept).rstrip()], moved)


def _indented(lines: Sequence[str], begin: int, statement: ast.stmt) -> str:
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
