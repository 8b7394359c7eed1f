"""Programs that differ in one expression: repairs of a slip in a comparison, bound or operator, or
of a function that changes what it was given.

Search-based repair at a distance of one (Debroy and Wong 2010 repair by mutation; Qi et al. 2015
show how often what passes the tests is wrong all the same). An edit changes one expression; the
rest of the text, its comments too, stays as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from ml_coach.core.judging.mutants import (
    BOUNDARIES,
    OPPOSITES,
    Comparison,
    Site,
    changed,
    sites_under_test,
)
from ml_coach.core.patches.lines import line_end
from ml_coach.core.python import syntax
from ml_coach.core.types import Program

# A program that passes a few tests after an edit of a `limit` or of the kind of a result is nearly
# always right. A condition turned round passes half of all single tests, and for nearly any test
# some number passes it (bench/RESULTS.md).
EditKind = Literal["limit", "turn", "quantity"]

# All edits of a function of 40 lines; they take three seconds to test.
MOST_EDITS = 200

_NEAR: dict[Comparison, tuple[Comparison, ...]] = {
    **{op: (other,) for op, other in BOUNDARIES.items()},
    ast.Eq: (ast.LtE, ast.GtE),
}
_TURNED: dict[Comparison, Comparison] = {
    **OPPOSITES, ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip
_NUMERIC = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod, ast.Pow)
_TWINS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor",
    "lower": "upper", "upper": "lower", "append": "extend", "isalpha": "isalnum",
    "find": "rfind", "lstrip": "strip", "rstrip": "strip", "search": "fullmatch",
    "match": "search", "islower": "isupper", "isupper": "islower",
    "startswith": "endswith", "endswith": "startswith", "round": "int", "int": "round",
}  # fmt: skip
# `return list(x)` where `return x` stands, and the other way round.
_CONVERSIONS = ("list", "tuple", "set", "sorted", "str", "int")
_CHANGING = frozenset((
    "append", "extend", "insert", "remove", "pop", "sort", "reverse", "clear", "add", "discard",
    "update", "setdefault", "popitem",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """A program that differs from another one in one place; `what` says in which."""

    program: Program
    what: str
    kind: EditKind


def small_edits(
    program: Program, most: int = MOST_EDITS, lines: range | None = None
) -> tuple[Edit, ...]:
    """At most `most` edits of `program`, limits first, then turns; () where it does not parse or is
    nested too deeply to be compared. With `lines` only what begins there is edited.

    Deterministic. Code under `if __name__ == "__main__"` is left alone: no test runs it.
    """
    tree = syntax.parse(program.source)
    if tree is None:
        return ()
    # What a program asserts itself is taken for right.
    sites = list(sites_under_test(tree, but=ast.Assert))
    if lines is not None:
        sites = [site for site in sites if getattr(site.node, "lineno", 0) in lines]
    changes = list(_changes(sites))
    found = {edit.program.source: edit for edit in _with_copies(program, sites)}
    for kind, site, new in changes[: most - len(found)]:
        try:
            edit = edit_at(program, tree, site, new, kind)
        except RecursionError:  # A few hundred terms are too deep a tree.
            return ()
        if edit is not None:
            found.setdefault(edit.program.source, edit)
    return tuple(found.values())


def _changes(sites: Sequence[Site]) -> Iterator[tuple[EditKind, Site, ast.AST]]:
    for site in sites:
        for new in _limits(site):
            yield "limit", site, new
    for site in sites:
        for new in _turns(site):
            yield "turn", site, new
    for site in sites:
        for new in _quantities(site.node):
            yield "quantity", site, new


def edits_at(
    program: Program, tree: ast.Module, site: Site, news: Iterable[ast.AST], source: str = ""
) -> Iterator[Edit]:
    """Each of `news` at the site, as `edit_at`; none where the tree is too deep to be compared."""
    old = site.node
    for new in news:
        try:
            edit = edit_at(program, tree, site, new, "limit", source)
        except RecursionError:
            site.put(old)
            return
        if edit is not None:
            yield edit


def inserted(program: Program, statement: ast.stmt, *lines: str) -> Iterator[Edit]:
    """The program with these lines ahead of the statement, each further indented."""
    texts = program.source.encode().splitlines(keepends=True)
    at = syntax.first_line(statement) - 1
    indent = texts[at][: statement.col_offset]
    if indent.strip() or texts[at].startswith(b"elif", len(indent)):
        return  # It stands behind a colon, or the chain would be cut in two.
    step = syntax.indentation(program.source).encode() if len(lines) > 1 else b""
    end = line_end(program.source)
    new = [indent + step * depth + f"{line}{end}".encode() for depth, line in enumerate(lines)]
    source = b"".join([*texts[:at], *new, *texts[at:]]).decode()
    if syntax.compiles(source):
        what = f"line {at + 1}: `{' '.join(lines)}` comes first"
        yield Edit(replace(program, source=source), what, "limit")


def edit_at(
    program: Program,
    tree: ast.Module,
    site: Site,
    new: ast.AST,
    kind: EditKind,
    source: str = "",
) -> Edit | None:
    """`new` written at the site, where it does not stand as `source` says; None where it changes
    nothing, no text gives this tree, or a comment inside would be lost."""
    old = cast("ast.expr | ast.AugAssign", site.node)  # Only these are edited.
    if ast.dump(new) == ast.dump(old):
        return None
    around = next((s for s in tree.body if syntax.spans(s, old.lineno)), None)
    if around is None or (not source and _has_comment(program.source, old)):
        return None
    site.put(new)
    wanted = ast.dump(around)
    site.put(old)
    text = ast.unparse(ast.fix_missing_locations(new))
    spliced = (_spliced(program.source, old, written) for written in (text, f"({text})"))
    for edited in [source] if source else spliced:
        if _statement(program.source, edited, around) == wanted:
            what = f"line {old.lineno}: `{ast.unparse(old)}` becomes `{text}`"
            return Edit(replace(program, source=edited), what, kind)
    return None


def _statement(source: str, edited: str, statement: ast.stmt) -> str:
    """The tree of what the top-level statement has become; empty where it does not compile. The
    rest of the file is the same, and to read all of it for each edit takes a long time."""
    old, new = source.encode().splitlines(), edited.encode().splitlines(keepends=True)
    last = len(new) - (len(old) - syntax.last_line(statement))
    text = b"".join(new[syntax.first_line(statement) - 1 : last]).decode()
    found = syntax.parse(text)
    if found is None or len(found.body) != 1 or not syntax.compiles(text):
        return ""
    return ast.dump(found.body[0])


def _has_comment(source: str, node: ast.expr | ast.AugAssign) -> bool:
    """Whether a comment stands between the lines of a node."""
    lines = range(node.lineno, node.end_lineno or node.lineno)
    comments = syntax.comments(source) if lines else {}
    return comments is None or any(line in comments for line in lines)


def _with_copies(program: Program, sites: Sequence[Site]) -> Iterator[Edit]:
    """Has a function take a copy of an argument first that it changes."""
    for function in (site.node for site in sites):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        start = next((s for s in function.body if not syntax.is_docstring(s)), function.body[-1])
        for name in _changed_arguments(function):
            yield from inserted(program, start, f"{name} = {name}.copy()")


def _changed_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The parameters whose items are set, or that methods are called of which change a value."""
    names = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    found: dict[str, None] = {}
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                if method not in _CHANGING:
                    continue
            case _:
                continue
        if name in names:
            found[name] = None
    return [*found]


