"""What a document itself asks for: a `# coach:` comment, a function without a body."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ml_coach.core.python.syntax import Definition, first_line, is_placeholder, last_line, parse

_COMMENT = re.compile(r"^\s*#\s*coach:\s*(.*)$", re.IGNORECASE)
_MORE = re.compile(r"^\s*#\s?(?!\s*coach:)(.*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stub:
    """`name` is dotted, as in `Class.method`; `prompt` is the code that says what it must do.

    `first` and `last` are its lines, counted from 1.
    """

    name: str
    prompt: str
    first: int
    last: int


def prompt_at(lines: list[str], at: int) -> str:
    """The prompt in the comment around line `at` (from 0), empty where there is none."""
    first = at
    while (
        first > 0 and not _COMMENT.match(_line(lines, first)) and _MORE.match(_line(lines, first))
    ):
        first -= 1
    begin = _COMMENT.match(_line(lines, first))
    if begin is None:
        return ""
    words, last = [begin[1].strip()], first + 1
    while more := _MORE.match(_line(lines, last)):
        words.append(more[1].rstrip())
        last += 1
    return "\n".join(words).strip() if at < last else ""


def _line(lines: list[str], index: int) -> str:
    return lines[index].rstrip("\r\n") if 0 <= index < len(lines) else ""


def stubs_in(source: str) -> tuple[Stub, ...]:
    """Every function whose body is still a placeholder, in order; none where it does not parse."""
    tree = parse(source)
    return () if tree is None else tuple(_below(tree, source.split("\n"), ()))


def _below(node: ast.AST, lines: list[str], outer: tuple[Definition, ...]) -> Iterator[Stub]:
    children = list(ast.iter_child_nodes(node))
    definitions = [child for child in children if isinstance(child, Definition)]
    # A name that also has a body is not a stub: `@overload`, a property's setter.
    finished = {d.name for d in definitions if not is_placeholder(d)}
    for child in children:
        if not isinstance(child, Definition):
            if isinstance(child, ast.stmt):
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
