"""The agents of a run that are writing now: how much, how fast, and the line they have come to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ml_coach.core.events import CallFinished, CallRetrying, CallStarted, Event, TextArrived
from ml_coach.core.request import Request
from ml_coach.core.types import Stage
from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import shown
from ml_coach.lsp.run_details import AgentWriting, RunWriting

_LONGEST_LINE = 60
_SECONDS_BETWEEN = 0.25
# What is shown of one reply. No useful one is as long.
_LONGEST_TEXT = 200_000
# Stands where a reply broke off; what follows begins anew.
_ASKED_AGAIN = "\n\n(asked again)\n\n"
_DOING: dict[str, tuple[Stage, str, str]] = {
    "researcher": ("research", "reading the task", "reading the task"),
    "coder": ("code", "writing the program", "writing {} programs"),
    "test_writer": ("tests", "writing tests", "writing tests"),
    "debugger": ("debug", "looking for the mistake", "looking for the mistake"),
}


@dataclass(slots=True)
class _Reply:
    """A reply that arrives. `lines` counts those of its whole text, of which `text` is the part
    that was not sent yet; `length` is in characters."""

    began: float
    text: str = ""
    length: int = 0
    pieces: int = 0
    lines: int = 0
    line: str = ""

    def take(self, text: str) -> None:
        self.pieces += 1
        self.lines += text.count("\n") + (self.length == 0)
        self.text += text[: max(0, _LONGEST_TEXT - self.length)]
        self.length += len(text)
        lines = (self.line + text).split("\n")
        self.line = next((line for line in reversed(lines) if line.strip()), "")[-500:]

    @property
    def tokens_per_second(self) -> float:
        """A piece of a stream is about one token with every provider."""
        return self.pieces / max(time.monotonic() - self.began, 0.001)


@dataclass(slots=True)
class Agents:
    """Give `take` each event of the run. `_replies` holds the unfinished ones by agent and call."""

    _replies: dict[str, dict[int, _Reply]] = field(default_factory=dict[str, dict[int, _Reply]])

    def take(self, event: Event) -> bool:
        """Notes one event. False where it is about no reply."""
        match event:
            case CallStarted():
                replies = self._replies.setdefault(event.purpose, {})
                replies[event.call_id] = _Reply(time.monotonic())
            case TextArrived():
                self._take(event.call_id, event.text)
            case CallRetrying():
                self._take(event.call_id, _ASKED_AGAIN)
            case CallFinished():
                self._replies.get(event.purpose, {}).pop(event.call_id, None)
                if not self._replies.get(event.purpose):
                    self._replies.pop(event.purpose, None)
            case _:
                return False
        return True

    def _take(self, call_id: int, text: str) -> None:
        for replies in self._replies.values():
            if reply := replies.get(call_id):
                reply.take(text)

    def sentence(self, *, short: bool) -> str:
        """What each agent is writing, in one line; empty where none is. `short`: without the text,
        for a client that shows that in another place."""
        say = _briefly if short else _with_text
        return "; ".join(say(agent, replies) for agent, replies in self._replies.items())

    def unsent(self, request: Request) -> list[AgentWriting]:
        """What each agent is writing, with the text that came since this was asked last."""
        files = {"coder": request.program_file, "test_writer": request.tests_file}
        found: list[AgentWriting] = []
        for agent, replies in self._replies.items():
            # The oldest: once it is finished the next one is shown from its start.
            call_id, reply = next(iter(replies.items()))
            stage, doing = _doing(agent, len(replies))
            found.append(
                {
                    "agent": agent,
                    "stage": stage,
                    "doing": doing,
                    "file": files.get(agent, ""),
                    "replies": len(replies),
                    "callId": call_id,
                    "text": reply.text,
                    "lines": reply.lines,
                    "line": shown(reply.line.strip()[:_LONGEST_LINE]),
                    "tokensPerSecond": round(reply.tokens_per_second, 1),
                }
            )
            reply.text = ""
        return found


def _doing(agent: str, replies: int) -> tuple[str, str]:
    stage, one, many = _DOING.get(agent, ("", agent, agent))
    return stage, one if replies == 1 else many.format(replies)


def _briefly(agent: str, replies: dict[int, _Reply]) -> str:
    _, doing = _doing(agent, len(replies))
    reply = next(iter(replies.values()))
    return f"{doing}, line {reply.lines}" if reply.pieces else doing


def _with_text(agent: str, replies: dict[int, _Reply]) -> str:
    reply = next(iter(replies.values()))
    said = _briefly(agent, replies)
    if not reply.pieces:
        return said
    said += f", {reply.tokens_per_second:.1f} tokens/s"
    line = reply.line.strip()
    return f"{said}: {line[:_LONGEST_LINE]}" if line else said


@dataclass(slots=True)
class WritingStream:
    """Sends a client that asked for it what the agents write: at most four times a second, and at
    the end of each reply. `request` gives the run's request, whose files may still change."""

    client: Client
    run_id: str
    agents: Agents
    request: Callable[[], Request]
    _waiting: asyncio.TimerHandle | None = None

    def send_soon(self) -> None:
        """To be called when an agent began, wrote or ended."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().call_later(_SECONDS_BETWEEN, self.send)

    def send(self) -> None:
        """Sends what came since the last time."""
        self._cancel()
        self._notify(self.agents.unsent(self.request()))

    def end(self) -> None:
        """Says that nobody writes any more."""
        self._cancel()
        self._notify([])

    def _cancel(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None

    def _notify(self, agents: list[AgentWriting]) -> None:
        writing: RunWriting = {"runId": self.run_id, "agents": agents}
        self.client.notify("mlCoach/writing", writing)
