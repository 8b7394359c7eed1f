"""The outline of Python text: its definitions, imports and constants, without parsing it.

Works on text that does not compile, and on newer syntax than the Python that runs here, as it
looks at indentation, brackets and the first words of statements alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ml_coach.core.patches.lines import indent_of, indent_width
from ml_coach.core.python.scanning import scanned

Kind = Literal["def", "class", "import", "name", "guard", "other"]

_SPECIAL = re.compile(r"[\"'#()\[\]{}\\]")
_IMPORT = re.compile(r"\s*(?:import|from)\b")
_GUARD = re.compile(r"\s*if\b.*__name__")
# Such a line begins a statement even where a bracket above was never closed.
_BEGINS = re.compile(
    r"\s*(?:(?:async\s+)?def\s+\w|class\s+\w|@\w|import\s+\w|from\s+[\w.]+\s+import)"
)
_DEFINITION = re.compile(r"\s*(?:async\s+)?(def|class)\s+(\w+)")
_CONTINUES = re.compile(r"\s*(?:elif|else|except|finally)\b")
_NAME = re.compile(
    r"\s*(?!(?:return|del|assert|pass|global|nonlocal|else|try|lambda)\b)"
    r"(?:type\s+)?([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*(?:\[[^=]*\]\s*)?(?::(?!=)[^=]*)?(?:=(?!=)|$)"
)
_ANNOTATED = re.compile(r"\s*[^\W\d]\w*\s*:\s*\S")
_EMPTY = re.compile(
    r"\s*(?:pass|\.\.\.|return(?:\s+None)?|raise\s+NotImplementedError\b.*|[rRuU]?(?:\"\"|'').*)?\s*;?\s*$"
)
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical line: it spans the lines from `first` to `last` (exclusive). `code` is its text
    with strings emptied and comments removed."""

    first: int
    last: int
    code: str
    indent: int


@dataclass(frozen=True, slots=True)
class Node:
    """A statement with all that belongs to it: decorators above, the block below.

    `head` is the line of the `def` or `class` itself, `body` the first line after its signature.
    `keys` are the names that it binds (`size`, or `size.setter`). `inner` are the statements in
    its block, without those deeper in.
    """

    kind: Kind
    keys: tuple[str, ...]
    first: int
    head: int
    body: int
    last: int
    indent: str
    inner: tuple[Node, ...]
    code: str

    @property
    def name(self) -> str:
        return self.keys[0] if self.keys else ""


def statements(lines: Sequence[str]) -> list[Statement]:
    """The logical lines of a text. A bracket or string that never ends is taken as closed where
    a line begins a definition, or for good where it would swallow the rest."""
    found: list[Statement] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        last, code = _statement(lines, at)
        found.append(Statement(at, last, code, indent_width(lines[at])))
        at = last
    return found


def _statement(lines: Sequence[str], first: int) -> tuple[int, str]:
    """The line after the statement that begins at `first`, and its code."""
    if not _SPECIAL.search(lines[first]):
        return first + 1, lines[first].rstrip()
    pieces: list[str] = []
    depth, quote, closed = 0, "", first
    for at in range(first, len(lines)):
        if at > first and depth > 0 and not quote and _BEGINS.match(lines[at]):
            while not lines[at - 1].strip():
                at -= 1
            return at, " ".join(pieces)
        code, opened, quote, more = scanned(lines[at], quote)
        depth += opened
        closed = at if '""' in code else closed
        pieces.append(code.strip() if pieces else code.rstrip())
        if depth <= 0 and not quote and not more:
            return at + 1, " ".join(pieces)
    # A string that never ends, ends with its line: what follows is looked at by itself.
    return (closed if quote and closed > first else first) + 1, pieces[0]


def outline(lines: Sequence[str]) -> tuple[Node, ...]:
    """The statements at the top of a text, each with its block."""
    return _outline(tuple(lines))


@lru_cache(maxsize=8)
def _outline(lines: tuple[str, ...]) -> tuple[Node, ...]:
    # Each step asks for the outline of the same few texts.
    return _nodes(lines, statements(lines), len(lines))


