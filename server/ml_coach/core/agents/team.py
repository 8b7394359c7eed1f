"""The agents in one run: what each is told, and which event its result becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ml_coach.core.agents import coder, debugger, explainer, test_writer
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.events import Emit, ProgramWritten, ReplyRefused, SuiteWritten
from ml_coach.core.finding import Finding
from ml_coach.core.ports import Profile
from ml_coach.core.request import Request
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import AgentName, Diagnosis, Program, Spec, Suite

SAMPLE_TEMPERATURE = 0.8
# A small model forgets the task over a longer list.
MOST_LESSONS = 3


@dataclass(slots=True)
class Team:
    """The agents of one run. `spec` is what they work from, once it was researched.

    `samples` and `diagnoses` count how often each was asked for, so that each has its own seed.

    Every method that asks the model raises `BudgetSpent` and `ModelError`.
    """

    model_client: ModelClient
    request: Request
    profile: Profile
    emit: Emit
    spec: Spec = field(default_factory=lambda: Spec(""))
    samples: int = 0
    diagnoses: int = 0
    _lessons: list[str] = field(default_factory=list[str])

    def learn(self, lesson: str) -> None:
        """Keeps a failure, in one line, for the next prompts of the coder and the debugger."""
        if lesson not in self._lessons:
            self._lessons.append(lesson)

    @property
    def lessons(self) -> tuple[str, ...]:
        """The latest lessons, at most `MOST_LESSONS`."""
        return tuple(self._lessons[-MOST_LESSONS:])

    async def write_program(
        self, existing: Program | None, *, sampled: bool = False
    ) -> Program | Refused:
        """One program by the coder: the model's best guess, or a `sampled` other one. `existing`
        is the file around the stub that is to be implemented."""
        self.samples += sampled
        wanted = coder.CoderRequest(
            self.spec,
            self.profile,
            self.request.program_file,
            lessons=self.lessons,
            temperature=SAMPLE_TEMPERATURE if sampled else None,
            seed=self.request.seed + self.samples,
            # Shown its bad reply a small model repeats it; a sample is something else.
            tries=1 if self.profile.candidates > 1 else coder.TRIES,
        )
        if existing is None:
            task = coder.whole_program(wanted)
        else:
            task = coder.body_of_stub(wanted, existing, self.request.function)
        written = await coder.write(self.model_client, task, self._refused("coder"))
        if isinstance(written, Refused):
            return written
        self.emit(ProgramWritten(written.program, written.done))
        return written.program

    async def sample_programs(self, number: int, existing: Program | None) -> list[Program]:
        """Up to `number` other programs, decoded in parallel."""
        asked = (self.write_program(existing, sampled=True) for _ in range(number))
        return [program for program in await all_of(*asked) if isinstance(program, Program)]

    async def write_tests(self) -> Suite:
        """The test writer's suite; without any test where neither prompt nor model gave one."""
        request = self.request
        written = await test_writer.write_tests(
            self.model_client, self.spec, self.profile,
            request.module, request.tests_file, self._refused("test_writer"),
        )  # fmt: skip
        self.emit(SuiteWritten(written.suite, written.done))
        return written.suite

    async def explain(self) -> str:
        """The explanation that the prompt asks for."""
        return await explainer.explain(self.model_client, self.spec, self.profile)

    async def debug(self, program: Program, findings: tuple[Finding, ...]) -> Diagnosis:
        """The debugger's diagnosis: the model's best guess first, then sampled ones."""
        self.diagnoses += 1
        return await debugger.debug(
            self.model_client, self.spec, self.profile, program, findings, lessons=self.lessons,
            temperature=SAMPLE_TEMPERATURE if self.diagnoses > 1 else None,
            seed=self.request.seed + self.diagnoses,
        )  # fmt: skip

    def _refused(self, agent: AgentName) -> Callable[[str], None]:
        return lambda reason: self.emit(ReplyRefused(agent, reason))
