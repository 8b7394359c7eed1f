"""One run as the editor shows it: each event becomes progress, findings, lenses, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ml_coach.core.events import (
    CallFinished,
    CallStarted,
    Event,
    FilesSaved,
    PatchApplied,
    ProgramInspected,
    RunFinished,
    RunStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsFinished,
    TextArrived,
)
from ml_coach.core.finding import Finding
from ml_coach.core.results import TestReport
from ml_coach.core.types import RunReport, Suite
from ml_coach.core.wording import ending, sentence
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.protocol import uri_of
from ml_coach.lsp.runs.agents import WritingStream
from ml_coach.lsp.runs.finding_store import FindingStore, SuiteState, TrackedFinding
from ml_coach.lsp.runs.open_questions import OpenQuestions
from ml_coach.lsp.runs.progress import Progress
from ml_coach.lsp.runs.project_findings import with_frames
from ml_coach.lsp.runs.run_tracker import RunTracker
from ml_coach.run_order import RunOrder
from ml_coach.text_merging import same_text


@dataclass(slots=True)
class RunView:
    """Call it with each event of its run.

    A patch is tried on a private copy; its findings are shown only when the patch is in the user's
    files. `over` is true once the run has reported its end.
    """

    order: RunOrder
    client: Client
    finding_store: FindingStore
    questions: OpenQuestions
    progress: Progress
    workspace: EditorWorkspace
    to_json: Callable[[str, Event], dict[str, Any]]
    lenses_changed: Callable[[], None]
    tracker: RunTracker
    over: bool = False
    _inspected: tuple[Finding, ...] = ()
    _tested: TestReport | None = None
    _saved: dict[str, str] = field(default_factory=dict[str, str])
    _writing: WritingStream = field(init=False)

    def __post_init__(self) -> None:
        run_id, agents = self.order.run_id, self.progress.agents
        self._writing = WritingStream(self.client, run_id, agents, lambda: self.order.request)

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallFinished) and self.client.draws_runs:
            self._writing.send()  # How the reply ends, before it is forgotten.
        self.progress(event)
        if self.client.wants_events:
            self._notify(event)
        is_shown = self.tracker.take(event)
        if self.client.draws_runs:
            self._draw(event, is_shown=is_shown)
        if text := sentence(event):
            self.client.log(text)
        self._show_event(event)

    def _show_event(self, event: Event) -> None:  # noqa: C901 - one flat match
        match event:
            case RunStarted():
                self.questions.begin(self.order.run_id, self._program_uri())
            case FilesSaved():
                self._saved |= event.files
            case SuiteWritten():
                self._show_suite(SuiteState(self.order.run_id, self._program_uri(), event.suite))
            case SuiteFiltered():
                if state := self._state():
                    self._show_suite(replace(state, dropped=event.dropped))
            case ProgramInspected():
                self._inspected, self._tested = event.findings, None
                if not self.tracker.on_trial:
                    self._show(event.findings)
            case TestsFinished():
                self._tested = event.report
                if not self.tracker.on_trial:
                    self._show_tried()
            case PatchApplied():
                self._show_tried()
            case RunFinished():
                self.over = True
                self._finished(event.report)
            case _:
                pass

    def _show_tried(self) -> None:
        if self._tested is None:
            self._show(self._inspected)
            return
        self._show(self._inspected + self._tested.findings)
        if self.order.project is not None:
            return  # The lenses over a project's own tests are left to other tools.
        # A run on a test file that was there writes no suite but reports outcomes for its tests.
        request = self.order.request
        suite = Suite("", request.tests_file, request.provenance, own=True)
        state = self._state() or SuiteState(self.order.run_id, self._program_uri(), suite)
        self._show_suite(replace(state, report=self._tested))

    def _finished(self, report: RunReport) -> None:
        if report.outcome != "stopped":
            self._show(report.findings)
        if report.suite is not None:
            program = self._program_uri()
            state = SuiteState(
                self.order.run_id, program, report.suite, report.tests, report.dropped
            )
            self._show_suite(state)
        is_whole = report.outcome not in ("stopped", "failed")
        self.questions.end(self.order.run_id, report.question, is_whole=is_whole)
        if not self.order.quiet:
            self._tell_end(report)

    def _tell_end(self, report: RunReport) -> None:
        subject = self.order.subject
        if report.explanation:
            self.client.show_message(f"Explained in {self.order.request.explanation_file}.")
        match report.outcome:
            case "passed":
                text = f"{subject} passed: {ending(report)}{self._untested(report)}"
            case "unsure":
                text = f"{subject} is unsure: {ending(report)}{self._untested(report)}"
            case "stopped":
                self.client.log(report.reason)
                return
            case "gave_up" | "failed":
                text = f"{subject}: {ending(report)}"
        if report.question is not None and self.client.shows_questions:
            text = f"{text} {report.question.text}"
            self.questions.offer(self.client, self.order.run_id, text)
            return
        self.client.show_message(text, warning=report.outcome != "passed")
        if report.question is not None:
            self.client.show_message(
                f"{report.question.text} Choose the answer among the code actions at that function "
                f"in {subject}."
            )

    def _untested(self, report: RunReport) -> str:
        """Which shown texts are not those that were tested, as a sentence; empty for none."""
        tested = [one for one in (report.program, report.suite) if one is not None]
        other = [
            one.file
            for one in tested
            if not same_text(self._text(one.file).rstrip(), one.source.rstrip())
        ]
        if not other:
            return ""
        return f" What {' and '.join(other)} shows now is another text, which was not tested."

    def _notify(self, event: Event) -> None:
        line = self.to_json(self.order.run_id, event)
        root = uri_of(self.workspace.root)
        self.client.notify(
            "mlCoach/event", {"runId": self.order.run_id, "rootUri": root, "event": line}
        )

    def _draw(self, event: Event, *, is_shown: bool) -> None:
        if is_shown:
            self.client.notify("mlCoach/run", self.tracker.details)
        if isinstance(event, RunFinished):
            self._writing.end()
        elif isinstance(event, CallStarted | TextArrived | CallFinished):
            self._writing.send_soon()

    # Findings and suites

    def _text(self, file: str) -> str:
        shown = self.workspace.open_text(file)
        if shown is not None:
            return shown
        uri = self.workspace.uri(file)
        return self._saved.get(file) or self.workspace.documents.disk_text(uri) or ""

    def _program_uri(self) -> str:
        return self.workspace.uri(self.order.request.program_file)

    def _show(self, findings: tuple[Finding, ...]) -> None:
        if self.order.project is not None:
            findings = with_frames(findings)
        uri_of_file = self.workspace.uri
        self.finding_store.show(
            self.order.run_id, findings, uri_of_file, self._text, self._replaces()
        )

    def _replaces(self) -> Callable[[TrackedFinding], bool]:
        """Which findings of earlier runs this run says anew: of a project those of the tests that
        it ran, else those in its files."""
        if self.order.project is not None:
            cases = self._tested.cases if self._tested else ()
            names = {case.name for case in cases}
            return lambda tracked: tracked.finding.test in names
        files = {self._program_uri(), self.workspace.uri(self.order.request.tests_file)}
        return lambda tracked: tracked.uri in files

    def _state(self) -> SuiteState | None:
        states = self.finding_store.suites.values()
        return next((state for state in states if state.run_id == self.order.run_id), None)

    def _show_suite(self, state: SuiteState) -> None:
        self.finding_store.suites[self.workspace.uri(state.suite.file)] = state
        self.lenses_changed()
