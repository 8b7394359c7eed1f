"""A run of the loop inside one tool call: its progress, its cancellation, its log."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from ml_coach.app import App
from ml_coach.claims import Claim, Taken
from ml_coach.core.errors import ModelError, os_error_text
from ml_coach.core.events import Event, PatchesTried, StageStarted, TestsAdvanced
from ml_coach.core.types import RunReport
from ml_coach.core.wording import DOING, harmless, patches_text, sentence, tests_text
from ml_coach.disk import FolderWorkspace
from ml_coach.folder_runs import refusal, run_workspace
from ml_coach.mcp_server.asking import reviewer_of
from ml_coach.run_order import RunOrder

T = TypeVar("T")


class ProgressFeed:
    """Tells the client how far a call is, in the order in which it happened. A context manager."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    def event(self, event: Event) -> None:
        """Tells of a run's event, where it is worth a line."""
        match event:
            case StageStarted():
                self.line(DOING[event.stage])
            case TestsAdvanced():
                self.line(tests_text(event.done, event.total))
            case PatchesTried():
                self.line(patches_text(event.done))
            case _:
                self.line(sentence(event))

    def line(self, text: str) -> None:
        """Tells this line; an empty one says nothing."""
        if text:
            self._lines.put_nowait(harmless(text))

    async def __aenter__(self) -> ProgressFeed:
        self._telling = asyncio.ensure_future(self._tell())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._telling is not None
        if kind is None:
            self._lines.put_nowait(None)
            await asyncio.wait([self._telling])
        self._telling.cancel()

    async def _tell(self) -> None:
        told = 0
        while (text := await self._lines.get()) is not None:
            told += 1
            await self._context.report_progress(told, None, text)


async def cancelled_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Where the call is cancelled, so is `work`, and its end is waited for.

    The protocol's library cancels each further wait of a call, also those in which a run cleans
    up. So the work is a task of its own, which is cancelled once.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel("The client cancelled the call.")
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
        raise


@contextmanager
def refusing_files() -> Generator[None]:
    """A file that is none, or lies elsewhere, is an error of the call: `ToolError`."""
    try:
        yield
    except OSError as error:
        raise ToolError(os_error_text(error)) from error


async def carry_out(app: App, order: RunOrder | str, context: Context) -> RunReport:
    """Runs the order on its folder. Patches and questions wait, as they do on a pipe.

    Raises `ToolError`, with a sentence, where there can be no run; a sentence in the place of the
    order says why there is none.
    """
    if isinstance(order, str):
        raise ToolError(order)
    try:
        claim = app.claims.claim(order.run_id, [order.root / file for file in order.files])
        if isinstance(claim, Taken):
            raise ToolError(claim.sentence)
        try:
            return await _run(app, order, claim, context)
        finally:
            claim.release()
    except ModelError as error:
        raise ToolError(str(error)) from error
    except OSError as error:
        raise ToolError(os_error_text(error)) from error


async def _run(app: App, order: RunOrder, claim: Claim, context: Context) -> RunReport:
    workspace = run_workspace(app, order, FolderWorkspace(order.root, app.written_files))
    if why := refusal(workspace, order):
        raise ToolError(f"{why}: name other files, or ask the user, then say `overwrite`.")
    async with ProgressFeed(context) as progress:
        emit = claim.released_at_end(progress.event)
        run = app.run(order, workspace, reviewer_of(context), emit)
        return await cancelled_once(run)
