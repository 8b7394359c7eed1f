"""Files that ML Coach keeps for itself, damaged in every way that we know of: nothing raises, what
is whole is read, and a new line is never glued to a torn one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from parts import ScriptedModel

from damaged_files import DAMAGES, KEEPS_ALL, damage
from ml_coach.change_log import ChangeLog
from ml_coach.core.changes import FileChange
from ml_coach.core.events import FilesSaved, RunFinished, RunStarted, StageStarted
from ml_coach.core.ports import Call, Message
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Usage
from ml_coach.disk import WrittenFiles
from ml_coach.json_lines import JsonLines, append
from ml_coach.models.recorded import RecordedModel, RecordingModel
from ml_coach.run_log import RunLog

REPORT = RunReport("passed", "All tests pass.", None, None, None, 1, Usage(), 1.0, "m", "s")


def _call(text: str) -> Call:
    return Call("coder", (Message("user", text),))


every_damage = pytest.mark.parametrize("kind", DAMAGES)


@every_damage
def test_a_damaged_log_hides_no_other_run(tmp_path: Path, kind: str) -> None:
    log = RunLog(tmp_path)
    for run_id in ("20260101-000000-aaaa", "20260102-000000-aaaa", "20260103-000000-aaaa"):
        with log.record(run_id) as record:
            record(RunStarted(run_id, Request("p"), "m"))
            record(StageStarted("code", 1, 3))
            record(FilesSaved({"a.py": "x = 1\n"}))
            record(RunFinished(REPORT))
    damage(log.folder("20260102-000000-aaaa") / "events.jsonl", kind)
    listed = {run.run_id: run.outcome for run in log.latest(10)}
    assert listed["20260101-000000-aaaa"] == listed["20260103-000000-aaaa"] == "passed"
    if kind in KEEPS_ALL:
        assert listed["20260102-000000-aaaa"] == "passed"
        assert len(list(log.events("20260102-000000-aaaa"))) == 4


@every_damage
def test_a_damaged_ledger_still_knows_what_is_noted_later(tmp_path: Path, kind: str) -> None:
    ledger = WrittenFiles(tmp_path / "written.jsonl")
    for number in range(3):
        ledger.note(tmp_path / f"{number}.py", "x = 1\n")
    damage(ledger.file, kind)
    ledger.note(tmp_path / "new.py", "y = 1\n")
    if ledger.file.is_file():
        assert ledger.wrote(tmp_path / "new.py", "y = 1\n")
    if kind in KEEPS_ALL:
        assert all(ledger.wrote(tmp_path / f"{number}.py", "x = 1\n") for number in range(3))
    assert not ledger.wrote(tmp_path / "new.py", "y = 2\n")


@every_damage
def test_a_damaged_change_log_is_read_whole_or_called_damaged(tmp_path: Path, kind: str) -> None:
    log = ChangeLog(tmp_path)
    log.begin(tmp_path)
    changes = [FileChange("a.py", None, "x = 1\n"), FileChange("b.py", None, "y = 1\n")]
    log.plan(changes, "run")
    for change in changes:
        log.add(change, "run")
    damage(tmp_path / "changes.jsonl", kind)
    # What a torn line would have said is seen in the file itself.
    logged = log.last_action(lambda change: True)
    assert log.is_damaged or log.root is None or set(logged.changes) == set(changes)


IMPOSSIBLE = ["", "a\0b", "\ud83d.py", 5, None]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_change_log_with_a_name_that_no_file_can_have_is_damaged(
    tmp_path: Path, name: object
) -> None:
    log = ChangeLog(tmp_path)
    log.begin(tmp_path)
    append(tmp_path / "changes.jsonl", {"file": name, "before": None, "after": "x", "act": "run"})
    assert log.is_damaged
    assert log.files() == ()


@every_damage
async def test_a_damaged_recording_is_replayed_as_far_as_it_goes(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "calls.jsonl"
    model = RecordingModel(ScriptedModel({"coder": ["one", "two"]}), file)
    for text in ("a", "b"):
        assert [piece async for piece in model.stream(_call(text))]
    damage(file, kind)
    if not file.is_file():
        return
    again = RecordedModel(file, then=ScriptedModel({"coder": ["new"]}))
    replies = ["".join([p async for p in again.stream(_call(t)) if isinstance(p, str)])
               for t in ("a", "b")]  # fmt: skip
    assert replies == ["one", "two"] or (kind not in KEEPS_ALL and "new" in replies)
    with_more = RecordingModel(ScriptedModel({"coder": ["three"]}), file)
    assert [piece async for piece in with_more.stream(_call("c"))]
    assert any(line.get("reply") == "three" for line in JsonLines(file))


def test_a_line_after_a_torn_one_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"a": 1}\n{"b": ')
    append(file, {"c": 3})
    lines = JsonLines(file)
    assert list(lines) == [{"a": 1}, {"c": 3}]
    assert (lines.torn, lines.damaged) == (1, 0)


def test_what_a_run_is_about_to_change_is_noted_in_one_write(tmp_path: Path) -> None:
    """Else a killed undo that noted one of two files would leave the other one for good."""
    log, opened = ChangeLog(tmp_path), list[str]()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(str(tmp_path)):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)  # It stays, but hears of no other folder.
    changes = [FileChange(file, "before\n", "after\n") for file in ("a.py", "b.py")]
    log.plan(changes, "undo")
    log.plan([], "undo")
    assert opened == [str(tmp_path / "changes.jsonl")]
    assert log.files() == ("a.py", "b.py")
