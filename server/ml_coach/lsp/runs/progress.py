"""A run's work-done progress: created with a fresh token, reported at most four times a second
while text arrives, always ended.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

from lsprotocol import types as lsp

from ml_coach.core.events import CallFinished, CallStarted, Event, StageStarted, TextArrived
from ml_coach.core.wording import DOING
from ml_coach.lsp.client import Client

_CREATE_SECONDS = 5.0
_LEAST_SECONDS_BETWEEN = 0.25


@dataclass(slots=True)
class Progress:
    """Call it with each event of the run. It sends nothing to a client that knows no progress."""

    client: Client
    title: str
    token: str = field(default_factory=lambda: f"ml-coach-{uuid.uuid4().hex}")
    _creating: asyncio.Task[None] | None = None
    _begun: bool = False
    _text: str = "starting"
    _reported: float = 0.0
    _pieces: int = 0
    _call_began: float = 0.0

    def begin(self) -> None:
        """Asks the editor to create the progress; returns at once."""
        if self.client.reports_progress:
            self._creating = asyncio.ensure_future(self._create())

    async def _create(self) -> None:
        params = lsp.WorkDoneProgressCreateParams(self.token)
        method = lsp.WINDOW_WORK_DONE_PROGRESS_CREATE
        # The usual answer is `null`, so a failure needs a value of its own.
        if await self.client.request(method, params, _CREATE_SECONDS, failed=False) is False:
            return
        self._begun = True
        begin = lsp.WorkDoneProgressBegin(
            title=f"ML Coach: {self.title}", cancellable=True, message=self._text
        )
        self._send(begin)

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted():
                self._text = f"iteration {event.iteration} of {event.of}: {DOING[event.stage]}"
                self.report(self._text)
            case CallStarted():
                self._pieces, self._call_began = 0, time.monotonic()
            case TextArrived():
                self._pieces += 1
                if time.monotonic() - self._reported > _LEAST_SECONDS_BETWEEN:
                    self.report(f"{self._text}, {self._rate()}")
            case CallFinished() if event.usage.completion_tokens and event.usage.seconds > 0:
                rate = event.usage.completion_tokens / event.usage.seconds
                self.report(f"{self._text}, {rate:.1f} tokens/s")
            case _:
                pass

    def _rate(self) -> str:
        """Tokens per second; a piece of a stream is about one token with every provider."""
        seconds = max(time.monotonic() - self._call_began, 0.001)
        return f"{self._pieces / seconds:.1f} tokens/s"

    def report(self, text: str) -> None:
        """Shows one phrase, such as `running the tests`."""
        if self._begun:
            self._reported = time.monotonic()
            self._send(lsp.WorkDoneProgressReport(message=text, cancellable=True))

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
