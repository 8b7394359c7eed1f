"""What an edit would lose of the user's text, or break: the one check that every edit has to pass.

It compares a file before and after. By tokens and outline, which need no text that compiles, it
finds what is lost: only what the edit itself names may change, the lines that it removes and the
definitions that it gives. By syntax tree it finds what the file did not have and no program is
meant to have, such as names that nothing defines: the sign of an edit that was read wrongly.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from symtable import SymbolTable, symtable
from typing import cast

from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks, common_ends
from ml_coach.core.patches.outline import bound, definitions, is_empty, outline, tokens
from ml_coach.core.python import syntax
from ml_coach.core.python.compiling import LONGEST, parsed

_TOP = re.compile(r"(?:async def|def|class|@|import|from)\b|@|[^\W\d]\w* =")
_MOST_NAMED = 5  # A sentence with more names is not read.
_PYTHON = (".py", ".pyi")
_LAST = (ast.Return, ast.Raise, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)


def loss(before: str, after: str, removed: str, *, code: bool = False) -> str:
    """What `after` would lose of `before` beyond the text `removed`, which the edit itself names:
    the end of a sentence that begins with "It", empty where nothing is lost. An edit that is
    `code` replaces definitions, so that it takes no name away."""
    if before == after:
        return ""
    lines = _changed_part(split_lines(before), split_lines(after))
    old, new = map(outline, lines)
    named = tokens(removed)
    counts = Counter(bound(old)) - Counter(bound(new))
    gone = list(counts)
    if not code:
        gone = [name for name in gone if not named[name.split(".")[-1]] and not named[name]]
    if gone:
        return f"would lose {_listed(gone)}, which it does not remove."
    missing = tokens("\n".join(lines[0])) - tokens("\n".join(lines[1])) - named
    if missing:
        return (
            f"would lose {_listed([f'`{token}`' for token in missing])} of lines it does not show."
        )
    empty = [Counter(n for n, node in definitions(x) if is_empty(node)) for x in (old, new)]
    known = Counter(name for name, _ in definitions(old))
    if emptied := [name for name in empty[1] - empty[0] if known[name]]:
        return f"would empty {_listed(emptied)}."
    return ""


def _changed_part(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Both texts without the definitions at their ends that are the same in both."""
    first, last = common_ends(before, after)
    while first and not _TOP.match(before[first - 1]):
        first -= 1
    first = max(0, first - 1)
    while last and not _TOP.match(before[-last]):
        last -= 1
    return before[first : len(before) - last], after[first : len(after) - last]


def objection(
    file: str, before: str, after: str, removed: str, *, code: bool = False, cut: bool = False
) -> str:
    """Why no edit may make `after` of `before`: the end of a sentence that begins with "It".

    `removed` is the text that the edit takes away or, where it is `code`, replaces; `cut` says that
    the end of the code may be missing. Empty where nothing speaks against the edit.
    """
    try:
        problem = ruin(file, before, after) or loss(before, after, removed, code=code)
        if problem := problem or flaw(file, before, after):
            return problem
        if not code or not file.endswith(_PYTHON) or len(after) > LONGEST:
            return ""
        old, new = _traits(before), _traits(after)
        return _misread(old.tree, new.tree, cut=cut) if old and new else ""
    except RecursionError:
        return "would be nested too deeply to be checked."


def ruin(file: str, before: str, after: str) -> str:
    """Why not even an edit that is exact may leave `after`; empty where it may."""
    if before.strip() and not after.strip():
        return "would leave nothing of the file; a patch that means this deletes it."
    if file.endswith(_PYTHON) and not _traits(after) and _traits(before):
        return "would leave a program that does not compile."
    return ""


