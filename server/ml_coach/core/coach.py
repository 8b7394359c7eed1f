"""The loop. READ THIS FIRST.

    prompt ─ researcher ─► Spec ─ coder ×N ─► Programs ─ evaluator ─► test filter ◄─ test writer
                                    ▲                      │
                                    └── patch ◄─ debugger ◄┘ findings, test report

`_work` is the whole way; repair_loop.py is its last step. A stage returns its result, or an `End`
where the run is over. Exceptions are for what breaks a run, and `Coach.run` catches them.

Everything is tried on a private copy first. The user's files get the first program, then
the one that was chosen among the candidates, then one that a patch made better. So what the files
hold is the best so far at any moment, however the run ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from ml_coach.core.agents import coder, researcher
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.model_client import Budget, ModelClient, Price
from ml_coach.core.agents.suite_assembly import renamed
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.test_writer import write_tests
from ml_coach.core.errors import BudgetSpent, ModelError, SetupError, os_error_text
from ml_coach.core.events import (
    CandidateChosen,
    Emit,
    RunFinished,
    RunStarted,
    SpecWritten,
    SuiteWritten,
)
from ml_coach.core.examples import shape_of
from ml_coach.core.fix_loop import fix_project
from ml_coach.core.judging.agreement import agreement
from ml_coach.core.judging.calibration import Calibration
from ml_coach.core.judging.evaluator import Evaluator
from ml_coach.core.judging.suite_extension import (
    contradiction,
    extended,
    of_other_functions,
)
from ml_coach.core.judging.verdict import verdict
from ml_coach.core.judging.voting import Candidate, choose, passes_binding
from ml_coach.core.ports import Executor, Model, Reviewer, Workspace
from ml_coach.core.project import Project
from ml_coach.core.python import syntax
from ml_coach.core.question_loop import ask_until_sure
from ml_coach.core.repair_loop import after_install, repair
from ml_coach.core.request import Request
from ml_coach.core.run_state import End, Run
from ml_coach.core.sanitizer import Refused
from ml_coach.core.second_look import second_look
from ml_coach.core.types import Program, RunReport, Suite

_TOO_DEEP = "The prompt or the code is nested too deeply for Python to take apart."


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Coach:
    """The loop's outside parts. One coach serves any number of runs at once.

    `prepare` gets ready what the run needs (weights, sandbox); it may raise `SetupError`. Only a
    measurement of what the test filter brings sets `filters_tests` to False: then every test
    judges. `calibration` is that of the model, None where none was made. `project` is what a run
    of the task `fix` mends (fix_loop.py), None for every other.
    """

    model: Model
    executor: Executor
    workspace: Workspace
    reviewer: Reviewer
    prepare: Callable[[], Awaitable[None]] = _nothing
    price: Price = field(default_factory=Price)
    calibration: Calibration | None = None
    project: Project | None = None
    filters_tests: bool = True
    clock: Callable[[], float] = time.monotonic

    async def run(self, request: Request, emit: Emit, run_id: str = "run") -> RunReport:
        """Runs `request` to its end and returns the report, also when its task is cancelled.

        Never raises for what a model, a program or the user does: the report's outcome shows it.
        """
        started = self.clock()
        run = self._new_run(request, emit)
        emit(RunStarted(run_id, request, self.model.name, str(self.workspace.root)))
        try:
            # What could not be saved is said before a model is loaded, or paid for it.
            await self.workspace.check_writable(request.changed_files)
            await self.prepare()
            if self.project is not None:
                end = await fix_project(run, self.project)
            else:
                end = _judge(run, await _work(run), self.calibration)
                end = await ask_until_sure(run, end, self._go_on)
                end = await _without_attempts(run, end)
        except asyncio.CancelledError as stop:
            # The files already hold the best program, so there is nothing left to save. The
            # cancellation ends here: whoever started the run gets its report.
            if task := asyncio.current_task():
                task.uncancel()
            # Whoever cancels may say why: an editor that ends is not the user's "stop".
            waits = "; a patch that helps waits for your decision" if run.state.pending else ""
            end = End("stopped", str(stop) or f"Stopped by the user{waits}.")
        except BudgetSpent as spent:
            end = End("gave_up", str(spent))
        except OSError as error:
            end = End("failed", os_error_text(error))
        except (ModelError, SetupError) as error:
            end = End("failed", str(error))
        except RecursionError:
            # Code that is nested too deeply is mostly left out; the prompt's own cannot be.
            end = End("failed", _TOO_DEEP)
        report = self._report(run, end, self.clock() - started)
        emit(RunFinished(report))
        return report

    async def _go_on(self, run: Run) -> End:
        """What follows an answer of the user: the programs are compared and chosen anew."""
        state = run.state
        before = state.chosen
        made = [] if before is None or before in state.candidates else [before.program]
        await run.compare_again()
        state.iteration, state.started_afresh = 1, False
        chosen = await _best(run, state.found, await run.compare(made))
        assert chosen is not None  # A run without a program is asked nothing.
        return _judge(run, await _finish(run, chosen), self.calibration)

    def _new_run(self, request: Request, emit: Emit) -> Run:
        limits, profile = request.limits, self.model.profile
        budget = Budget(
            max_calls=limits.calls,
            max_tokens=limits.tokens,
            max_seconds=limits.seconds,
            clock=self.clock,
        )
        model_client = ModelClient(self.model, budget, emit, price=self.price)
        return Run(
            request=request,
            profile=profile,
            team=Team(model_client, request, profile, emit),
            evaluator=Evaluator(self.executor, request.run_timeout_seconds, emit),
            workspace=self.workspace,
            reviewer=self.reviewer,
            emit=emit,
            filters_tests=self.filters_tests,
        )

    def _report(self, run: Run, end: End, seconds: float) -> RunReport:
        state = run.state
        return RunReport(
            outcome=end.outcome,
            reason=end.reason,
            program=state.program,
            suite=state.suite if state.suite.source else None,
            tests=state.best.report if state.best else None,
            iterations=state.iteration,
            usage=run.team.model_client.budget.usage,
            seconds=seconds,
            model=self.model.name,
            sandbox=self.executor.level,
            findings=state.best.failures if state.best else (),
            dropped=state.dropped,
            pending=state.pending,
            files=dict(state.saved),
            evidence=state.evidence,
            question=state.question,
            answers=tuple(state.answers),
            confidence=state.confidence,
            explanation=state.explanation,
        )


async def _work(run: Run) -> End:
    """Every stage of a run in order."""
    existing = await _existing_program(run)
    if isinstance(existing, End):
        return existing
    if end := await _without_packages(run):
        return end
    run.begin("research")
    team = run.team
    team.spec = await researcher.research(team, existing)
    if run.request.task == "refine" and (end := await _follow_up(run)):
        return end
    if run.request.task == "implement":
        await _find_tests(run)
    run.emit(SpecWritten(team.spec))
    if existing is not None and run.request.task in ("debug", "write_tests"):
        first, suite = existing, await _tests(run)
    else:
        run.begin("code")
        # Tests are written from the spec alone, so both can be asked for at once.
        first, suite = await all_of(coder.write_program(team, existing), _tests(run))
    if isinstance(suite, End):
        return suite
    state = run.state
    state.written = state.suite = suite
    if isinstance(first, Program) and not run.request.follow_up:
        await run.save(first, suite)
    chosen = await _choose(run, first, existing)
    if isinstance(chosen, End):
        return chosen
    await run.explain()
    if not (suite.own or suite.tests):
        state.chosen = chosen
        await run.save(chosen.program)
        outcome = "gave_up" if run.request.task == "write_tests" else "unsure"
        why = "No test could be written, so nothing can be said of the code."
        return End(outcome, f"{why} An example in the prompt becomes a test.")
    end = await _finish(run, chosen)
    return await second_look(run, end) if run.request.task == "debug" else end


async def _finish(run: Run, chosen: Candidate) -> End:
    """Filters the tests, has `chosen` judged by the rest, and repairs it where it fails."""
    state = run.state
    if end := await run.filter_tests(chosen):
        return end
    checked = await run.check(chosen.program)
    await run.save(chosen.program, state.suite)
    state.best = checked
    if run.request.task == "write_tests" and not checked.passes:
        why = checked.report.why or "not all tests pass"
        return End("gave_up", f"{why}. Debug the file, or correct the test that is wrong.")
    return await repair(run, checked)


async def _without_packages(run: Run) -> End | None:
    """Ends a run whose prompt asks for a package that is not installed, before a model is paid."""
    if run.request.task != "generate":
        return None
    packages = shape_of(researcher.read(run.request.prompt)).packages
    missing = await run.evaluator.missing(packages) if packages else ()
    said = "; ".join(f.message for f in missing)
    return End("failed", after_install(said)) if missing else None


async def _without_attempts(run: Run, end: End) -> End:
    """Gives the user's files back as they were, where a stub got no body that may stay, or the
    program did not come to do the follow-up too.

    The log keeps what was tried. A patch that waits was made for the attempt, so that stays too.
    """
    state, file = run.state, run.request.program_file
    gave_up = run.request.task in ("implement", "refine") and end.outcome == "gave_up"
    if not gave_up or not state.found or file not in state.saved or state.pending:
        return end
    is_follow_up = run.request.task == "refine"
    await run.save(state.found, *filter(None, (state.found_tests if is_follow_up else None,)))
    if is_follow_up:
        end = replace(end, reason=f"{end.reason} {file} is as it was before.")
    lost = sorted(state.suite.kept - state.best.report.passed) if state.best else []
    if lost:
        named = f"{', '.join(lost)} stood there before and would fail"
        helps = "change that test first where the follow-up is meant to change what it demands"
        end = replace(end, reason=f"{end.reason} {named}: {helps}.")
    return end


async def _follow_up(run: Run) -> End | None:
    """Has the spec hold the follow-up's facts alone, where the program has tests already. Ends the
    run where one of these demands the contrary."""
    request, team = run.request, run.team
    source = await run.workspace.read(request.tests_file)
    if source is None or not source.strip():
        return None
    if fault := syntax.complaint(source):
        return End("failed", f"{request.tests_file} does not compile: {fault}")
    run.state.found_tests = old = Suite(source, request.tests_file, request.provenance, own=True)
    team.spec = researcher.of_follow_up(team.spec, request.follow_up)
    said = contradiction(old, team.spec)
    return End("gave_up", said) if said else None


async def _find_tests(run: Run) -> None:
    """Finds the tests of other functions of the program, beside which those of this one go."""
    request = run.request
    source = await run.workspace.read(request.tests_file) or ""
    found = Suite(source, request.tests_file, request.provenance, own=True)
    run.state.found_tests = of_other_functions(found, request.function)


async def _existing_program(run: Run) -> Program | End | None:
    """The user's own file, for the tasks that start from one."""
    request = run.request
    if request.task == "generate":
        return None
    source = await run.workspace.read(request.program_file)
    if source is None:
        return End("failed", f"There is no file {request.program_file}: write it first.")
    run.state.found = Program(source, request.program_file)
    return run.state.found


