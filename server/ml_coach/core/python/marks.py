"""The comment above a generated test that says where the test comes from.

    # ml-coach: guessed
    def test_guessed_1():

The comment is for whoever reads the file. ML Coach itself remembers a test by its code
(test_authors.py), and by the comment only that the test came from another folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ml_coach.core.python import syntax

_MARK = re.compile(r"^# ml-coach: [a-z]+$")


def marked(source: str, words: Mapping[str, str], otherwise: str) -> str:
    """`source`, a test file, with a mark above each test function and each class that has one: its
    word, else `otherwise`.

    A mark that stands there already is a model's, so it goes.
    """
    lines = source.splitlines(keepends=True)
    for node in reversed(_holders(source)):
        end = start = syntax.first_line(node) - 1
        while start and is_mark(lines[start - 1]):
            start -= 1
        lines[start:end] = [f"# ml-coach: {words.get(node.name, otherwise)}\n"]
    return "".join(lines)


def marked_tests(source: str) -> frozenset[str]:
    """The names of the test functions and classes at the top that have a mark above them."""
    lines = source.splitlines()
    starts = {node.name: syntax.first_line(node) - 1 for node in _holders(source)}
    return frozenset(name for name, at in starts.items() if at and is_mark(lines[at - 1]))


def _holders(source: str) -> list[syntax.Definition]:
    """The functions and classes at the top that are tests or hold some."""
    names = {name.split("::")[0] for name, _ in syntax.test_functions(source)}
    tree = syntax.parse(source)
    body = tree.body if tree else ()
    return [node for node in body if isinstance(node, syntax.Definition) and node.name in names]


def is_mark(line: str) -> bool:
    """Whether `line` is such a comment."""
    return _MARK.match(line.rstrip()) is not None
