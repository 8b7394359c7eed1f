"""One run as its user sees it: each event becomes progress, findings, lenses, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ml_coach.core.events import (
    Event,
    FilesSaved,
    PatchApplied,
    ProgramInspected,
    RunFinished,
    StageStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsFinished,
)
from ml_coach.core.types import Finding, RunReport, Suite, TestReport
from ml_coach.core.wording import sentence, tests_sentence
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.documents import uri_of
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.runs.finding_store import FindingStore, SuiteState
from ml_coach.lsp.runs.progress import Progress


@dataclass(slots=True)
class RunView:
    """Call it with each event of its run.

    A patch is tried on a private copy: what is found there is shown only once the patch is in the
    user's files. `_trial` is true from the first thought of a patch until one is applied.
    """

    run_id: str
    program_file: str
    tests_file: str
    client: Client
    finding_store: FindingStore
    progress: Progress
    workspace: EditorWorkspace
    to_json: Callable[[str, Event], dict[str, Any]]
    lenses_changed: Callable[[], None]
    over: bool = False
    _trial: bool = False
    _inspected: tuple[Finding, ...] = ()
    _tested: TestReport | None = None
    _saved: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, event: Event) -> None:
        self.progress(event)
        if self.client.wants_events:
            self._notify(event)
        if text := sentence(event):
            self.client.log(text)
        self._follow(event)

    def _follow(self, event: Event) -> None:  # noqa: C901 - one flat match
        match event:
            case StageStarted(stage="code" | "debug"):
                self._trial = self._tested is not None
            case FilesSaved():
                self._saved |= event.files
            case SuiteWritten():
                self._suite(SuiteState(self.run_id, self._uri(self.program_file), event.suite))
            case SuiteFiltered():
                if state := self._state():
                    self._suite(replace(state, dropped=event.dropped))
            case ProgramInspected():
                self._inspected, self._tested = event.findings, None
                if not self._trial:
                    self._show(event.findings)
            case TestsFinished():
                self._tested = event.report
                if not self._trial:
                    self._show_tried()
            case PatchApplied():
                self._trial = False
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
        # A run on the user's own tests writes no suite, and has outcomes for it all the same.
        program, suite = self._uri(self.program_file), Suite("", self.tests_file)
        state = self._state() or SuiteState(self.run_id, program, suite)
        self._suite(replace(state, report=self._tested))

    def _finished(self, report: RunReport) -> None:
        if report.outcome != "stopped":
            self._show(report.findings)
        if report.suite is not None:
            program = self._uri(self.program_file)
            state = SuiteState(self.run_id, program, report.suite, report.tests, report.dropped)
            self._suite(state)
        match report.outcome:
            case "passed":
                tests = tests_sentence(report.tests) if report.tests else report.reason
                self.client.tell(f"{self.program_file}: {tests}.")
            case "stopped":
                self.client.log(report.reason)
            case "gave_up" | "failed":
                self.client.tell(f"{self.program_file}: {report.reason}", warning=True)

    def _notify(self, event: Event) -> None:
        line = self.to_json(self.run_id, event)
        root = uri_of(self.workspace.root)
        self.client.notify("mlCoach/event", {"runId": self.run_id, "rootUri": root, "event": line})

    # What stands where

    def _uri(self, file: str) -> str:
        return self.workspace.documents.uri(self.workspace.place(file))

    def _text(self, file: str) -> str:
        shown = self.workspace.documents.open_text(self._uri(file))
        if shown is not None:
            return shown
        return self._saved.get(file) or self.workspace.documents.disk_text(self._uri(file)) or ""

    def _show(self, findings: tuple[Finding, ...]) -> None:
        files = frozenset((self._uri(self.program_file), self._uri(self.tests_file)))
        self.finding_store.show(self.run_id, findings, self._uri, self._text, files)

    def _state(self) -> SuiteState | None:
        states = self.finding_store.suites.values()
        return next((state for state in states if state.run_id == self.run_id), None)

    def _suite(self, state: SuiteState) -> None:
        self.finding_store.suites[self._uri(state.suite.file)] = state
        self.lenses_changed()
