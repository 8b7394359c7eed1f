"""An alignment of a hunk's lines with a file's: every line lies somewhere or is explained.

Each line of a hunk lies on a line of the file, near or exactly, or is one of the slips that
models make; each slip has a cost, and the cheapest explanations are kept (an edit distance after
Needleman and Wunsch with free ends in the file). Costs are in units of one line that was wrong
altogether; they were set by hand, watching edits made up in tests/unit/malformed_diffs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ml_coach.core.patches.edits import Line
from ml_coach.core.patches.lines import is_comment, tight
from ml_coach.core.patches.target import Effort, Target

REINDENTED = 0.01
RESPACED = 0.05
JOINED = 0.3
BLANK_LOST = 0.15
COMMENT_LOST = 0.3
LINE_LOST = 0.6
PLUS_LOST = 0.9
PROSE = 0.8
REMOVAL_LOST = 0.9
ELIDED = 0.005
SPLIT = 0.3
"""A line that the hunk does not show stands between its removed and its added lines."""
GAP = 1.1
"""The most that lines missing in one place of a hunk cost: two hunks run into one."""

_SLACK = 1.3
_PATHS = 48
_ENDS = 12
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


_Move = tuple[int, int, float, bool]
"""Items taken, file lines taken, cost, and whether the item is added to the result."""

_BLANK_OFF_LINES: list[_Move] = [
    (1, 0, BLANK_LOST, False),
    (1, 0, BLANK_LOST + REINDENTED, True),
]
_CONTEXT_OFF_LINES: list[_Move] = [(1, 0, PLUS_LOST, True), (1, 0, PROSE, False)]
_REMOVAL_OFF_LINES: list[_Move] = [(1, 0, REMOVAL_LOST, False)]


class Aligner:
    """Explains one hunk in one file."""

    def __init__(self, items: Sequence[Line], target: Target) -> None:
        self._items = items
        self._lines = target.lines
        self._tight = target.tight
        self._effort = target.effort
        self._forms = [tight(item.text) for item in items]
        self._strange = [bool(form) and form not in target.places for form in self._forms]
        self._near: dict[tuple[int, str], float] = {}

    def explain(self, first: int, last: int) -> list[Placement]:
        count, width = len(self._items), last - first
        # costs[i][j]: the first i items explained, ending just before file line first + j.
        costs = [[0.0] * (width + 1)] + [[_NEVER] * (width + 1) for _ in range(count)]
        came: list[list[list[tuple[int, int, float, bool]]]] = [
            [[] for _ in range(width + 1)] for _ in range(count + 1)
        ]
        for i in range(count + 1):
            row = costs[i]
            near, origin = _NEVER, 0
            may_jump = 0 < i < count and self._items[i].sign != "+"
            for j in range(width + 1):
                if may_jump and near + ELIDED * j < row[j] - 1e-9:
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
        item, above = self._items[i], self._items[i - 1]
        if "~" in (item.sign, above.sign):
            return [(0, 1, ELIDED, False)]
        if item.sign != "+":
            return [(0, 1, self._loss(at), False)]
        if above.sign == "+":
            return []
        # Added lines stand right after removed ones, and before a comment on what follows.
        extra = SPLIT if above.sign == "-" else REINDENTED
        return [(0, 1, self._loss(at) + extra, False)]

    def _on_lines(self, i: int, at: int, last: int) -> list[_Move]:
        """The item lies on this line, on this and the next, or shares it with the next item."""
        moves: list[_Move] = []
        form, item = self._forms[i], self._items[i]
        cost = self._distance(i, at)
        if cost < _NEVER:
            moves.append((1, 1, cost, False))
        if not self._strange[i]:
            return moves
        if at + 1 < last and form == self._tight[at] + self._tight[at + 1]:
            moves.append((1, 2, JOINED, False))
        split = i + 1 < len(self._items) and self._items[i + 1].sign == item.sign
        if split and form + self._forms[i + 1] == self._tight[at]:
            moves.append((2, 1, JOINED, False))
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
        form, other = self._forms[i], self._tight[at]
        if form == other:
            return REINDENTED if item.text.strip() == line.strip() else RESPACED
        if not self._strange[i] or not other:
            return _NEVER
        key = (i, other)
        if key not in self._near:
            self._near[key] = _unlikeness(form, other, self._effort)
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
        for cost, j in ends[:_ENDS]:
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


def _unlikeness(one: str, other: str, effort: Effort) -> float:
    """From 0.15 for one letter in a long line up to about 1; infinite below seven tenths alike."""
    size = len(one) + len(other)
    if not 0.6 < len(one) / len(other) < 1.7 or not effort.take_letters(20 * size):
        return _NEVER
    # One typo leaves the ends alone, which is cheap to see.
    ratio = 2 * _common_ends(one, other) / size
    if ratio < 0.7 and size <= 800:
        matcher = SequenceMatcher(None, one, other, autojunk=False)
        if matcher.quick_ratio() >= 0.7 and effort.take_letters(len(one) * len(other)):
            ratio = matcher.ratio()
    return 0.15 + 2.5 * (1 - ratio) if ratio >= 0.7 else _NEVER


def _common_ends(one: str, other: str) -> int:
    shortest = min(len(one), len(other))
    start = next((at for at in range(shortest) if one[at] != other[at]), shortest)
    rest = shortest - start
    return start + next((at for at in range(rest) if one[-1 - at] != other[-1 - at]), rest)
