"""What the agents share in one run: the model, what is asked of them, and what they have learnt."""

from __future__ import annotations

from dataclasses import dataclass, field

from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.events import Emit, ReplyRefused
from ml_coach.core.ports import Profile
from ml_coach.core.request import Request
from ml_coach.core.types import AgentName, Spec

SAMPLE_TEMPERATURE = 0.8
# A small model forgets the task over a longer list.
MOST_LESSONS = 3


@dataclass(slots=True)
class Team:
    """What each agent of one run is given. `spec` is what they work from, once it was researched.

    `samples` and `diagnoses` count how often each was asked for, so that each has its own seed.
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

    def forget(self) -> None:
        """Another failure begins, of which the lessons so far say nothing."""
        self._lessons.clear()

    @property
    def lessons(self) -> tuple[str, ...]:
        """The latest lessons, at most `MOST_LESSONS`."""
        return tuple(self._lessons[-MOST_LESSONS:])

    def refuse(self, agent: AgentName, reason: str) -> None:
        """Reports that a reply of `agent` could not be used, and why."""
        self.emit(ReplyRefused(agent, reason))
