"""What is drawn of a run: which stages are at work, which patch waits, what the tests say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ml_coach.core.changes import FileChange, Patch
from ml_coach.core.events import (
    CandidateChosen,
    Event,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    ProgramWritten,
    RunFinished,
    RunStarted,
    SpecWritten,
    StageStarted,
    SuiteWritten,
    TestsFinished,
)
from ml_coach.core.question import Choice, Question
from ml_coach.core.request import Request
from ml_coach.core.results import Case, TestReport
from ml_coach.core.types import Program, RunReport, Spec, Suite
from ml_coach.core.usage import Usage
from ml_coach.lsp.run_details import ReportDetails
from ml_coach.lsp.runs.run_tracker import RunTracker

PATCH = Patch((FileChange("p.py", "a = 1\n", "a = 2\n"),), "--- p.py\n+++ p.py\n")
FAILED = TestReport("failed", (Case("test_a", "failed", "assert 1 == 2", 4),))
PASSED = TestReport("passed", (Case("test_a", "passed"),))
REQUEST = Request("Add one", program_file="p.py", tests_file="test_p.py")
TRIED = (
    StageStarted("pytest", 1, 3),
    TestsFinished(FAILED),
    StageStarted("debug", 2, 3),
    StageStarted("pytest", 2, 3),
    TestsFinished(PASSED),
    StageStarted("patch", 2, 3),
    PatchOffered(PATCH, "Count from one", 1, 1),
)


def tracker_after(*events: Event) -> RunTracker:
    tracker = RunTracker.of("run-1", REQUEST, "file:///project")
    tracker.take(RunStarted("run-1", REQUEST, "local:m"))
    for event in events:
        tracker.take(event)
    return tracker


def stages(tracker: RunTracker) -> list[tuple[str, str]]:
    iterations = tracker.details["iterations"]
    return [(stage["stage"], stage["state"]) for one in iterations for stage in one["stages"]]


def verdict(report: ReportDetails | None) -> str:
    assert report is not None
    return report["verdict"]


def finished(outcome: Any) -> RunFinished:
    report = RunReport(
        outcome, "Its reason.", None, None, None, 1, Usage(), 1.0, "local:m", "namespaces"
    )
    return RunFinished(report)


def test_coder_and_test_writer_are_at_work_until_each_is_done() -> None:
    begun = (SpecWritten(Spec("")), StageStarted("code", 1, 3), StageStarted("tests", 1, 3))
    tracker = tracker_after(StageStarted("research", 1, 3), *begun)
    assert stages(tracker) == [("research", "done"), ("code", "running"), ("tests", "running")]
    tracker.take(ProgramWritten(Program("a = 1\n", "p.py")))
    assert stages(tracker)[1:] == [("code", "done"), ("tests", "running")]
    other = tracker_after(*begun, SuiteWritten(Suite("", "test_p.py")))
    assert stages(other) == [("code", "running"), ("tests", "done")]


def test_the_first_of_several_candidates_does_not_end_their_stage() -> None:
    tracker = tracker_after(StageStarted("code", 1, 3), ProgramWritten(Program("a = 1\n", "p.py")))
    assert stages(tracker) == [("code", "running")]
    tracker.take(StageStarted("filter", 1, 3))
    assert stages(tracker) == [("code", "done"), ("filter", "running")]


def test_a_second_round_of_programs_has_a_title_of_its_own() -> None:
    tracker = tracker_after(StageStarted("code", 1, 3), StageStarted("code", 1, 3))
    titles = [stage["title"] for stage in tracker.details["iterations"][0]["stages"]]
    assert titles == ["Code", "More programs to choose from"]


def test_a_stage_that_ends_with_the_run_is_not_called_done() -> None:
    tracker = tracker_after(StageStarted("code", 1, 3), finished("stopped"))
    assert stages(tracker) == [("code", "stopped")]
    assert (tracker.details["active"], tracker.details["outcome"]) == (False, "stopped")
    assert stages(tracker_after(StageStarted("pytest", 1, 3), finished("passed"))) == [
        ("pytest", "done")
    ]


def test_a_patch_on_trial_does_not_speak_for_the_files_until_it_is_applied() -> None:
    tracker = tracker_after(*TRIED)
    assert verdict(tracker.details["report"]) == "failed"
    assert verdict(tracker.details["iterations"][1]["report"]) == "passed"
    tracker.take(PatchApplied(PATCH, "Count from one"))
    assert verdict(tracker.details["report"]) == "passed"
    other = tracker_after(*TRIED, PatchDiscarded("Not wanted.", PATCH))
    assert verdict(other.details["report"]) == "failed"


def test_a_patch_is_settled_by_what_became_of_it() -> None:
    tracker = tracker_after(*TRIED)
    (patch,) = tracker.details["iterations"][1]["patches"]
    assert (patch["state"], patch["note"]) == ("waiting", "1 of 1 tests pass with it")
    assert tracker.patches == {patch["patchId"]: PATCH}
    tracker.take(PatchDiscarded("The user said no.", PATCH))
    assert (patch["state"], patch["note"]) == ("discarded", "The user said no.")


def test_a_patch_that_was_tried_without_an_offer_is_shown_all_the_same() -> None:
    tracker = tracker_after(PatchDiscarded("It loses a test.", PATCH))
    (patch,) = tracker.details["iterations"][0]["patches"]
    assert (patch["state"], patch["summary"]) == ("discarded", "It loses a test.")


def test_a_log_that_ends_in_the_middle_shows_nothing_at_work() -> None:
    tracker = tracker_after(StageStarted("code", 1, 3))
    tracker.leave(active=False)
    assert stages(tracker) == [("code", "stopped")]
    assert not tracker.details["active"]


def test_a_program_chosen_after_an_answer_is_no_trial() -> None:
    """More programs are drawn where none does what the user said; the files get the best."""
    chosen = CandidateChosen(Program("a = 2\n", "p.py"), 2, 1)
    tracker = tracker_after(
        *TRIED[:2], StageStarted("code", 1, 3), chosen, StageStarted("pytest", 1, 3)
    )
    tracker.take(TestsFinished(PASSED))
    assert not tracker.on_trial
    assert verdict(tracker.details["report"]) == "passed"


def test_a_fresh_start_is_a_trial_until_the_next_program_is_chosen() -> None:
    tracker = tracker_after(*TRIED[:3], StageStarted("code", 2, 3))
    assert tracker.on_trial
    tracker.take(CandidateChosen(Program("a = 2\n", "p.py"), 2, 1))
    assert not tracker.on_trial


def test_a_run_that_is_over_says_how_it_ended_and_what_it_left_open() -> None:
    question = Question("f(1)", (Choice("2", 3), Choice("ValueError", 1, raises=True)))
    event = finished("unsure")
    report = replace(event.report, tests=PASSED, question=question)
    details = tracker_after(RunFinished(report)).details
    assert details["summary"].startswith("1 of 1 test passes")
    assert details["question"] == {
        "text": "f(1): which is right?",
        "choices": ["2", "raises ValueError"],
    }
    assert tracker_after(event).details["question"] is None