async def _tests(run: Run) -> Suite | End:
    """The user's own tests where their program is debugged, else what the test writer gives, with
    the tests before it that a follow-up found."""
    request = run.request
    if request.task == "debug":
        source = await run.workspace.read(request.tests_file)
        if source is not None:
            if fault := syntax.complaint(source):
                return End("failed", f"{request.tests_file} does not compile: {fault}")
            run.state.keeps_tests = True
            return Suite(source, request.tests_file, request.provenance, own=True)
    run.begin("tests")
    suite, old = await write_tests(run.team), run.state.found_tests
    if old is None:
        return suite
    whole = extended(old, suite)
    run.state.uncollected = whole.replaced
    run.emit(SuiteWritten(whole.suite))
    return whole.suite


async def _choose(run: Run, first: Program | Refused, existing: Program | None) -> Candidate | End:
    """The best of a fixed number of programs, and of as many more where none does what is given."""
    state, size = run.state, 1
    programs = [first] if isinstance(first, Program) else []
    if isinstance(first, Refused):
        run.team.learn(first.reason)
    if run.request.task in ("generate", "implement", "refine"):
        size = run.profile.candidates
    if size > 1:
        run.begin("code")
        programs += await coder.sample_programs(run.team, size - 1, existing)
    _take_names(run, programs)
    state.candidates = await run.compare(programs)
    state.draw, state.draw_size = tuple(state.candidates), size
    chosen = await _best(run, existing)
    if chosen is None:
        assert isinstance(first, Refused)
        return End("gave_up", f"The model wrote no valid program: {first.reason}")
    if isinstance(first, Refused) and not run.request.follow_up:
        await run.save(chosen.program, state.written)
    return chosen


