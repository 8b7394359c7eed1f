"""What the language server needs from the rest of ML Coach. app.py stands behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ml_coach.core.events import Emit, Event, RunStarted
from ml_coach.core.ports import Call, Reviewer, Workspace
from ml_coach.core.types import Request, RunReport
from ml_coach.settings import Settings

Complete = Callable[[str, Call, Callable[[str], None]], Awaitable[dict[str, Any]]]
"""Asks one of the editor's own models: its name or "", the call, and who takes the pieces. Gives
the reply to `mlCoach/complete` (PROTOCOL.md). Raises `ConnectionError` when the editor has gone."""


class Disk(Protocol):
    """A folder's files, never outside it. Methods raise `OSError` with a sentence."""

    async def read(self, file: str) -> str | None: ...

    async def write(self, texts: Mapping[str, str]) -> None: ...

    async def delete(self, file: str) -> None: ...

    def wrote(self, file: str, text: str) -> bool:
        """Whether ML Coach put this text there, at any time."""
        ...

    def note(self, file: str, text: str) -> None:
        """Remembers a text that the editor was given for `file`."""
        ...


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run in the log. `outcome` is empty when it never finished."""

    run_id: str
    request: Request
    outcome: str
    reason: str
    folder: Path


class Backend(Protocol):
    def settings(self) -> tuple[Settings, list[str]]:
        """Defaults and environment, and a sentence for each variable that made no sense."""
        ...

    def request(self, settings: Settings, prompt: str, **fields: Any) -> Request:
        """A request with the settings' limits; `fields` are those of `Request`."""
        ...

    def disk(self, root: Path) -> Disk: ...

    def new_run_id(self) -> str: ...

    def run_folder(self, run_id: str) -> Path:
        """Where the run's log is, or would be. Raises `KeyError` for what is no run id."""
        ...

    def past_start(self, run_id: str) -> RunStarted:
        """What that run was asked, and of which model. Raises `KeyError` for no such run."""
        ...

    def past_events(self, run_id: str) -> Sequence[Event]:
        """Everything in the run's log. Raises `KeyError` when there is no such run."""
        ...

    def runs(self, limit: int) -> Sequence[PastRun]:
        """The latest runs, newest first."""
        ...

    async def run(
        self,
        request: Request,
        settings: Settings,
        workspace: Workspace,
        reviewer: Reviewer,
        emit: Emit,
        *,
        run_id: str,
        replay: str = "",
    ) -> RunReport:
        """One run. `replay` is a run whose recorded replies are given first, without a model."""
        ...

    def to_json(self, event: Event) -> dict[str, Any]: ...

    def connect_editor(self, complete: Complete) -> None:
        """Makes `editor:` models possible."""
        ...

    async def models(self, settings: Settings) -> dict[str, Any]: ...

    async def doctor(self, settings: Settings) -> list[dict[str, Any]]: ...

    async def aclose(self) -> None:
        """Ends what the runs shared: model processes, warm sandboxes. May be called twice."""
        ...
