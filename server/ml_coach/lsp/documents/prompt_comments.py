"""Prompts in documents: a comment that begins with `# coach:`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMENT = re.compile(r"^\s*#\s*coach:\s*(.*)$", re.IGNORECASE)
_MORE = re.compile(r"^\s*#\s?(?!\s*coach:)(.*)$", re.IGNORECASE)


def prompt_at(lines: Sequence[str], at: int) -> str:
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


def _line(lines: Sequence[str], index: int) -> str:
    return lines[index].rstrip("\r\n") if 0 <= index < len(lines) else ""