def _nodes(
    lines: Sequence[str], found: Sequence[Statement], end: int, *, depth: int = 0
) -> tuple[Node, ...]:
    if not found:
        return ()
    width = min(statement.indent for statement in found) if depth == 0 else found[0].indent
    nodes: list[Node] = []
    at = 0
    while at < len(found):
        start = at
        while found[at].code.lstrip().startswith("@") and at + 1 < len(found):
            at += 1
        head = found[at]
        block = at = at + 1
        while at < len(found) and (
            found[at].indent > width or (_CONTINUES.match(found[at].code) and depth < 50)
        ):
            at += 1
        limit = found[at].first if at < len(found) else end
        last = found[at - 1].last
        while last < limit and indent_width(lines[last]) > width and lines[last].strip():
            last += 1  # a comment at the end of the block
        inner = found[block:at]
        nodes.append(_node(lines, found[start], head, inner, last, depth))
    return tuple(nodes)


def _node(
    lines: Sequence[str],
    first: Statement,
    head: Statement,
    inner: Sequence[Statement],
    last: int,
    depth: int,
) -> Node:
    code = head.code
    kind: Kind = "other"
    keys: tuple[str, ...] = ()
    if definition := _DEFINITION.match(code):
        kind = "def" if definition[1] == "def" else "class"
        above = "\n".join(lines[first.first : head.first])
        accessor = re.search(rf"@{definition[2]}\.(setter|deleter)", above)
        keys = (f"{definition[2]}.{accessor[1]}" if accessor else definition[2],)
    elif _IMPORT.match(code):
        kind, keys = "import", tuple(name for name, _ in imported(code))
    elif _GUARD.match(code):
        kind = "guard"
    elif (match := _NAME.match(code)) and ("=" in code or _ANNOTATED.match(code)):
        kind, keys = "name", tuple(_WORD.findall(match[1]))
    nodes = _nodes(lines, inner, last, depth=depth + 1) if depth < 50 else ()
    return Node(
        kind,
        keys,
        first.first,
        head.first,
        head.last,
        last,
        indent_of(lines[head.first]),
        nodes,
        code,
    )


def imported(code: str) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with a text that is the same for equal imports."""
    match = re.match(r"\s*(?:from\s+([\w.]+)\s+)?import\s*(.*)", code, re.DOTALL)
    if not match:
        return
    for part in re.sub(r"[()\\]", " ", match[2]).split(","):
        words = part.split()
        if words:
            name = words[0] if match[1] else words[0].partition(".")[0]
            yield words[-1] if "as" in words else name, f"{match[1] or ''} import {' '.join(words)}"


def bound(nodes: Sequence[Node], owner: str = "") -> Iterator[str]:
    """Every name that the nodes bind, in blocks of `if` and `try` too, members as `Class.name`."""
    for node in nodes:
        for key in node.keys:
            yield owner + key
        if node.kind == "class":
            yield from bound(node.inner, f"{owner}{node.name}.")
        elif node.kind in ("other", "guard"):
            yield from bound(node.inner, owner)


def definitions(nodes: Sequence[Node], owner: str = "") -> Iterator[tuple[str, Node]]:
    """Every function with its full name, in classes and blocks, not those inside functions."""
    for node in nodes:
        if node.kind == "def":
            yield owner + node.name, node
        elif node.kind == "class":
            yield from definitions(node.inner, f"{owner}{node.name}.")
        else:
            yield from definitions(node.inner, owner)


def is_empty(node: Node) -> bool:
    """Whether a function does nothing: a docstring, `pass`, `...`, a comment, not implemented."""
    if node.inner:
        return all(not inner.inner and _EMPTY.match(inner.code) for inner in node.inner)
    _, colon, suite = node.code.rpartition(":")
    return not colon or bool(_EMPTY.match(suite))  # without a colon the reply ends in its head


def is_async(node: Node) -> bool:
    """Whether a function begins with `async`."""
    return node.code.lstrip().startswith("async")


def tokens(text: str) -> Counter[str]:
    """How often each word and each sign stands in a text, comments and strings included."""
    return Counter(re.findall(r"\w+|[^\w\s]", text))
