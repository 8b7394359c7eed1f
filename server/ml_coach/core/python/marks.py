"""The comment above a generated test that says where the test comes from.

    # ml-coach: guessed
    def test_guessed_1():

The comment stands in the file, so that it holds also for whoever reads, copies or reruns it. A user
who has checked a guessed test deletes the comment, and the test is their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ml_coach.core.python import syntax

_MARK = re.compile(r"^# ml-coach: (?P<word>[a-z]+)$")


def marked(source: str, words: Mapping[str, str], otherwise: str) -> str:
    """`source`, a test file, with a mark above each top-level test: its word, else `otherwise`."""
    lines = source.splitlines(keepends=True)
    for node in reversed(_tests(source)):
        at = first_line(node) - 1
        if not (at and _MARK.match(lines[at - 1].rstrip())):
            lines.insert(at, f"# ml-coach: {words.get(node.name, otherwise)}\n")
    return "".join(lines)


def marks_of(source: str) -> dict[str, str]:
    """The word of each marked top-level test of `source`; none where it does not parse."""
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in _tests(source):
        at = first_line(node) - 2
        if at >= 0 and (mark := _MARK.match(lines[at].rstrip())):
            found[node.name] = mark["word"]
    return found


def is_mark(line: str) -> bool:
    """Whether `line` is such a comment."""
    return _MARK.match(line.rstrip()) is not None


def first_line(node: syntax.Definition) -> int:
    """The number, from 1, of the line on which a definition begins, its decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _tests(source: str) -> list[syntax.Definition]:
    tree = syntax.parse(source)
    body = tree.body if tree else ()
    return [
        node
        for node in body
        if isinstance(node, syntax.Definition) and node.name.lower().startswith("test")
    ]
