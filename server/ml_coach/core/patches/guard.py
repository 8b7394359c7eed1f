"""What an edit would lose of the user's text: the one check that every edit has to pass.

It compares a file before and after by its tokens and its outline, so that it needs no text that
compiles. What the edit itself names may change: lines that it removes, definitions that it gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.outline import definitions, is_empty, names, outline, tokens

_MOST_NAMED = 5  # A sentence with more names is not read.


def loss(before: str, after: str, removed: str) -> str:
    """What `after` would lose of `before` beyond the text `removed`, which the edit itself names:
    the end of a sentence that begins with "It", empty where nothing is lost."""
    if before == after:
        return ""
    old, new = outline(split_lines(before)), outline(split_lines(after))
    named = tokens(removed)
    counts = Counter(names(old))
    counts.subtract(Counter(names(new)))
    gone = [name for name in dict.fromkeys(names(old)) if counts[name] > 0]
    gone = [name for name in gone if not named[name.split(".")[-1]] and not named[name]]
    if gone:
        return f"would lose {_listed(gone)}, which it does not remove."
    missing = tokens(before) - tokens(after) - named
    if missing:
        return f"would lose {_listed([f'`{token}`' for token in missing])} of lines it does not show."
    filled = {name for name, node in definitions(old) if not is_empty(node)}
    emptied = [name for name, node in definitions(new) if name in filled and is_empty(node)]
    if emptied:
        return f"would empty {_listed(emptied)}."
    return ""


def doubled(before: Sequence[str], after: Sequence[str]) -> str:
    """A line that an edit adds although the file has it right there, empty where there is none.

    Lines without a letter, such as a closing bracket, and words that stand alone, such as
    `else:`, may well stand twice.
    """
    for a, b, c, d in changed_blocks(before, after):
        added = [line for line in after[c:d] if len(tokens(line)) > 2]
        if a != b or not added:
            continue
        count = d - c
        if list(after[c:d]) in (list(after[d : d + count]), list(after[max(0, c - count) : c])):
            return added[0].strip()
    return ""


def _listed(words: Sequence[str]) -> str:
    more = ", ..." if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
