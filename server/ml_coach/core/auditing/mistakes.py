"""Small mistakes in a module: each is one edit of its text, so that comments and lines stay.

The operators are those of mutation testing (Offutt et al. 1996 for a set that suffices; mutmut and
PIT for what is left out on purpose), over the tables of `core/judging/mutants.py`. A mistake that
compiles to the same code is equivalent and left out (trivial compiler equivalence, Papadakis et al.
2015), and so is one that compiles to the code of an earlier one.
"""

from __future__ import annotations
import __future__

import ast
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise

from ml_coach.core.auditing.spots import Spot, spots
from ml_coach.core.judging.mutants import ARITHMETIC, COMPARISONS
from ml_coach.core.python import syntax

_LEFT_ALONE = re.compile(r"#\s*pragma:\s*no\s+(?:mutate|cover)\b")
_STRING = re.compile(r"([rRbBuUfF]*)('''|\"\"\"|'|\")")
_SIGNS: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Div: "/", ast.Mod: "%",
    ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<",
    ast.RShift: ">>", ast.And: "and", ast.Or: "or",
}  # fmt: skip
Function = tuple[str, int]  # its file, and the line that it begins in, decorators included

_COMPILED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Edit:
    """A mistake as an edit of a file: lines `first` to `last`, from 1, become `after`.

    A test that runs one of the lines in `reach` may notice it; where only functions are followed,
    one that enters the function that begins in the line `entered`. `in_function` is False where
    code that runs at import is changed: then every test may. `what` is a sentence, `function` the
    qualified name around it.
    """

    file: str
    first: int
    last: int
    before: str
    after: str
    what: str
    function: str
    reach: range
    entered: int
    in_function: bool

    @property
    def in_the(self) -> Function:
        """The innermost function around it."""
        return self.file, self.entered


@dataclass(slots=True)
class Edits:
    """The mistakes in one file, in the order of its text; how many were left out because they
    change nothing, and for how many there was no room."""

    every: list[Edit] = field(default_factory=list[Edit])
    equivalent: int = 0
    untried: int = 0


# (start, end, text, what): offsets in the module's text.
_Change = tuple[int, int, str, str]


