"""Several readings of a file's hunks → the one text they stand for, or why none is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ml_coach.core.patches.anchoring import placements, with_lost_signs
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.guard import doubled, loss
from ml_coach.core.patches.lines import is_comment
from ml_coach.core.patches.readings import Reading, readings
from ml_coach.core.patches.target import Effort, Target
from ml_coach.core.python.bindings import LONGEST, parsed
from ml_coach.core.types import PatchRefused

_BEAM = 64
_PER_HUNK = 64
_TRIED = 60
_CLOSE = 0.05
"""Readings whose costs differ by less are equally likely: if their texts differ, we refuse."""
_SURE = 0.19
"""The most a reading may cost where nothing confirms it: a wrong header, but no wrong line."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lines after all hunks and how far the reply was from fitting exactly."""

    lines: list[str]
    cost: float


@dataclass(frozen=True, slots=True)
class _Combination:
    """One reading of each hunk."""

    cost: float
    readings: tuple[Reading, ...]


def choose(
    file: str, lines: Sequence[str], hunks: Sequence[Hunk], effort: Effort
) -> Chosen | PatchRefused:
    """The lines of `file` after `hunks`, which all apply or none."""
    choice = _Choice(file, lines, hunks, effort)
    strict = choice.made(loosely=False)
    if isinstance(strict, Chosen):
        return strict
    loose = choice.made(loosely=True)
    return loose if isinstance(loose, Chosen) else strict


class _Choice:
    def __init__(
        self, file: str, lines: Sequence[str], hunks: Sequence[Hunk], effort: Effort
    ) -> None:
        self._file = file
        self._lines = list(lines)
        self._target = Target(self._lines, effort)
        self._hunks = [with_lost_signs(hunk, self._target) for hunk in hunks]
        self._checker = _Checker(file, lines, effort)

    def made(self, *, loosely: bool) -> Chosen | PatchRefused:
        combinations = [_Combination(0.0, ())]
        for hunk in self._hunks:
            found = self._candidates(hunk, loosely=loosely)
            if not found:
                return self._refused(hunk, _looked_for(hunk, self._file))
            combinations = _extended(combinations, found)
            if not combinations:
                reason = f"needs lines of {self._file} that an earlier hunk changes."
                return self._refused(hunk, reason)
        return self._judged(combinations)

    def _candidates(self, hunk: Hunk, *, loosely: bool) -> list[Reading]:
        lines = self._target.lines
        wanted = sum(line.sign not in ("+", "~") and bool(line.text.strip()) for line in hunk.lines)
        limit = max(0.95, 0.3 * wanted)
        found: list[Reading] = []
        for placement in placements(hunk, self._target, loosely=loosely):
            if placement.cost <= limit and any(
                step.item >= 0 and step.first < step.last and lines[step.first].strip()
                for step in placement.steps
            ):
                found += islice(readings(hunk, placement, self._target), _PER_HUNK)
        unique: dict[tuple[int, int, tuple[str, ...]], Reading] = {}
        for reading in sorted(found, key=lambda reading: reading.cost):
            unique.setdefault((reading.first, reading.last, reading.new), reading)
        # Many hunks with many readings each would take long to combine.
        return list(unique.values())[: _PER_HUNK if len(self._hunks) <= 6 else 6]

    def _judged(self, combinations: Sequence[_Combination]) -> Chosen | PatchRefused:
        kept: dict[str, tuple[_Combination, list[str]]] = {}
        seen = {"\n".join(self._lines)}
        problem = "would change nothing."
        for combination in islice(combinations, _TRIED):
            if kept and combination.cost > next(iter(kept.values()))[0].cost + _CLOSE:
                break
            result = _changed(self._lines, combination.readings)
            if "\n".join(result) in seen:
                continue
            seen.add("\n".join(result))
            objection = self._checker.objection(result, combination)
            if objection:
                problem = objection
            else:
                # Readings that differ in blank lines and comments alone are not in dispute.
                kept.setdefault(_substance(result), (combination, result))
        if not kept:
            if len(self._hunks) > 1:
                problem = f"and the others together {problem}"
            return self._refused(self._hunks[0], problem)
        (best, lines), *others = kept.values()
        if others:
            return self._disputed(best, others[0][0])
        return Chosen(lines, best.cost)

    def _disputed(self, best: _Combination, second: _Combination) -> PatchRefused:
        differing = [
            (hunk, other)
            for hunk, one, other in zip(self._hunks, best.readings, second.readings, strict=True)
            if one != other
        ]
        hunk, other = differing[0]
        return PatchRefused(
            f"Hunk {hunk.number} fits {self._file} in more than one way; "
            "show more lines around the change.",
            self._file,
            hunk.number,
            self._target.shown(*other.around),
        )

    def _refused(self, hunk: Hunk, problem: str) -> PatchRefused:
        reason = f"Hunk {hunk.number} {problem}"
        return PatchRefused(reason, self._file, hunk.number, self._target.nearest(hunk))


def _extended(combinations: Sequence[_Combination], found: Sequence[Reading]) -> list[_Combination]:
    """Every combination with every reading that touches none of its lines, the cheapest first."""
    room = _BEAM if len(combinations[0].readings) < 6 else 6
    result = [
        _Combination(combination.cost + reading.cost, (*combination.readings, reading))
        for combination in combinations[:room]
        for reading in found
        if not any(
            (reading.first < other.last and other.first < reading.last)
            or (reading.first, reading.last) == (other.first, other.last)
            for other in combination.readings
        )
    ]
    result.sort(key=lambda combination: combination.cost)
    return result[:_BEAM]


def _changed(lines: Sequence[str], readings: Sequence[Reading]) -> list[str]:
    result: list[str] = []
    at = 0
    for reading in sorted(readings, key=lambda reading: (reading.first, reading.last)):
        result += lines[at : reading.first]
        result += reading.new
        at = reading.last
    return [*result, *lines[at:]]


def _substance(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines if line.strip() and not is_comment(line))


def _looked_for(hunk: Hunk, file: str) -> str:
    if any(line.sign not in ("+", "~") and line.text.strip() for line in hunk.lines):
        return f"looks for lines that {file} does not have."
    return f"shows no line of {file}, so its place is unknown."


class _Checker:
    """Objections to a result: it does not compile, loses what nobody removed, or doubles lines."""

    def __init__(self, file: str, lines: Sequence[str], effort: Effort) -> None:
        self._python = file.endswith((".py", ".pyi"))
        self._lines = lines
        self._effort = effort
        self._text = "".join(f"{line}\n" for line in lines)
        self._compiled = self._python and self._compiles(self._text)

    def objection(self, lines: Sequence[str], combination: _Combination) -> str:
        """The rest of a sentence about the hunk, empty where nothing speaks against the lines."""
        sure = combination.cost <= _SURE
        result = "".join(f"{line}\n" for line in lines)
        if not _substance(lines):
            return "would leave nothing of the file; a patch that means this deletes it."
        if double := doubled(self._lines, lines):
            return f"adds `{double}`, which the file has there already."
        if not self._python:
            return "" if sure else "fits too badly to be certain."
        if len(result) > LONGEST or self._effort.characters < len(result):
            return "" if sure else "fits too badly for a file too long to be checked."
        if not self._compiles(result) and (self._compiled or not sure):
            return "would leave a program that does not compile."
        removed = [line for reading in combination.readings for line in reading.removed]
        return loss(self._text, result, "\n".join(removed))

    def _compiles(self, text: str) -> bool:
        if len(text) > LONGEST or not self._effort.take_characters(len(text)):
            return False
        return parsed(text) is not None
