"""Functions without a body: what a file itself asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ml_coach.core.python.syntax import Definition, first_line, is_placeholder, last_line, parse

# In characters: parsing that much takes some milliseconds, during which no request is answered.
LONGEST_PARSED = 40_000
_LONGEST_BLOCK = 600
_HEAD = re.compile(r"(?:async\s+def|def|class)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Stub:
    """`name` is dotted, as in `Class.method`; `prompt` is the code that says what it must do.

    `first` and `last` are its lines, counted from 1.
    """

    name: str
    prompt: str
    first: int
    last: int


def stubs_in(source: str) -> tuple[Stub, ...]:
    """Every function whose body is still a placeholder, in order; none where it does not parse."""
    tree = parse(source)
    return () if tree is None else tuple(_below(tree, source.split("\n"), ()))


def functions_in(source: str) -> tuple[str, ...]:
    """The dotted names of all functions, in order, each once; none where it does not parse."""
    tree = parse(source)
    return () if tree is None else tuple(dict.fromkeys(_functions(tree, "")))


def emptied(source: str, name: str) -> str:
    """`source` with the top-level function `name` as a stub: its docstring stays, its body goes.

    Unchanged where there is no such function, and where its body begins on the line of its `def`.
    """
    tree = parse(source)
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef)] if tree else []
    node = next((f for f in functions if f.name == name), None)
    if node is None:
        return source
    described = ast.get_docstring(node, clean=False) is not None
    first = last_line(node.body[0]) + 1 if described else node.body[0].lineno
    if first == node.lineno or (described and len(node.body) == 1):
        return source
    lines = source.split("\n")
    lines[first - 1 : last_line(node)] = [f"{' ' * node.body[0].col_offset}..."]
    return "\n".join(lines)


def stub_around(lines: Sequence[str], line: int) -> Stub | None:
    """The stub at `line` (from 1) of a long text: only the definition around it is parsed.

    None also where a name is defined more than once, because the others are not looked into, and
    for a definition of more than several hundred lines.
    """
    block = block_around(lines, line)
    if block is None:
        return None
    first = block.start
    for stub in stubs_in("".join(lines[first : block.stop])):
        if stub.first + first <= line <= stub.last + first:
            heads = (match for one in lines if (match := _HEAD.match(one)))
            if sum(match[1] == stub.name.split(".")[0] for match in heads) > 1:
                return None
            return replace(stub, first=stub.first + first, last=stub.last + first)
    return None


def block_around(lines: Sequence[str], line: int) -> range | None:
    """The lines (from 0) of the definition at the left margin that `line` (from 1) is in or right
    behind, with its decorators; None where there is none, or it has several hundred lines."""
    head = line - 1
    while head < len(lines) and lines[head].startswith("@"):
        head += 1
    top = max(head - _LONGEST_BLOCK, 0)
    while head >= top and not _HEAD.match(_line(lines, head)):
        head -= 1
    if head < top:
        return None
    first = head
    while first > top and lines[first - 1].startswith("@"):
        first -= 1
    last = head + 1
    while last < len(lines) and last < first + _LONGEST_BLOCK and not _is_next(lines[last]):
        last += 1
    return range(first, last)


def _line(lines: Sequence[str], index: int) -> str:
    return lines[index].rstrip("\r\n") if 0 <= index < len(lines) else ""


def _is_next(line: str) -> bool:
    """Whether a definition at the left margin has ended before `line`."""
    return line[:1] not in ("", " ", "\t", "\r", "\n", ")", "]", "}", "#")


def _below(node: ast.AST, lines: list[str], outer: tuple[Definition, ...]) -> Iterator[Stub]:
    children = _statements(node)
    definitions = [child for child in children if isinstance(child, Definition)]
    # A name that also has a body is not a stub: `@overload`, a property's setter.
    finished = {d.name for d in definitions if not is_placeholder(d)}
    for child in children:
        if not isinstance(child, Definition):
            yield from _below(child, lines, outer)
            continue
        path = (*outer, child)
        if is_placeholder(child) and child.name in finished:
            continue
        if is_placeholder(child) and not isinstance(child, ast.ClassDef):
            # A method's prompt is its whole class, because tests reach it only through the class.
            prompt = "\n".join(lines[first_line(path[0]) - 1 : last_line(path[0])]) + "\n"
            name = ".".join(definition.name for definition in path)
            yield Stub(name, prompt, first_line(child), last_line(child))
        else:
            yield from _below(child, lines, path)


def _functions(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in _statements(node):
        if isinstance(child, Definition):
            if not isinstance(child, ast.ClassDef):
                yield prefix + child.name
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _statements(node: ast.AST) -> list[ast.stmt]:
    """The statements in a node's blocks. Not `iter_child_nodes`: it would go through every
    expression of the document."""
    blocks = (getattr(node, name, ()) for name in ("body", "orelse", "finalbody"))
    return [child for block in blocks for child in block]
