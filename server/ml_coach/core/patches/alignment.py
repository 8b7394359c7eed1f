"""An alignment of a hunk's lines with a file's: every line lies somewhere or is explained.

Each line of a hunk lies on a line of the file, near or exactly, or is one of the slips that
models make; each slip has a cost, and the cheapest explanation of each place is kept (an edit
distance after Needleman and Wunsch with free ends in the file).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ml_coach.core.patches.edits import Line
from ml_coach.core.patches.lines import is_comment, tight

# Costs, in units of one line that was wrong altogether: their order says which of two slips is
# the likelier one. Measured on every second row of the data of tests/benchmarks/patches.py (833 of
# 834 diffs right, none wrong; of the other 823, 809 right and one wrong): a third more or less of
# any one changes nothing there, but for PLUS_LOST (a third less: 823 right) and REMOVAL_LOST (a
# third less: 825 right, 4 wrong). With 0, PLUS_LOST gives 714 right and 26 wrong, REMOVAL_LOST 825
# and 4; PROSE and SPLIT refuse one more. Two diffs of the data need a GAP below 99. LINE_LOST, like
# GAP, keeps a hunk's lines together: it decides no diff there. White space, blank lines and
# comments cost nothing, as no cost of theirs decided any.
LINE_LOST, PLUS_LOST, PROSE, REMOVAL_LOST = 0.6, 0.9, 0.8, 0.9
SPLIT = 0.3  # A line that the hunk does not show stands between removed and added ones.
_ALIKE = 0.7  # The share of letters that two lines have in common where one is meant by the other.
GAP = 1.1  # The most that lines missing in one place of a hunk cost.

# Limits of work: aligning is quadratic, and these keep the worst reply under a second
# (tests/unit/test_patches_properties.py). A file that is larger is aligned where it is alike.
_WHOLE_CELLS = 8_000
_BUCKET = 16
_PLACES = 12
_NEVER = float("inf")


@dataclass(slots=True)
class Effort:
    """What is left of the work that one reply may cause, together about a second: `cells` are
    pairs of hunk line and file line, `letters` pairs of letters compared for a typo,
    `characters` are of source text compiled."""

    cells: int = 60_000
    letters: int = 3_000_000
    characters: int = 400_000


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


_Move = tuple[int, int, float, bool]
"""Items taken, file lines taken, cost, and whether the item is added to the result."""

_BLANK_OFF_LINES: list[_Move] = [(1, 0, 0.0, False), (1, 0, 0.0, True)]
_CONTEXT_OFF_LINES: list[_Move] = [(1, 0, PLUS_LOST, True), (1, 0, PROSE, False)]
_REMOVAL_OFF_LINES: list[_Move] = [(1, 0, REMOVAL_LOST, False)]


class Aligner:
    """Explains hunks in one file."""

    def __init__(self, lines: Sequence[str], effort: Effort) -> None:
        self.lines = lines
        self.tight = [tight(line) for line in lines]
        self.places: dict[str, list[int]] = {}
        for at, form in enumerate(self.tight):
            self.places.setdefault(form, []).append(at)
        self._effort = effort

    def placements(self, items: Sequence[Line]) -> list[Placement]:
        """The cheapest explanation of a hunk for each place, the best first."""
        if not any(item.text.strip() for item in items if item.sign not in "+~"):
            return []
        found: dict[tuple[Step, ...], Placement] = {}
        for first, last in self._windows(items):
            self._effort.cells -= len(items) * (last - first)
            if self._effort.cells >= 0:
                hunk = _Hunk(items, self, self._effort)
                found |= {placed.steps: placed for placed in hunk.explain(first, last)}
        return sorted(found.values(), key=lambda placement: placement.cost)

    def _windows(self, items: Sequence[Line]) -> list[tuple[int, int]]:
        """Stretches of the file worth an alignment: all of it, or where most rare lines agree."""
        count, length = len(items), len(self.lines)
        if count * length <= _WHOLE_CELLS:
            return [(0, length)]
        width = count + count // 4 + 2 * _BUCKET
        votes: Counter[int] = Counter()
        for index, item in enumerate(items):
            places = self.places.get(tight(item.text), []) if item.sign not in "+~" else []
            if item.text.strip() and len(places) <= _BUCKET:
                votes.update((at - index) // _BUCKET for at in places)
        most = max(1, _WHOLE_CELLS // (count * width))
        starts = sorted(bucket * _BUCKET for bucket, _ in votes.most_common(most))
        return [(max(0, at - _BUCKET), min(length, at + width)) for at in starts]


class _Hunk:
    def __init__(self, items: Sequence[Line], file: Aligner, effort: Effort) -> None:
        self._items, self._lines, self._tight = items, file.lines, file.tight
        self._effort = effort
        self._forms = [tight(item.text) for item in items]
        self._strange = [bool(form) and form not in file.places for form in self._forms]
        self._near: dict[tuple[int, str], float] = {}

    def explain(self, first: int, last: int) -> list[Placement]:
        count, width = len(self._items), last - first
        # costs[i][j]: the first i items explained, ending just before file line first + j.
        costs = [[0.0] * (width + 1)] + [[_NEVER] * (width + 1) for _ in range(count)]
        came: list[list[tuple[int, int, bool]]] = [[(0, 0, False)] * (width + 1) for _ in costs]
        for i in range(count + 1):
            row = costs[i]
            near, origin = _NEVER, 0
            may_jump = 0 < i < count and self._items[i].sign != "+"
            for j in range(width + 1):
                if may_jump and near < row[j] - 1e-9:
                    row[j], came[i][j] = near, (i, origin, False)
                here = row[j]
                if here + GAP < near:
                    near, origin = here + GAP, j
                if here == _NEVER:
                    continue
                for items, taken, cost, added in self._moves(i, first + j, last):
                    if here + cost < costs[i + items][j + taken]:
                        costs[i + items][j + taken] = here + cost
                        came[i + items][j + taken] = (i, j, added)
        ends = sorted((cost, j) for j, cost in enumerate(costs[count]) if cost < _NEVER)
        return [self._walked(came, first, j, cost) for cost, j in ends[:_PLACES]]

    def _walked(
        self, came: list[list[tuple[int, int, bool]]], first: int, end: int, cost: float
    ) -> Placement:
        steps: list[Step] = []
        i, at = len(self._items), end
        while i:
            from_i, from_at, added = came[i][at]
            for item in reversed(range(from_i, i)) if from_i < i else (-1,):
                steps.append(Step(item, first + from_at, first + at, added))
            i, at = from_i, from_at
        return Placement(cost, first + at, first + end, tuple(reversed(steps)))

    def _moves(self, i: int, at: int, last: int) -> list[_Move]:
        """Every way to go on from item `i` and file line `at`."""
        if i == len(self._items):
            return []
        item = self._items[i]
        moves = self._skipping(i, at) if i and at < last else []
        if item.sign == "+":
            return [*moves, (1, 0, 0.0, True)]
        if at < last:
            moves += self._on_lines(i, at, last)
        if item.sign == "~":
            moves.append((1, 0, 0.0, False))
        elif not self._forms[i]:
            moves += _BLANK_OFF_LINES if item.sign != "-" else _REMOVAL_OFF_LINES
        elif item.sign == " ":
            moves += _CONTEXT_OFF_LINES[: 2 if item.unsigned else 1]
        elif is_comment(item.text):
            moves += _REMOVAL_OFF_LINES
        return moves

    def _skipping(self, i: int, at: int) -> list[_Move]:
        """The file has a line that the hunk does not show; it is kept."""
        item, above, line = self._items[i], self._items[i - 1], self._lines[at]
        if "~" in (item.sign, above.sign):
            return [(0, 1, 0.0, False)]
        loss = LINE_LOST if line.strip() and not is_comment(line) else 0.0
        if item.sign != "+":
            return [(0, 1, loss, False)]
        if above.sign == "+":
            return []
        # Added lines stand right after removed ones, and before a comment on what follows.
        return [(0, 1, loss + (SPLIT if above.sign == "-" else 0.0), False)]

    def _on_lines(self, i: int, at: int, last: int) -> list[_Move]:
        """The item lies on this line, or on this and the next."""
        form = self._forms[i]
        cost = self._distance(i, at)
        moves: list[_Move] = [(1, 1, cost, False)] if cost < _NEVER else []
        if not self._strange[i]:
            return moves
        if at + 1 < last and form == self._tight[at] + self._tight[at + 1]:
            moves.append((1, 2, 0.0, False))
        return moves

    def _distance(self, i: int, at: int) -> float:
        """What it costs that the item lies on this line; infinite where they are not alike."""
        item, line = self._items[i], self._lines[at]
        if item.text.rstrip() == line.rstrip():
            return 0.0
        form, other = self._forms[i], self._tight[at]
        if form == other:
            return 0.0
        # What is taken away has to be what the reply shows.
        if not self._strange[i] or not other or item.sign == "-":
            return _NEVER
        key = (i, other)
        if key not in self._near:
            self._near[key] = _unlikeness(form, other, self._effort)
        return self._near[key]


def _unlikeness(one: str, other: str, effort: Effort) -> float:
    """From 0.15 for one letter in a long line up to about 1; infinite below seven tenths alike."""
    effort.letters -= 20 * (len(one) + len(other))
    if not 0.6 < len(one) / len(other) < 1.7 or effort.letters < len(one) * len(other):
        return _NEVER
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.quick_ratio() < _ALIKE:
        return _NEVER
    effort.letters -= len(one) * len(other)
    ratio = matcher.ratio()
    return 0.15 + 2.5 * (1 - ratio) if ratio >= _ALIKE else _NEVER