def _spliced(source: str, node: ast.expr | ast.AugAssign, text: str) -> str:
    """`source` with the text of `node` replaced. Columns count bytes of UTF-8."""
    lines = source.encode().splitlines(keepends=True)
    last = (node.end_lineno or node.lineno) - 1
    head = lines[node.lineno - 1][: node.col_offset]
    tail = lines[last][node.end_col_offset or 0 :]
    lines[node.lineno - 1 : last + 1] = [head + text.encode() + tail]
    return b"".join(lines).decode()


def _limits(site: Site) -> Iterator[ast.AST]:
    """Conditions that hold a little more or less often, and other kinds of results."""
    node = site.node
    yield from _nearby(node)
    if site.field == "value" and isinstance(site.parent, ast.Return):
        yield from _as_other_kinds(cast("ast.expr", node))


def _nearby(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            for other in _NEAR.get(type(op), ()):
                yield ast.Compare(left, [other()], [right])
        case ast.BoolOp(op=op, values=values):
            yield changed(node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield rest[0] if len(rest) == 1 else changed(node, values=rest)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for index, part in enumerate(node.generators):
                parts: list[ast.AST] = [*node.generators]
                parts[index] = changed(part, ifs=[])
                yield changed(node, generators=parts)
        case ast.Call():
            yield from _other_calls(node)
        case _:
            return


def _turns(site: Site) -> Iterator[ast.AST]:
    """Conditions turned round."""
    node = site.node
    if site.field == "test":
        yield ast.UnaryOp(ast.Not(), cast("ast.expr", node))
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield ast.Compare(left, [_TURNED[type(op)]()], [right])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case _:
            return


def _as_other_kinds(node: ast.expr) -> Iterator[ast.AST]:
    for name in _CONVERSIONS:
        yield ast.Call(ast.Name(name, ast.Load()), [node], [])
    back = ast.Slice(step=ast.UnaryOp(ast.USub(), ast.Constant(1)))
    yield ast.Subscript(node, back, ast.Load())


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    called = node.func
    match called:
        case ast.Name(id=name):
            field = "id"
        case ast.Attribute(attr=name):
            field = "attr"
        case _:
            return
    if name in _TWINS:
        yield changed(node, func=changed(called, **{field: _TWINS[name]}))
    if name in _CONVERSIONS and field == "id" and len(node.args) == 1:
        yield node.args[0]
    if name in ("sorted", "sort"):
        rest = [keyword for keyword in node.keywords if keyword.arg != "reverse"]
        turned = [*rest, ast.keyword("reverse", ast.Constant(True))]
        yield changed(node, keywords=turned if len(rest) == len(node.keywords) else rest)


def _quantities(node: ast.AST) -> Iterator[ast.AST]:
    """Other numbers, operations and bounds."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, _NUMERIC):
            yield from (ast.Compare(left, [op], [other]) for other in _stepped(right))
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if isinstance(op, _ARITHMETIC):
            yield from (changed(node, op=o()) for o in _ARITHMETIC if o is not type(op))
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            others = dict.fromkeys((value + 1, value - 1, 0, 1, 2))
            yield from (_number(other) for other in others if other != value)
        case _:
            yield from _bounds(node)


def _bounds(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Subscript(slice=ast.Slice(lower=lower, upper=upper) as cut):
            for name, bound in (("lower", lower), ("upper", upper)):
                for other in _stepped(bound) if bound else ():
                    yield changed(node, slice=changed(cut, **{name: other}))
        case ast.Call(func=ast.Name(id="range"), args=args, keywords=[]):
            for index, bound in enumerate(args[:2]):
                for other in _stepped(bound):
                    yield changed(node, args=[*args[:index], other, *args[index + 1 :]])
            if len(args) == 1:
                yield changed(node, args=[ast.Constant(1), *args])
        case _:
            return


def _stepped(node: ast.expr) -> Iterator[ast.expr]:
    """One more and one less; a number has edits of its own."""
    if not isinstance(node, ast.Constant):
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        yield ast.BinOp(node, ast.Sub(), ast.Constant(1))


def _number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))