async def _best(
    run: Run, existing: Program | None, made: Sequence[Candidate] = ()
) -> Candidate | None:
    """The best of the candidates and of what was `made` of them, None where there is none.

    Where none of them does what is demanded, as many are drawn again first.
    """
    state, size = run.state, run.state.draw_size
    known = [*state.candidates, *made]
    if size > 1 and not any(passes_binding(c.report, state.written) for c in known):
        run.begin("code")
        more = await coder.sample_programs(run.team, size, existing)
        state.candidates += await run.compare(more)
    if not state.candidates:
        return None
    chosen = choose([*state.candidates, *made], state.written)
    state.origin = state.origin if chosen in made else chosen
    together = agreement(chosen, state.candidates, len(state.candidates)).agreeing
    run.emit(CandidateChosen(chosen.program, len(state.candidates), together))
    return chosen


def _take_names(run: Run, programs: list[Program]) -> None:
    """Lets the tests ask for what the programs define, where the prompt's names were misread."""
    state, spec = run.state, run.team.spec
    if spec.stub or state.written.own or not programs:
        return
    defined = [_defined(program, spec.names) for program in programs]
    if not set(spec.names) <= set[str]().union(*defined):
        suite, names = renamed(state.written, programs[0].module, spec.names, defined)
        run.team.spec = replace(spec, names=names)
        if suite != state.written:
            state.written = state.suite = suite
            run.emit(SuiteWritten(suite))


def _defined(program: Program, names: Sequence[str]) -> set[str]:
    """The public functions and classes of a program, and those of `names` that it binds."""
    tree = syntax.parse(program.source)
    if tree is None:
        return set()
    definitions = {s.name for s in tree.body if isinstance(s, syntax.Definition)}
    return {n for n in definitions if n[:1] != "_"} | (syntax.top_level(tree) & {*names})


def _judge(run: Run, end: End, calibration: Calibration | None) -> End:
    """How a run ends whose program passes its tests, now that the evidence is weighed."""
    request, state = run.request, run.state
    if end.outcome not in ("passed", "unsure") or request.task in ("debug", "write_tests"):
        return end
    state.evidence = run.evidence()
    if calibration:
        state.confidence = calibration.confidence(state.evidence)
    return End(*verdict(state.evidence, state.confidence, request.min_confidence))
