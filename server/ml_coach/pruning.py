"""Old runs are removed from the log: by age, then by size, oldest first.

A run stays, whatever the bounds say, while it is active, for a day after it last did something, and
as long as it is the latest that changed a file which still exists, because it can be undone.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml_coach.claims import Claims
from ml_coach.json_lines import JsonLines
from ml_coach.run_log import RunLog

_DAY_SECONDS = 86_400.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """The ids of the runs that were removed, and the bytes that this gave back."""

    run_ids: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Kept:
    run_id: str
    folder: Path
    size_bytes: int
    age_seconds: float
    may_go: bool


def prune(log: RunLog, claims: Claims, keep_days: float, keep_megabytes: float) -> Pruned:
    """Removes the runs older than `keep_days`, then the oldest until the rest fits."""
    runs = list(_runs(log, claims))
    total = sum(run.size_bytes for run in runs)
    removed: list[str] = []
    freed = 0
    for run in reversed(runs):
        is_old = run.age_seconds > keep_days * _DAY_SECONDS
        is_too_much = total - freed > keep_megabytes * _MEGABYTE
        if run.may_go and (is_old or is_too_much):
            shutil.rmtree(run.folder, ignore_errors=True)
            removed.append(run.run_id)
            freed += run.size_bytes
    return Pruned(tuple(removed), freed)


def _runs(log: RunLog, claims: Claims) -> Iterator[_Kept]:
    """All runs, newest first."""
    undoable: set[Path] = set()
    for run_id in log.ids():
        folder = log.folder_for(run_id)
        size, last = _size_and_time(folder)
        age = time.time() - last
        newest_of = {file for file in _changed_files(folder) if file not in undoable}
        undoable |= newest_of
        can_be_undone = any(_exists(file) for file in newest_of)
        is_fresh = age < _DAY_SECONDS or claims.holder(run_id) is not None
        yield _Kept(run_id, folder, size, age, not (can_be_undone or is_fresh))


def _size_and_time(folder: Path) -> tuple[int, float]:
    size, last = 0, 0.0
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):
            status = path.lstat()
            size += status.st_size
            last = max(last, status.st_mtime if path != folder else 0.0)
    return size, last


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):  # A damaged log holds names that no file can have.
        return False


def _changed_files(folder: Path) -> set[Path]:
    """The files that an editor's run changed, by its log of changes."""
    root, files = "", set[str]()
    for line in JsonLines(folder / "changes.jsonl"):
        root = root or str(line.get("root", ""))
        if isinstance(line.get("file"), str):
            files.add(line["file"])
    return {Path(root) / file for file in files} if root else set()
