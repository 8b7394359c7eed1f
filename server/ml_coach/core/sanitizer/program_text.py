"""Tidies a program: importing it must define things and do nothing else."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ml_coach.core.python import syntax

Place = Literal["stay", "main", "drop"]

# What a call by itself is made for: to show something, to wait, or to run what is defined. Every
# other call may set up what is defined: `random.seed(0)`, `register("a", handler)`.
_ACTS = frozenset({
    "print", "pprint", "input", "display", "exit", "quit", "help", "breakpoint", "main", "testmod",
    "run", "mainloop", "show", "sleep", "write", "writelines", "flush", "run_until_complete",
    "serve_forever", "run_docstring_examples",
})  # fmt: skip


def tidy(source: str, tree: ast.Module, names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """`source` without side effects on import, and what was done to it in plain words.

    Calls, prints and `input()` move under `if __name__ == "__main__":`; asserts go, because they
    are guesses that would fail a run; of two definitions of one name the last real one stays,
    unless what stands between them reads the earlier one.
    """
    places = _places(tree, names)
    doubles = _overridden(tree, places)
    done: list[str] = []
    if moved := places.count("main"):
        done.append(
            f'moved {_count(moved, "statement")} at module level under `if __name__ == "__main__":`'
        )
    if dropped := places.count("drop"):
        done.append(f"dropped {_count(dropped, 'example')} at module level")
    for index in sorted(doubles):
        places[index] = "drop"
        done.append(f"dropped {doubles[index]} of `{_name(tree.body[index])}`")
    return (rewrite(source, tree, places) if done else source), tuple(done)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _name(statement: ast.stmt) -> str:
    return statement.name if isinstance(statement, syntax.Definition) else ""


# Places


@dataclass(frozen=True, slots=True)
class _Module:
    """What is known of a module when its statements are placed, from the last to the first.

    `read` are its own names that its definitions read. `effects` maps its functions that change
    names of the module, such as a registry, to those names; `pure` are its other functions, and
    `callable` these and its classes. `needed` is all that stays or is asked for reads, `moved` all
    that moved statements read.
    """

    read: frozenset[str]
    effects: dict[str, set[str]]
    pure: frozenset[str]
    callable: frozenset[str]
    needed: set[str]
    moved: set[str]


def _places(tree: ast.Module, names: Collection[str]) -> list[Place]:
    """Where each top-level statement belongs."""
    if all(map(_only_defines, tree.body)):
        return ["stay"] * len(tree.body)  # most replies, at no cost
    module = _module(tree, names)
    places: list[Place] = []
    for statement in reversed(tree.body):
        place = _place(statement, module)
        read = module.needed if place == "stay" else module.moved
        read |= syntax.loads(statement)
        places.append(place)
    places.reverse()
    _drag_along(tree, places)
    return places


def _module(tree: ast.Module, names: Collection[str]) -> _Module:
    definitions = [s for s in tree.body if isinstance(s, syntax.Definition)]
    imports = [s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
    read = frozenset[str]().union(*(syntax.free_names(ast.Module([d], [])) for d in definitions))
    effects = _effects(tree)
    return _Module(
        read - syntax.top_level(ast.Module([*definitions, *imports], [])),
        effects,
        frozenset(d.name for d in definitions if isinstance(d, ast.FunctionDef)),
        frozenset(d.name for d in definitions) - effects.keys(),
        set(names).union(*map(syntax.loads, filter(_only_defines, tree.body))),
        set(),
    )


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


def _place(statement: ast.stmt, module: _Module) -> Place:
    if _only_defines(statement):
        return "stay"
    inside = _outside_functions(statement)
    calls = [node for node in inside if isinstance(node, ast.Call)]
    if isinstance(statement, ast.Assert):
        return "drop"  # even one about a constant: nothing at import may fail
    changed = changes(statement)
    if isinstance(statement, ast.Expr):
        place = _place_of_expression(statement.value, module)
    elif module.read & changed and _surely_ends(statement, inside, calls):
        place = "stay"
    else:
        place = _place_of_block(statement, inside, calls)
    if place:
        return place
    if changed & module.pure & _called(calls):
        return "main"  # `total = total([1, 2])` would replace the function by its result
    bound = changed.union(*(module.effects.get(name, ()) for name in _called(calls)))
    if any(map(_asks, inside)) and not bound & module.read:
        return "main"
    is_public = any(name[:1].isupper() or name.startswith("_") for name in bound)
    # An example: it runs a function for nobody, or binds what only moved statements read.
    is_idle = bound & module.moved or _called(calls) & module.pure
    is_idle = is_idle or isinstance(statement, ast.While)
    return "main" if is_idle and not is_public and not bound & module.needed else "stay"


def _place_of_expression(value: ast.expr, module: _Module) -> Place | None:
    calls = [node for node in syntax.walk(value) if isinstance(node, ast.Call)]
    if isinstance(value, ast.Compare | ast.BoolOp) or not (calls or isinstance(value, ast.Await)):
        return "drop"
    if not isinstance(value, ast.Call | ast.ListComp):
        return "main"
    starts = isinstance(value, ast.Call) and getattr(value.func, "attr", "") in ("start", "join")
    if starts or any(map(_acts, calls)) or _called(calls) & module.callable:
        # A call of the model's own tests would fail the run for what may be a wrong guess.
        is_test = ast.unparse(value).startswith("test")
        return "drop" if is_test else "main"
    return None


def _place_of_block(
    statement: ast.stmt, inside: Sequence[ast.AST], calls: Sequence[ast.Call]
) -> Place | None:
    if "input" in _called(calls):
        return "main"
    if any(isinstance(node, ast.Import | ast.ImportFrom | syntax.Definition) for node in inside):
        return "stay"
    if any(isinstance(node, ast.Assert) for node in inside):
        return "drop"
    return "main" if isinstance(statement, ast.Raise) or any(map(_acts, calls)) else None


def _surely_ends(statement: ast.stmt, inside: Sequence[ast.AST], calls: Sequence[ast.Call]) -> bool:
    """Whether it is a block without a `while` that does not wait for the user."""
    is_block = isinstance(statement, ast.For | ast.If | ast.With | ast.Try)
    return is_block and not (
        "input" in _called(calls) or any(isinstance(n, ast.While) for n in inside)
    )


def _acts(call: ast.Call) -> bool:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else next(iter(_called([call])), "")
    return name in _ACTS


def _asks(node: ast.AST) -> bool:
    """Whether it reads what only the user of a script gives."""
    return isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.argv", "sys.stdin")


def _called(calls: Sequence[ast.Call]) -> set[str]:
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


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


def _drag_along(tree: ast.Module, places: list[Place]) -> None:
    """What reads a name at import that only a moved statement binds must move with it."""
    moved: set[str] = set()
    kept: set[str] = set()
    for index, statement in enumerate(tree.body):
        is_late = syntax.loads(statement) & (moved - kept) and not _only_defines(statement)
        if places[index] == "stay" and is_late:
            places[index] = "main"
        (kept if places[index] == "stay" else moved).update(syntax.bindings(statement))


# Two definitions of one name


def _overridden(tree: ast.Module, places: Sequence[Place]) -> dict[int, str]:
    """Definitions that a later one replaces, and empty ones of what a real one defines already.

    A definition stays that may be read on import before the later one replaces it.
    """
    names = [_name(statement) for statement in tree.body]
    if len(set(filter(None, names))) == len(list(filter(None, names))):
        return {}
    inner: dict[str, set[str]] = {}
    for name, statement in zip(names, tree.body, strict=True):
        if isinstance(statement, ast.FunctionDef):
            inner.setdefault(name, set()).update(syntax.loads(statement))
    gone: dict[int, str] = {}
    last: dict[str, int] = {}
    read_at: dict[str, int] = {}  # where a name was read last
    for index, statement in enumerate(tree.body):
        read = _read_at_import(statement) if places[index] == "stay" else frozenset[str]()
        if not names[index]:  # What calls a function may read all that its body does.
            read = read.union(*(inner[name] for name in read & inner.keys()))
        read_at |= dict.fromkeys(read, index)
        if not isinstance(statement, syntax.Definition) or statement.decorator_list:
            continue
        before = last.get(statement.name)
        if before is not None:
            if syntax.is_empty(statement) and not syntax.is_empty(tree.body[before]):
                gone[index] = "an empty definition"
                continue
            if read_at.get(statement.name, -1) <= before:
                gone[before] = "an earlier definition"
        last[statement.name] = index
    return gone


def _read_at_import(statement: ast.stmt) -> frozenset[str]:
    """The names that a statement may read when it runs; those in a function's body run later."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return syntax.loads(statement.args).union(*map(syntax.loads, statement.decorator_list))
    return syntax.loads(statement)


# Text


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
