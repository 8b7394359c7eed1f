"""The only file that picks concrete parts. Every face (terminal, language server) runs through it.

Nothing heavy is imported here: a provider's SDK, llama.cpp and pytest are loaded when first used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from ml_coach.core.coach import Coach
from ml_coach.core.events import DownloadAdvanced, Emit, Event
from ml_coach.core.ports import Executor, Model, Reviewer, Workspace
from ml_coach.core.types import Limits, Request, RunReport
from ml_coach.folder import Ledger
from ml_coach.models import registry
from ml_coach.models.recorded import Recorder
from ml_coach.run_log import RunLog
from ml_coach.settings import Settings

if TYPE_CHECKING:
    from ml_coach.execution.executor import SandboxedExecutor

DEFAULT_PROMPT = "Explain what a transformer is and write a simple token-counting function"


def state_folder() -> Path:
    """Where runs are kept, between the machine's restarts too."""
    return Path(platformdirs.user_state_dir("ml-coach", appauthor=False))


def request_from(settings: Settings, prompt: str, **fields: Any) -> Request:
    """A request with the settings' limits; `fields` are those of `Request`."""
    request = Request(
        prompt,
        program_file=settings.program_file,
        tests_file=settings.tests_file,
        max_iters=settings.max_iters,
        run_timeout_seconds=settings.run_timeout_seconds,
        auto_patch=settings.auto_patch,
        limits=Limits(settings.max_calls, settings.max_tokens, settings.max_seconds),
    )
    return replace(request, **fields)


@dataclass(slots=True)
class App:
    """Holds what runs share: the local model's process and the warm sandboxes.

    Close it with `aclose`; it leaves no process behind.
    """

    state: Path = field(default_factory=state_folder)
    _models: registry.Models = field(default_factory=registry.Models)
    _executors: dict[tuple[str, bool], SandboxedExecutor] = field(default_factory=dict[Any, Any])

    @property
    def run_log(self) -> RunLog:
        return RunLog(self.state)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.state / "written.jsonl")

    def model(self, settings: Settings, emit: Emit) -> Model:
        """The model that the settings name. Raises `BadRequestError` for a name of no provider."""

        def advanced(done_bytes: int, total_bytes: int, source: str) -> None:
            emit(DownloadAdvanced(name, done_bytes, total_bytes, source))

        access = registry.Access(
            google_api_key=settings.google_api_key,
            openai_api_key=settings.openai_api_key,
            gemini_base_url=settings.gemini_base_url,
            weights=settings.weights,
            progress=advanced,
        )
        name = settings.model or registry.default_model(access)
        return self._models.open(name, access)

    async def executor(self, settings: Settings) -> Executor:
        """The warm sandbox for these settings, started at the first use."""
        from ml_coach.execution.executor import SandboxedExecutor

        key = (settings.python, settings.allow_weak_sandbox)
        if key not in self._executors:
            self._executors[key] = SandboxedExecutor(
                settings.python or None, allow_weak=settings.allow_weak_sandbox
            )
        await self._executors[key].prepare()
        return self._executors[key]

    async def run(
        self,
        request: Request,
        settings: Settings,
        workspace: Workspace,
        reviewer: Reviewer,
        emit: Emit,
        *,
        run_id: str,
        record: Path | None = None,
    ) -> RunReport:
        """One run, logged as it happens. `record` is a further file for the model's transcript."""
        with self.run_log.record(run_id) as log:
            every = _both(log, emit)
            model = self.model(settings, every)
            for file in (log.calls_file, record):
                if file is not None:
                    model = Recorder(model, file)
            try:
                coach = Coach(model, await self.executor(settings), workspace, reviewer)
                return await coach.run(request, every, run_id)
            finally:
                await asyncio.shield(model.aclose())

    async def aclose(self) -> None:
        executors, self._executors = list(self._executors.values()), {}
        for executor in executors:
            await executor.aclose()
        await self._models.aclose()


def _both(first: Callable[[Event], None], second: Emit) -> Emit:
    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit
