"""Aligned hunks of one file → the one text they stand for, or why none is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches.alignment import Aligner, Effort, Placement
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.guard import doubled, objection
from ml_coach.core.patches.lines import first_indent, indent_width, is_comment, tight
from ml_coach.core.python.compiling import LONGEST, parsed

# The heading of a hunk's header decides between places that fit equally, and never overrules the
# content. The header's line and counts decided no diff, so that they cost nothing.
_OTHER_HEADING = 0.06
# What a place may cost, and per line of the hunk; with 0, 825 and 829 of 834 are right, not 833.
_LOOSE, _LOOSE_LINE = 0.95, 0.3
# Many hunks with many places each would take long to combine; ties show within the first few.
_COMBINED, _TRIED = 64, 60
_EQUAL = 1e-9  # Sums of the same costs differ by no more.


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lines after all hunks and how far the reply was from fitting exactly."""

    lines: list[str]
    cost: float


@dataclass(frozen=True, slots=True)
class _Reading:
    """Lines `first` to `last` (exclusive) of a file become `new`; `removed` are taken away."""

    cost: float
    first: int
    last: int
    new: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Combination:
    """One reading of each hunk."""

    cost: float
    readings: tuple[_Reading, ...]


def choose(
    file: str, lines: Sequence[str], hunks: Sequence[Hunk], effort: Effort
) -> Chosen | PatchRefused:
    """The lines of `file` after `hunks`, which all apply or none."""
    return _Choice(file, lines, hunks, effort).made()


class _Choice:
    def __init__(
        self, file: str, lines: Sequence[str], hunks: Sequence[Hunk], effort: Effort
    ) -> None:
        self._file, self._lines, self._hunks, self._effort = file, list(lines), hunks, effort
        self._aligner = Aligner(self._lines, effort)
        self._python = file.endswith((".py", ".pyi"))
        self._text = "".join(f"{line}\n" for line in lines)
        self._compiled = self._python and self._compiles(self._text)

    def made(self) -> Chosen | PatchRefused:
        combinations = [_Combination(0.0, ())]
        for hunk in self._hunks:
            found = self._readings(hunk)
            if not found:
                return _refused(hunk, _looked_for(hunk, self._file))
            combinations = _extended(combinations, found)
            if not combinations:
                reason = f"needs lines of {self._file} that an earlier hunk changes."
                return _refused(hunk, reason)
        return self._judged(combinations)

    def _readings(self, hunk: Hunk) -> list[_Reading]:
        lines = self._lines
        wanted = sum(line.sign not in "+~" and bool(line.text.strip()) for line in hunk.lines)
        found: dict[tuple[int, int, tuple[str, ...]], _Reading] = {}
        for placement in self._aligner.placements(hunk.lines):
            # A place has one line of the hunk at least.
            if placement.cost <= max(_LOOSE, _LOOSE_LINE * wanted) and any(
                step.item >= 0 and step.first < step.last and lines[step.first].strip()
                for step in placement.steps
            ):
                reading = _read(hunk, placement, lines)
                key = (reading.first, reading.last, reading.new)
                if key not in found or reading.cost < found[key].cost:
                    found[key] = reading
        for other in hunk.others:
            for reading in self._readings(other):
                found.setdefault((reading.first, reading.last, reading.new), reading)
        return sorted(found.values(), key=lambda reading: reading.cost)

    def _judged(self, combinations: Sequence[_Combination]) -> Chosen | PatchRefused:
        kept: dict[str, tuple[_Combination, list[str]]] = {}
        problem = "would change nothing."
        for combination in islice(combinations, _TRIED):
            if kept and combination.cost > next(iter(kept.values()))[0].cost + _EQUAL:
                break
            result = _changed(self._lines, combination.readings)
            if result == self._lines:
                continue
            if objection := self._objection(result, combination):
                problem = objection
            else:
                # Readings that differ in blank lines and comments alone are not in dispute.
                kept.setdefault(_substance(result), (combination, result))
        if not kept:
            more = "and the others together " if len(self._hunks) > 1 else ""
            return _refused(self._hunks[0], more + problem)
        (best, lines), *others = kept.values()
        return self._disputed(best, others[0][0]) if others else Chosen(lines, best.cost)

    def _objection(self, lines: Sequence[str], combination: _Combination) -> str:
        """The rest of a sentence about the hunk, empty where nothing speaks against the lines."""
        sure = combination.cost <= _OTHER_HEADING
        result = "".join(f"{line}\n" for line in lines)
        if not _substance(lines):
            return "would leave nothing of the file; a patch that means this deletes it."
        if double := doubled(self._lines, lines):
            return f"adds `{double}`, which the file has there already."
        if not self._python:
            return "" if sure else "fits too badly to be certain."
        if len(result) > min(LONGEST, self._effort.characters):
            return "" if sure else "fits too badly for a file too long to be checked."
        if not self._compiled and not sure and not self._compiles(result):
            return "would leave a program that does not compile."
        self._effort.characters -= len(result)
        removed = [line for reading in combination.readings for line in reading.removed]
        return objection(self._file, self._text, result, "\n".join(removed))

    def _compiles(self, text: str) -> bool:
        self._effort.characters -= len(text)
        return len(text) <= LONGEST and self._effort.characters >= 0 and parsed(text) is not None

    def _disputed(self, best: _Combination, second: _Combination) -> PatchRefused:
        pairs = zip(self._hunks, best.readings, second.readings, strict=True)
        hunk = next(hunk for hunk, one, other in pairs if one != other)
        problem = f"fits {self._file} in more than one way; show more lines around the change."
        return _refused(hunk, problem)


