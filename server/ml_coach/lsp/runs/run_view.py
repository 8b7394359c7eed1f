"""One run as the editor shows it: each event becomes progress, findings, lenses, messages."""

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
from ml_coach.core.finding import Finding
from ml_coach.core.results import TestReport
from ml_coach.core.types import RunReport, Suite
from ml_coach.core.wording import ending, sentence
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.documents.texts import same_text
from ml_coach.lsp.protocol import uri_of
from ml_coach.lsp.runs.finding_store import FindingStore, SuiteState
from ml_coach.lsp.runs.progress import Progress
from ml_coach.run_order import RunOrder


@dataclass(slots=True)
class RunView:
    """Call it with each event of its run.

    A patch is tried on a private copy; its findings are shown only when the patch is in the user's
    files. `_trial` is true while the debugger or the coder works on a patch, until one is applied.
    `over` is true once the run has reported its end.
    """

    order: RunOrder
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
        self._show_event(event)

    def _show_event(self, event: Event) -> None:  # noqa: C901 - one flat match
        match event:
            case StageStarted(stage="code" | "debug"):
                self._trial = self._tested is not None
            case FilesSaved():
                self._saved |= event.files
            case SuiteWritten():
                self._show_suite(SuiteState(self.order.run_id, self._program_uri(), event.suite))
            case SuiteFiltered():
                if state := self._state():
                    self._show_suite(replace(state, dropped=event.dropped))
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
        # A run on the user's own tests writes no suite but reports outcomes for theirs.
        program, suite = self._program_uri(), Suite("", self.order.request.tests_file)
        state = self._state() or SuiteState(self.order.run_id, program, suite)
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
        program_file = self.order.request.program_file
        if report.explanation:
            self.client.show_message(f"Explained in {self.order.request.explanation_file}.")
        match report.outcome:
            case "passed":
                self.client.show_message(
                    f"{program_file} passed: {ending(report)}{self._untested(report)}"
                )
            case "unsure":
                self.client.show_message(
                    f"{program_file} is unsure: {ending(report)}{self._untested(report)}",
                    warning=True,
                )
            case "stopped":
                self.client.log(report.reason)
            case "gave_up" | "failed":
                self.client.show_message(f"{program_file}: {report.reason}", warning=True)

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
        files = frozenset((self._program_uri(), self.workspace.uri(self.order.request.tests_file)))
        uri_of_file = self.workspace.uri
        self.finding_store.show(self.order.run_id, findings, uri_of_file, self._text, files)

    def _state(self) -> SuiteState | None:
        states = self.finding_store.suites.values()
        return next((state for state in states if state.run_id == self.order.run_id), None)

    def _show_suite(self, state: SuiteState) -> None:
        self.finding_store.suites[self.workspace.uri(state.suite.file)] = state
        self.lenses_changed()
