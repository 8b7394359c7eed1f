"""What a run knows at any moment, and the steps that the coach and the repair loop share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ml_coach.core.agents import explainer
from ml_coach.core.agents.team import Team
from ml_coach.core.changes import Patch
from ml_coach.core.events import Emit, FilesSaved, StageStarted, SuiteFiltered
from ml_coach.core.evidence import Evidence
from ml_coach.core.examples import open_requirements
from ml_coach.core.judging.agreement import agreement
from ml_coach.core.judging.collecting import collectable
from ml_coach.core.judging.evaluator import CheckedProgram, Evaluator
from ml_coach.core.judging.questions import RankedCall, division, next_question, ranked_calls
from ml_coach.core.judging.voting import Candidate
from ml_coach.core.ports import Profile, Reviewer, Workspace
from ml_coach.core.question import Answer, Question
from ml_coach.core.request import Request
from ml_coach.core.types import Dropped, Outcome, Program, Stage, Suite


@dataclass(frozen=True, slots=True)
class End:
    """The run is over: a stage returns this instead of its result. `reason` is one sentence."""

    outcome: Outcome
    reason: str


@dataclass(slots=True)
class RunState:
    """What changes while a run works. A report can be made of it at any moment.

    `written` is the suite as the test writer gave it, without the tests that are `uncollected`,
    `suite` the part of it that judges now.
    `candidates` are programs that were written independently of each other, which is why no patched
    program is among them. The run goes on with `chosen`, which is `origin` or was made of it.
    `draw` are the first of the candidates, for which `draw_size` replies were asked: the same
    number in every run, so that agreement among them means the same. `tried` holds the digests of
    the checked programs and the signatures of their failures. `ranked` are the calls that the user
    can be asked about, None while they are not known. `answers` are the user's, `question`
    is the one without an answer, and `left_open` are the calls that may give anything. With
    `is_confirmed` the user said that the answer of most programs is right. `found` is the user's
    program as the run found it and `found_tests` its tests, `program` and `saved` are what the run
    put into the user's files. With `keeps_tests` the tests file stays as it is.
    """

    iteration: int = 1
    written: Suite = field(default_factory=lambda: Suite(""))
    suite: Suite = field(default_factory=lambda: Suite(""))
    dropped: tuple[Dropped, ...] = ()
    uncollected: tuple[Dropped, ...] = ()
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    origin: Candidate | None = None
    chosen: Candidate | None = None
    draw: tuple[Candidate, ...] = ()
    draw_size: int = 1
    mutation_score: float | None = None
    tried: set[object] = field(default_factory=set[object])
    started_afresh: bool = False
    best: CheckedProgram | None = None
    pending: Patch | None = None
    evidence: Evidence | None = None
    confidence: float | None = None
    ranked: tuple[RankedCall, ...] | None = None
    question: Question | None = None
    answers: list[Answer] = field(default_factory=list[Answer])
    left_open: frozenset[str] = frozenset()
    is_confirmed: bool = False
    explanation: str = ""
    found: Program | None = None
    found_tests: Suite | None = None
    keeps_tests: bool = False
    program: Program | None = None
    saved: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the parts that it works with, which stay the same, and its `state`."""

    request: Request
    profile: Profile
    team: Team
    evaluator: Evaluator
    workspace: Workspace
    reviewer: Reviewer
    emit: Emit
    filters_tests: bool
    state: RunState = field(default_factory=RunState)

    def begin(self, stage: Stage) -> None:
        """Reports that `stage` starts."""
        self.emit(StageStarted(stage, self.state.iteration, self.request.max_iters))

    async def compare(self, programs: list[Program]) -> list[Candidate]:
        """How each of `programs` does in all written tests and answers the probes.

        What keeps the tests from being collected is left out of them before, and so are the probes
        that the user left open.
        """
        state = self.state
        while True:
            found = await self.evaluator.compare(programs, state.written, self.team.spec)
            reports = [candidate.report for candidate in found]
            mended = collectable(state.written, reports, self.request.module)
            if mended is None:
                return [candidate.without(state.left_open) for candidate in found]
            state.written = state.suite = mended.suite
            state.uncollected += mended.dropped

    async def compare_again(self) -> None:
        """Compares all candidates anew, now that the user answered a question."""
        state = self.state
        state.ranked = None
        origin = next((n for n, c in enumerate(state.candidates) if c is state.origin), None)
        state.candidates = await self.compare([c.program for c in state.candidates])
        state.draw = tuple(state.candidates[: len(state.draw)])
        state.origin = None if origin is None else state.candidates[origin]

    async def check(self, program: Program) -> CheckedProgram:
        """Inspects `program` and runs the judging suite on it, on a private copy."""
        self.begin("pytest")
        checked = await self.evaluator.check(program, self.state.suite, self.team.spec)
        self.state.tried |= {program.digest, checked.signature}
        return checked

    async def filter_tests(self, chosen: Candidate) -> End | None:
        """Decides again which written tests may judge, now that `chosen` is the best program.

        Ends the run where none may.
        """
        state = self.state
        state.chosen = chosen
        if not self.filters_tests:
            return None
        self.begin("filter")
        # A program that was patched has no vote of its own, and neither has what it was made of.
        others = [c for c in state.candidates if c is not state.origin]
        filtered = await self.evaluator.judge_tests(
            state.written, chosen, others, self.team.spec, state.left_open
        )
        state.suite, state.dropped = filtered.suite, state.uncollected + filtered.dropped
        state.mutation_score = filtered.mutation_score
        self.emit(SuiteFiltered(filtered.kept, state.dropped, filtered.mutation_score))
        if filtered.kept or state.suite.is_kept_whole:
            return None
        # The candidates' agreement chose this program, so it is worth keeping. The tests that were
        # dropped must not stand there as if they were its suite.
        await self.save(chosen.program, _set_aside(state.suite, state.dropped))
        why = "No test is fit to judge the code. An example in the prompt becomes a test."
        return End("unsure", why)

    def question(self) -> Question | None:
        """What to ask the user next: the call whose right answer would tell the most."""
        state = self.state
        return next_question(self._ranked(), self._answered, is_confirmed=state.is_confirmed)

    def _ranked(self) -> tuple[RankedCall, ...]:
        """The calls by what a right answer would tell, ranked once for evidence and question."""
        state = self.state
        if state.ranked is None:
            made = [state.chosen] if state.chosen and state.chosen not in state.candidates else []
            programs = [*state.candidates, *made]
            state.ranked = ranked_calls(programs, state.written, self.team.spec)
        return state.ranked

    @property
    def _answered(self) -> frozenset[str]:
        """The calls that the user was asked about."""
        return frozenset(answer.call for answer in self.state.answers)

    def evidence(self) -> Evidence:
        """What speaks for and against the chosen program."""
        state = self.state
        chosen, best = state.chosen, state.best
        assert chosen is not None
        apart = agreement(chosen, state.draw, state.draw_size)
        # Where no test was fit to judge the chosen program, the best one before it is another.
        cases = best.report.cases if best and best.program == chosen.program else ()
        tests = {case.function for case in cases}
        if self.request.task == "implement":
            tests -= state.suite.kept  # Those of other functions say nothing of this one.
        return Evidence(
            passed=dict(Counter(state.suite.provenance_of(test) for test in tests)),
            # What the user said of a call outranks what a guessed test wants of it.
            refuting=sum(
                bool(dropped.answer) and not any(call in dropped.source for call in self._answered)
                for dropped in state.dropped
            ),
            mutation_score=state.mutation_score,
            programs=apart.programs,
            agreeing=apart.agreeing,
            agreement=apart.share,
            probes=apart.probes,
            values=apart.values,
            division=division(self._ranked(), self._answered),
            untested=tuple(r.quote for r in open_requirements(self.team.spec, state.suite)),
            repaired=all(c.program != chosen.program for c in state.candidates),
        )

    async def explain(self) -> None:
        """Writes the explanation that the prompt asks for, where it asks for one."""
        file = self.request.explanation_file
        if file and (text := await explainer.explain(self.team)):
            self.state.explanation = text
            await self.workspace.write({file: text})
            self.state.saved[file] = text
            self.emit(FilesSaved({file: text}))

    async def save(self, *written: Program | Suite) -> None:
        """Puts texts into the user's files, in one step, and reports what the run changed.

        A text that already stands there is reported too where it differs from what the run knew:
        then the user applied the patch in the editor. Raises `OSError`.
        """
        state = self.state
        kept = Suite if state.keeps_tests else ()
        texts = {one.file: one.source for one in written if not isinstance(one, kept)}
        found = {file: await self.workspace.read(file) for file in texts}
        differing = {file: text for file, text in texts.items() if found[file] != text}
        if differing:
            await self.workspace.write(differing)
        program = state.program
        known = {**({program.file: program.source} if program else {}), **state.saved}
        changed = {
            file: text
            for file, text in texts.items()
            if file in differing or (file in known and known[file] != text)
        }
        state.program = next((one for one in written if isinstance(one, Program)), program)
        if changed:
            state.saved |= changed
            self.emit(FilesSaved(changed))


def _set_aside(suite: Suite, dropped: Sequence[Dropped]) -> Suite:
    """The test file with no test left, and with what was dropped as comments."""
    lines = [f"# {d.test} was dropped, because {d.reason}: {d.source}" for d in dropped]
    return replace(suite, source="\n".join(["# No test is fit to judge the code.", *lines]) + "\n")
