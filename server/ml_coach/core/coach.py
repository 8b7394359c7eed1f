"""The loop. READ THIS FIRST.

    prompt ─ researcher ─► Spec ─ coder ─► Program ─ inspector ─► pytest ◄─ Suite ◄─ test writer
                                    ▲                               │
                                    └──── patch ◄──── debugger ◄────┘

Everything is tried on a private copy first. A program reaches the user's files only when it is the
first one or passes strictly more than the one that is there, so that what the files hold is the
best so far at any moment, however the run ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ml_coach.core.agents import coder, debugger, researcher, test_writer
from ml_coach.core.asking import Asker, Budget
from ml_coach.core.errors import BudgetSpent, ModelError, SetupError
from ml_coach.core.events import (
    Diagnosed,
    Emit,
    FilesSaved,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    ProgramInspected,
    ProgramWritten,
    ReplyRefused,
    RunFinished,
    RunStarted,
    SpecWritten,
    StageStarted,
    SuiteWritten,
    TestsFinished,
)
from ml_coach.core.failures import explained
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Executor, Model, Reviewer, Workspace
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import (
    AgentName,
    Diagnosis,
    Finding,
    Outcome,
    Patch,
    Program,
    Request,
    RunReport,
    Spec,
    Stage,
    Suite,
    TestReport,
)

# 60-80 % of a model's power to debug its own program is gone after two tries (design.md).
REPAIRS_BEFORE_FRESH_START = 2
FRESH_TEMPERATURE = 0.8
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A program that was inspected and tested."""

    program: Program
    findings: tuple[Finding, ...]
    report: TestReport

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stands between this program and `passed`.

        A program that waits for ever or for input when it is *run* may well be a server or a
        dialogue; its tests import it, and they decide.
        """
        waits = {"timeout", "input"}
        return tuple(
            f for f in self.findings if not (f.kind in waits and self.report.verdict == "passed")
        )

    @property
    def passes(self) -> bool:
        return self.report.verdict == "passed" and not self.blocking

    @property
    def failures(self) -> tuple[Finding, ...]:
        return self.findings + self.report.findings

    @property
    def signature(self) -> frozenset[tuple[str, str]]:
        """What went wrong, without line numbers: equal signatures mean the same failure."""
        return frozenset((f.kind, f.test or f.message) for f in self.failures)

    def improves_on(self, other: Attempt) -> bool:
        """Strictly more tests pass and none is lost; or none changes and a finding is gone."""
        gained = self.report.passed - other.report.passed
        lost = other.report.passed - self.report.passed
        if lost:
            return False
        kinds = {(f.kind, f.message) for f in self.blocking}
        other_kinds = {(f.kind, f.message) for f in other.blocking}
        return bool(gained) or kinds < other_kinds or (self.passes and not other.passes)


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Coach:
    """The loop's outside parts. One coach serves any number of runs at once.

    `prepare` gets ready what the run needs (weights, sandbox); it may raise `SetupError`.
    """

    model: Model
    executor: Executor
    workspace: Workspace
    reviewer: Reviewer
    prepare: Callable[[], Awaitable[None]] = _nothing
    clock: Callable[[], float] = time.monotonic

    async def run(self, request: Request, emit: Emit, run_id: str = "run") -> RunReport:
        """Runs `request` to its end and returns the report, also when its task is cancelled.

        Never raises for what a model, a program or the user does; the report's outcome says it.
        """
        return await _Run(self, request, emit, run_id).to_its_end()


class _Stop(Exception):
    """Ends the run from any depth with an outcome and its reason."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.reason = reason


