"""What is learnt by running programs: is it sound, which one to choose, which tests are fit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.errors import SetupError
from ml_coach.core.events import Emit, ProgramInspected, TestsFinished
from ml_coach.core.judging.failures import explained
from ml_coach.core.judging.mutants import mutants
from ml_coach.core.judging.probes import calls_of, probes, source_of
from ml_coach.core.judging.small_edits import Edit, small_edits
from ml_coach.core.judging.test_filter import FilterResult, rule
from ml_coach.core.judging.voting import Candidate, unanimous
from ml_coach.core.ports import Executor
from ml_coach.core.types import Evaluation, Finding, Program, Spec, Suite, TestReport

# A planted mistake, or an edit, often makes a loop endless; waiting longer tells nothing more.
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
        """The inspection's findings that stand between this program and `passed`.

        A program that waits for ever or for its user's words when it is *run* may well be a server,
        a dialogue or a command; its tests import it, and they decide.
        """
        tested = self.report.verdict == "passed"
        return tuple(f for f in self.findings if not (tested and f.kind in _WAITING))

    @property
    def passes(self) -> bool:
        return self.report.verdict == "passed" and not self.blocking

    @property
    def failures(self) -> tuple[Finding, ...]:
        """All findings, the most basic first."""
        return self.findings + self.report.findings

    @property
    def signature(self) -> frozenset[tuple[str, str]]:
        """What went wrong, without line numbers: equal signatures mean the same failure."""
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

    async def check(self, program: Program, suite: Suite) -> CheckedProgram:
        """Inspects and tests `program` on a private copy. Raises `SetupError` if nothing can."""
        files = {program.file: program.source}
        seconds = self.limit_seconds
        findings, (report,) = await all_of(
            self.executor.inspect(program, files, timeout_seconds=seconds),
            self._test([program], suite, seconds),
        )
        self.emit(ProgramInspected(findings))
        if report.verdict == "error" and not report.findings:
            # Not a word about the program itself: debugging it would be blaming the innocent.
            raise SetupError(report.why)
        report = explained(report, suite)
        self.emit(TestsFinished(report))
        return CheckedProgram(program, findings, report)

    async def compare(
        self, programs: Sequence[Program], suite: Suite, spec: Spec
    ) -> list[Candidate]:
        """Each program's test report and its answers to the probes."""
        asked = probes(suite, spec)
        reports = await self._test(programs, suite, self.limit_seconds)
        answers: tuple[tuple[Evaluation, ...], ...] = ((),) * len(programs)
        if asked.ordinary:
            answers = await self.executor.evaluate(
                programs, (*asked.ordinary, *asked.others), timeout_seconds=self.limit_seconds
            )
        return [
            Candidate(program, report, answer, len(asked.ordinary))
            for program, report, answer in zip(programs, reports, answers, strict=True)
        ]

    async def judge_tests(
        self, suite: Suite, chosen: Candidate, candidates: Sequence[Candidate]
    ) -> FilterResult:
        """Filters `suite`, with the mutants of the chosen program as evidence."""
        (again,) = await self._test([chosen.program], suite, self.limit_seconds)
        planted = await self._test(mutants(chosen.program), suite, MUTANT_SECONDS)
        return rule(suite, chosen.report, again, [c.report for c in candidates], planted)

    async def small_edit(self, program: Program, suite: Suite, spec: Spec) -> Edit | None:
        """The edit of one expression after which all tests pass, where that is hardly chance.

        None where there is none, and where edits that do so differ in any other answer: to take
        one of them would be a guess.
        """
        edits = await asyncio.to_thread(small_edits, program)
        trusted = ("limit", "turn") if len(suite.given) > 1 else ("limit",)
        right = await self._passing([e for e in edits if e.kind in trusted], suite)
        if not right:
            return None
        right += await self._passing([e for e in edits if e.kind not in trusted], suite)
        candidates = await self.compare([e.program for e in right], suite, spec)
        return right[0] if unanimous(candidates) else None

    async def _passing(self, edits: Sequence[Edit], suite: Suite) -> list[Edit]:
        reports = await self._test([e.program for e in edits], suite, MUTANT_SECONDS)
        return [e for e, r in zip(edits, reports, strict=True) if r.verdict == "passed"]

    async def with_trace(
        self, attempt: CheckedProgram, suite: Suite, spec: Spec
    ) -> tuple[Finding, ...]:
        """The attempt's failures; the first one in a given test with its variables line by line."""
        findings = list(attempt.failures)
        for number, finding in enumerate(findings):
            function = finding.test.split("[", 1)[0]
            calls = calls_of(source_of(suite.source, function), spec.names)
            if suite.is_given(function) and calls:
                trace = await self.executor.trace(
                    attempt.program, calls[0], timeout_seconds=self.limit_seconds
                )
                findings[number] = replace(finding, detail=trace)
                break
        return tuple(findings)

    async def _test(
        self, programs: Sequence[Program], suite: Suite, seconds: float
    ) -> tuple[TestReport, ...]:
        if not programs:
            return ()
        return await self.executor.test(programs, suite, timeout_seconds=seconds)