def edits_in(file: str, source: str, most: int = 10_000) -> Edits:
    """The mistakes that can be made in a module, or so many of them, spread over its whole text;
    none where it does not parse. Deterministic."""
    found = Edits()
    tree = syntax.parse(source)
    if tree is None:
        return found
    text = _Text(source)
    flags = _flags(tree)
    known: dict[int, set[str]] = {}
    every = [
        (spot, change)
        for spot in spots(tree)
        if not _LEFT_ALONE.search(text.lines[spot.header.start - 1])
        for change in _changes(spot, text)
    ]
    count = min(most, len(every))
    found.untried = len(every) - count
    for spot, change in (every[at * len(every) // count] for at in range(count)):
        unit = spot.unit
        first, last = syntax.first_line(unit), unit.end_lineno or unit.lineno
        head = f"class {spot.class_name}:\n" if spot.class_name else ""
        before = text.between(first, last)
        seen = known.setdefault(first, set())
        if not seen:
            seen.add(_code(head + before, flags) or "")
        base = text.starts[first - 1]
        start, end, new, _ = change
        code = _code(head + before[: start - base] + new + before[end - base :], flags)
        if code is None:
            continue
        if code in seen:
            found.equivalent += 1
            continue
        seen.add(code)
        found.every.append(_edit(file, text, spot, change))
    return found


def _edit(file: str, text: _Text, spot: Spot, change: _Change) -> Edit:
    """The edit of whole lines that the change of some characters is."""
    start, end, new, what = change
    first, last = text.line_of(start), text.line_of(max(start, end - 1))
    before = text.between(first, last)
    base = text.starts[first - 1]
    after = before[: start - base] + new + before[end - base :]
    return Edit(
        file,
        first,
        last,
        before,
        after,
        what,
        spot.function,
        spot.header,
        spot.entered,
        spot.in_function,
    )


class _Text:
    """A text by lines and offsets. The parser counts columns in bytes of UTF-8."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)
        # `splitlines` ends lines at form feeds and the like, too, which Python does not.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+$", source) or [""]
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode("utf-8", "replace"))
        return self.starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def of(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.source[start:end]

    def between(self, first: int, last: int) -> str:
        return "".join(self.lines[first - 1 : last])

    def line_of(self, offset: int) -> int:
        low, high = 0, len(self.lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.starts[middle] <= offset else (low, middle - 1)
        return low + 1


def _flags(tree: ast.Module) -> int:
    names = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }
    return __future__.annotations.compiler_flag if "annotations" in names else 0


def _code(segment: str, flags: int) -> str | None:
    """What Python executes for a statement, as a text that is equal for equal code; None
    where it does not compile."""
    try:
        with syntax.quietly():
            code = compile(segment, "<mistake>", "exec", flags=flags, dont_inherit=True)
    except syntax.NOT_PYTHON:
        return None
    return blake2b(repr(_essence(code)).encode("utf-8", "surrogatepass")).hexdigest()


def _essence(code: types.CodeType) -> tuple[object, ...]:
    constants = [
        _essence(c) if isinstance(c, types.CodeType) else (type(c).__name__, repr(c))
        for c in code.co_consts
    ]
    return (
        code.co_name, code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_flags, code.co_argcount, code.co_kwonlyargcount,
        code.co_posonlyargcount, code.co_exceptiontable,
    )  # fmt: skip


def _changes(spot: Spot, text: _Text) -> Iterator[_Change]:
    """What may be written at this place instead."""
    yield from _operators(spot.node, text)
    yield from _values(spot, text)
    yield from _statements(spot, text)


def _operators(node: ast.AST, text: _Text) -> Iterator[_Change]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=right):
            for before, op, after in zip([left, *right], ops, right, strict=False):
                yield from _sign(text, before, after, op, COMPARISONS.get(type(op)))
        case ast.BinOp(left=left, op=op, right=right):
            yield from _sign(text, left, right, op, ARITHMETIC.get(type(op)))
        case ast.BoolOp(op=op, values=values):
            other = ast.And if isinstance(op, ast.Or) else ast.Or
            for before, after in pairwise(values):
                yield from _sign(text, before, after, op, other)
        case ast.AugAssign(target=target, op=op, value=value):
            yield from _sign(text, target, value, op, ARITHMETIC.get(type(op)))
            yield from _replaced(text, target, value, f"{_SIGNS[type(op)]}=", "=")
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            start, end = text.span(node)
            inner = text.source[start:end]
            kept = re.sub(r"^(?:not\b\s*|[-~]\s*)", "", inner)
            if not isinstance(operand, ast.Constant) or isinstance(node.op, ast.Not):
                yield start, end, f"({kept})", f"`{_short(inner)}` becomes `{_short(kept)}`"
        case _:
            return


def _sign(
    text: _Text, left: ast.expr, right: ast.expr, op: ast.AST, other: type[ast.AST] | None
) -> Iterator[_Change]:
    if other is not None:
        yield from _replaced(text, left, right, _SIGNS[type(op)], _SIGNS[other])


def _replaced(
    text: _Text, left: ast.expr, right: ast.expr, old: str, new: str
) -> Iterator[_Change]:
    """The operator between two expressions; brackets and line ends may be around it."""
    start, end = text.span(left)[1], text.span(right)[0]
    words = r"\s+".join(map(re.escape, old.split()))
    found = re.search(words, text.source[start:end])
    if found:
        at = start + found.start(), start + found.end()
        yield *at, new, f"`{old}` becomes `{new}`"


def _values(spot: Spot, text: _Text) -> Iterator[_Change]:
    node = spot.node
    if not isinstance(node, ast.expr):
        return
    start, end = text.span(node)
    written = text.source[start:end]
    match node:
        case ast.Constant(value=bool(value)):
            new = str(not value)
        case ast.Constant(value=int(value) | float(value)):
            new = repr(value + 1)
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
            opening = _STRING.match(written)
            if opening is None or spot.in_format:  # A piece of an f-string is not changed apart.
                return
            head, quote = opening.end(), opening[2]
            new = f"{written[:head]}XX{written[head : -len(quote)]}XX{quote}"
        case ast.Lambda(body=body) if not _is_none(body):
            start, end = text.span(body)
            written, new = text.source[start:end], "None"
        case _:
            yield from _conditions(spot, text)
            return
    yield start, end, new, f"`{_short(written)}` becomes `{_short(new)}`"


def _conditions(spot: Spot, text: _Text) -> Iterator[_Change]:
    """A condition turned round, and an argument that is lost. What is compared or joined has
    mistakes of its own."""
    node = spot.node
    assert isinstance(node, ast.expr)
    start, end = text.span(node)
    written = text.source[start:end]
    has_own = isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant)
    if spot.field in ("test", "ifs") and not has_own:
        yield start, end, f"(not {written})", f"`{_short(written)}` becomes `not {_short(written)}`"
    is_argument = spot.field == "args" and isinstance(spot.parent, ast.Call)
    is_argument = is_argument or isinstance(spot.parent, ast.keyword)
    if is_argument and not isinstance(node, ast.Constant | ast.Starred):
        yield start, end, "None", f"the argument `{_short(written)}` becomes `None`"


def _statements(spot: Spot, text: _Text) -> Iterator[_Change]:
    node = spot.node
    if not isinstance(node, ast.stmt):
        return
    start, end = text.span(node)
    written = _short(text.source[start:end])
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield *text.span(value), "None", f"`{written}` returns `None`"
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            if spot.in_function and not _is_none(value):
                yield *text.span(value), "None", f"`{written}` assigns `None`"
        case ast.Break():
            yield start, end, "return" if spot.in_function else "pass", "`break` becomes `return`"
        case ast.Continue():
            yield start, end, "break", "`continue` becomes `break`"
        case ast.Raise() | ast.Expr(value=ast.Call() | ast.Await()):
            yield start, end, "pass", f"`{written}` is left out"
        case _:
            return


def _is_none(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"
