"""A run's events → what its page shows."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ml_coach.core.events import (
    CallFinished,
    CandidateChosen,
    Event,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    ProgramWritten,
    RunFinished,
    RunStarted,
    SpecWritten,
    SuiteFiltered,
    SuiteWritten,
)
from ml_coach.core.evidence import Provenance
from ml_coach.core.examples.requirements import untested
from ml_coach.core.python import syntax
from ml_coach.core.results import Case
from ml_coach.core.types import Dropped, Requirement, RunReport, Spec, Suite
from ml_coach.core.usage import Usage
from ml_coach.core.wording import ending, sentence, title

_LONGEST_TITLE = 90


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`kind` is `add`, `remove`, `place` or `same`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TestRow:
    """One test that judged: its outcome and its own source."""

    __test__ = False  # pytest collects classes named Test*

    case: Case
    provenance: Provenance
    source: str


@dataclass(frozen=True, slots=True)
class PatchRow:
    """A patch of the run, and what became of it."""

    what: str
    note: str
    lines: tuple[DiffLine, ...]


@dataclass(slots=True)
class RunFacts:
    """What a run's page shows. `programs` are the texts of the program, in order, each with what it
    is; `timeline` are seconds since the start, and a line; `calls` is what each agent used.
    `requirements` are pieces of the prompt, each with the tests that speak of it."""

    run_id: str
    prompt: str = ""
    model: str = ""
    report: RunReport | None = None
    spec: Spec | None = None
    programs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    patches: list[PatchRow] = field(default_factory=list[PatchRow])
    suite: Suite | None = None
    dropped: tuple[Dropped, ...] = ()
    mutation_score: float | None = None
    calls: dict[str, Usage] = field(default_factory=dict[str, Usage])
    timeline: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    @property
    def heading(self) -> str:
        """The prompt's first line, shortened."""
        first = next((line.strip() for line in self.prompt.splitlines() if line.strip()), "")
        long = len(first) > _LONGEST_TITLE
        return f"{first[:_LONGEST_TITLE]}…" if long else first or self.run_id

    @property
    def outcome(self) -> str:
        """As the report names it; `unfinished` where there is none."""
        return self.report.outcome if self.report else "unfinished"

    @property
    def outcome_title(self) -> str:
        """The same in words."""
        return title(self.report) if self.report else "unfinished"

    @property
    def ending(self) -> str:
        """How it ended, in a sentence or two."""
        return ending(self.report) if self.report else "The run's log ends before the run does."

    @property
    def change(self) -> tuple[DiffLine, ...]:
        """From the first program to the last; empty where they are the same."""
        if not self.programs:
            return ()
        (first, old), (last, new) = self.programs[0], self.programs[-1]
        return diff_lines(old, new, first, last)

    @property
    def tests(self) -> list[TestRow]:
        """The tests that judged the last program."""
        report = self.report
        if report is None or report.suite is None or report.tests is None:
            return []
        sources = _sources(report.suite)
        return [
            TestRow(case, report.suite.provenance_of(case.name), sources.get(case.function, ""))
            for case in report.tests.cases
        ]

    @property
    def requirements(self) -> list[tuple[str, list[str]]]:
        """Each piece of the prompt that can be checked, with the tests that speak of it."""
        suite = self.report.suite if self.report else self.suite
        if self.spec is None:
            return []
        sources = _sources(suite) if suite else {}
        return [
            (one.quote, [name for name, text in sources.items() if _speaks(self.spec, one, text)])
            for one in self.spec.requirements
        ]


def run_facts(run_id: str, events: Iterable[tuple[float, Event]]) -> RunFacts:
    """Reads a run's events, each with the seconds since the first."""
    facts = RunFacts(run_id)
    for seconds, event in events:
        if text := sentence(event):
            facts.timeline.append((seconds, text))
        _note(facts, event)
    return facts


def _note(facts: RunFacts, event: Event) -> None:  # noqa: C901 - one flat match
    match event:
        case RunStarted():
            facts.prompt, facts.model = event.request.prompt, event.model
        case SpecWritten():
            facts.spec = event.spec
        case ProgramWritten():
            if not facts.programs:
                facts.programs.append(("first program", event.program.source))
        case CandidateChosen():
            _add_program(facts, "chosen program", event.program.source)
        case SuiteWritten():
            facts.suite = event.suite
        case SuiteFiltered():
            facts.dropped, facts.mutation_score = event.dropped, event.mutation_score
        case PatchOffered():
            facts.patches.append(_patch("offered", event.summary, event.patch.text))
        case PatchApplied():
            applied = _patch("applied", event.summary, event.patch.text)
            facts.patches = [p for p in facts.patches if p.lines != applied.lines] + [applied]
            for change in event.patch.changes:
                _add_program(facts, "patched program", change.after or "")
        case PatchDiscarded() if event.patch is not None:
            facts.patches.append(_patch("discarded", event.reason, event.patch.text))
        case CallFinished():
            agent = event.purpose.replace("_", " ")
            facts.calls[agent] = facts.calls.get(agent, Usage()) + event.usage
        case RunFinished():
            facts.report = event.report
            facts.dropped = event.report.dropped or facts.dropped
            if event.report.program is not None:
                _add_program(facts, "last program", event.report.program.source)
        case _:
            pass


def _add_program(facts: RunFacts, what: str, source: str) -> None:
    if not facts.programs or facts.programs[-1][1] != source:
        facts.programs.append((what, source))


def _patch(what: str, note: str, text: str) -> PatchRow:
    return PatchRow(what, note, tuple(map(_line, text.splitlines())))


def diff_lines(old: str, new: str, before: str, after: str) -> tuple[DiffLine, ...]:
    """The unified diff of two texts with these names."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm="")
    return tuple(map(_line, lines))


def _line(text: str) -> DiffLine:
    if text.startswith(("+++", "---", "@@")):
        return DiffLine("place", text)
    return DiffLine({"+": "add", "-": "remove"}.get(text[:1], "same"), text)


def _sources(suite: Suite) -> dict[str, str]:
    """Each test function's own text, by its name."""
    return {
        name: ast.get_source_segment(suite.source, node) or ""
        for name, node in syntax.test_functions(suite.source)
    }


def _speaks(spec: Spec, requirement: Requirement, test: str) -> bool:
    """Whether a test was made of the requirement, or one of its literals stands in it."""
    plain = " ".join(test.split())
    made = any(
        " ".join(stated.quote.split()) in " ".join(requirement.quote.split())
        and " ".join(stated.statement.split()) in plain
        for stated in spec.stated
    )
    return made or not untested(replace(spec, stated=(), requirements=(requirement,)), Suite(test))
