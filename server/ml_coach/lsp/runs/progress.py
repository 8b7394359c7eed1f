"""A run's work-done progress: made with a fresh token, reported calmly, always ended."""

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
    """Call it with each event of the run. A client that knows no progress is left alone."""

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
        if self.client.reports_progress:
            self._creating = asyncio.ensure_future(self._create())

    async def _create(self) -> None:
        params = lsp.WorkDoneProgressCreateParams(self.token)
        method = lsp.WINDOW_WORK_DONE_PROGRESS_CREATE
        if not await self.client.accepts(method, params, _CREATE_SECONDS):
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
                self._report(self._text)
            case CallStarted():
                self._pieces, self._call_began = 0, time.monotonic()
            case TextArrived():
                self._pieces += 1
                if time.monotonic() - self._reported > _LEAST_SECONDS_BETWEEN:
                    self._report(f"{self._text}, {self._rate()}")
            case CallFinished() if event.usage.completion_tokens and event.usage.seconds > 0:
                rate = event.usage.completion_tokens / event.usage.seconds
                self._report(f"{self._text}, {rate:.1f} tokens/s")
            case _:
                pass

    def _rate(self) -> str:
        """Pieces of a stream are tokens, or nearly so, with every provider that streams."""
        seconds = max(time.monotonic() - self._call_began, 0.001)
        return f"{self._pieces / seconds:.1f} tokens/s"

    def say(self, text: str) -> None:
        self._report(text)

    def _report(self, text: str) -> None:
        if self._begun:
            self._reported = time.monotonic()
            self._send(lsp.WorkDoneProgressReport(message=text, cancellable=True))

    def end(self, text: str) -> None:
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
