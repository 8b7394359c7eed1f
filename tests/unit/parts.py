"""Parts for the loop's ports: a model that replies from a script, a workspace in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml_coach.core.changes import Patch
from ml_coach.core.errors import ModelError
from ml_coach.core.ports import Call, Decision, Ended, Profile
from ml_coach.core.question import Answer, Question
from ml_coach.core.usage import Usage

SMALL = Profile(edit_format="function", plans=False, candidates=1)

Replies = Mapping[str, Sequence[str | ModelError | Callable[[], str]]]


@dataclass
class ScriptedModel:
    """Answers each agent from its own list of replies; the last one is repeated."""

    replies: Replies
    profile: Profile = SMALL
    calls: list[Call] = field(default_factory=list)
    name: str = "scripted:test"

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        number = sum(c.purpose == call.purpose for c in self.calls)
        self.calls.append(call)
        script = self.replies[call.purpose]
        reply = script[min(number, len(script) - 1)]
        if isinstance(reply, ModelError):
            raise reply
        text = reply if isinstance(reply, str) else reply()
        yield text
        yield Ended("stop", Usage(calls=1, prompt_tokens=10, completion_tokens=5))

    async def aclose(self) -> None:
        pass

    def prompts(self, purpose: str) -> list[str]:
        return [c.messages[-1].text for c in self.calls if c.purpose == purpose]


@dataclass
class MemoryWorkspace:
    root = Path()
    files: dict[str, str] = field(default_factory=dict)
    writes: list[dict[str, str]] = field(default_factory=list)

    async def read(self, file: str) -> str | None:
        return self.files.get(file)

    async def check_writable(self, files: Sequence[str]) -> None:
        pass

    async def write(self, texts: Mapping[str, str]) -> None:
        self.files.update(texts)
        self.writes.append(dict(texts))


@dataclass
class ScriptedReviewer:
    """Answers from a list; asked once more than that is a failure of the test."""

    answers: list[Decision]
    asked: list[Patch] = field(default_factory=list)
    replies: list[Callable[[Question], Answer | None]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    async def decide(self, patch: Patch, summary: str) -> Decision:
        self.asked.append(patch)
        return self.answers.pop(0)

    async def answer(self, question: Question) -> Answer | None:
        self.questions.append(question)
        return self.replies.pop(0)(question) if self.replies else None
