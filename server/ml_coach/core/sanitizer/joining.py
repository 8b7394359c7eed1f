"""Joins the blocks of a reply to one program: the last real version of each definition, once."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace

from ml_coach.core.python import syntax
from ml_coach.core.sanitizer.code import Code
from ml_coach.core.sanitizer.elisions import elision
from ml_coach.core.sanitizer.program_text import Destination, indented, rewrite


def joined(parts: Sequence[Code], names: Sequence[str], lenders: Sequence[Code]) -> Code:
    """The program that defines `names`, made of those of `parts` that it takes.

    Without `names`, of all parts that define something. What a taken part reads and lacks comes
    with the part that defines it, or as an import from one of `lenders`.
    """
    parts = [without_own_imports(part, parts, names) for part in parts]
    if len(parts) == 1:
        return with_imports(parts[0], lenders)
    homes = _homes(parts)
    parts = [_without_other_versions(part, parts, homes) for part in parts]
    wanted = [homes[name] for name in names if name in homes]
    if not wanted:
        wanted = [at for at, part in enumerate(parts) if part.has_definition]
    order: list[int] = []
    for at in sorted(set(wanted)) or [len(parts) - 1]:
        _take(at, parts, homes, order)
    return with_imports(together([parts[at] for at in order]), lenders)


def _homes(parts: Sequence[Code]) -> dict[str, int]:
    """Each name with the last part that really defines it, and leaves nothing of itself out."""
    homes: dict[str, int] = {}
    merits: dict[str, tuple[bool, ...]] = {}
    for at, part in enumerate(parts):
        is_whole = not elision(part.source)
        for name, statement in part.definitions.items():
            is_definition = isinstance(statement, syntax.Definition)
            is_real = not is_hollow(statement), not syntax.is_empty(statement)
            merit = (is_definition, *is_real, is_whole)
            if merit >= merits.get(name, merit):
                homes[name], merits[name] = at, merit
    return homes


def is_hollow(statement: ast.stmt) -> bool:
    """Whether a definition has no code: it is empty, or a class of which every method is."""
    if isinstance(statement, ast.ClassDef):
        methods = [s for s in statement.body if isinstance(s, syntax.Definition)]
        rest = ast.ClassDef(
            statement.name, [], [], [s for s in statement.body if s not in methods], []
        )
        return not statement.bases and syntax.is_empty(rest) and all(map(is_hollow, methods))
    return syntax.is_empty(statement)


def partial_class(parts: Sequence[Code]) -> str:
    """Why one class may not replace another of its name: a sentence, empty where all may.

    A later version has to have all that an earlier one has and it names; an earlier version that
    is taken instead has to have all of the later one.
    """
    homes = _homes(parts)
    classes = [(at, s) for at, p in enumerate(parts) for s in p.tree.body]
    for at, cls in classes:
        if not isinstance(cls, ast.ClassDef):
            continue
        taken = parts[homes[cls.name]].definitions[cls.name]
        if taken is cls or not isinstance(taken, ast.ClassDef):
            continue
        have = _members(taken)
        gone = {name for name, is_real in _members(cls).items() if is_real and not have.get(name)}
        if homes[cls.name] > at:
            named = {node.attr for node in syntax.walk(taken) if isinstance(node, ast.Attribute)}
            gone &= have.keys() | named | {"__init__"}
        if gone:
            return (
                f"The reply has `{cls.name}` more than once, and one leaves out `{min(gone)}`. "
                "Write all of the class, and only once."
            )
    return ""


def _members(cls: ast.ClassDef) -> dict[str, bool]:
    """The names that the body of a class binds, and whether it has code or a value for each."""
    return {
        name: not is_hollow(statement)
        for statement in cls.body
        for name in syntax.bindings(statement)
    }


def _take(at: int, parts: Sequence[Code], homes: dict[str, int], order: list[int]) -> None:
    """Puts a part into `order`, behind the parts that define what it reads."""
    pending, opened = [(at, False)], set[int]()
    while pending:
        at, is_ready = pending.pop()
        if is_ready:
            order.append(at)
        elif at not in opened and at not in order:
            opened.add(at)
            needed = {homes[name] for name in parts[at].free_names if name in homes}
            pending += [
                (at, True),
                *((other, False) for other in sorted(needed - {at}, reverse=True)),
            ]


def together(parts: Sequence[Code]) -> Code:
    """All of `parts` in their order as one text."""
    if len(parts) == 1:
        return parts[0]
    futures = dict.fromkeys(ast.unparse(s) for p in parts for s in p.tree.body if _is_future(s))
    bodies = (_placed(p, ["drop" if _is_future(s) else "stay" for s in p.tree.body]) for p in parts)
    source = "\n\n\n".join(body.source.strip("\n") for body in bodies)
    if futures:
        source = syntax.insert_at_top(source, syntax.module(source), "\n".join(futures))
    return Code(
        source,
        syntax.module(source),
        frozenset[str]().union(*(part.lost for part in parts)),
        any(part.truncated for part in parts),
        next((part.fault for part in parts if part.fault), ""),
    )


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def with_methods(text: str, part: str) -> str | None:
    """`text` with the methods in `part` put into its class: the one that has them, or, for indented
    ones, the only one. None where `part` is anything else; empty where the class is in doubt."""
    bare = syntax.parse(part) if "def " in part else None
    if bare:
        part = indented(part.split("\n"), 1, ast.ClassDef("_", [], [], bare.body, []))
    inside = syntax.parse(f"class _:\n{part}") if "def " in part else None
    cls = inside.body[0] if inside else None
    if not isinstance(cls, ast.ClassDef) or not all(map(_is_method, cls.body)):
        return None
    tree = syntax.parse(text)
    if tree is None:
        return None
    classes = [s for s in tree.body if isinstance(s, ast.ClassDef)]
    has = [c for c in classes if not _members(cls).keys().isdisjoint(_members(c))]
    homes = has or (classes if bare is None else [])
    if len(homes) != 1:
        return "" if homes else None
    lines, end = text.split("\n"), syntax.last_line(homes[0])
    own = {_accessor(s): s for s in homes[0].body}
    pieces: list[tuple[int, int, list[str]]] = []
    for method in cls.body:
        first, last = syntax.first_line(method) - 2, syntax.last_line(method) - 1
        source = part.split("\n")[first:last]
        if old := own.get(_accessor(method)):
            begin = syntax.first_line(old) if "@" in source[0] else old.lineno
            pieces.append((begin - 1, syntax.last_line(old), source))
        else:
            pieces.append((end, end, ["", *source]))
    for begin, last, source in sorted(pieces[::-1], key=lambda p: p[0], reverse=True):
        lines[begin:last] = source
    return "\n".join(lines)


def _accessor(method: ast.stmt) -> tuple[str, ...]:
    """What tells a member from the others: its name, and whether it sets or deletes a property."""
    decorators = map(ast.unparse, getattr(method, "decorator_list", []))
    name = getattr(method, "name", "")
    return name, *(d for d in decorators if d.startswith(f"{name}."))


def _is_method(function: ast.stmt) -> bool:
    """Whether it is a function with a body that takes an object or a class, or is decorated."""
    if not isinstance(function, syntax.Function):
        return False
    first = [arg.arg for arg in function.args.args[:1]]
    is_method = first in (["self"], ["cls"]) or bool(function.decorator_list)
    return is_method and not syntax.is_empty(function)


# Versions and imports of the reply's own modules


def _without_other_versions(part: Code, parts: Sequence[Code], homes: dict[str, int]) -> Code:
    """`part` without the definitions that another part has in a better or later version."""
    return without(part, {name for name in part.definitions if parts[homes[name]] is not part})


def without(part: Code, names: Collection[str]) -> Code:
    """`part` without its definitions of `names`."""
    places: list[Destination] = [
        "drop" if isinstance(s, syntax.Definition) and s.name in names else "stay"
        for s in part.tree.body
    ]
    return _placed(part, places)


def _placed(part: Code, places: Sequence[Destination], below: str = "") -> Code:
    if "drop" not in places:
        return part
    source = rewrite(part.source, part.tree, places) + below
    return replace(part, source=source, tree=syntax.module(source))


def without_own_imports(part: Code, parts: Sequence[Code], names: Collection[str]) -> Code:
    """`part` without imports of what the reply itself defines, as all becomes one module."""
    defined = set(names).union(*(other.definitions for other in parts))
    places: list[Destination] = []
    aliases: list[str] = []
    for statement in part.tree.body:
        imported = statement.names if isinstance(statement, ast.ImportFrom) else []
        module = getattr(statement, "module", None) or ""
        is_own = bool(imported) and module.partition(".")[0] not in sys.stdlib_module_names
        is_own = is_own and all(alias.name in defined for alias in imported)
        places.append("drop" if is_own else "stay")
        aliases += [f"{a.asname} = {a.name}" for a in imported if is_own and a.asname]
    below = "\n\n\n" + "\n".join(aliases) if aliases else ""
    return _placed(part, places, below)


def _module_of(part: Code) -> str:
    return part.file.replace("\\", "/").rpartition("/")[2].removesuffix(".py")


def missing_module(code: Code, parts: Sequence[Code]) -> str:
    """A file of the reply that the program imports as a module, empty where there is none."""
    files = {_module_of(part): part.file for part in parts if part.file}
    for node in syntax.walk(code.tree) if files else ():
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Of `from . import a` and `from package import a`, `a` may be the file.
            modules = [node.module or "", *(alias.name for alias in node.names)]
        for module in modules:
            if module.rpartition(".")[2] in files:
                return files[module.rpartition(".")[2]]
    return ""


# What others lend


def with_imports(code: Code, lenders: Sequence[Code]) -> Code:
    """`code` with the imports of `lenders` that bind what it reads and lacks."""
    imports = {
        name: statement
        for lender in lenders
        for statement in lender.tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in syntax.bindings(statement)
        if name not in code.bound
    }
    # What a module reads takes long to find, and most replies lack nothing.
    borrowed = sorted(code.free_names & imports.keys() if imports else ())
    return _with_statements(code, [imports[name] for name in borrowed])


def with_stub(code: Code, stub: ast.Module, names: Collection[str]) -> Code:
    """`code` with what it reads and lacks of the prompt's own code, and its finished functions."""
    lendable = {
        name: statement
        for statement in stub.body
        if _can_be_lent(statement)
        for name in syntax.bindings(statement)
        if name not in code.bound
    }
    missing = set(code.free_names & lendable.keys()) if lendable else set[str]()
    if code.bound.intersection(names):
        missing |= {name for name, s in lendable.items() if isinstance(s, syntax.Definition)}
    borrowed: dict[str, ast.stmt] = {}
    while rest := missing - borrowed.keys():
        name = min(rest)
        borrowed[name] = lendable[name]
        missing |= syntax.free_names(ast.Module([lendable[name]], [])) & lendable.keys()
    return _with_statements(code, list(borrowed.values()))


def _can_be_lent(statement: ast.stmt) -> bool:
    if isinstance(statement, syntax.Definition):
        return not syntax.is_placeholder(statement)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return not any(isinstance(node, ast.Call) for node in syntax.walk(statement))
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _with_statements(code: Code, borrowed: Sequence[ast.stmt]) -> Code:
    if not borrowed:
        return code
    pieces = dict.fromkeys(ast.unparse(statement) for statement in reversed(borrowed))
    source = syntax.insert_at_top(code.source, code.tree, "\n\n\n".join(pieces))
    tree = syntax.parse(source)
    return code if tree is None else replace(code, source=source, tree=tree)