@dataclass(slots=True)
class _Run:
    coach: Coach
    request: Request
    emit: Emit
    run_id: str
    iteration: int = 0
    spec: Spec = field(default_factory=lambda: Spec(""))
    suite: Suite | None = None
    program: Program | None = None
    best: Attempt | None = None
    pending: Patch | None = None
    saved: dict[str, str] = field(default_factory=dict[str, str])
    lessons: list[str] = field(default_factory=list[str])
    seen: set[object] = field(default_factory=set[object])
    fresh_starts: int = 0
    asker: Asker = field(init=False)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.coach.clock()
        limits = self.request.limits
        budget = Budget(
            max_calls=limits.calls,
            max_tokens=limits.tokens,
            max_seconds=limits.seconds,
            clock=self.coach.clock,
        )
        self.asker = Asker(self.coach.model, budget, self.emit)

    # The run as a whole

    async def to_its_end(self) -> RunReport:
        self.emit(RunStarted(self.run_id, self.request, self.coach.model.name))
        try:
            await self.coach.prepare()
            await self._work()
            outcome, reason = "passed", "All tests pass."
        except _Stop as stop:
            outcome, reason = stop.outcome, stop.reason
        except BudgetSpent as spent:
            outcome, reason = "gave_up", str(spent)
        except (ModelError, SetupError, OSError) as error:
            outcome, reason = "failed", str(error)
        except asyncio.CancelledError:
            # The files already hold the best program, so there is nothing left to save. The
            # cancellation ends here: whoever started the run gets its report.
            if task := asyncio.current_task():
                task.uncancel()
            outcome, reason = "stopped", "Stopped by the user."
        report = self._report(outcome, reason)
        self.emit(RunFinished(report))
        return report

    def _report(self, outcome: Outcome, reason: str) -> RunReport:
        return RunReport(
            outcome=outcome,
            reason=reason,
            program=self.program,
            suite=self.suite,
            tests=self.best.report if self.best else None,
            iterations=self.iteration,
            usage=self.asker.budget.usage,
            seconds=self.coach.clock() - self.started,
            model=self.coach.model.name,
            sandbox=self.coach.executor.level,
            findings=self.best.failures if self.best else (),
            pending=self.pending,
            files=dict(self.saved),
        )

    async def _work(self) -> None:
        existing = await self._existing()
        self._begin("research")
        self.spec = await self._research(existing)
        self.emit(SpecWritten(self.spec))
        # Tests are written from the spec alone, so both can be asked for at once.
        program, suite = await _together(self._first_program(existing), self._tests())
        self.program, self.suite = program, suite
        await self._save(program, suite)
        if not test_writer.test_names(suite.source):
            raise _Stop("gave_up", "No test could be written, so nothing can be said of the code.")
        self.iteration = 1
        self.best = await self._check(program)
        self._remember(self.best)
        if self.request.task == "write_tests" and not self.best.passes:
            raise _Stop("gave_up", self.best.report.why or "The tests do not all pass.")
        await self._debug_until_passed(self.best)

    # Stages

    def _begin(self, stage: Stage) -> None:
        self.emit(StageStarted(stage, max(self.iteration, 1), self.request.max_iters))

    def _refused(self, agent: AgentName) -> Callable[[str], None]:
        return lambda reason: self.emit(ReplyRefused(agent, reason))

    async def _existing(self) -> Program | None:
        """The user's own file, for the tasks that start from one."""
        if self.request.task == "generate":
            return None
        source = await self.coach.workspace.read(self.request.program_file)
        if source is None:
            raise _Stop("failed", f"There is no file {self.request.program_file}.")
        return Program(source, self.request.program_file)

    async def _research(self, existing: Program | None) -> Spec:
        profile = self.coach.model.profile
        if existing is not None:
            return researcher.read(self.request.prompt or existing.source)
        return await researcher.research(self.asker, self.request.prompt, profile)

    async def _first_program(self, existing: Program | None) -> Program:
        if existing is not None and self.request.task != "implement":
            return existing
        program = await self._code(existing)
        if isinstance(program, Refused):
            raise _Stop("gave_up", f"The model wrote no valid program: {program.reason}")
        return program

    async def _code(
        self, existing: Program | None, *, temperature: float | None = None
    ) -> Program | Refused:
        self._begin("code")
        profile, request = self.coach.model.profile, self.request
        lessons = tuple(self.lessons[-3:])
        seed = self.fresh_starts
        if existing is not None:
            written = await coder.implement(
                self.asker, self.spec, profile, existing, request.function,
                self._refused("coder"), lessons=lessons, temperature=temperature, seed=seed,
            )  # fmt: skip
        else:
            written = await coder.write_program(
                self.asker, self.spec, profile, request.program_file,
                self._refused("coder"), lessons=lessons, temperature=temperature, seed=seed,
            )  # fmt: skip
        if isinstance(written, Refused):
            return written
        self.emit(ProgramWritten(written.program, written.done))
        return written.program

    async def _tests(self) -> Suite:
        self._begin("tests")
        if self.request.task == "debug":
            source = await self.coach.workspace.read(self.request.tests_file)
            if source is not None:
                # The user's own tests judge the user's own program.
                names = test_writer.test_names(source)
                return Suite(source, self.request.tests_file, frozenset(names))
        written = await test_writer.write_tests(
            self.asker, self.spec, self.coach.model.profile,
            self.request.program_file, self.request.tests_file, self._refused("test_writer"),
        )  # fmt: skip
        self.emit(SuiteWritten(written.suite, written.done))
        return written.suite

    async def _check(self, program: Program) -> Attempt:
        """Inspects and tests `program` on a private copy."""
        assert self.suite is not None
        executor, limit = self.coach.executor, self.request.run_timeout_seconds
        files = {program.file: program.source}
        self._begin("inspect")
        findings = await executor.inspect(program, files, timeout_seconds=limit)
        self.emit(ProgramInspected(findings))
        self._begin("pytest")
        (report,) = await executor.test([program], self.suite, files, timeout_seconds=limit)
        report = explained(report, self.suite)
        self.emit(TestsFinished(report))
        return Attempt(program, findings, report)

    # Debugging

    async def _debug_until_passed(self, current: Attempt) -> None:
        repairs = 0
        while not current.passes:
            if self.iteration >= self.request.max_iters:
                raise _Stop("gave_up", self._gave_up_reason(current))
            self.iteration += 1
            proposal: Diagnosis | None = None
            if repairs < REPAIRS_BEFORE_FRESH_START:
                proposal = await self._diagnose(current)
                repairs += 1
            if proposal is None or proposal.patch is None:
                proposal = await self._fresh_start(current)
                repairs = 0
            attempt = await self._try(proposal, current)
            if attempt is not None:
                current = attempt

    def _gave_up_reason(self, current: Attempt) -> str:
        failing = current.report.why or debugger.summarize(current.failures[:1])
        return f"{self.request.max_iters} iterations (MAX_ITERS) are used up. {failing}".strip()

    async def _diagnose(self, current: Attempt) -> Diagnosis | None:
        """A diagnosis with a patch that was not tried before, or None."""
        self._begin("debug")
        diagnosis = debugger.repair_without_model(current.program)
        if diagnosis is None or self._was_tried(diagnosis, current):
            diagnosis = await debugger.debug(
                self.asker, self.spec, self.coach.model.profile, current.program,
                current.failures, lessons=tuple(self.lessons[-3:]),
            )  # fmt: skip
        self.emit(Diagnosed(diagnosis))
        if diagnosis.blame == "tests":
            # The coder may never change the tests; only the court may overrule one.
            self._discard("The debugger blames the tests; tests are not changed by a patch.", None)
            return None
        return None if self._was_tried(diagnosis, current) else diagnosis

    def _was_tried(self, diagnosis: Diagnosis, current: Attempt) -> bool:
        if diagnosis.patch is None:
            return False
        return _patched(current.program, diagnosis.patch).digest in self.seen

    async def _fresh_start(self, current: Attempt) -> Diagnosis:
        """A new program instead of a further repair; a patch like any other from here on."""
        if self.request.task == "debug":
            # The user's own program is repaired, never rewritten from nothing.
            raise _Stop("gave_up", f"No further repair was found. {current.report.why}".strip())
        existing = current.program if self.request.task == "implement" else None
        self.fresh_starts += 1
        program = await self._code(existing, temperature=FRESH_TEMPERATURE)
        if isinstance(program, Refused):
            raise _Stop("gave_up", f"The model wrote no other valid program: {program.reason}")
        if program.digest in self.seen:
            raise _Stop("gave_up", "The same program came back after a fresh start.")
        patch = make_patch({program.file: current.program.source}, {program.file: program.source})
        return Diagnosis("code", "A fresh start", patch)

    async def _try(self, diagnosis: Diagnosis, current: Attempt) -> Attempt | None:
        """Checks the patched program; it becomes the user's only if it is better and accepted."""
        patch = diagnosis.patch
        assert patch is not None
        self._begin("patch")
        attempt = await self._check(_patched(current.program, patch))
        came_back = attempt.signature in self.seen
        self._remember(attempt)
        if not attempt.improves_on(current):
            lesson = debugger.summarize(attempt.failures[:1]) or attempt.report.why
            self.lessons.append(f"{diagnosis.summary} -> {lesson}"[:300])
            self._discard("It does not make more tests pass, or it loses one.", patch)
            if came_back and self.fresh_starts:
                raise _Stop("gave_up", f"The same failure came back. {attempt.report.why}".strip())
            return None
        return await self._offer(patch, diagnosis.summary, attempt, current)

    async def _offer(
        self, patch: Patch, summary: str, attempt: Attempt, current: Attempt
    ) -> Attempt | None:
        cases = attempt.report.cases
        self.emit(PatchOffered(patch, summary, len(attempt.report.passed), len(cases)))
        mends_syntax = any(f.kind == "syntax" for f in current.findings)
        if not (self.request.auto_patch or mends_syntax):
            decision = await self.coach.reviewer.decide(patch, summary)
            match decision.answer:
                case "apply":
                    if decision.edited is not None:
                        patch = decision.edited
                        attempt = await self._check(_patched(current.program, patch))
                        self._remember(attempt)
                case "discard":
                    self.lessons.append(f"The user refused: {summary}"[:300])
                    self._discard("The user said no.", patch)
                    return None
                case "stop":
                    raise _Stop("stopped", "Stopped by the user.")
                case "later":
                    self.pending = patch
                    raise _Stop("gave_up", "A patch that helps waits for your decision.")
        await self._save(attempt.program)
        self.program, self.best = attempt.program, attempt
        self.emit(PatchApplied(patch, summary))
        return attempt

    # Bookkeeping

    def _remember(self, attempt: Attempt) -> None:
        self.seen |= {attempt.program.digest, attempt.signature}

    def _discard(self, reason: str, patch: Patch | None) -> None:
        self.emit(PatchDiscarded(reason, patch))

    async def _save(self, *written: Program | Suite) -> None:
        """Puts the texts into the user's files, in one step. A file that reads so already, because
        the user applied the patch in the editor, is only told of."""
        reads = {one.file: await self.coach.workspace.read(one.file) for one in written}
        texts = {one.file: one.source for one in written if reads[one.file] != one.source}
        if texts:
            await self.coach.workspace.write(texts)
        current = self.program
        changed = {
            one.file: one.source
            for one in written
            if one.file in texts
            or (current and one.file == current.file and one.source != current.source)
        }
        if changed:
            self.saved |= changed
            self.emit(FilesSaved(changed))


def _patched(program: Program, patch: Patch) -> Program:
    """`program` after `patch`, which was made from exactly this text."""
    for change in patch.changes:
        if change.file == program.file and change.after is not None:
            return Program(change.after, program.file)
    return program


async def _together(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Both results; the first error or a cancellation ends both."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
