"""What is wrong, as the documents stand: the findings that runs left, at their present lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ml_coach.core.types import Dropped, Finding, Suite, TestReport
from ml_coach.lsp.documents.positions import split


@dataclass(frozen=True, slots=True)
class TrackedFinding:
    """A finding and the text of its line, by which it is found again after edits. `text` is the
    whole file as it was then, for a document that is not open."""

    finding: Finding
    uri: str
    anchor: str
    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class SuiteState:
    """What became of one run's generated tests; enough for the lenses above them."""

    run_id: str
    program_uri: str
    suite: Suite
    report: TestReport | None = None
    dropped: tuple[Dropped, ...] = ()


@dataclass(slots=True)
class FindingStore:
    """Findings by run. `changed` is called with the URIs whose findings are no longer the same."""

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
        files: frozenset[str],
    ) -> None:
        """Replaces the run's findings, and those that other runs left in the same `files` (URIs).

        `uri_of` and `text_of` take a finding's relative file.
        """
        before = self._by_uri()
        for other, pins in list(self._runs.items()):
            rest = tuple(pin for pin in pins if pin.uri not in files)
            self._runs[other] = rest
            if not rest:
                del self._runs[other]
        texts = {f.file: text_of(f.file) for f in findings}
        pinned = tuple(
            TrackedFinding(f, uri_of(f.file), _line(texts[f.file], f.line), run_id, texts[f.file])
            for f in findings
        )
        if pinned:
            self._runs[run_id] = pinned
        self._tell(before)

    def respell(self, old: str, new: str) -> None:
        """The editor spells a document's URI otherwise than we did."""
        before = self._by_uri()
        for run_id, pins in self._runs.items():
            self._runs[run_id] = tuple(replace(p, uri=new) if p.uri == old else p for p in pins)
        if old in self.suites:
            self.suites[new] = self.suites.pop(old)
        for uri, state in self.suites.items():
            if state.program_uri == old:
                self.suites[uri] = replace(state, program_uri=new)
        self._tell(before)

    def clear(self, run_id: str) -> None:
        before = self._by_uri()
        self._runs.pop(run_id, None)
        self._tell(before)

    def of(self, uri: str, text: str) -> Iterator[tuple[TrackedFinding, int]]:
        """The findings of a document with their lines (from 0) in its present text.

        A finding whose line is nowhere any more is taken as dealt with until the next run.
        """
        lines: list[str] | None = None
        for pins in self._runs.values():
            for pin in pins:
                if pin.uri == uri:
                    lines = split(text) if lines is None else lines
                    line = _present(pin, lines)
                    if line is not None:
                        yield pin, line

    def text_at_run(self, uri: str) -> str:
        """The text that the document's findings are about, empty where there are none."""
        pins = (pin for pins in self._runs.values() for pin in pins)
        return next((pin.text for pin in pins if pin.uri == uri), "")

    def uris(self) -> set[str]:
        return {pin.uri for pins in self._runs.values() for pin in pins}

    def _by_uri(self) -> dict[str, list[TrackedFinding]]:
        found: dict[str, list[TrackedFinding]] = {}
        for pins in self._runs.values():
            for pin in pins:
                found.setdefault(pin.uri, []).append(pin)
        return found

    def _tell(self, before: dict[str, list[TrackedFinding]]) -> None:
        after = self._by_uri()
        different = {u for u in {*before, *after} if before.get(u) != after.get(u)}
        if different:
            self.changed(different)


def _line(text: str, number: int) -> str:
    lines = split(text)
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _present(pin: TrackedFinding, lines: list[str]) -> int | None:
    """The line, counted from 0, nearest to where it was that still reads the same."""
    at = max(pin.finding.line - 1, 0)
    if not pin.anchor:
        return min(at, max(len(lines) - 1, 0))
    same = [i for i, line in enumerate(lines) if line.strip() == pin.anchor]
    return min(same, key=lambda i: abs(i - at), default=None)
