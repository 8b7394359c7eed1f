"""Where a hunk belongs: looked for as it stands, then by aligning it where its lines agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ml_coach.core.patches.alignment import REINDENTED, Aligner, Placement, Step
from ml_coach.core.patches.edits import Hunk, Line
from ml_coach.core.patches.lines import tight
from ml_coach.core.patches.target import Target

_WHOLE_CELLS = 8_000
"""Pairs of hunk line and file line up to which the whole file is aligned; windows beyond."""

SHIFTED = 0.06
"""The least that a block costs which stands elsewhere in or out: as much as a wrong line number."""

_PLACES = 12
_BUCKET = 16


def placements(hunk: Hunk, target: Target, *, loosely: bool) -> list[Placement]:
    """The cheapest explanations of `hunk` in a file, best first, each with its cost.

    Unless `loosely`, a hunk whose lines all stand together somewhere is looked for no further.
    """
    if not any(line.text.strip() for line in hunk.lines if line.sign not in ("+", "~")):
        return []
    found = _exact(hunk, target)
    if loosely or not found:
        aligner = Aligner(hunk.lines, target)
        for first, last in _windows(hunk, target):
            if target.effort.take_cells(len(hunk.lines) * (last - first)):
                found += aligner.explain(first, last)
    unique = {placement.steps: placement for placement in found}
    return sorted(unique.values(), key=lambda placement: placement.cost)


def with_lost_signs(hunk: Hunk, target: Target) -> Hunk:
    """The hunk with context told from removals where the file itself has lines that begin with `-`.

    A list item in a docstring, say: it stands in the file with its dash and not without it.
    """
    dashed = {line.rstrip() for line in target.lines if line[:1] == "-"}
    if not dashed:
        return hunk
    lines = [
        Line(" ", line.raw, line.raw)
        if line.raw.rstrip() in dashed and tight(line.text) not in target.places
        else line
        for line in hunk.lines
    ]
    return replace(hunk, lines=tuple(lines))


def _exact(hunk: Hunk, target: Target) -> list[Placement]:
    """Where all old lines stand one after another, but for trailing space and indentation."""
    old = [line for line in hunk.lines if line.sign != "+"]
    if any(line.sign == "~" for line in old):
        return []
    costs: dict[int, float] = {}
    for form, cost in ((str.rstrip, 0.0), (str.strip, max(SHIFTED, REINDENTED * len(old)))):
        for texts in _spellings(old):
            for place in target.find(texts, form, _PLACES):
                costs.setdefault(place, cost)
    return [_contiguous(hunk, place, cost) for place, cost in costs.items()]


def _spellings(old: list[Line]) -> list[list[str]]:
    """The old lines as signed, and as they are when context lost the column of its sign."""
    signed = [line.text for line in old]
    raw = [line.raw if line.sign == " " and line.raw.strip() else line.text for line in old]
    return [signed] if raw == signed else [signed, raw]


def _contiguous(hunk: Hunk, place: int, cost: float) -> Placement:
    steps: list[Step] = []
    at = place
    for index, line in enumerate(hunk.lines):
        if line.sign == "+":
            steps.append(Step(index, at, at, added=True))
        else:
            steps.append(Step(index, at, at + 1))
            at += 1
    return Placement(cost, place, at, tuple(steps))


def _windows(hunk: Hunk, target: Target) -> list[tuple[int, int]]:
    """Stretches of the file worth an alignment: all of it, or where most rare lines agree."""
    count, length = len(hunk.lines), len(target.lines)
    if count * length <= _WHOLE_CELLS:
        return [(0, length)]
    width = count + count // 4 + 2 * _BUCKET
    votes: Counter[int] = Counter()
    for index, line in enumerate(hunk.lines):
        places = target.places.get(tight(line.text), []) if line.sign not in ("+", "~") else []
        if line.text.strip() and len(places) <= 20:
            votes.update((at - index) // _BUCKET for at in places)
    most = max(1, _WHOLE_CELLS // (count * width))
    starts = sorted(bucket * _BUCKET for bucket, _ in votes.most_common(most))
    return [(max(0, at - _BUCKET), min(length, at + width)) for at in starts]
