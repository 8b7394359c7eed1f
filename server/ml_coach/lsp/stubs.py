"""What a document asks for by itself: a `# coach:` comment, a function without a body."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from ml_coach.core.syntax import Definition, first_line, is_placeholder, last_line, parse

_COMMENT = re.compile(r"^\s*#\s*coach:\s*(.*)$", re.IGNORECASE)
_MORE = re.compile(r"^\s*#\s?(?!\s*coach:)(.*)$", re.IGNORECASE)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Stub:
    """`name` is dotted, as in `Class.method`; `prompt` is the code that says what it must do."""

    name: str
    prompt: str


def prompt_at(lines: list[str], at: int) -> str:
    """The prompt of the comment that line `at` (from 0) belongs to, empty where there is none."""
    first = at
    while first > 0 and not _COMMENT.match(_at(lines, first)) and _MORE.match(_at(lines, first)):
        first -= 1
    begin = _COMMENT.match(_at(lines, first))
    if begin is None:
        return ""
    words, last = [begin[1].strip()], first + 1
    while more := _MORE.match(_at(lines, last)):
        words.append(more[1].rstrip())
        last += 1
    return "\n".join(words).strip() if at < last else ""


def _at(lines: list[str], index: int) -> str:
    return lines[index].rstrip("\r\n") if 0 <= index < len(lines) else ""


def stub_at(source: str, at: int) -> Stub | None:
    """The innermost function on line `at` (from 0) if its body says nothing yet."""
    tree = parse(source)
    return None if tree is None else _stub_in(source, tree, at + 1, ())


def stub_named(source: str, name: str) -> Stub | None:
    """The stub with that dotted name."""
    tree = parse(source)
    body: list[ast.stmt] = tree.body if tree else []
    outer: list[ast.stmt] = []
    node: Definition | None = None
    for part in name.split("."):
        named = [n for n in body if isinstance(n, Definition) and n.name == part]
        if not named:
            return None
        node = named[-1]
        outer.append(node)
        body = node.body
    if not isinstance(node, _Function) or not is_placeholder(node):
        return None
    return Stub(name, _segment(source, outer[0]))


def _stub_in(source: str, node: ast.AST, line: int, above: tuple[ast.stmt, ...]) -> Stub | None:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt) or not first_line(child) <= line <= last_line(child):
            continue
        if isinstance(child, _Function) and is_placeholder(child):
            outer = (*above, child)
            names = (n.name for n in outer if isinstance(n, Definition))
            return Stub(".".join(names), _segment(source, outer[0]))
        inside = (*above, child) if isinstance(child, Definition) else above
        return _stub_in(source, child, line, inside)
    return None


def _segment(source: str, node: ast.stmt) -> str:
    """The statement's own lines, decorators included. A method comes with its whole class: tests
    can only reach it through that."""
    lines = source.split("\n")
    return "\n".join(lines[first_line(node) - 1 : last_line(node)]) + "\n"
