"""Stands behind `lsp.backend.Backend`: the way to App, the run log and the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml_coach.app import App, request_from
from ml_coach.core.events import Emit, Event, RunStarted
from ml_coach.core.ports import Call, Reviewer, Workspace
from ml_coach.core.types import Request, RunReport
from ml_coach.disk import FolderWorkspace
from ml_coach.lsp.backend import Complete, PastRun
from ml_coach.run_log import new_run_id, to_json
from ml_coach.settings import Settings, from_environment


@dataclass(slots=True)
class EditorParts:
    app: App = field(default_factory=App)

    def settings(self) -> tuple[Settings, list[str]]:
        return from_environment(os.environ)

    def request(self, settings: Settings, prompt: str, **fields: Any) -> Request:
        return request_from(settings, prompt, **fields)

    def disk(self, root: Path) -> FolderWorkspace:
        return FolderWorkspace(root, self.app.written_files)

    def new_run_id(self) -> str:
        return new_run_id()

    def run_folder(self, run_id: str) -> Path:
        return self.app.run_log.folder_for(run_id)

    def past_start(self, run_id: str) -> RunStarted:
        return self.app.run_log.start(run_id)

    def past_events(self, run_id: str) -> Sequence[Event]:
        return list(self.app.run_log.events(run_id))

    def runs(self, limit: int) -> Sequence[PastRun]:
        return [
            PastRun(row.run_id, row.request, row.outcome, row.reason, self.run_folder(row.run_id))
            for row in self.app.run_log.latest(limit)
        ]

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
        return await self.app.run(
            request, settings, workspace, reviewer, emit, run_id=run_id, replay=replay
        )

    def to_json(self, event: Event) -> dict[str, Any]:
        return to_json(event)

    def connect_editor(self, complete: Complete) -> None:
        self.app.editor = _EditorModels(complete)

    async def models(self, settings: Settings) -> dict[str, Any]:
        from ml_coach.models import registry

        access = self.app.access(settings)
        rows = [
            {"name": row.name, "description": row.why, "available": row.available}
            for row in registry.list_models(access)
        ]
        return {"default": settings.model or registry.default_model(access), "models": rows}

    async def doctor(self, settings: Settings) -> list[dict[str, Any]]:
        from ml_coach.doctor import examine

        checks = await examine(settings, self.app.access(settings), self.app.state)
        return [asdict(check) for check in checks]

    async def aclose(self) -> None:
        await self.app.aclose()


@dataclass(frozen=True, slots=True)
class _EditorModels:
    """`models.editor.EditorRequest` by way of `mlCoach/complete`."""

    complete: Complete

    def __call__(
        self, model: str, call: Call, take: Callable[[str], None]
    ) -> Coroutine[Any, Any, Any]:
        return self._ask(model, call, take)

    async def _ask(self, model: str, call: Call, take: Callable[[str], None]) -> Any:
        from ml_coach.models.editor import EditorAnswer

        answer = asdict(EditorAnswer())
        names = {
            "finish": "finish", "text": "text", "promptTokens": "prompt_tokens",
            "completionTokens": "completion_tokens", "fault": "fault", "message": "message",
        }  # fmt: skip
        for key, value in (await self.complete(model, call, take)).items():
            if key in names and isinstance(value, type(answer[names[key]])):
                answer[names[key]] = value
        return EditorAnswer(**answer)
