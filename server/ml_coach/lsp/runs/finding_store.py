"""The findings that runs left, at their present lines in the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ml_coach.core.finding import Finding
from ml_coach.core.results import TestReport
from ml_coach.core.types import Dropped, Suite
from ml_coach.lsp.documents.positions import split


@dataclass(frozen=True, slots=True)
class TrackedFinding:
    """A finding in a document, and what finds it again after edits.

    `anchor` is the stripped text of its line. `text` is the whole file at the time of the run, for
    a document that is not open.
    """

    finding: Finding
    uri: str
    anchor: str
    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class SuiteState:
    """The outcomes of one run's tests, for the lenses above them.

    `report` is None while they did not run. `program_uri` is the program that they test.
    """

    run_id: str
    program_uri: str
    suite: Suite
    report: TestReport | None = None
    dropped: tuple[Dropped, ...] = ()


@dataclass(slots=True)
class FindingStore:
    """Findings by run, and suites by the URI of their file.

    `changed` is called with the URIs whose findings are no longer the same.
    """

    changed: Callable[[set[str]], None]
    _runs: dict[str, tuple[TrackedFinding, ...]] = field(
        default_factory=dict[str, tuple[TrackedFinding, ...]]
    )
    suites: dict[str, SuiteState] = field(default_factory=dict[str, SuiteState])

    def show(
        self,
        run_id: str,
        findings: tuple[Finding, ...],
        uri_of: Callable[[str], str],
        text_of: Callable[[str], str],
        replaces: Callable[[TrackedFinding], bool],
    ) -> None:
        """Replaces the run's findings, and those of other runs that it `replaces`.

        `uri_of` and `text_of` take a finding's relative file.
        """
        before = self._by_uri()
        for other, tracked in list(self._runs.items()):
            rest = tuple(one for one in tracked if not replaces(one))
            self._runs[other] = rest
            if not rest:
                del self._runs[other]
        texts = {f.file: text_of(f.file) for f in findings}
        found = tuple(
            TrackedFinding(f, uri_of(f.file), _line(texts[f.file], f.line), run_id, texts[f.file])
            for f in findings
        )
        if found:
            self._runs[run_id] = found
        self._report_changes(before)

    def rename_uri(self, old: str, new: str) -> None:
        """The editor's URI of a document differs from the one used until now."""
        before = self._by_uri()
        for run_id, tracked in self._runs.items():
            self._runs[run_id] = tuple(
                replace(one, uri=new) if one.uri == old else one for one in tracked
            )
        if old in self.suites:
            self.suites[new] = self.suites.pop(old)
        for uri, state in self.suites.items():
            if state.program_uri == old:
                self.suites[uri] = replace(state, program_uri=new)
        self._report_changes(before)

    def forget_results(self, run_id: str) -> None:
        """Drops a run's findings and the outcomes of its tests; the tests are known still."""
        before = self._by_uri()
        self._runs.pop(run_id, None)
        self._report_changes(before)
        for uri, state in self.suites.items():
            if state.run_id == run_id:
                self.suites[uri] = replace(state, report=None)

    def of(self, uri: str, text: str) -> Iterator[tuple[TrackedFinding, int]]:
        """The findings of a document with their lines (from 0) in its present text.

        A finding whose line is gone is left out, as if repaired, until the next run.
        """
        lines: list[str] | None = None
        for tracked in self._all():
            if tracked.uri == uri:
                lines = split(text) if lines is None else lines
                line = _present_line(tracked, lines)
                if line is not None:
                    yield tracked, line

    def text_at_run(self, uri: str) -> str:
        """The text that the document's findings are about, empty where there are none."""
        return next((tracked.text for tracked in self._all() if tracked.uri == uri), "")

    def uris(self) -> set[str]:
        """The URIs of all documents that have findings."""
        return {tracked.uri for tracked in self._all()}

    def tests_file_of(self, program_uri: str) -> str:
        """The tests file, relative, of a run on that program; empty for none."""
        states = self.suites.values()
        return next((s.suite.file for s in states if s.program_uri == program_uri), "")

    def _all(self) -> Iterator[TrackedFinding]:
        for of_run in self._runs.values():
            yield from of_run

    def _by_uri(self) -> dict[str, list[TrackedFinding]]:
        found: dict[str, list[TrackedFinding]] = {}
        for tracked in self._all():
            found.setdefault(tracked.uri, []).append(tracked)
        return found

    def _report_changes(self, before: dict[str, list[TrackedFinding]]) -> None:
        after = self._by_uri()
        different = {u for u in {*before, *after} if before.get(u) != after.get(u)}
        if different:
            self.changed(different)


def _line(text: str, number: int) -> str:
    lines = split(text)
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _present_line(tracked: TrackedFinding, lines: list[str]) -> int | None:
    """The line, from 0, that still reads the same and is nearest to the finding's old line."""
    at = max(tracked.finding.line - 1, 0)
    if not tracked.anchor:
        return min(at, max(len(lines) - 1, 0))
    same = [i for i, line in enumerate(lines) if line.strip() == tracked.anchor]
    return min(same, key=lambda i: abs(i - at), default=None)