def flaw(file: str, before: str, after: str) -> str:
    """What `after` has that `before` has not and no program is meant to have: names that nothing
    defines, statements that are never reached, statements that stand twice."""
    new = _traits(after) if file.endswith(_PYTHON) else None
    old = _traits(before) if new else None
    if new is None:
        return ""
    if strangers := sorted(new.undefined - (old.undefined if old else tokens(before).keys())):
        return f"would use {_listed(strangers)}, which nothing defines."
    if old and (unset := sorted((old.given - new.given) & new.fields)):
        return f"would no longer set {_listed(unset)}, which the file reads."
    if old and (more := new.oddities - old.oddities):
        return f"would have {next(iter(more))}."
    return ""


@dataclass(frozen=True, slots=True)
class _Traits:
    """What is compared of a program: its tree, what it reads and lacks, what is odd in it, the
    names that it gives to anything and the fields of objects that it reads."""

    tree: ast.Module
    undefined: set[str]
    oddities: Counter[str]
    given: set[str]
    fields: set[str]


@lru_cache(maxsize=4)
def _traits(source: str) -> _Traits | None:
    """The traits of a program, None where it does not compile. Each check asks for the same few."""
    tree = parsed(source)
    if tree is None or len(source) > LONGEST:
        return tree and _Traits(tree, set(), Counter(), set(), set())
    try:
        return _Traits(tree, _undefined(source), Counter(_oddities(tree)), *_fields(tree))
    except RecursionError:  # Deeper than can be compared, though it compiles.
        return _Traits(tree, _undefined(source), Counter(), *_fields(tree))


