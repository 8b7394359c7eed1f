"""The strategies under comparison. Each sees a task's prompt and, at most, its public tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ml_coach.batch.memory_workspace import MemoryWorkspace
from ml_coach.bench.reply_cache import ProfileOverride
from ml_coach.bench.simulated_user import Manner, SimulatedUser
from ml_coach.bench.tasks import Task
from ml_coach.core.agents import coder, researcher
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.model_client import Budget, ModelClient
from ml_coach.core.agents.suite_assembly import assemble
from ml_coach.core.agents.team import SAMPLE_TEMPERATURE, Team
from ml_coach.core.agents.test_writer import write_tests
from ml_coach.core.coach import Coach
from ml_coach.core.errors import UnavailableError
from ml_coach.core.events import CandidateChosen, Event, ProgramWritten, ReplyRefused
from ml_coach.core.evidence import Evidence
from ml_coach.core.judging.calibration import Calibration
from ml_coach.core.judging.evaluator import Evaluator
from ml_coach.core.judging.voting import clusters
from ml_coach.core.ports import Model
from ml_coach.core.request import Request
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import Program, Spec
from ml_coach.core.usage import Limits, Usage
from ml_coach.execution.executor import SandboxedExecutor

StrategyName = Literal["one-shot", "best-of-n", "majority", "loop"]
Part = Literal["filter", "candidates", "repair"]
LIMITS = Limits(calls=60)


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for every task.

    With `given` the prompt shows the public tests. `without` are parts of the loop that are left
    out, to measure what they bring. `samples` is the n of best-of-n and majority, `seed` the first
    seed. `timeout_seconds` bounds a run of a program, `limits` one task. The loop's outcome is made
    with `calibration` and `min_confidence`. Of the tasks in `known_programs` the coder's reply is
    the program there, and no model is asked for one. Up to `questions` are asked of a simulated
    user, who answers in this `manner` from the reference programs `solutions`, by task. With
    `plans` the researcher plans even if the model's profile says that plans do not help it.
    """

    model: Model
    executor: SandboxedExecutor
    given: bool = True
    without: frozenset[Part] = frozenset()
    samples: int = 4
    seed: int = 0
    max_iters: int = 3
    timeout_seconds: float = 8.0
    limits: Limits = LIMITS
    min_confidence: float = 0.85
    calibration: Calibration | None = None
    known_programs: Mapping[str, str] = field(default_factory=dict[str, str])
    questions: int = 0
    solutions: Mapping[str, str] = field(default_factory=dict[str, str])
    manner: Manner = "exact"
    plans: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy made of a task.

    `stages` are its programs by stage, in order: `first`, `chosen`, `final`. A reply without a
    program counts as an empty one. `outcome`, `reason`, `evidence` and `confidence` are those of
    the loop's run, empty for the others; `questions` is how many it asked.
    """

    stages: Mapping[str, str]
    usage: Usage
    outcome: str = ""
    reason: str = ""
    seconds: float = 0.0
    evidence: Evidence | None = None
    confidence: float | None = None
    questions: int = 0

    @property
    def program(self) -> str:
        """The last program's source."""
        return self.stages["final"]


async def solve(strategy: StrategyName, task: Task, setup: Setup) -> Answer:
    """Runs the strategy on `task`. Its program is empty where it found none.

    Raises `ModelError`.
    """
    started = time.monotonic()
    match strategy:
        case "one-shot":
            answer = await _one_shot(task, setup)
        case "best-of-n":
            answer = await _best_of_n(task, setup)
        case "majority":
            answer = await _majority(task, setup)
        case "loop":
            answer = await _loop(task, setup)
    return replace(answer, seconds=time.monotonic() - started)


async def _one_shot(task: Task, setup: Setup) -> Answer:
    model_client, spec = _model_client(setup), _spec(task, setup)
    program = await _sample(model_client, spec, setup, None, setup.seed)
    return Answer({"final": program.source}, model_client.budget.usage)


async def _best_of_n(task: Task, setup: Setup) -> Answer:
    """Samples at temperature 0.8; the first that passes the given examples, else the first."""
    model_client, spec = _model_client(setup), _spec(task, setup)
    programs = await _samples(model_client, spec, setup)
    suite = assemble(spec, programs[0].module, "test_given.py", "")
    chosen = programs[0]
    if suite.tests:
        reports = await setup.executor.test(programs, suite, timeout_seconds=setup.timeout_seconds)
        passing = (p for p, r in zip(programs, reports, strict=True) if r.verdict == "passed")
        chosen = next(passing, programs[0])
    return Answer({"first": programs[0].source, "final": chosen.source}, model_client.budget.usage)


