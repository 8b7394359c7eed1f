"""Questions that runs left open: each is shown at the function it is about until it is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ml_coach.core.question import Answer, Question
from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import member, shown

# A message may stay on the screen for as long as the user is away.
_TOLD_SECONDS = 3600.0
_ANSWER = "Answer…"
_WORD = re.compile(r"[^\W\d]\w*")
_HEAD = re.compile(r"\s*(?:async\s+def|def|class)\s+(\w+)")
_OUTSIDE = re.compile(r"[^\s#)\]}]")


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """The question that the run `run_id` left open."""

    run_id: str
    question: Question

    def place(self, lines: Sequence[str]) -> tuple[int, int] | None:
        """The first and the last line, from 0, of the function or class that the call names.

        None where `lines` define it no more.
        """
        heads = {
            m[1]: at for at, line in reversed(list(enumerate(lines))) if (m := _HEAD.match(line))
        }
        words = _WORD.findall(self.question.call)
        first = next((heads[word] for word in words if word in heads), None)
        if first is None:
            return None
        # Not parsed: editors ask at every move of the cursor.
        rest = enumerate(lines[first + 1 :], first + 1)
        return first, next((at for at, line in rest if _OUTSIDE.match(line)), len(lines)) - 1

    def titles(self) -> list[tuple[str, dict[str, Any]]]:
        """Each answer in words, with the argument of `mlCoach.answer` that gives it."""
        question = self.question
        found: list[tuple[str, dict[str, Any]]] = [
            (question.pick(number).shown, {"runId": self.run_id, "choice": number})
            for number in range(len(question.choices))
        ]
        left_open = Answer(question.call, "open").shown
        return [*found, (left_open, {"runId": self.run_id, "text": "not defined"})]


@dataclass(slots=True)
class _Step:
    """The question of a document before and after one run."""

    uri: str
    before: OpenQuestion | None
    after: OpenQuestion | None = None


@dataclass(slots=True)
class OpenQuestions:
    """At most one question for each program, by the program's URI.

    `changed` is called with the URI whose question is no longer the same. `wanted` is called with
    the id of a run whose question the user wants to answer now.
    """

    changed: Callable[[str], None]
    wanted: Callable[[str], None] = lambda run_id: None
    _open: dict[str, OpenQuestion] = field(default_factory=dict[str, OpenQuestion])
    _telling: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])
    _steps: dict[str, _Step] = field(default_factory=dict[str, _Step])

    def at(self, uri: str) -> OpenQuestion | None:
        """The open question about a program."""
        return self._open.get(uri)

    def begin(self, run_id: str, uri: str) -> None:
        """A run began on the program, so that the question about it is out of date."""
        self._steps[run_id] = _Step(uri, self._open.get(uri))
        self._set(uri, None)

    def end(self, run_id: str, question: Question | None, *, is_whole: bool = True) -> None:
        """The run ended with `question`. One that is not `is_whole` answered nothing, so that the
        question before it is open again."""
        if (step := self._steps.get(run_id)) is None:
            return
        step.after = OpenQuestion(run_id, question) if question else None
        if not question and not is_whole:
            step.after = step.before
        self._set(step.uri, step.after)

    def show(self, uri: str, question: OpenQuestion) -> None:
        """A question of a run that ended with an earlier server."""
        self._steps[question.run_id] = _Step(uri, None, question)
        self._set(uri, question)

    def offer(self, client: Client, run_id: str, text: str) -> None:
        """Tells the user in `text` how the run ended, with a button to answer its question."""

        async def tell() -> None:
            if await client.ask(text, (_ANSWER,), _TOLD_SECONDS, warning=True):
                self.wanted(run_id)

        self._telling.add(telling := asyncio.ensure_future(tell()))
        telling.add_done_callback(self._telling.discard)

    def undone(self, run_id: str, *, redone: bool = False) -> None:
        """The run was undone, or redone."""
        if step := self._steps.get(run_id):
            self._set(step.uri, step.after if redone else step.before)

    def rename_uri(self, old: str, new: str) -> None:
        """The editor's URI of a document differs from the one used until now."""
        for step in self._steps.values():
            step.uri = new if step.uri == old else step.uri
        if old in self._open:
            self._open[new] = self._open.pop(old)
            self.changed(new)

    def _set(self, uri: str, question: OpenQuestion | None) -> None:
        if question == self._open.get(uri):
            return
        if question is None:
            del self._open[uri]
        else:
            self._open[uri] = question
        self.changed(uri)


async def ask_user(client: Client, run_id: str, question: Question) -> Answer | None:
    """Has the client ask the user until they give an answer that can be read; None without one."""
    params: dict[str, Any] = {
        "runId": run_id,
        "question": shown(question.text),
        "choices": [
            {"title": shown(choice.shown), "programs": choice.programs}
            for choice in question.choices
        ],
        "typed": "",
        "complaint": "",
    }
    while True:
        reply = await client.ask_question(params)
        text = member(reply, "text")
        answer = read_answer(question, member(reply, "choice"), text)
        if not isinstance(answer, str):
            return answer
        params = {**params, "typed": text, "complaint": shown(answer)}


def read_answer(question: Question, choice: Any, text: Any) -> Answer | str | None:
    """What the user says: the number of a `choice`, from 0, or a `text`; None where it is neither.

    A sentence that says what is wanted where the text cannot be read.
    """
    today = f"{date.today():%Y-%m-%d}"
    if isinstance(choice, int) and not isinstance(choice, bool):
        return question.pick(choice, today) if 0 <= choice < len(question.choices) else None
    return question.read(text, today) if isinstance(text, str) else None
