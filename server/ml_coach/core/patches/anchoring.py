"""Where a hunk belongs: an alignment of its lines with the file's, by content.

Every line of a hunk either lies on a line of the file, near or exactly, or is explained as one
of the slips that models make; each slip has a cost, and the cheapest explanations are kept (an
edit distance after Needleman and Wunsch with free ends in the file). Costs are in units of one
line that was wrong altogether; they were set by hand on generated slips (tests/unit).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial

from ml_coach.core.patches.edits import Hunk, Line
from ml_coach.core.patches.lines import is_comment, tight

_CELLS = 60_000
"""Most pairs of hunk line and file line that one hunk may compare; about a tenth of a second."""

_SLACK = 1.3
_PATHS = 48
_PLACES = 12

REINDENTED = 0.01
RESPACED = 0.05
JOINED = 0.3
BLANK_LOST = 0.15
COMMENT_LOST = 0.3
LINE_LOST = 0.6
PLUS_LOST = 0.9
PROSE = 0.8
ELIDED = 0.005
SPLIT = 0.3
REMOVAL_LOST = 0.9
GAP = 1.1
"""The most that lines missing in one place of a hunk cost: two hunks run into one."""

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Step:
    """One item of an explanation: hunk line `item` on file lines `first` to `last` (exclusive).

    `item` is -1 for a file line that the hunk does not mention; `first == last` for a hunk line
    that is on no line of the file. `added` says that the hunk's line goes into the result.
    """

    item: int
    first: int
    last: int
    added: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """One explanation of a hunk: it covers the file's lines `first` to `last` (exclusive)."""

    cost: float
    first: int
    last: int
    steps: tuple[Step, ...]


def placements(hunk: Hunk, lines: Sequence[str], *, loosely: bool) -> list[Placement]:
    """The cheapest explanations of `hunk` in a file's `lines`, best first, each with its cost.

    Unless `loosely`, a hunk whose lines all stand together somewhere is looked for no further.
    """
    old = [line for line in hunk.lines if line.sign != "+"]
    if not any(line.text.strip() for line in old if line.sign != "~"):
        return []
    found = _exact(hunk, lines)
    if loosely or not found:
        aligner = _Aligner(hunk.lines, lines)
        for first, last in _windows(hunk, lines):
            found += aligner.explain(first, last)
    unique = {placement.steps: placement for placement in found}
    return sorted(unique.values(), key=lambda p: p.cost)


def nearest_text(hunk: Hunk, lines: Sequence[str]) -> str:
    """The lines of the file that come closest to what the hunk looks for."""
    wanted = [tight(line.text) for line in hunk.lines if line.sign not in ("+", "~")]
    wanted = [text for text in wanted if text]
    if not wanted or not lines:
        return ""
    length = min(len(lines), max(len(wanted), 1))
    grams = Counter(gram for text in wanted for gram in _grams(text))
    scores = [sum(grams[gram] > 0 for gram in _grams(tight(line)[:400])) for line in lines]
    window = sum(scores[:length])
    best, at = window, 0
    for start in range(1, len(lines) - length + 1):
        window += scores[start + length - 1] - scores[start - 1]
        if window > best:
            best, at = window, start
    return "\n".join(line[:500] for line in lines[at : at + length][:40])


def _grams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(max(1, len(text) - 2))}


def _exact(hunk: Hunk, lines: Sequence[str]) -> list[Placement]:
    """Where all old lines stand one after another, but for trailing space and indentation."""
    items = [(i, line) for i, line in enumerate(hunk.lines) if line.sign != "+"]
    if any(line.sign == "~" for _, line in items):
        return []
    for form, cost in ((str.rstrip, 0.0), (str.strip, REINDENTED)):
        for texts in _spellings(items):
            needle = "\n" + "\n".join(map(form, texts)) + "\n"
            places = _find_all("\n" + "\n".join(map(form, lines)) + "\n", needle)
            if places:
                return [_contiguous(hunk, place, cost * len(items)) for place in places]
    return []


