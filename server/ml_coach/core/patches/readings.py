"""What a placed hunk makes of the file: one or more readings, each with its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, pairwise
from math import comb

from ml_coach.core.patches.alignment import Placement
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.indenting import spellings
from ml_coach.core.patches.lines import indent_width
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.target import Target

ELSEWHERE = 0.06
"""The cost of a place other than the one that the header states: it decides between equals."""
OTHER_HEADING = 0.06
MISCOUNTED = 0.12
_MOST_SUBSETS = 600


@dataclass(frozen=True, slots=True)
class Reading:
    """Lines `first` to `last` (exclusive) of a file become `new`; `removed` are taken away. The
    hunk lies on the lines `around`."""

    cost: float
    first: int
    last: int
    new: tuple[str, ...]
    removed: tuple[str, ...]
    around: tuple[int, int]


def readings(hunk: Hunk, placement: Placement, target: Target) -> Iterator[Reading]:
    """The readings of `hunk` at one place, the likeliest first."""
    lines = target.lines
    base = placement.cost + _evidence(hunk, placement, lines)
    for extra, texts in spellings(hunk, placement, target):
        for doubt, dropped in _removals(hunk, placement, lines):
            yield _read(hunk, placement, lines, texts, dropped, base + extra + doubt)


def _read(
    hunk: Hunk,
    placement: Placement,
    lines: Sequence[str],
    texts: Sequence[str],
    dropped: frozenset[int],
    cost: float,
) -> Reading:
    new: list[str] = []
    removed: list[str] = []
    at = placement.first
    for step in placement.steps:
        if step.added:
            new.append(texts[step.item])
        for line in range(max(at, step.first), step.last):
            sign = hunk.lines[step.item].sign if step.item >= 0 else " "
            gone = sign == "-" or line in dropped
            (removed if gone else new).append(lines[line])
        at = max(at, step.last)
    return _trimmed(
        Reading(
            cost,
            placement.first,
            placement.last,
            tuple(new),
            tuple(removed),
            (placement.first, placement.last),
        ),
        lines,
    )


def _trimmed(reading: Reading, lines: Sequence[str]) -> Reading:
    """The reading without the context around its change, which another hunk may share."""
    first, last, new = reading.first, reading.last, list(reading.new)
    while new and first < last and new[0] == lines[first]:
        first, new = first + 1, new[1:]
    while new and first < last and new[-1] == lines[last - 1]:
        last, new = last - 1, new[:-1]
    return replace(reading, first=first, last=last, new=tuple(new))


def _evidence(hunk: Hunk, placement: Placement, lines: Sequence[str]) -> float:
    """What the header says against this place: never enough to overrule the content."""
    cost = 0.0
    if hunk.start is not None and hunk.start - 1 != placement.first:
        cost += ELSEWHERE
    if hunk.heading and hunk.heading not in _enclosing(placement.first, lines):
        cost += OTHER_HEADING
    if hunk.old_count is not None and not any(line.sign == "~" for line in hunk.lines):
        items = [step for step in placement.steps if step.item >= 0]
        added = sum(step.added for step in items)
        removed = sum(hunk.lines[step.item].sign == "-" for step in items)
        counts = (len(items) - added, len(items) - removed)
        if counts != (hunk.old_count, hunk.new_count):
            cost += MISCOUNTED
    return cost


def _enclosing(at: int, lines: Sequence[str]) -> str:
    """The line at a place and the heads of the blocks around it, as one text."""
    found: list[str] = []
    width = 1_000
    for line in reversed(lines[max(0, at - 2_000) : at + 1]):
        if line.strip() and indent_width(line) < width:
            width = indent_width(line)
            found.append(line.strip())
        if width == 0:
            break
    return "\n".join(found)


def _removals(
    hunk: Hunk, placement: Placement, lines: Sequence[str]
) -> Iterator[tuple[float, frozenset[int]]]:
    """Which lines go where the reply does not mark them: sets of file lines, likeliest first."""
    unsure = [s for s in placement.steps if s.item >= 0 and hunk.lines[s.item].sign == "?"]
    if not unsure:
        yield 0.0, frozenset()
        return
    open_lines = [step.first for step in unsure if step.first < step.last]
    added = sum(line.sign == "+" for line in hunk.lines)
    counts = [0, added]
    if hunk.old_count == len(open_lines) and hunk.new_count is not None:
        counts = [len(open_lines) + added - hunk.new_count]
    subsets: list[frozenset[int]] = []
    for count in sorted(set(counts)):
        if not 0 <= count <= len(open_lines):
            continue
        if comb(len(open_lines), count) <= _MOST_SUBSETS:
            subsets += map(frozenset, combinations(open_lines, count))
        else:
            runs = range(len(open_lines) - count + 1)
            subsets += [frozenset(open_lines[at : at + count]) for at in runs]
    doubts = [(_doubt(hunk, placement, lines, dropped), dropped) for dropped in subsets]
    doubts.sort(key=lambda entry: entry[0])
    yield from islice(doubts, 40)


def _doubt(
    hunk: Hunk, placement: Placement, lines: Sequence[str], dropped: frozenset[int]
) -> float:
    """How unlike a diff tool's own rendering this set of removed lines is.

    Tools put removed lines right before added ones, show three lines of context at either end
    unless the file ends there, and never remove a line only to add it again.
    """
    old: list[str] = []
    new: list[str] = []
    marks: list[str] = []
    for step in placement.steps:
        if step.added:
            new.append(hunk.lines[step.item].text)
            marks.append("+")
        for line in range(step.first, step.last):
            old.append(lines[line])
            marks.append("-" if line in dropped else " ")
            if line not in dropped:
                new.append(lines[line])
    doubt = 0.1 * sum(pair == ("-", " ") for pair in pairwise([*marks, " "]))
    doubt += 0.3 * sum(pair == ("+", "-") for pair in pairwise(marks))
    changed = "".join(marks)
    lead = len(changed) - len(changed.lstrip(" "))
    trail = len(changed) - len(changed.rstrip(" "))
    doubt += 0.2 * (lead != min(3, lead + placement.first))
    doubt += 0.2 * (trail != min(3, trail + len(lines) - placement.last))
    blocks = changed_blocks(old, new)
    removed = sum(b - a for a, b, _, _ in blocks)
    return doubt + 0.2 * (removed != len(dropped))
