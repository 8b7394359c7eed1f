"""Which test of a file stands at a line."""

from __future__ import annotations

from collections.abc import Sequence

from ml_coach.core.python.stubs import block_around
from ml_coach.core.python.syntax import first_line, last_line, test_functions


def test_at(lines: Sequence[str], line: int) -> str:
    """The test at `line` (from 1) by a name such as `TestA::test_b`; empty where there is none.

    Editors ask at every move of the cursor, so only the definition around the line is parsed.
    """
    block = block_around(lines, line)
    if block is None:
        return ""
    at = line - block.start
    found = (
        name
        for name, test in test_functions("".join(lines[block.start : block.stop]))
        if first_line(test) <= at <= last_line(test)
    )
    return next(found, "")
