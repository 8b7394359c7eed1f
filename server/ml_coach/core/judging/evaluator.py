"""Runs programs for the loop: checks one, compares several, gathers the test filter's evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.errors import SetupError
from ml_coach.core.events import Emit, ProgramInspected, TestsFinished
from ml_coach.core.examples import shape_of
from ml_coach.core.finding import Finding
from ml_coach.core.judging.failures import explained
from ml_coach.core.judging.kinds import familiar
from ml_coach.core.judging.mutants import mutants
from ml_coach.core.judging.observations import driver
from ml_coach.core.judging.probes import builders_of, calls_of, probes, source_of
from ml_coach.core.judging.small_edits import Edit, small_edits
from ml_coach.core.judging.test_filter import FilterResult, filter_tests
from ml_coach.core.judging.voting import Candidate, unanimous
from ml_coach.core.ports import Executor
from ml_coach.core.results import Evaluation, TestReport
from ml_coach.core.types import Program, Spec, Suite

# A planted mistake, or an edit, often makes a loop endless, and waiting longer shows nothing more.
MUTANT_SECONDS = 2.0
# Programs that only wait (for words, for requests) may do so when they are run, not imported.
_WAITING = ("timeout", "input")


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    """A program that was inspected and tested."""

    program: Program
    findings: tuple[Finding, ...]
    report: TestReport

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The inspection's findings that keep this program from `passed`.

        A program that waits for ever, or for input, when it is *run* may well be a server, a
        dialogue or a command. Its tests import it, so where they all pass it is not a fault.
        """
        tested = self.report.verdict == "passed"
        return tuple(f for f in self.findings if not (tested and f.kind in _WAITING))

    @property
    def passes(self) -> bool:
        """Whether all tests pass and no finding is left that matters."""
        return self.report.verdict == "passed" and not self.blocking

    @property
    def failures(self) -> tuple[Finding, ...]:
        """All findings, the most basic first."""
        return self.findings + self.report.findings

    @property
    def signature(self) -> frozenset[tuple[str, str]]:
        """What went wrong, without line numbers: the same failure has an equal signature."""
        return frozenset((f.kind, f.test or f.message) for f in self.failures)

    def improves_on(self, other: CheckedProgram) -> bool:
        """Strictly more tests pass and none is lost; or as many do and a finding is gone."""
        if other.report.passed - self.report.passed:
            return False
        left = {(f.kind, f.message) for f in self.blocking}
        fewer = left < {(f.kind, f.message) for f in other.blocking}
        return self.report.passed > other.report.passed or fewer or self.passes > other.passes


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Runs programs for one run of the coach. `limit_seconds` bounds each execution."""

    executor: Executor
    limit_seconds: float
    emit: Emit

    async def check(self, program: Program, suite: Suite, spec: Spec) -> CheckedProgram:
        """Inspects and tests `program` on a private copy.

        Raises `SetupError` where the tests cannot run for a reason outside of the program.
        """
        files = {program.file: program.source}
        seconds = self.limit_seconds
        findings, (report,) = await all_of(
            self.executor.inspect(program, files, timeout_seconds=seconds),
            self.executor.test([program], suite, timeout_seconds=seconds),
        )
        if shape_of(spec).kind == "script":
            # Its tests run it with arguments; how it fails without any says nothing.
            findings = tuple(f for f in findings if f.kind not in (*_WAITING, "runtime"))
        self.emit(ProgramInspected(findings))
        if report.verdict == "error" and not report.findings:
            # The tests could not run for a reason outside of the program: nothing to debug.
            raise SetupError(report.why)
        report = explained(report, suite)
        self.emit(TestsFinished(report))
        return CheckedProgram(program, findings, report)

    async def missing(self, packages: Sequence[str]) -> tuple[Finding, ...]:
        """A finding for each of `packages` that is not installed where programs run."""
        found: list[Finding] = []
        for package in packages:
            program = Program(f"import {package}\n")
            limit = self.limit_seconds
            findings = await self.executor.inspect(program, {}, timeout_seconds=limit)
            found += [f for f in findings if f.kind == "missing_package"]
        return tuple(found)

    async def compare(
        self, programs: Sequence[Program], suite: Suite, spec: Spec
    ) -> list[Candidate]:
        """Each program, in order, with its test report and its answers to the probes."""
        asked = probes(suite, spec, programs[0].module if programs else "")
        seconds = self.limit_seconds
        reports = await self.executor.test(programs, suite, timeout_seconds=seconds)
        answers: tuple[tuple[Evaluation, ...], ...] = ((),) * len(programs)
        put = (*asked.ordinary, *asked.others) if asked.ordinary else ()
        if put:
            is_script = shape_of(spec).kind == "script"
            answers = await self.executor.evaluate(
                [driver(p) for p in programs] if is_script else programs,
                [probe.code for probe in put],
                timeout_seconds=seconds,
            )
        shown = tuple(probe.shown for probe in put)
        return [
            Candidate(program, report, answer, len(asked.ordinary), shown)
            for program, report, answer in zip(programs, reports, answers, strict=True)
        ]

    async def judge_tests(
        self,
        suite: Suite,
        chosen: Candidate,
        others: Sequence[Candidate],
        spec: Spec,
        left_open: Set[str] = frozenset(),
    ) -> FilterResult:
        """Filters `suite`, with the mutants of the chosen program and `others`, which were written
        independently of it, as evidence. The calls `left_open` may give anything."""
        seconds = self.limit_seconds
        (again,) = await self.executor.test([chosen.program], suite, timeout_seconds=seconds)
        shape = shape_of(spec)
        mistaken = mutants(chosen.program, runs_main=shape.kind == "script")
        planted = await self.executor.test(mistaken, suite, timeout_seconds=MUTANT_SECONDS)
        passing = {case.function for case in chosen.report.cases if case.outcome == "passed"}
        trusted = [t for t in suite.tests if suite.is_binding(t) or t in passing]
        # Only plain calls can be compared with those of other tests: a test of a class may use a
        # method that no other test uses.
        alike = familiar(suite, spec, trusted) if shape.is_plain else frozenset[str]()
        if shape.is_plain and not trusted:
            # Nothing that was tried works: that says more of the programs than of the tests.
            alike = frozenset(suite.tests)
        reports = [other.report for other in others]
        builders = builders_of(suite.source) if left_open else {}
        undefined = {
            test
            for test in suite.tests
            if left_open and left_open & {*calls_of(source_of(suite.source, test), spec, builders)}
        }
        return filter_tests(suite, chosen.report, again, reports, planted, alike, undefined)

    async def small_edit(self, program: Program, suite: Suite, spec: Spec) -> Edit | None:
        """The edit of one expression after which all tests pass, where that is hardly by chance.

        Only edits of a trusted kind are taken: limits, and, where several tests are given, also
        conditions turned round, which pass half of all single tests (bench/RESULTS.md). None where
        no such edit does, and where any other edit that does answers a probe differently: to take
        one of them would be a guess.
        """
        edits = await asyncio.to_thread(small_edits, program)
        given = sum(kind != "guessed" for kind in suite.provenance.values())
        trusted = ("limit", "turn") if given > 1 else ("limit",)
        right = await self._passing([e for e in edits if e.kind in trusted], suite)
        if not right:
            return None
        right += await self._passing([e for e in edits if e.kind not in trusted], suite)
        candidates = await self.compare([e.program for e in right], suite, spec)
        return right[0] if unanimous(candidates) else None

    async def _passing(self, edits: Sequence[Edit], suite: Suite) -> list[Edit]:
        programs = [e.program for e in edits]
        reports = await self.executor.test(programs, suite, timeout_seconds=MUTANT_SECONDS)
        return [e for e, r in zip(edits, reports, strict=True) if r.verdict == "passed"]

    async def with_trace(
        self, checked: CheckedProgram, suite: Suite, spec: Spec
    ) -> tuple[Finding, ...]:
        """The failures of `checked`; the first one in a given test comes with a trace.

        The trace tells which variable each executed line of the program changed.
        """
        findings = list(checked.failures)
        for number, finding in enumerate(findings):
            function = finding.test.split("[", 1)[0]
            calls = calls_of(source_of(suite.source, function), spec)
            if suite.is_binding(function) and calls:
                trace = await self.executor.trace(
                    checked.program, calls[0], timeout_seconds=self.limit_seconds
                )
                findings[number] = replace(finding, detail=trace)
                break
        return tuple(findings)