def _spellings(items: list[tuple[int, Line]]) -> list[list[str]]:
    """The old lines as signed, and as they are when context lost the column of its sign."""
    signed = [line.text for _, line in items]
    raw = [line.raw if line.sign == " " and line.raw.strip() else line.text for _, line in items]
    return [signed] if raw == signed else [signed, raw]


def _find_all(text: str, needle: str) -> list[int]:
    places: list[int] = []
    line, seen, at = 0, 0, text.find(needle)
    while at >= 0 and len(places) < _PLACES:
        line += text.count("\n", seen, at)
        places.append(line)
        seen, at = at, text.find(needle, at + 1)
    return places


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


def _windows(hunk: Hunk, lines: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of the file worth a full alignment: all of it, or where rare lines agree."""
    count = len(hunk.lines)
    if count * len(lines) <= _CELLS:
        return [(0, len(lines))]
    width = count + count // 4 + 20
    if count * width > _CELLS:
        return []
    wanted: dict[str, list[int]] = {}
    for index, line in enumerate(hunk.lines):
        if line.sign not in ("+", "~") and line.text.strip():
            wanted.setdefault(tight(line.text), []).append(index)
    hits: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        form = tight(line)
        if form in wanted:
            hits.setdefault(form, []).append(at)
    votes: Counter[int] = Counter()
    for form, places in hits.items():
        if len(places) <= 20:
            for at in places:
                for index in wanted[form][:20]:
                    votes[(at - index) // 16] += 1
    best = [bucket * 16 for bucket, _ in votes.most_common(_CELLS // (count * width))]
    return [(max(0, at - 10), min(len(lines), at + width + 16)) for at in sorted(best)]


_Move = tuple[int, int, float, bool]
"""Items taken, file lines taken, cost, and whether the item is added to the result."""


class _Aligner:
    """Explains one hunk. Forms of lines are computed once, for as many windows as are tried."""

    def __init__(self, items: Sequence[Line], lines: Sequence[str]) -> None:
        self._items = items
        self._lines = lines
        self._forms = [tight(item.text) for item in items]
        self._tight = partial(_cached_form, lines, dict[int, str]())
        self._near: dict[tuple[int, str], float] = {}

    def explain(self, first: int, last: int) -> list[Placement]:
        count, width = len(self._items), last - first
        known = {self._tight(at) for at in range(first, last)}
        self._strange = [
            bool(form) and form not in known for form in self._forms
        ]
        # costs[i][j]: the first i items explained, ending just before file line first + j.
        costs = [[0.0] * (width + 1)] + [[_NEVER] * (width + 1) for _ in range(count)]
        came: list[list[list[tuple[int, int, float, bool]]]] = [
            [[] for _ in range(width + 1)] for _ in range(count + 1)
        ]
        for i in range(count + 1):
            row = costs[i]
            near, origin = _NEVER, 0
            for j in range(width + 1):
                if 0 < i < count and self._items[i].sign != "+" and near + ELIDED * j < row[j] - 1e-9:
                    row[j] = near + ELIDED * j
                    came[i][j].append((i, origin, row[j] - row[origin], False))
                here = row[j]
                if here + GAP - ELIDED * j < near:
                    near, origin = here + GAP - ELIDED * j, j
                if here == _NEVER:
                    continue
                for items, taken, cost, added in self._moves(i, first + j, last):
                    to_i, to_j = i + items, j + taken
                    came[to_i][to_j].append((i, j, cost, added))
                    if here + cost < costs[to_i][to_j]:
                        costs[to_i][to_j] = here + cost
        return self._paths(costs, came, first)

    def _moves(self, i: int, at: int, last: int) -> list[_Move]:
        items = self._items
        if i == len(items):
            return []
        moves: list[_Move] = []
        item = items[i]
        between_added = i and item.sign == "+" and items[i - 1].sign == "+"
        if i and at < last and not between_added:
            elided = items[i].sign == "~" or items[i - 1].sign == "~"
            cost = ELIDED if elided else self._loss(at)
            if item.sign == "+":
                # Added lines stand right after removed ones, and before a comment on what follows.
                cost += SPLIT if items[i - 1].sign == "-" else REINDENTED
            moves.append((0, 1, cost, False))
        if item.sign == "+":
            moves.append((1, 0, 0.0, True))
            return moves
        if item.sign == "~":
            moves.append((1, 0, 0.0, False))
        if at < last:
            cost = self._distance(i, at)
            if cost < _NEVER:
                moves.append((1, 1, cost, False))
            if at + 1 < last and self._strange[i] and (
                self._forms[i] == self._tight(at) + self._tight(at + 1)
            ):
                moves.append((1, 2, JOINED, False))
            if (
                self._strange[i]
                and i + 1 < len(items)
                and items[i + 1].sign == item.sign
                and self._forms[i] + self._forms[i + 1] == self._tight(at)
            ):
                moves.append((2, 1, JOINED, False))
        if item.sign == "~":
            return moves
        if not self._forms[i]:
            if item.sign == "-":
                moves.append((1, 0, REMOVAL_LOST, False))
            else:
                moves.append((1, 0, BLANK_LOST, False))
                moves.append((1, 0, BLANK_LOST + REINDENTED, True))
        elif item.sign == " ":
            moves.append((1, 0, PLUS_LOST, True))
            if item.unsigned:
                moves.append((1, 0, PROSE, False))
        elif is_comment(item.text):
            moves.append((1, 0, REMOVAL_LOST, False))
        return moves

    def _loss(self, at: int) -> float:
        line = self._lines[at]
        if not line.strip():
            return BLANK_LOST
        return COMMENT_LOST if is_comment(line) else LINE_LOST

    def _distance(self, i: int, at: int) -> float:
        """What it costs that the item lies on this line; infinite where they are not alike."""
        item, line = self._items[i], self._lines[at]
        if item.text.rstrip() == line.rstrip():
            return 0.0
        form, other = self._forms[i], self._tight(at)
        if form == other:
            return REINDENTED if item.text.strip() == line.strip() else RESPACED
        if not self._strange[i] or not other:
            return _NEVER
        key = (i, other)
        if key not in self._near:
            self._near[key] = _unlikeness(form, other)
        return self._near[key]

    def _paths(
        self,
        costs: list[list[float]],
        came: list[list[list[tuple[int, int, float, bool]]]],
        first: int,
    ) -> list[Placement]:
        """Every explanation within the slack of the best one, up to a bound, by walking back."""
        count = len(self._items)
        ends = sorted((cost, j) for j, cost in enumerate(costs[count]) if cost < _NEVER)
        if not ends:
            return []
        limit = ends[0][0] + _SLACK
        found: list[Placement] = []
        for cost, j in ends[:_PLACES]:
            if cost > limit:
                break
            share = 0
            stack: list[tuple[int, int, float, tuple[Step, ...]]] = [(count, j, 0.0, ())]
            while stack and share < _PATHS:
                i, at, spent, steps = stack.pop()
                if i == 0:
                    found.append(Placement(spent, first + at, first + j, steps))
                    share += 1
                    continue
                back: list[tuple[float, int, int, float, tuple[Step, ...]]] = []
                for from_i, from_at, price, added in came[i][at]:
                    total = costs[from_i][from_at] + price + spent
                    if total > limit or (from_i == i and i == count):
                        continue
                    step = [
                        Step(item, first + from_at, first + at, added)
                        for item in (range(from_i, i) if from_i < i else (-1,))
                    ]
                    back.append((total, from_i, from_at, spent + price, (*step, *steps)))
                back.sort(key=lambda entry: -entry[0])
                stack += [(a, b, c, d) for _, a, b, c, d in back]
        return found


def _cached_form(lines: Sequence[str], cache: dict[int, str], at: int) -> str:
    form = cache.get(at)
    if form is None:
        form = cache[at] = tight(lines[at])
    return form


def _unlikeness(one: str, other: str) -> float:
    """From 0.15 for one letter in a long line up to about 1; infinite below seven tenths alike."""
    if not 0.6 < len(one) / len(other) < 1.7 or len(one) > 400 or len(other) > 400:
        return _NEVER
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.quick_ratio() < 0.7:
        return _NEVER
    ratio = matcher.ratio()
    return 0.15 + 2.5 * (1 - ratio) if ratio >= 0.7 else _NEVER
