"""Which indentation an added line gets when the hunk's differs from the file's."""

from __future__ import annotations

from collections.abc import Sequence

from ml_coach.core.patches.alignment import Placement
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.lines import first_indent, indent_width, tight
from ml_coach.core.patches.target import Target

AS_WRITTEN = 0.3
"""The cost of leaving added lines as they are where the lines around them were shifted."""
WARPED = 0.65
"""The cost of a place where lines of one depth in the hunk have several depths in the file."""


def spellings(hunk: Hunk, placement: Placement, target: Target) -> list[tuple[float, list[str]]]:
    """Ways to indent the hunk's lines in this file, each with its cost; the first is likeliest.

    Each hunk line on a file line tells how one width in the hunk reads in the file. Where all
    agree, added lines follow them; where they do not, added lines are trusted as written first.
    """
    lines = target.lines
    written = [line.text for line in hunk.lines]
    widths: dict[int, set[int]] = {}
    for step in placement.steps:
        if step.item < 0 or step.added or step.last != step.first + 1:
            continue
        item, line = hunk.lines[step.item], lines[step.first]
        if not line.strip() or tight(item.text) != tight(line):
            continue
        # Context that only lost the column of its sign is not shifted.
        same = item.raw.rstrip() == line.rstrip()
        width = indent_width(line)
        widths.setdefault(width if same else indent_width(item.text), set()).add(width)
    agreed = all(len(found) == 1 for found in widths.values())
    warped = 0.0 if agreed else WARPED
    tabs = first_indent(lines) == "\t"
    shifted = [_shift(text, widths, tabs=tabs) for text in written]
    if shifted == written:
        return [(warped, written)]
    usual = target.widths
    if agreed and _unusual(hunk, shifted, usual) <= _unusual(hunk, written, usual):
        return [(0.0, shifted), (AS_WRITTEN, written)]
    return [(warped, written), (warped + AS_WRITTEN, shifted)]


def _unusual(hunk: Hunk, texts: Sequence[str], usual: frozenset[int]) -> int:
    """How many added lines are indented as no line of the file is, nor one level further in."""
    return sum(
        line.sign == "+" and bool(text.strip()) and indent_width(text) not in usual
        for line, text in zip(hunk.lines, texts, strict=True)
    )


def _shift(text: str, widths: dict[int, set[int]], *, tabs: bool) -> str:
    if not text.strip() or not widths:
        return text
    width = indent_width(text)
    nearest = min(widths, key=lambda known: (abs(known - width), known))
    wanted = max(0, min(widths[nearest]) + width - nearest)
    body = text.lstrip(" \t")
    written = text[: len(text) - len(body)]
    if wanted == width and ("\t" in written) == (tabs and bool(written)):
        return text
    return ("\t" * (wanted // 4) + " " * (wanted % 4) if tabs else " " * wanted) + body
