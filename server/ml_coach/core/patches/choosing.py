"""Several readings of a file's hunks → the one text they stand for, or why none is certain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ml_coach.core.patches.anchoring import nearest_text, placements
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.lines import is_comment, line_end, split_lines
from ml_coach.core.patches.python import LONGEST, bound_names, parsed
from ml_coach.core.patches.readings import Reading, readings
from ml_coach.core.types import PatchRefused

_BEAM = 64
_PER_HUNK = 64
_TRIED = 60
_CLOSE = 0.05
"""Readings whose costs differ by less are equally likely: if their texts differ, we refuse."""
_SURE = 0.1
"""The most a reading may cost where the result can not be compiled to confirm it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text after all hunks and how far the reply was from fitting exactly."""

    text: str
    cost: float


@dataclass(frozen=True, slots=True)
class _Combination:
    cost: float
    readings: tuple[Reading, ...]


def choose(file: str, text: str, hunks: Sequence[Hunk]) -> Chosen | PatchRefused:
    """The text of `file` after `hunks`, which all apply or none."""
    original = _Text.of(text)
    strict = _choose(file, text, original, hunks, loosely=False)
    if isinstance(strict, Chosen):
        return strict
    loose = _choose(file, text, original, hunks, loosely=True)
    return loose if isinstance(loose, Chosen) else strict


def _choose(
    file: str, text: str, original: _Text, hunks: Sequence[Hunk], *, loosely: bool
) -> Chosen | PatchRefused:
    combinations = [_Combination(0.0, ())]
    for hunk in hunks:
        found = _candidates(hunk, original.lines, loosely=loosely)
        if not found:
            return _nowhere(file, hunk, original.lines)
        combinations = _extended(combinations, found)
        if not combinations:
            return PatchRefused(
                f"Hunk {hunk.number} needs lines of {file} that an earlier hunk changes.",
                file, hunk.number, nearest_text(hunk, original.lines),
            )
    return _judge(file, text, original, combinations, hunks)


def _candidates(hunk: Hunk, lines: Sequence[str], *, loosely: bool) -> list[Reading]:
    wanted = sum(bool(line.text.strip()) for line in hunk.lines if line.sign in (" ", "-", "?"))
    limit = max(0.95, 0.3 * wanted)
    found: list[Reading] = []
    for placement in placements(hunk, lines, loosely=loosely):
        if placement.cost <= limit and any(
            step.item >= 0 and step.first < step.last and lines[step.first].strip()
            for step in placement.steps
        ):
            found += islice(readings(hunk, placement, lines), _PER_HUNK)
    unique: dict[tuple[int, int, tuple[str, ...]], Reading] = {}
    for reading in sorted(found, key=lambda r: r.cost):
        unique.setdefault((reading.first, reading.last, reading.new), reading)
    return list(unique.values())[:_PER_HUNK]


def _extended(
    combinations: Sequence[_Combination], found: Sequence[Reading]
) -> list[_Combination]:
    """Every combination with every reading that touches none of its lines, the cheapest first."""
    result = [
        _Combination(combination.cost + reading.cost, (*combination.readings, reading))
        for combination in combinations
        for reading in found
        if not any(_overlap(reading, other) for other in combination.readings)
    ]
    result.sort(key=lambda combination: combination.cost)
    return result[:_BEAM]


def _overlap(one: Reading, other: Reading) -> bool:
    return one.first < other.last and other.first < one.last


def _judge(
    file: str,
    text: str,
    original: _Text,
    combinations: Sequence[_Combination],
    hunks: Sequence[Hunk],
) -> Chosen | PatchRefused:
    checker = _Checker(file, text)
    kept: dict[str, Chosen] = {}
    seen = {text}
    problem = "would change nothing."
    for combination in islice(combinations, _TRIED):
        cheapest = next(iter(kept.values()), None)
        if cheapest and combination.cost > cheapest.cost + _CLOSE:
            break
        result = original.changed(combination.readings, hunks)
        if result in seen:
            continue
        seen.add(result)
        objection = checker.objection(result, combination)
        if objection:
            problem = objection
        else:
            # Readings that differ in blank lines and comments alone are not in dispute.
            kept.setdefault(_substance(result), Chosen(result, combination.cost))
    hunk = hunks[0]
    if not kept:
        nearest = nearest_text(hunk, original.lines)
        return PatchRefused(f"{_which(hunks)} {problem}", file, hunk.number, nearest)
    first, *others = kept.values()
    if others:
        number, nearest = _disputed(combinations, hunks, original.lines)
        return PatchRefused(
            f"Hunk {number} fits {file} in more than one way; give more lines around the change.",
            file, number, nearest,
        )
    return first


def _substance(text: str) -> str:
    return "\n".join(
        line.rstrip() for line in text.split("\n") if line.strip() and not is_comment(line)
    )


def _disputed(
    combinations: Sequence[_Combination], hunks: Sequence[Hunk], lines: Sequence[str]
) -> tuple[int, str]:
    """The first hunk that the two likeliest combinations read differently."""
    best, second = combinations[0].readings, combinations[1].readings
    for hunk, one, other in zip(hunks, best, second, strict=True):
        if one != other:
            return hunk.number, "\n".join(lines[other.first : other.last][:40])
    return hunks[0].number, ""


def _which(hunks: Sequence[Hunk]) -> str:
    return f"Hunk {hunks[0].number}" if len(hunks) == 1 else "The hunks together"


def _nowhere(file: str, hunk: Hunk, lines: Sequence[str]) -> PatchRefused:
    if not any(line.sign in (" ", "-", "?") and line.text.strip() for line in hunk.lines):
        reason = f"Hunk {hunk.number} shows no line of {file}, so its place is unknown."
    else:
        reason = f"Hunk {hunk.number} looks for lines that {file} does not have."
    return PatchRefused(reason, file, hunk.number, nearest_text(hunk, lines))


@dataclass(frozen=True, slots=True)
class _Text:
    """A file as lines without their ends, and what it takes to write them back unchanged."""

    lines: list[str]
    end: str
    closed: bool

    @classmethod
    def of(cls, text: str) -> _Text:
        end = line_end(text)
        lines = split_lines(text)
        closed = text.endswith("\n") or not text
        if not closed and end == "\r\n":
            lines[-1] += "\r"
        return cls(lines, end, closed)

    def changed(self, readings: Sequence[Reading], hunks: Sequence[Hunk]) -> str:
        mark = self.end[:-1]
        closed = self.closed
        own = set(self.lines)
        pieces: list[str] = []
        at = 0
        for reading, hunk in sorted(
            zip(readings, hunks, strict=True), key=lambda pair: (pair[0].first, pair[0].last)
        ):
            pieces += self.lines[at : reading.first]
            pieces += [line if line in own else line + mark for line in reading.new]
            at = reading.last
            if at == len(self.lines) and hunk.ends_without_newline is not None:
                closed = not hunk.ends_without_newline
        pieces += self.lines[at:]
        text = "".join(f"{line}\n" for line in pieces)
        return text if closed else text.removesuffix(self.end)


class _Checker:
    """Objections to a result: it does not compile, or it loses a name that nobody removed."""

    def __init__(self, file: str, text: str) -> None:
        self._python = file.endswith((".py", ".pyi"))
        self._short = len(text) <= LONGEST
        tree = parsed(text) if self._python and self._short else None
        self._names = bound_names(tree) if tree else None

    def objection(self, result: str, combination: _Combination) -> str:
        """The end of a sentence about the hunk, empty where nothing speaks against `result`."""
        if not self._python:
            return "" if combination.cost <= 1 else "fits too badly to be certain."
        if not self._short or len(result) > LONGEST:
            sure = combination.cost <= _SURE
            return "" if sure else "fits too badly for a file too long to be checked."
        tree = parsed(result)
        if tree is None:
            # A program that was broken before may need more than one patch to compile.
            repairable = self._names is None and combination.cost <= _SURE
            return "" if repairable else "would leave a program that does not compile."
        if self._names is None:
            return ""
        lost = self._names - bound_names(tree) - _removed_names(combination)
        return f"would lose {', '.join(sorted(lost))}, which it does not remove." if lost else ""


def _removed_names(combination: _Combination) -> frozenset[str]:
    """Every name on a line that the reply itself removes."""
    return frozenset(
        name
        for reading in combination.readings
        for line in reading.removed
        for name in re.findall(r"[^\W\d]\w*", line)
    )