def _refused(hunk: Hunk, problem: str) -> PatchRefused:
    return PatchRefused(f"Hunk {hunk.number} {problem}")


def _read(hunk: Hunk, placement: Placement, lines: Sequence[str]) -> _Reading:
    """What the hunk makes of the file at one place, without the context around its change, which
    another hunk may share."""
    texts = _indented(hunk, placement, lines)
    new: list[str] = []
    removed: list[str] = []
    at = placement.first
    for step in placement.steps:
        if step.added:
            new.append(texts[step.item])
        gone = step.item >= 0 and hunk.lines[step.item].sign == "-"
        (removed if gone else new).extend(lines[max(at, step.first) : step.last])
        at = max(at, step.last)
    first, last = placement.first, placement.last
    while new and first < last and new[0] == lines[first]:
        first, new = first + 1, new[1:]
    while new and first < last and new[-1] == lines[last - 1]:
        last, new = last - 1, new[:-1]
    heading_differs = hunk.heading not in _enclosing(placement.first, lines)
    cost = placement.cost + (_OTHER_HEADING if heading_differs else 0.0)
    return _Reading(cost, first, last, tuple(new), tuple(removed))


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


def _indented(hunk: Hunk, placement: Placement, lines: Sequence[str]) -> list[str]:
    """The hunk's lines as they are indented in this file.

    Each hunk line on a file line says how one width in the hunk reads in the file. Where all
    agree, added lines follow them; where they do not, added lines are trusted as written.
    """
    widths: dict[int, set[int]] = {}
    for step in placement.steps:
        if step.item < 0 or step.added or step.last != step.first + 1:
            continue
        item, line = hunk.lines[step.item], lines[step.first]
        if line.strip() and tight(item.text) == tight(line):
            # Context that only lost the column of its sign is not shifted.
            width = indent_width(line)
            same = item.raw.rstrip() == line.rstrip()
            widths.setdefault(width if same else indent_width(item.text), set()).add(width)
    written = [line.text for line in hunk.lines]
    if any(len(found) > 1 for found in widths.values()):
        return written
    tabs = first_indent(lines) == "\t"
    return [_shift(text, widths, tabs=tabs) for text in written]


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


def _extended(
    combinations: Sequence[_Combination], found: Sequence[_Reading]
) -> list[_Combination]:
    """Every combination with every reading that touches none of its lines, the cheapest first."""
    result = [
        _Combination(combination.cost + reading.cost, (*combination.readings, reading))
        for combination in combinations
        for reading in found
        if not any(
            (reading.first < other.last and other.first < reading.last)
            or (reading.first, reading.last) == (other.first, other.last)
            for other in combination.readings
        )
    ]
    result.sort(key=lambda combination: combination.cost)
    return result[:_COMBINED]


def _changed(lines: Sequence[str], readings: Sequence[_Reading]) -> list[str]:
    result: list[str] = []
    at = 0
    for reading in sorted(readings, key=lambda reading: (reading.first, reading.last)):
        result += [*lines[at : reading.first], *reading.new]
        at = reading.last
    return [*result, *lines[at:]]


def _substance(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines if line.strip() and not is_comment(line))


def _looked_for(hunk: Hunk, file: str) -> str:
    if any(line.sign not in "+~" and line.text.strip() for line in hunk.lines):
        return f"looks for lines that {file} does not have."
    return f"shows no line of {file}, so its place is unknown."
