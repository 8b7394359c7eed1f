"""The comment above a generated test that says where the test comes from.

    # ml-coach: guessed
    def test_guessed_1():

The comment is for whoever reads the file. ML Coach itself remembers a test by its code
(test_authors.py), so a comment that is deleted or copied changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ml_coach.core.python import syntax

_MARK = re.compile(r"^# ml-coach: [a-z]+$")


def marked(source: str, words: Mapping[str, str], otherwise: str) -> str:
    """`source`, a test file, with a mark above each top-level test: its word, else `otherwise`."""
    lines = source.splitlines(keepends=True)
    for node in reversed(syntax.tests(source)):
        at = syntax.first_line(node) - 1
        if not (at and _MARK.match(lines[at - 1].rstrip())):
            lines.insert(at, f"# ml-coach: {words.get(node.name, otherwise)}\n")
    return "".join(lines)


def is_mark(line: str) -> bool:
    """Whether `line` is such a comment."""
    return _MARK.match(line.rstrip()) is not None
