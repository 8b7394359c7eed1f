"""Follows one run's events and keeps what faces draw of it: stages, tests, patches, the outcome.

The only place that knows what an event means for the picture of a run. Clients get the result
(`mlCoach/run`, `mlCoach.run`) and only draw it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ml_coach.core.changes import Patch
from ml_coach.core.events import (
    CandidateChosen,
    Diagnosed,
    Event,
    FilesSaved,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    ProgramWritten,
    RunFinished,
    RunStarted,
    SpecWritten,
    StageStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsFinished,
)
from ml_coach.core.request import Request
from ml_coach.core.results import TestReport
from ml_coach.core.types import Stage, Suite
from ml_coach.core.wording import ending
from ml_coach.lsp.run_details import (
    CaseDetails,
    IterationDetails,
    PatchDetails,
    ReportDetails,
    RunDetails,
    Task,
)
from ml_coach.lsp.runs.review import patch_id

_TITLES: dict[Stage, str] = {
    "research": "Research",
    "code": "Code",
    "tests": "Test writing",
    "filter": "Test review",
    "pytest": "Test run",
    "debug": "Debugging",
    "patch": "Patch",
}
_SHOWN_EVENTS = (
    RunStarted, StageStarted, SpecWritten, ProgramWritten, SuiteWritten, SuiteFiltered,
    TestsFinished, Diagnosed, PatchOffered, PatchApplied, PatchDiscarded, FilesSaved, RunFinished,
)  # fmt: skip


def task_of(request: Request) -> Task:
    """What a run does. With a single iteration nothing is repaired: the program is only tested."""
    only_tests = request.task in ("debug", "fix") and request.max_iters == 1
    return "test" if only_tests else request.task


@dataclass(slots=True)
class RunTracker:
    """Give `take` each event of the run in order. `on_trial` is true from the first thought of
    another program until one is applied or discarded: tests then say nothing of the files."""

    run_id: str
    details: RunDetails
    patches: dict[str, Patch] = field(default_factory=dict[str, Patch])
    on_trial: bool = False
    _suite: Suite = field(default_factory=lambda: Suite(""))

    @classmethod
    def of(cls, run_id: str, request: Request, root_uri: str) -> RunTracker:
        """A run of which no event is known."""
        details = RunDetails(
            runId=run_id, rootUri=root_uri, prompt="", task="generate", programFile="",
            testsFile="", model="", sandbox="", autoPatch=False, active=True, outcome="", reason="",
            iterations=[], dropped=[], saved=[], report=None, summary="", question=None,
        )  # fmt: skip
        tracker = cls(run_id, details)
        tracker._ask(request)
        return tracker

    def _ask(self, request: Request) -> None:
        details = self.details
        details["prompt"], details["task"] = request.prompt, task_of(request)
        details["programFile"], details["testsFile"] = request.subject, request.tests_file
        details["autoPatch"] = request.auto_patch
        if request.task in ("debug", "fix"):
            self._suite = Suite("", request.tests_file, request.provenance, own=True)

    def take(self, event: Event) -> bool:  # noqa: C901 - one flat match
        """Notes one event. False where it changes nothing that is shown."""
        details = self.details
        match event:
            case RunStarted():
                self._ask(event.request)
                details["model"] = event.model
            case StageStarted():
                self._begin(event)
            case SpecWritten():
                self._finish("research")
            case ProgramWritten():
                # Of several candidates this may be the first, unless the tests are being written
                # meanwhile: then there is one.
                if "tests" in self._running():
                    self._finish("code")
            case SuiteWritten():
                self._suite, details["testsFile"] = event.suite, event.suite.file
                self._finish("tests")
            case SuiteFiltered():
                details["dropped"] = [{"test": d.test, "reason": d.reason} for d in event.dropped]
                self._finish("filter")
            case TestsFinished():
                report = self._iteration()["report"] = _report(event.report, self._suite)
                if not self.on_trial:
                    details["report"] = report
                self._finish("pytest")
            case CandidateChosen():
                # The files get this program, also after an answer: its tests speak of them.
                self.on_trial = False
            case Diagnosed():
                self._finish("debug")
            case PatchOffered():
                note = f"{event.passed} of {event.total} tests pass with it"
                self._patch(event.patch, event.summary, "waiting", note)
            case PatchApplied():
                self._patch(event.patch, event.summary, "applied", "applied")
                self.on_trial = False
                details["report"] = self._iteration()["report"]
                self._finish("patch")
            case PatchDiscarded():
                if event.patch is not None:
                    self._patch(event.patch, event.reason, "discarded", event.reason)
                self.on_trial = False
                self._finish("patch")
            case FilesSaved():
                details["saved"] = list(dict.fromkeys((*details["saved"], *event.files)))
            case RunFinished():
                self._end(event)
            case _:
                pass
        return isinstance(event, _SHOWN_EVENTS)

    def leave(self, *, active: bool) -> None:
        """The events are those of a log: says whether somebody still works on the run."""
        self.details["active"] = active
        if not active:
            for stage in self._running():
                self._finish(stage, "stopped")

    # Stages

    def _begin(self, event: StageStarted) -> None:
        if event.stage in ("code", "debug"):
            self.on_trial = self.details["report"] is not None
        # Only coder and test writer work at the same time; else one stage follows the other.
        for stage in self._running():
            if (stage, event.stage) != ("code", "tests"):
                self._finish(stage)
        iteration = self._iteration(event.iteration, event.of)
        again = event.stage == "code" and any(s["stage"] == "code" for s in iteration["stages"])
        title = "More programs to choose from" if again else _TITLES[event.stage]
        iteration["stages"].append({"stage": event.stage, "title": title, "state": "running"})

    def _running(self) -> list[str]:
        stages = (s for one in self.details["iterations"] for s in one["stages"])
        return [stage["stage"] for stage in stages if stage["state"] == "running"]

    def _finish(self, name: str, state: Literal["done", "stopped"] = "done") -> None:
        for iteration in self.details["iterations"]:
            for stage in iteration["stages"]:
                if stage["stage"] == name and stage["state"] == "running":
                    stage["state"] = state

    def _end(self, event: RunFinished) -> None:
        report, details = event.report, self.details
        state = "done" if report.outcome in ("passed", "unsure") else "stopped"
        for stage in self._running():
            self._finish(stage, state)
        details["active"], details["sandbox"] = False, report.sandbox
        details["outcome"], details["reason"] = report.outcome, report.reason
        details["summary"] = ending(report)
        if question := report.question:
            choices = [choice.shown for choice in question.choices]
            details["question"] = {"text": question.text, "choices": choices}

    def _iteration(self, number: int = 1, of: int = 1) -> IterationDetails:
        """The iteration with that number, else the latest; a new one where there is none."""
        iterations = self.details["iterations"]
        if not iterations or number > iterations[-1]["number"]:
            new = IterationDetails(number=number, of=of, stages=[], patches=[], report=None)
            iterations.append(new)
        return iterations[-1]

    # Patches

    def _patch(
        self,
        patch: Patch,
        summary: str,
        state: Literal["waiting", "applied", "discarded"],
        note: str,
    ) -> None:
        """Notes a patch, or what became of one that was offered before."""
        identity = patch_id(self.run_id, patch)
        known = [p for one in self.details["iterations"] for p in one["patches"]]
        for row in known:
            if row["patchId"] == identity:
                row["state"], row["note"] = state, note
                return
        self.patches[identity] = patch
        row = PatchDetails(
            patchId=identity, text=patch.text, summary=summary, state=state, note=note
        )
        self._iteration()["patches"].append(row)


def _report(report: TestReport, suite: Suite) -> ReportDetails:
    tests = [
        CaseDetails(
            name=case.name, provenance=suite.provenance_of(case.function), outcome=case.outcome,
            message=case.message, line=case.line, seconds=case.seconds,
        )
        for case in report.cases
    ]  # fmt: skip
    return {"verdict": report.verdict, "why": report.why, "ranOn": report.ran_on, "tests": tests}
