"""Several readings of a file's hunks → the one text they stand for, or why none is certain."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ml_coach.core.patches.anchoring import placements, with_lost_signs
from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.lines import is_comment, line_end, split_lines
from ml_coach.core.patches.readings import Reading, readings
from ml_coach.core.patches.target import Effort, Target
from ml_coach.core.python.bindings import LONGEST, bound_names, parsed
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
    """The text after all hunks and how far the reply was from fitting exactly."""

    text: str
    cost: float


@dataclass(frozen=True, slots=True)
class _Combination:
    """One reading of each hunk."""

    cost: float
    readings: tuple[Reading, ...]


def choose(file: str, text: str, hunks: Sequence[Hunk], effort: Effort) -> Chosen | PatchRefused:
    """The text of `file` after `hunks`, which all apply or none."""
    choice = _Choice(file, text, hunks, effort)
    strict = choice.made(loosely=False)
    if isinstance(strict, Chosen):
        return strict
    loose = choice.made(loosely=True)
    return loose if isinstance(loose, Chosen) else strict


class _Choice:
    def __init__(self, file: str, text: str, hunks: Sequence[Hunk], effort: Effort) -> None:
        self._file = file
        self._text = text
        self._original = _Text.of(text)
        self._target = Target(self._original.lines, effort)
        self._hunks = [with_lost_signs(hunk, self._target) for hunk in hunks]
        self._checker = _Checker(file, text, effort)

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
        kept: dict[str, tuple[_Combination, str]] = {}
        seen = {self._text}
        problem = "would change nothing."
        for combination in islice(combinations, _TRIED):
            if kept and combination.cost > next(iter(kept.values()))[0].cost + _CLOSE:
                break
            result = self._original.changed(combination.readings, self._hunks)
            if result in seen:
                continue
            seen.add(result)
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
        (best, text), *others = kept.values()
        if others:
            return self._disputed(best, others[0][0])
        return Chosen(text, best.cost)

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
            self._target.shown(other.first, other.last),
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
            reading.first < other.last and other.first < reading.last
            for other in combination.readings
        )
    ]
    result.sort(key=lambda combination: combination.cost)
    return result[:_BEAM]


def _substance(text: str) -> str:
    return "\n".join(
        line.rstrip() for line in text.split("\n") if line.strip() and not is_comment(line)
    )


def _looked_for(hunk: Hunk, file: str) -> str:
    if any(line.sign not in ("+", "~") and line.text.strip() for line in hunk.lines):
        return f"looks for lines that {file} does not have."
    return f"shows no line of {file}, so its place is unknown."


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
        own = set(self.lines) if mark else frozenset[str]()
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

    def __init__(self, file: str, text: str, effort: Effort) -> None:
        self._python = file.endswith((".py", ".pyi"))
        self._effort = effort
        tree = self._tree(text) if self._python else None
        self._names = bound_names(tree) if tree else None

    def objection(self, result: str, combination: _Combination) -> str:
        """The rest of a sentence about the hunk, empty where nothing speaks against `result`."""
        sure = combination.cost <= _SURE
        if not _substance(result):
            return "would leave nothing of the file; a patch that means this deletes it."
        if not self._python:
            return "" if sure else "fits too badly to be certain."
        if len(result) > LONGEST or self._effort.characters < len(result):
            return "" if sure else "fits too badly for a file too long to be checked."
        tree = self._tree(result)
        if tree is None:
            # A program that was broken before may need more than one patch to compile.
            repairable = self._names is None and sure
            return "" if repairable else "would leave a program that does not compile."
        if self._names is None:
            return ""
        lost = self._names - bound_names(tree) - _removed_names(combination)
        return f"would lose {', '.join(sorted(lost))}, which it does not remove." if lost else ""

    def _tree(self, text: str) -> ast.Module | None:
        if len(text) > LONGEST or not self._effort.take_characters(len(text)):
            return None
        return parsed(text)


def _removed_names(combination: _Combination) -> frozenset[str]:
    """Every name on a line that the reply itself removes."""
    return frozenset(
        name
        for reading in combination.readings
        for line in reading.removed
        for name in re.findall(r"[^\W\d]\w*", line)
    )