def _fields(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that a program binds anywhere, fields of objects among them; the fields read."""
    given, read = set[str](), set[str]()
    for node in syntax.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Load()):
                read.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                given.add(name)
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                given.add(name)
            case _:
                pass
    return given, read


def _undefined(source: str) -> set[str]:
    """The names that some scope of a program reads of its module, which does not bind them."""
    bound: set[str] = set(syntax.BUILTINS)
    read: set[str] = set()
    with syntax.quietly():
        pending: list[SymbolTable] = [symtable(source, "<patched>", "exec")]
    while pending:
        table = pending.pop()
        pending += table.get_children()
        is_module = table.get_type() == "module"
        for symbol in table.get_symbols():
            if is_module or symbol.is_global():
                if symbol.is_assigned() or symbol.is_imported() or symbol.is_annotated():
                    bound.add(symbol.get_name())
                if symbol.is_referenced():
                    read.add(symbol.get_name())
    return set() if re.search(r"^[ \t]*from .* import \*", source, re.MULTILINE) else read - bound


def _oddities(tree: ast.Module) -> Iterator[str]:
    """Statements that are never reached, and statements and definitions that stand twice."""
    for node in syntax.walk(tree):
        if isinstance(node, ast.Assign | ast.Return) and getattr(node.value, "value", None) is ...:
            yield f"`{syntax.unparsed(node)[:60]}` in the place of code"
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)  # a list, but for that of a lambda
            statements = cast("list[ast.stmt]", block) if isinstance(block, list) else []
            for one, other in pairwise(statements):
                if isinstance(one, ast.Return | ast.Raise | ast.Continue | ast.Break):
                    yield f"statements below a `{type(one).__name__.lower()}`"
                if type(one) is type(other) and not isinstance(one, ast.Expr) and _same(one, other):
                    yield f"`{syntax.unparsed(one)[:60]}` twice"
        if isinstance(node, ast.Module | ast.ClassDef):
            plain = (s for s in node.body if isinstance(s, syntax.Definition))
            names = Counter(s.name for s in plain if not s.decorator_list)
            yield from (f"{name} defined twice" for name, count in names.items() if count > 1)


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)


def _functions(tree: ast.Module) -> Iterator[tuple[str, syntax.Function]]:
    """The functions of a module and the methods of its classes, by their full names."""
    pending: list[tuple[str, ast.stmt]] = [("", s) for s in tree.body]
    for owner, node in pending:
        if isinstance(node, ast.ClassDef):
            pending += [(f"{owner}{node.name}.", s) for s in node.body]
        elif isinstance(node, syntax.Function):
            yield owner + node.name, node


def _misread(before: ast.Module, after: ast.Module, *, cut: bool) -> str:
    """What speaks against definitions that a reply gives: they are cut off, only an example, or a
    new name for what the file keeps under its old one."""
    old, new = dict(_functions(before)), dict(_functions(after))
    changed = [name for name in old.keys() & new.keys() if not _same(old[name], new[name])]
    for name in changed:
        if _returns(old[name].body[-1]) and not _comes_to_an_end(new[name], cut=cut):
            return f"would end {name} before it returns something."
    guards = filter(syntax.is_main_guard, before.body)
    run = frozenset[str]().union(*map(syntax.loads, guards))
    for name in run.intersection(changed) if len(changed) > 1 else ():
        used = syntax.loads(old[name]) & syntax.top_level(before)
        if unused := sorted(used - syntax.loads(new[name])):
            return f"would replace {name}, which runs {_listed(unused)}, by another example."
    had, has = map(_mentions, (before, after))
    for name in new.keys() - old.keys():
        own = _mentions(new[name])
        is_used = all(has[part] > own[part] for part in name.split("."))
        if syntax.is_empty(new[name]) or (is_used and had.keys() <= has.keys()):
            continue
        given, local, read = _variables(new[name])
        said = {ast.dump(s) for s in new[name].body if not syntax.is_docstring(s)}
        for other in sorted(old.keys() & new.keys()):
            last = other.rpartition(".")[2]
            if is_used and (last in has or last not in had):
                continue
            theirs = _variables(old[other])
            kept = sum(ast.dump(s) in said for s in old[other].body)
            is_alike = last in name or 2 * kept >= len(said) > 0
            is_alike = is_alike and theirs[2] == read
            if theirs[0] == given and theirs[1] <= local and (theirs[1] or is_alike):
                return f"would have {name} beside {other}, which it only renames."
    return ""


def _mentions(tree: ast.AST) -> Counter[str]:
    """How often a program reads each name and field; a string that is a name may be one of them."""
    found = (
        getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "value", None)
        for node in syntax.walk(tree)
        if not isinstance(getattr(node, "ctx", None), ast.Store)
    )
    return Counter(name for name in found if isinstance(name, str) and name.isidentifier())


def _variables(function: syntax.Function) -> tuple[list[str], set[str], frozenset[str]]:
    """The names of a function's parameters, those that its body binds, and those that it reads."""
    nodes = list(syntax.walk(function))
    given = [n.arg for n in nodes if isinstance(n, ast.arg) and n.arg not in ("self", "cls")]
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return given, stored, syntax.loads(function)


def _returns(last: ast.stmt) -> bool:
    return isinstance(last, ast.Return) and not isinstance(last.value, ast.Constant | None)


def _comes_to_an_end(function: syntax.Function, *, cut: bool) -> bool:
    """Whether a function returns something, and at its end where that may be missing."""
    last = function.body[-1]
    if cut:
        return isinstance(last, _LAST) or (isinstance(last, ast.If) and bool(last.orelse))
    return any(
        isinstance(node, ast.Raise | ast.Yield | ast.YieldFrom | ast.Return)
        for node in syntax.walk(function)
    )


def doubled(before: Sequence[str], after: Sequence[str]) -> str:
    """A line that an edit adds although the file has it right there, empty where there is none.

    Lines without a letter, such as a closing bracket, and words that stand alone, such as
    `else:`, may well stand twice.
    """
    for a, b, c, d in changed_blocks(before, after):
        added = [x for x in after[c:d] if len(tokens(x)) > 2 or len(x.split()) > 1]
        if a != b or not added:
            continue
        half, run = c + (d - c) // 2, _said(after[c:d])
        count = len(run)
        below, above = _said(after[d : d + 2 * count]), _said(after[max(0, c - 2 * count) : c])
        if run in (below[:count], above[-count:]):
            return added[0].strip()
        if len(added) > 1 and after[c:half] == after[half:d]:
            return added[0].strip()
    return ""


def _said(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _listed(words: Sequence[str]) -> str:
    more = ", ..." if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
