"""A run's work-done progress: created with a fresh token, reported at most four times a second
while text arrives, always ended.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

from lsprotocol import types as lsp

from ml_coach.core.events import (
    CallFinished,
    CallRetrying,
    CallStarted,
    DownloadAdvanced,
    Event,
    StageStarted,
    TextArrived,
)
from ml_coach.core.wording import DOING, sentence
from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import shown

_CREATE_SECONDS = 5.0
_LEAST_SECONDS_BETWEEN = 0.25


_LONGEST_LINE = 60
_WRITING = {
    "researcher": "reading the task",
    "coder": "writing the program",
    "test_writer": "writing tests",
    "debugger": "looking for the mistake",
}


@dataclass(slots=True)
class _Writing:
    """An agent whose model is writing: what it does, how fast, and the line it has come to."""

    purpose: str
    began: float
    pieces: int = 0
    line: str = ""

    def take(self, text: str) -> None:
        self.pieces += 1
        lines = (self.line + text).split("\n")
        self.line = next((line for line in reversed(lines) if line.strip()), "")[-500:]

    def text(self) -> str:
        """A piece of a stream is about one token with every provider."""
        rate = self.pieces / max(time.monotonic() - self.began, 0.001)
        said = f"{_WRITING.get(self.purpose, self.purpose)}, {rate:.1f} tokens/s"
        line = self.line.strip()
        return f"{said}: {line[:_LONGEST_LINE]}" if line else said


@dataclass(slots=True)
class Progress:
    """Call it with each event of the run. It sends nothing to a client that knows no progress."""

    client: Client
    title: str
    token: str = field(default_factory=lambda: f"ml-coach-{uuid.uuid4().hex}")
    _creating: asyncio.Task[None] | None = None
    _begun: bool = False
    _text: str = "starting"
    _percentage: int | None = None
    _reported: float = 0.0
    _writing: dict[int, _Writing] = field(default_factory=dict[int, _Writing])

    def begin(self) -> None:
        """Asks the editor to create the progress; returns at once."""
        if self.client.reports_progress:
            self._creating = asyncio.ensure_future(self._create())
        else:
            self.client.show_message(
                f'{self.title}. To stop it, choose "Stop ML Coach run" among the code actions.'
            )

    async def _create(self) -> None:
        params = lsp.WorkDoneProgressCreateParams(self.token)
        method = lsp.WINDOW_WORK_DONE_PROGRESS_CREATE
        # The usual answer is `null`, so a failure needs a value of its own.
        if await self.client.request(method, params, _CREATE_SECONDS, failed=False) is False:
            return
        self._begun = True
        begin = lsp.WorkDoneProgressBegin(
            title=f"ML Coach: {self.title}", cancellable=True, message=self._text,
            percentage=self._percentage,
        )  # fmt: skip
        self._send(begin)

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted():
                self._percentage = None
                self._text = f"iteration {event.iteration} of {event.of}: {DOING[event.stage]}"
                self.report(self._text)
            case DownloadAdvanced():
                self._download(event)
            case CallStarted():
                self._writing[event.call_id] = _Writing(event.purpose, time.monotonic())
            case TextArrived() if event.call_id in self._writing:
                self._writing[event.call_id].take(event.text)
                self._report_now_and_then(self._agents())
            case CallRetrying():
                self.report(sentence(event))
            case CallFinished():
                self._writing.pop(event.call_id, None)
                if event.usage.completion_tokens and event.usage.seconds > 0:
                    rate = event.usage.completion_tokens / event.usage.seconds
                    self.report(self._agents() or f"{self._text}, {rate:.1f} tokens/s")
            case _:
                pass

    def _agents(self) -> str:
        """What each agent at work is writing; empty where none is."""
        return "; ".join(dict.fromkeys(writing.text() for writing in self._writing.values()))

    def _download(self, event: DownloadAdvanced) -> None:
        done, total = event.done_bytes / 1e6, event.total_bytes / 1e6
        of = f" of {total:.0f}" if total else ""
        self._text = f"downloading the model {event.name}: {done:.0f}{of} MB"
        # The protocol wants no percentage at all where it is not known.
        self._percentage = min(100, int(100 * done / total)) if total else None
        self._report_now_and_then(self._text)

    def _report_now_and_then(self, text: str) -> None:
        if time.monotonic() - self._reported > _LEAST_SECONDS_BETWEEN:
            self.report(text)

    def report(self, text: str) -> None:
        """Shows one phrase, such as `running the tests`."""
        if self._begun:
            self._reported = time.monotonic()
            self._send(
                lsp.WorkDoneProgressReport(
                    message=shown(text), cancellable=True, percentage=self._percentage
                )
            )

    def end(self, text: str) -> None:
        """Ends the progress; `text` stays as its last message."""
        if self._creating is not None:
            self._creating.cancel()
        if self._begun:
            self._begun = False
            self._send(lsp.WorkDoneProgressEnd(message=text))

    def _send(
        self,
        value: lsp.WorkDoneProgressBegin | lsp.WorkDoneProgressReport | lsp.WorkDoneProgressEnd,
    ) -> None:
        self.client.notify(lsp.PROGRESS, lsp.ProgressParams(self.token, value))