async def _majority(task: Task, setup: Setup) -> Answer:
    """Samples at temperature 0.8; the first program of the largest group that agrees.

    The programs are compared on the calls in the test writer's tests. Writing these costs nothing
    here, which favours this strategy.
    """
    model_client, spec = _model_client(setup), _spec(task, setup)
    programs = await _samples(model_client, spec, setup)
    request, profile = _request(task, setup), setup.model.profile
    suite = await write_tests(Team(_model_client(setup), request, profile, _ignore, spec))
    evaluator = Evaluator(setup.executor, setup.timeout_seconds, _ignore)
    largest = clusters(await evaluator.compare(programs, suite, spec))[0]
    stages = {"first": programs[0].source, "final": largest[0].program.source}
    return Answer(stages, model_client.budget.usage)


async def _loop(task: Task, setup: Setup) -> Answer:
    stages: dict[str, str] = {}

    def watch(event: Event) -> None:
        if isinstance(event, ProgramWritten):
            stages.setdefault("first", event.program.source)
        elif isinstance(event, ReplyRefused) and event.agent == "coder":
            stages.setdefault("first", "")
        elif isinstance(event, CandidateChosen):
            stages["chosen"] = event.program.source

    profile = setup.model.profile
    model = ProfileOverride(
        setup.model,
        replace(
            profile,
            plans=setup.plans or profile.plans,
            candidates=1 if "candidates" in setup.without else profile.candidates,
        ),
    )
    folder = MemoryWorkspace()
    user = SimulatedUser(
        setup.executor, setup.solutions.get(task.id), setup.questions, setup.manner, task.id
    )
    coach = Coach(
        model, setup.executor, folder, user,
        filters_tests="filter" not in setup.without, calibration=setup.calibration,
    )  # fmt: skip
    request = _request(task, setup)
    if task.program:
        stages["first"] = task.program
        folder.texts[request.program_file] = task.program
        if setup.given:
            module = Program("", request.program_file).module
            given = assemble(_spec(task, setup), module, request.tests_file, "")
            folder.texts[given.file] = given.source
    report = await coach.run(request, watch)
    if report.outcome == "stopped":
        raise asyncio.CancelledError
    if report.outcome == "failed":
        raise UnavailableError(report.reason)
    final = report.program.source if report.program else ""
    stages = {"first": "", "chosen": final, **stages, "final": final}
    return Answer(
        stages, report.usage, report.outcome, report.reason,
        evidence=report.evidence, confidence=report.confidence, questions=user.asked,
    )  # fmt: skip


def _request(task: Task, setup: Setup) -> Request:
    """What the coach is asked: to write a program, or to debug the task's own."""
    return Request(
        task.prompt if task.program else task.prompt_with(given=setup.given),
        task="debug" if task.program else "generate",
        max_questions=setup.questions,
        max_iters=1 if "repair" in setup.without else setup.max_iters,
        min_confidence=setup.min_confidence,
        run_timeout_seconds=setup.timeout_seconds,
        auto_patch=True,
        # A task that brings none apart has those that its prompt shows.
        examples=(task.public_tests or None) if setup.given else (),
        seed=setup.seed,
        limits=setup.limits,
    )


def _model_client(setup: Setup) -> ModelClient:
    limits = setup.limits
    budget = Budget(max_calls=limits.calls, max_tokens=limits.tokens, max_seconds=limits.seconds)
    return ModelClient(setup.model, budget, _ignore)


def _spec(task: Task, setup: Setup) -> Spec:
    spec = researcher.read(task.prompt_with(given=setup.given))
    examples = task.public_tests if setup.given else ()
    names = (task.entry_point,) if task.entry_point else ()
    return Spec(spec.prompt, spec.stub, spec.signatures, names, examples)


async def _samples(model_client: ModelClient, spec: Spec, setup: Setup) -> tuple[Program, ...]:
    seeds = range(setup.seed + 1, setup.seed + 1 + setup.samples)
    return await all_of(
        *(_sample(model_client, spec, setup, SAMPLE_TEMPERATURE, seed) for seed in seeds)
    )


async def _sample(
    model_client: ModelClient, spec: Spec, setup: Setup, temperature: float | None, seed: int
) -> Program:
    """One program; an empty one where the reply holds no valid program."""
    wanted = coder.CoderRequest(
        spec, setup.model.profile, "generated_code.py", temperature=temperature, seed=seed, tries=1
    )
    written = await coder.write(model_client, coder.whole_program(wanted), _ignore)
    return Program("") if isinstance(written, Refused) else written.program


def _ignore(_: object) -> None:
    pass
