"""Old runs go, by age and by size; never one that is active or can still be undone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ml_coach.change_log import ChangeLog
from ml_coach.claims import Claim, Claims
from ml_coach.core.changes import FileChange
from ml_coach.core.events import RunStarted
from ml_coach.core.request import Request
from ml_coach.pruning import prune
from ml_coach.run_log import RunLog

DAY = 86_400.0


class Past:
    """A run log whose runs are some days old."""

    def __init__(self, state: Path) -> None:
        self.log, self.claims, self.root = RunLog(state), Claims(state), state / "project"
        self.root.mkdir(parents=True)

    def run(self, run_id: str, days: float, file: str = "") -> None:
        with self.log.record(run_id) as record:
            record(RunStarted(run_id, Request("p" * 1000), "m"))
        folder = self.log.folder(run_id)
        if file:
            changes = ChangeLog(folder)
            changes.begin(self.root)
            changes.add(FileChange(file, None, "x = 1\n"), "run")
        self.age(run_id, days)

    def age(self, run_id: str, days: float) -> None:
        then = time.time() - days * DAY
        for path in self.log.folder(run_id).iterdir():
            os.utime(path, (then, then))

    def prune(self, days: float, megabytes: float) -> tuple[str, ...]:
        return prune(self.log, self.claims, days, megabytes).run_ids


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def test_runs_older_than_the_bound_go(past: Past) -> None:
    past.run("1", 40)
    past.run("2", 20)
    assert past.prune(30, 500) == ("1",)
    assert past.log.ids() == ["2"]


def test_the_oldest_go_until_the_rest_fits(past: Past) -> None:
    for number in range(5):
        past.run(str(number), 10 - number)
    newest = [past.log.folder(run_id) for run_id in ("3", "4")]
    size = sum(path.stat().st_size for folder in newest for path in (folder, *folder.iterdir()))
    assert past.prune(30, (size + 1) / 1e6) == ("0", "1", "2")


def test_what_can_still_be_undone_stays(past: Past) -> None:
    past.run("1", 90, "a.py")  # A later run changed the same file.
    past.run("2", 80, "a.py")
    past.run("3", 70, "gone.py")
    (past.root / "a.py").write_text("x = 1\n")
    assert past.prune(30, 0) == ("1", "3")
    assert past.log.ids() == ["2"]


def test_a_run_of_today_and_an_active_one_stay(past: Past) -> None:
    past.run("1", 0.5, "gone.py")
    past.run("2", 90)
    claim = past.claims.claim("2", [])
    assert isinstance(claim, Claim)
    past.age("2", 90)
    assert past.prune(0, 0) == ()
    claim.release()
    assert past.prune(0, 0) == ("2",)


def test_a_run_with_a_damaged_log_is_pruned_like_any_other(past: Past) -> None:
    past.run("1", 90, "a.py")
    changes = past.log.folder("1") / "changes.jsonl"
    changes.write_bytes(b"\xff\x00[]{")
    os.utime(changes, (0, 0))
    assert past.prune(30, 500) == ("1",)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud83d.py"])
def test_a_name_that_no_file_can_have_stops_no_pruning(past: Past, name: str) -> None:
    past.run("1", 90, name)
    past.run("2", 90)
    assert past.prune(30, 500) == ("1", "2")
