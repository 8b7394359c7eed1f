"""The loop. READ THIS FIRST.

    prompt ─ researcher ─► Spec ─ coder ×N ─► Programs ─ evaluator ─► court ◄─ test writer
                                    ▲                      │
                                    └── patch ◄─ debugger ◄┘ findings, test report

Everything is tried on a private copy first. A program reaches the user's files only when it is the
first one or passes strictly more than the one that is there, so that what the files hold is the
best so far at any moment, however the run ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ml_coach.core.agents import debugger
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.model_client import Budget, ModelClient, Price
from ml_coach.core.agents.team import MOST_LESSONS, Team
from ml_coach.core.errors import BudgetSpent, ModelError, SetupError
from ml_coach.core.events import (
    CandidateChosen,
    Diagnosed,
    Emit,
    FilesSaved,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    RunFinished,
    RunStarted,
    StageStarted,
    SuiteFiltered,
)
from ml_coach.core.judging.evaluator import CheckedProgram, Evaluator
from ml_coach.core.judging.test_filter import FilterResult
from ml_coach.core.judging.voting import Candidate, agreeing, choose, more_wanted, passes_given
from ml_coach.core.patches import rewriting
from ml_coach.core.ports import Executor, Model, Reviewer, Workspace
from ml_coach.core.python import syntax
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import (
    Diagnosis,
    Outcome,
    Patch,
    Program,
    Request,
    RunReport,
    Stage,
    Suite,
)


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Coach:
    """The loop's outside parts. One coach serves any number of runs at once.

    `prepare` gets ready what the run needs (weights, sandbox); it may raise `SetupError`. Only a
    measurement of what the court brings sets `filters_tests` to False: then every test judges.
    """

    model: Model
    executor: Executor
    workspace: Workspace
    reviewer: Reviewer
    prepare: Callable[[], Awaitable[None]] = _nothing
    price: Price = field(default_factory=Price)
    filters_tests: bool = True
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
    iteration: int = 1
    written: Suite = field(default_factory=lambda: Suite(""))
    suite: Suite = field(default_factory=lambda: Suite(""))
    pool: list[Candidate] = field(default_factory=list[Candidate])
    filtered: FilterResult | None = None
    saved: dict[str, str] = field(default_factory=dict[str, str])
    program: Program | None = None
    best: CheckedProgram | None = None
    pending: Patch | None = None
    seen: set[object] = field(default_factory=set[object])
    fresh_starts: int = 0
    team: Team = field(init=False)
    evaluator: Evaluator = field(init=False)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        coach, limits = self.coach, self.request.limits
        self.started = coach.clock()
        budget = Budget(
            max_calls=limits.calls,
            max_tokens=limits.tokens,
            max_seconds=limits.seconds,
            clock=coach.clock,
        )
        model_client = ModelClient(coach.model, budget, self.emit, price=coach.price)
        self.team = Team(model_client, self.request, coach.model.profile, self.emit)
        self.evaluator = Evaluator(coach.executor, self.request.run_timeout_seconds, self.emit)

    # The run as a whole

    async def to_its_end(self) -> RunReport:
        self.emit(RunStarted(self.run_id, self.request, self.coach.model.name))
        try:
            await self.coach.prepare()
            await self._work()
            skipped = self.best.report.skipped if self.best else 0
            left_out = f" {skipped} skipped." if skipped else ""
            outcome, reason = "passed", f"All tests pass.{left_out}"
        except _Stop as stop:
            outcome, reason = stop.outcome, stop.reason
        except BudgetSpent as spent:
            outcome, reason = "gave_up", str(spent)
        except (ModelError, SetupError, OSError) as error:
            outcome, reason = "failed", str(error)
        except RecursionError:
            # Most that is too deep is left out; what the prompt gives can not be.
            outcome = "failed"
            reason = "The prompt or the code is nested too deeply for Python to take apart."
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
            suite=self.suite if self.suite.source else None,
            tests=self.best.report if self.best else None,
            iterations=self.iteration,
            usage=self.team.model_client.budget.usage,
            seconds=self.coach.clock() - self.started,
            model=self.coach.model.name,
            sandbox=self.coach.executor.level,
            findings=self.best.failures if self.best else (),
            dropped=self.filtered.dropped if self.filtered else (),
            pending=self.pending,
            files=dict(self.saved),
        )

    async def _work(self) -> None:
        existing = await self._existing()
        self._begin("research")
        await self.team.research(existing)
        # Tests are written from the spec alone, so both can be asked for at once.
        first, suite = await all_of(self._first_program(existing), self._tests())
        self.written = self.suite = suite
        if isinstance(first, Program):
            await self._save(first, suite)
        if not (suite.own or suite.tests):
            raise _Stop("gave_up", "No test could be written, so nothing can be said of the code.")
        chosen = await self._choose(first, existing)
        current = await self._check(chosen)
        await self._save(chosen, self.suite)
        self.best = current
        if self.request.task == "write_tests" and not current.passes:
            raise _Stop("gave_up", current.report.why or "The tests do not all pass.")
        try:
            await self._debug_until_passed(current)
        except _Stop as stop:
            if stop.outcome != "gave_up" or not await self._mended_by_small_edit():
                raise

    # Stages

    def _begin(self, stage: Stage) -> None:
        self.emit(StageStarted(stage, self.iteration, self.request.max_iters))

    async def _existing(self) -> Program | None:
        """The user's own file, for the tasks that start from one."""
        if self.request.task == "generate":
            return None
        source = await self.coach.workspace.read(self.request.program_file)
        if source is None:
            raise _Stop("failed", f"There is no file {self.request.program_file}.")
        return Program(source, self.request.program_file)

    async def _first_program(self, existing: Program | None) -> Program | Refused:
        if existing is not None and self.request.task != "implement":
            return existing
        self._begin("code")
        return await self.team.write_program(existing)

    async def _tests(self) -> Suite:
        if self.request.task == "debug":
            source = await self.coach.workspace.read(self.request.tests_file)
            if source is not None:
                # The user's own tests judge the user's own program.
                if fault := syntax.complaint(source):
                    raise _Stop("failed", f"{self.request.tests_file} does not compile: {fault}")
                return Suite(source, self.request.tests_file, own=True)
        self._begin("tests")
        return await self.team.write_tests()

    async def _choose(self, first: Program | Refused, existing: Program | None) -> Program:
        """The best of as many candidates as it takes until they agree; then the court rules."""
        sampled = self.request.task in ("generate", "implement")
        batch = self.coach.model.profile.candidates if sampled else 1
        if isinstance(first, Program):
            self.pool = await self._compare([first])
        else:
            self.team.learn(first.reason)
        drawn = 0
        while number := more_wanted(self.pool, self.written, batch, drawn):
            self._begin("code")
            programs = await self.team.sample_programs(number, existing)
            drawn += number
            self.pool += await self._compare(programs)
        if isinstance(first, Refused) and not self.pool:
            raise _Stop("gave_up", f"The model wrote no valid program: {first.reason}")
        chosen = choose(self.pool, self.written)
        if isinstance(first, Refused):
            await self._save(chosen.program, self.written)
        together = agreeing(chosen, self.pool)
        self.emit(CandidateChosen(chosen.program, len(self.pool), together))
        await self._filter_tests(chosen)
        return chosen.program

    async def _filter_tests(self, chosen: Candidate) -> None:
        """Decides anew which of the written tests may judge, now that `chosen` is the best."""
        if not self.coach.filters_tests:
            return
        self._begin("filter")
        filtered = await self.evaluator.judge_tests(self.written, chosen, self.pool)
        self.filtered, self.suite = filtered, filtered.suite
        self.emit(SuiteFiltered(filtered.kept, filtered.dropped, filtered.mutation_score))
        if not (filtered.kept or self.suite.own):
            # Agreement chose it, even if nothing is left that could judge it. The tests stay, too.
            await self._save(chosen.program)
            raise _Stop("gave_up", "No test is fit to judge the code: candidates agree on none.")

    async def _compare(self, programs: list[Program]) -> list[Candidate]:
        return await self.evaluator.compare(programs, self.written, self.team.spec)

    async def _check(self, program: Program) -> CheckedProgram:
        self._begin("pytest")
        attempt = await self.evaluator.check(program, self.suite)
        self.seen |= {attempt.program.digest, attempt.signature}
        return attempt

    # Debugging

    async def _debug_until_passed(self, current: CheckedProgram) -> None:
        repairs = 0
        # The user's own program is repaired, never rewritten from nothing.
        may_start_anew = self.request.task != "debug"
        most = self.coach.model.profile.repairs if may_start_anew else self.request.max_iters
        only_run = self.request.task == "debug" and self.request.max_iters == 1
        while not current.passes:
            if self.iteration >= self.request.max_iters:
                why = current.report.why or debugger.summarize(current.failures[:1])
                used_up = f"MAX_ITERS ({self.request.max_iters}) is used up. {why}".strip()
                # Whose tests are only run, once, did not ask for more.
                raise _Stop("gave_up", why if only_run else used_up)
            self.iteration += 1
            proposal = await self._diagnose(current) if repairs < most else None
            repairs += 1
            if proposal is None and may_start_anew:
                proposal = await self._fresh_start(current)
                repairs = 0
            if proposal is not None:
                current = await self._try(proposal, current) or current

    async def _diagnose(self, current: CheckedProgram) -> Diagnosis | None:
        """A diagnosis with a patch that was not tried before, or None."""
        self._begin("debug")
        diagnosis = debugger.repair_without_model(current.program)
        if diagnosis is None or self._was_tried(diagnosis, current):
            failures = await self.evaluator.with_trace(current, self.suite, self.team.spec)
            diagnosis = await self.team.debug(current.program, failures)
        self.emit(Diagnosed(diagnosis))
        if diagnosis.blame == "tests":
            # The coder may never change the tests; only the court may overrule one.
            self._discard("The debugger blames the tests; no patch may change a test.", None)
            return None
        tried = diagnosis.patch is None or self._was_tried(diagnosis, current)
        return None if tried else diagnosis

    async def _mended_by_small_edit(self) -> bool:
        """The last resort, which costs no token: one expression changed so that all tests pass.

        The model's patches come first, because what passes by a search alone is wrong more often;
        and it is not for guessed tests, which are wrong more often than such an edit is right.
        """
        best = self.best
        may_repair = self.suite.gives and self.request.max_iters > 1 and not self.pending
        if best is None or not may_repair or passes_given(best.report, self.suite):
            return False
        self._begin("debug")
        edit = await self.evaluator.small_edit(best.program, self.suite, self.team.spec)
        if edit is None or edit.program.digest in self.seen:
            return False
        summary = f"A small edit, found by trying, makes all tests pass: {edit.what}"
        diagnosis = Diagnosis("code", summary, rewriting(best.program, edit.program.source))
        self.emit(Diagnosed(diagnosis))
        attempt = await self._try(diagnosis, best)
        return attempt is not None and attempt.passes

    def _was_tried(self, diagnosis: Diagnosis, current: CheckedProgram) -> bool:
        patch = diagnosis.patch
        return patch is not None and _patched(current.program, patch).digest in self.seen

    async def _fresh_start(self, current: CheckedProgram) -> Diagnosis:
        """The best of new programs instead of a further repair; a patch like any other."""
        existing = current.program if self.request.task == "implement" else None
        self.fresh_starts += 1
        for finding in current.failures[:MOST_LESSONS]:
            self.team.learn(finding.message)
        self._begin("code")
        number = self.coach.model.profile.candidates
        pool = await self._compare(await self.team.sample_programs(number, existing))
        fresh = [c for c in pool if c.program.digest not in self.seen]
        if not fresh:
            raise _Stop("gave_up", "The same program came back after a fresh start.")
        chosen = choose(fresh, self.written)
        self.pool.append(chosen)
        after = chosen.program.source
        return Diagnosis("code", "A fresh start", rewriting(current.program, after))

    async def _try(self, diagnosis: Diagnosis, current: CheckedProgram) -> CheckedProgram | None:
        """Checks the patched program; it becomes the user's only if it is better and accepted."""
        patch = diagnosis.patch
        assert patch is not None
        before = set(self.seen)
        attempt = await self._check(_patched(current.program, patch))
        if attempt.improves_on(current):
            return await self._offer(patch, diagnosis.summary, attempt, current)
        self.team.learn(attempt.failures[0].message if attempt.failures else attempt.report.why)
        self._discard("It makes no more tests pass, or it loses one.", patch)
        if self.fresh_starts and attempt.signature in before:
            raise _Stop("gave_up", f"The same failure came back. {attempt.report.why}".strip())
        return None

    async def _offer(
        self, patch: Patch, summary: str, attempt: CheckedProgram, current: CheckedProgram
    ) -> CheckedProgram | None:
        """Applies a patch that helps, or asks the user first."""
        self._begin("patch")
        total = len(attempt.report.cases)
        self.emit(PatchOffered(patch, summary, len(attempt.report.passed), total))
        mends_syntax = any(f.kind == "syntax" for f in current.findings)
        if not (self.request.auto_patch or mends_syntax):
            decision = await self.coach.reviewer.decide(patch, summary)
            match decision.answer:
                case "apply":
                    if decision.edited is not None:
                        patch = decision.edited
                        attempt = await self._check(_patched(current.program, patch))
                case "discard":
                    self.team.learn(f"The user refused: {summary}")
                    self._discard("The user said no.", patch)
                    return None
                case "stop":
                    raise _Stop("stopped", "Stopped by the user.")
                case "later":
                    self.pending = patch
                    raise _Stop("gave_up", "A patch that helps waits for your decision.")
        self.emit(PatchApplied(patch, summary))
        # A witness is written apart from the others: one made of a candidate would clear itself.
        (candidate,) = await self._compare([attempt.program])
        judged_by = self.suite
        await self._filter_tests(candidate)
        if self.suite != judged_by:
            attempt = await self._check(attempt.program)
        await self._save(attempt.program, self.suite)
        self.best = attempt
        return attempt

    # Bookkeeping

    def _discard(self, reason: str, patch: Patch | None) -> None:
        self.emit(PatchDiscarded(reason, patch))

    async def _save(self, *written: Program | Suite) -> None:
        """Puts texts into the user's files, in one step. Tells what the run changed: also a text
        that stands there already, because the user applied the patch in the editor."""
        texts = {one.file: one.source for one in written}
        reads = {file: await self.coach.workspace.read(file) for file in texts}
        unlike = {file: text for file, text in texts.items() if reads[file] != text}
        if unlike:
            await self.coach.workspace.write(unlike)
        known = {**({self.program.file: self.program.source} if self.program else {}), **self.saved}
        new = {f: t for f, t in texts.items() if f in unlike or (f in known and known[f] != t)}
        self.program = next((one for one in written if isinstance(one, Program)), self.program)
        if new:
            self.saved |= new
            self.emit(FilesSaved(new))


def _patched(program: Program, patch: Patch) -> Program:
    """`program` after `patch`, which was made from exactly this text."""
    for change in patch.changes:
        if change.file == program.file and change.after is not None:
            return Program(change.after, program.file)
    return program
