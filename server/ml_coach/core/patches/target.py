"""The file that a hunk is to be placed in, and how much work that may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.lines import indent_width, tight

_NEAR_LINES = 2_000
_SHOWN_LINES = 40
_SHOWN_COLUMNS = 500


@dataclass(slots=True)
class Effort:
    """What is left of the work that one reply may cause, together well under a second.

    `cells` are pairs of hunk line and file line, `letters` pairs of letters compared for a typo,
    `characters` are of source text compiled.
    """

    cells: int = 60_000
    letters: int = 3_000_000
    characters: int = 400_000

    def take_cells(self, count: int) -> bool:
        self.cells -= count
        return self.cells >= 0

    def take_letters(self, count: int) -> bool:
        self.letters -= count
        return self.letters >= 0

    def take_characters(self, count: int) -> bool:
        self.characters -= count
        return self.characters >= 0


class Target:
    """A file's lines, with their normal forms computed once for all hunks."""

    def __init__(self, lines: Sequence[str], effort: Effort) -> None:
        self.lines = lines
        self.effort = effort
        self._texts: dict[Callable[[str], str], str] = {}
        self._tight: list[str] | None = None
        self._places: dict[str, list[int]] | None = None
        self._widths: frozenset[int] | None = None

    @property
    def tight(self) -> Sequence[str]:
        """Each line without white space."""
        if self._tight is None:
            self._tight = [tight(line) for line in self.lines]
        return self._tight

    @property
    def places(self) -> dict[str, list[int]]:
        """Where each line stands, by its form without white space."""
        if self._places is None:
            self._places = {}
            for at, form in enumerate(self.tight):
                self._places.setdefault(form, []).append(at)
        return self._places

    @property
    def widths(self) -> frozenset[int]:
        """The widths of indentation in the file, and those one level further in."""
        if self._widths is None:
            widths = {indent_width(line) for line in self.lines if line.strip()}
            unit = min((width for width in widths if width), default=4)
            self._widths = frozenset(widths | {width + unit for width in widths})
        return self._widths

    def find(self, wanted: Sequence[str], form: Callable[[str], str], most: int) -> list[int]:
        """The lines where `wanted` begins as one block, when `form` is applied to both sides."""
        text = self._texts.get(form)
        if text is None:
            text = self._texts[form] = "\n" + "\n".join(map(form, self.lines)) + "\n"
        needle = "\n" + "\n".join(map(form, wanted)) + "\n"
        found: list[int] = []
        line, seen, at = 0, 0, text.find(needle)
        while at >= 0 and len(found) < most:
            line += text.count("\n", seen, at)
            found.append(line)
            seen, at = at, text.find(needle, at + 1)
        return found

    def nearest(self, hunk: Hunk) -> str:
        """The lines that come closest to what the hunk looks for, by the letters they share."""
        wanted = [tight(line.text) for line in hunk.lines if line.sign not in ("+", "~")]
        wanted = [form for form in wanted if form][:_NEAR_LINES]
        if not wanted or not self.lines:
            return ""
        known = [self.places[form][0] for form in wanted if form in self.places]
        middle = min(known, default=hunk.start or 0)
        first = max(0, middle - _NEAR_LINES // 2) if len(self.lines) > _NEAR_LINES else 0
        around = self.tight[first : first + _NEAR_LINES]
        grams = {gram for form in wanted for gram in _grams(form)}
        scores = [len(grams & _grams(form)) for form in around]
        length = min(len(around), len(wanted))
        window = Counter({0: sum(scores[:length])})
        for start in range(1, len(around) - length + 1):
            window[start] = window[start - 1] + scores[start + length - 1] - scores[start - 1]
        start = first + window.most_common(1)[0][0]
        return self.shown(start, start + length)

    def shown(self, first: int, last: int) -> str:
        """The lines from `first` to `last`, cut to what a message can hold."""
        return "\n".join(
            line[:_SHOWN_COLUMNS] for line in self.lines[first : min(last, first + _SHOWN_LINES)]
        )


def _grams(form: str) -> set[str]:
    """The runs of three letters in the first part of a line."""
    return {form[at : at + 3] for at in range(max(1, min(len(form), 400) - 2))}
