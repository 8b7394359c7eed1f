"""What an edit would lose of the user's text: the one check that every edit has to pass.

It compares a file before and after by its tokens and its outline, so that it needs no text that
compiles. What the edit itself names may change: lines that it removes, definitions that it gives.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.outline import bound, definitions, is_empty, outline, tokens
from ml_coach.core.python.compiling import parsed

_TOP = re.compile(r"(?:async def|def|class|@|import|from)\b|@|[^\W\d]\w* =")
_MOST_NAMED = 5  # A sentence with more names is not read.


def loss(before: str, after: str, removed: str, *, names: bool = True) -> str:
    """What `after` would lose of `before` beyond the text `removed`, which the edit itself names:
    the end of a sentence that begins with "It", empty where nothing is lost. Without `names`, the
    names in `removed` may not go either: the edit replaces their definitions."""
    if before == after:
        return ""
    lines = _changed_part(split_lines(before), split_lines(after))
    old, new = map(outline, lines)
    named = tokens(removed)
    counts = Counter(bound(old)) - Counter(bound(new))
    gone = list(counts)
    if names:
        gone = [name for name in gone if not named[name.split(".")[-1]] and not named[name]]
    if gone:
        return f"would lose {_listed(gone)}, which it does not remove."
    missing = tokens("\n".join(lines[0])) - tokens("\n".join(lines[1])) - named
    if missing:
        return (
            f"would lose {_listed([f'`{token}`' for token in missing])} of lines it does not show."
        )
    empty = [Counter(n for n, node in definitions(x) if is_empty(node)) for x in (old, new)]
    known = Counter(name for name, _ in definitions(old))
    if emptied := [name for name in empty[1] - empty[0] if known[name]]:
        return f"would empty {_listed(emptied)}."
    return ""


def _changed_part(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Both texts without the definitions at their ends that are the same in both."""
    first, shortest = 0, min(len(before), len(after))
    while first < shortest and before[first] == after[first]:
        first += 1
    last = 0
    while last < shortest - first and before[-1 - last] == after[-1 - last]:
        last += 1
    while first and not _TOP.match(before[first - 1]):
        first -= 1
    first = max(0, first - 1)
    while last and not _TOP.match(before[-last]):
        last -= 1
    return before[first : len(before) - last], after[first : len(after) - last]


def ruins(file: str, before: str, after: str) -> str:
    """Why no edit may leave `after`, the end of a sentence; empty where it may."""
    if before.strip() and not after.strip():
        return "would leave nothing of the file; a patch that means this deletes it."
    if file.endswith((".py", ".pyi")) and not parsed(after) and parsed(before):
        return "would leave a program that does not compile."
    return ""


def doubled(before: Sequence[str], after: Sequence[str]) -> str:
    """A line that an edit adds although the file has it right there, empty where there is none.

    Lines without a letter, such as a closing bracket, and words that stand alone, such as
    `else:`, may well stand twice.
    """
    for a, b, c, d in changed_blocks(before, after):
        added = [x for x in after[c:d] if len(tokens(x)) > 2 or len(x.split()) > 1]
        if a != b or not added:
            continue
        half, run = c + (d - c) // 2, _said(after[c:d])
        count = len(run)
        below, above = _said(after[d : d + 2 * count]), _said(after[max(0, c - 2 * count) : c])
        if run in (below[:count], above[-count:]):
            return added[0].strip()
        if len(added) > 1 and after[c:half] == after[half:d]:
            return added[0].strip()
    return ""


def _said(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _listed(words: Sequence[str]) -> str:
    more = ", ..." if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
