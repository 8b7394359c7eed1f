"""Runs on disk: events are read back unchanged, and a line that was cut off is skipped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ml_coach.core.events import (
    Event,
    FilesSaved,
    PatchOffered,
    RunFinished,
    RunStarted,
    StageStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsFinished,
    TextArrived,
)
from ml_coach.core.finding import Finding, Location
from ml_coach.core.patches import make_patch
from ml_coach.core.request import Request
from ml_coach.core.results import Case, TestReport
from ml_coach.core.types import Dropped, Program, RunReport, Suite
from ml_coach.core.usage import Usage
from ml_coach.run_log import RunLog, from_json, to_json
from ml_coach.run_order import new_run_id

PATCH = make_patch({"a.py": "x = 1\n"}, {"a.py": "x = 2\n"})
FINDING = Finding("test", "no", "t.py", 3, test="test_a", related=(Location("a.py", 1, "here"),))
REPORT = RunReport(
    "gave_up", "why", Program("x = 1\n", "a.py"), Suite("", "t.py", {"a": "given"}),
    TestReport("failed", (Case("test_a", "failed", "no", 3),), (FINDING,), "no"), 2,
    Usage(1, 2, 3), 1.5, "m", "namespaces", (FINDING,), (Dropped("test_b", "flaky"),), PATCH,
    {"a.py": "x = 1\n"},
)  # fmt: skip
EVENTS: list[Event] = [
    RunStarted("r", Request("p", examples=("assert f()",)), "m"),
    StageStarted("code", 1, 3),
    SuiteWritten(Suite("s", provenance={"x": "given"}), ("did",)),
    SuiteFiltered(("a",), (Dropped("b", "c"),), 0.5),
    TestsFinished(TestReport("failed", findings=(FINDING,))),
    PatchOffered(PATCH, "s", 1, 2),
    FilesSaved({"a.py": "x = 1\n"}),
    RunFinished(REPORT),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_an_event_survives_json(event: Event) -> None:
    assert from_json(to_json(event)) == event


def test_data_that_is_not_an_event_is_refused() -> None:
    with pytest.raises(ValueError, match="no event"):
        from_json({"event": "Nonsense"})


def test_the_last_run_is_the_newest_that_began_also_where_its_log_is_damaged(
    tmp_path: Path,
) -> None:
    """Else an undo of the last run would take back the one before it."""
    log = RunLog(tmp_path)
    with log.record("1") as record:
        record(EVENTS[0])
    (log.folder_for("2")).mkdir()
    (log.folder_for("3")).mkdir()
    (log.folder_for("3") / "events.jsonl").touch()
    assert log.named("last") == ("1",)
    (log.folder_for("2") / "events.jsonl").write_bytes(b'{"event": "RunSta\n\xff\n')
    assert log.named("last") == ("2",)


def test_a_run_is_logged_while_it_runs(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    with log.record("r1") as record:
        for event in EVENTS[:-1]:
            record(event)
        record(TextArrived(1, "not kept: calls.jsonl has the whole reply"))
        # Before the end, as after a crash: everything so far is there.
        assert list(log.events("r1")) == EVENTS[:-1]
        assert log.summary("r1").outcome == ""
        assert log.report("r1") is None
        record(EVENTS[-1])
    assert list(log.events("r1")) == EVENTS
    assert log.summary("r1").outcome == "gave_up"
    assert log.report("r1") == REPORT
    assert (log.folder("r1") / "patch.diff").read_text() == PATCH.text


def test_a_line_that_a_crash_cut_off_is_skipped(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    with log.record("r1") as record:
        record(EVENTS[0])
    with (log.folder("r1") / "events.jsonl").open("a") as file:
        file.write('{"event": "StageSta')
    assert list(log.events("r1")) == EVENTS[:1]


@pytest.mark.parametrize("run_id", ["nothing", "", "..", "a/b", "a\\b"])
def test_an_unknown_or_unsafe_id_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(KeyError):
        RunLog(tmp_path).folder(run_id)


@pytest.mark.parametrize("run_id", ["", ".", "..", "a/b", "a\\b", "a\0b", "a" * 300])
def test_an_id_that_no_folder_can_have_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(KeyError):
        RunLog(tmp_path).folder_for(run_id)


def test_a_run_that_ended_before_it_logged_its_request_is_not_listed(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    with log.record("20260101-000000-aaaa") as record:
        record(EVENTS[0])
    with log.record("20260102-000000-aaaa"):
        pass
    (tmp_path / "runs" / "20260103-000000-aaaa").mkdir()
    assert [run.run_id for run in log.latest(1)] == ["20260101-000000-aaaa"]


def test_ids_sort_by_time(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for run_id in ("20260101-000000-aaaa", "20260102-000000-aaaa"):
        with log.record(run_id):
            pass
    assert log.ids() == ["20260102-000000-aaaa", "20260101-000000-aaaa"]
    assert new_run_id() > "20260101"
    ids = [new_run_id() for _ in range(20) if not time.sleep(0.001)]
    assert ids == sorted(set(ids))
