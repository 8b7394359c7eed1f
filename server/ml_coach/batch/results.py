"""What a batch leaves: OUT/results.jsonl with a line for each row, and a folder for each run.

    OUT/results.jsonl       one line a row, in the order in which they ended
        earlier.jsonl       what was there before: lines of rows that were run again
        runs/<name>/        the program, its tests, report.json, events.jsonl, calls.jsonl

A line is appended whole and is on the disk before the next row begins; a folder appears when its
run is over. So a batch may be stopped or killed at any moment and goes on with what is missing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from filelock import FileLock, Timeout

from ml_coach.batch.rows import BadRow, Row
from ml_coach.core.types import Outcome
from ml_coach.core.usage import Usage
from ml_coach.json_lines import JsonLines, encoded, open_for_append

# `error`: the row cannot be read. `not_run`: the budget was used up, or no node was left. `lost`:
# two nodes were lost while they worked on it.
RowOutcome = Outcome | Literal["error", "not_run", "lost"]
ROW_OUTCOMES: tuple[str, ...] = (*get_args(Outcome), "error", "not_run", "lost")
RUNS = "runs"
_RESULTS, _EARLIER = "results.jsonl", "earlier.jsonl"
_FINISHED = ("passed", "unsure", "gave_up")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60
# Infinity, what is no number, and what no row can have used.
_NO_NUMBER = 1e15


@dataclass(frozen=True, slots=True)
class RowResult:
    """One line of results.jsonl.

    `digest` is the hash of the row's content, see `Row.digest`. `tests_passed` of `tests` count the
    tests that judge. `cost` is in US dollars, `seconds` is the run's wall time. `attempts` is 2
    where a node was lost in the first. `cut_short` says that the batch's budget ended the run.
    `folder` is relative to OUT, empty where nothing ran.
    """

    id: str
    line: int
    outcome: RowOutcome
    reason: str = ""
    digest: str = ""
    model: str = ""
    tests_passed: int = 0
    tests: int = 0
    confidence: float | None = None
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    attempts: int = 1
    node: str = ""
    cut_short: bool = False
    folder: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether the row need not be run again."""
        return self.outcome in _FINISHED and not self.cut_short

    @property
    def usage(self) -> Usage:
        """What the run used."""
        return Usage(
            calls=self.calls, prompt_tokens=self.prompt_tokens,
            completion_tokens=self.reply_tokens, seconds=self.seconds, cost=self.cost,
        )  # fmt: skip


class OutInUse(Exception):
    """Another batch writes into the same folder."""


class Results:
    """The lines and folders in `out`. Open one with `resume`, and `close` it."""

    def __init__(self, out: Path, lock: FileLock) -> None:
        self.out = out
        self._lock = lock
        self.lines: list[RowResult] = []
        self.earlier = Usage()

    @classmethod
    def resume(cls, out: Path, rows: Sequence[Row | BadRow], digests: Mapping[int, str]) -> Results:
        """Opens `out` for these rows; `digests` are theirs by line. Lines of rows that need not be
        run again are kept, the others are moved to earlier.jsonl. Raises `OutInUse` and `OSError`.
        """
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise OutInUse(f"Another batch writes into {out}.") from None
        results = cls(out, lock)
        waiting = {digest: list[Row | BadRow]() for digest in digests.values()}
        for row in rows:
            if digest := digests.get(row.line):
                waiting[digest].append(row)
        old: list[dict[str, Any]] = []
        for line in JsonLines(out / _RESULTS):
            result = read_line(line)
            same = waiting.get(result.digest) if result and result.is_finished else None
            if result is None or not same:
                old.append(line)
                continue
            row = same.pop(0)
            results.lines.append(replace(result, id=row.id, line=row.line))
        results._append(_EARLIER, old)
        results._rewrite()
        used = (read_line(line) for line in JsonLines(out / _EARLIER))
        results.earlier = sum((r.usage for r in used if r), Usage())
        return results

    @property
    def usage(self) -> Usage:
        """What this batch used since its folder was made."""
        return sum((line.usage for line in self.lines), self.earlier)

    def waiting(self, rows: Iterable[Row | BadRow]) -> list[Row | BadRow]:
        """Those of `rows` that have no line."""
        done = {line.line for line in self.lines}
        return [row for row in rows if row.line not in done]

    def add(self, result: RowResult, files: Mapping[str, str] | None = None) -> RowResult:
        """Keeps a row's line and the files of its run, and returns the line with its folder."""
        if files:
            result = replace(result, folder=self._keep(result, files))
        self.lines.append(result)
        self._append(_RESULTS, [asdict(result)])
        return result

    def charge(self, row: Row, usage: Usage) -> None:
        """Notes what a run may have used at most whose node was lost, as what was there before."""
        line = RowResult(
            row.id, row.line, "lost", calls=usage.calls, prompt_tokens=usage.prompt_tokens,
            cost=usage.cost,
        )  # fmt: skip
        self._append(_EARLIER, [asdict(line)])
        self.earlier += usage

    def close(self) -> None:
        """Lets other batches write here."""
        self._lock.release()

    def _keep(self, result: RowResult, files: Mapping[str, str]) -> str:
        name = f"{_NOT_IN_NAMES.sub('-', result.id)[:_LONGEST_NAME].strip('.-') or 'row'}"
        taken = Counter(line.folder for line in self.lines)
        folder, number = f"{RUNS}/{name}-{result.digest[:8]}", 1
        while folder in taken:
            number += 1
            folder = f"{RUNS}/{name}-{result.digest[:8]}-{number}"
        scratch, final = self.out / RUNS / f".{Path(folder).name}", self.out / folder
        shutil.rmtree(scratch, ignore_errors=True)
        for file, text in files.items():
            path = scratch / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        shutil.rmtree(final, ignore_errors=True)  # An attempt before this one left it.
        scratch.replace(final)
        return folder

    def _append(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        if lines:
            with open_for_append(self.out / name) as file:
                file.write(b"".join(map(encoded, lines)))
                os.fsync(file.fileno())

    def _rewrite(self) -> None:
        scratch = self.out / f".{_RESULTS}"
        with scratch.open("wb") as file:
            file.write(b"".join(encoded(asdict(line)) for line in self.lines))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.out / _RESULTS)


def is_batch(out: Path) -> bool:
    """Whether a batch wrote into this folder."""
    return (out / _RESULTS).is_file()


def read_results(out: Path) -> list[RowResult]:
    """The lines in a batch's folder, in the order of its rows; what cannot be read is left out."""
    lines = (read_line(line) for line in JsonLines(out / _RESULTS))
    return sorted((line for line in lines if line), key=lambda line: line.line)


def read_line(line: Mapping[str, Any]) -> RowResult | None:
    """A line as another version or an editor may have left it; None where it is no result."""
    empty: dict[str, Any] = asdict(RowResult("", 0, "error"))
    known: dict[str, Any] = {}
    for each in fields(RowResult):
        value, default = line.get(each.name), empty[each.name]
        if isinstance(default, bool):
            fits = isinstance(value, bool)
        elif isinstance(default, int):
            fits = isinstance(value, int) and not isinstance(value, bool)
        else:
            number = default is None or isinstance(default, float)
            fits = isinstance(value, int | float if number else str)
        if isinstance(value, int | float):
            fits = fits and abs(value) < _NO_NUMBER
        if fits:
            known[each.name] = value
    is_result = {"id", "line", "outcome"} <= set(known) and known["outcome"] in ROW_OUTCOMES
    return RowResult(**cast("Any", known)) if is_result else None
