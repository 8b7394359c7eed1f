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
    PatchesTried,
    StageStarted,
    TestsAdvanced,
    TextArrived,
)
from ml_coach.core.wording import DOING, patches_text, sentence, tests_text
from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import shown
from ml_coach.lsp.runs.agents import Agents

_CREATE_SECONDS = 5.0
_LEAST_SECONDS_BETWEEN = 0.25


@dataclass(slots=True)
class Progress:
    """Call it with each event of the run. It sends nothing to a client that knows no progress, and
    nothing of a `quiet` run."""

    client: Client
    title: str
    quiet: bool = False
    token: str = field(default_factory=lambda: f"ml-coach-{uuid.uuid4().hex}")
    _creating: asyncio.Task[None] | None = None
    _begun: bool = False
    _text: str = "starting"
    _percentage: int | None = None
    _reported: float = 0.0
    agents: Agents = field(default_factory=lambda: Agents())

    def begin(self) -> None:
        """Asks the editor to create the progress; returns at once."""
        if self.quiet:
            return
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
        self.agents.take(event)
        match event:
            case StageStarted() | PatchesTried():
                self._percentage = None
                self._text = _doing(event)
                self.report(self._text)
            case DownloadAdvanced():
                self._download(event)
            case TestsAdvanced(total=0):
                self.report_now_and_then(tests_text(event.done, 0))
            case TestsAdvanced():
                self._percentage = min(100, 100 * event.done // event.total)
                self.report(f"test {event.done + 1} of {event.total}: {event.test}")
            case CallStarted():
                self.report(self._at_work())
            case TextArrived():
                self.report_now_and_then(self._at_work())
            case CallRetrying():
                self.report(sentence(event))
            case CallFinished():
                if event.usage.completion_tokens and event.usage.seconds > 0:
                    rate = event.usage.completion_tokens / event.usage.seconds
                    self.report(self._at_work(f"{self._text}, {rate:.1f} tokens/s"))
            case _:
                pass

    def _at_work(self, otherwise: str = "") -> str:
        """What each agent at work is writing, else what the run does."""
        said = self.agents.sentence(short=self.client.draws_runs)
        return said or otherwise or self._text

    def _download(self, event: DownloadAdvanced) -> None:
        done, total = event.done_bytes / 1e6, event.total_bytes / 1e6
        of = f" of {total:.0f}" if total else ""
        self._text = f"downloading the model {event.name}: {done:.0f}{of} MB"
        # The protocol wants no percentage at all where it is not known.
        self._percentage = min(100, int(100 * done / total)) if total else None
        self.report_now_and_then(self._text)

    def report_now_and_then(self, text: str) -> None:
        """As `report`, but not more often than an editor can show."""
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


def _doing(event: StageStarted | PatchesTried) -> str:
    if isinstance(event, PatchesTried):
        return patches_text(event.done)
    return f"iteration {event.iteration} of {event.of}: {DOING[event.stage]}"
