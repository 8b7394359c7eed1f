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

from ml_coach.core.agents.model_client import Price
from ml_coach.core.coach import Coach
from ml_coach.core.errors import SetupError
from ml_coach.core.events import DownloadAdvanced, Emit, Event
from ml_coach.core.ports import Model, Reviewer, Workspace
from ml_coach.core.types import Limits, Request, RunReport
from ml_coach.disk import WrittenFiles
from ml_coach.models import registry
from ml_coach.models.recorded import RecordedModel, RecordingModel
from ml_coach.run_log import RunLog
from ml_coach.settings import Settings

if TYPE_CHECKING:
    from ml_coach.execution.executor import SandboxedExecutor
    from ml_coach.models.editor import EditorRequest

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

    `editor` asks the editor's own models, where there are any. Close it with `aclose`; it leaves
    no process behind.
    """

    state: Path = field(default_factory=state_folder)
    editor: EditorRequest | None = None
    _models: registry.Models = field(default_factory=registry.Models)
    _executors: dict[tuple[str, bool, Path | None], SandboxedExecutor] = field(
        default_factory=dict[Any, Any]
    )

    @property
    def run_log(self) -> RunLog:
        return RunLog(self.state)

    @property
    def written_files(self) -> WrittenFiles:
        return WrittenFiles(self.state / "written.jsonl")

    def model(self, settings: Settings, emit: Emit) -> Model:
        """The model that the settings name. Raises `BadRequestError` for a name of no provider."""

        def advanced(done_bytes: int, total_bytes: int, source: str) -> None:
            emit(DownloadAdvanced(name, done_bytes, total_bytes, source))

        access = replace(self.access(settings), progress=advanced)
        name = settings.model or registry.default_model(access)
        return self._models.open(name, access)

    def access(self, settings: Settings) -> registry.Access:
        """What the settings give for opening a model: keys, addresses, weights."""
        return registry.Access(
            google_api_key=settings.google_api_key,
            openai_api_key=settings.openai_api_key,
            gemini_base_url=settings.gemini_base_url,
            weights=settings.weights,
            editor=self.editor,
        )

    def executor(self, settings: Settings, folder: Path | None = None) -> SandboxedExecutor:
        """The warm sandbox for these settings and the user's `folder`, whose modules programs may
        import; it starts at its first use."""
        from ml_coach.execution.executor import SandboxedExecutor

        key = (settings.python, settings.allow_weak_sandbox, folder)
        if key not in self._executors:
            self._executors[key] = SandboxedExecutor(
                settings.python or None, workspace=folder, allow_weak=settings.allow_weak_sandbox
            )
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
        replay: str = "",
    ) -> RunReport:
        """One run, logged as it happens. `record` is a further file for the model's transcript.

        `replay` is a run that goes on here: calls that it recorded are answered from its log.
        """
        with self.run_log.record(run_id) as log:
            every = _both(log, emit)
            chosen = model = self.model(settings, every)
            if replay:
                calls = self.run_log.folder(replay) / log.calls_file.name
                model = RecordedModel(calls, then=model) if calls.exists() else model
            for file in (log.calls_file, record):
                if file is not None:
                    model = RecordingModel(model, file)
            executor = self.executor(settings, workspace.root)

            async def prepare() -> None:
                await self.prepare(executor, chosen)

            try:
                price = Price(settings.prompt_price, settings.reply_price, settings.prompt_price)
                coach = Coach(model, executor, workspace, reviewer, prepare=prepare, price=price)
                return await coach.run(request, every, run_id)
            finally:
                await asyncio.shield(model.aclose())

    async def prepare(self, executor: SandboxedExecutor, model: Model) -> None:
        """Starts the sandbox, loads a local model. Raises `SetupError` and `ModelError`."""
        await asyncio.gather(_start(executor), _warm(model))

    async def aclose(self) -> None:
        executors, self._executors = list(self._executors.values()), {}
        for executor in executors:
            await executor.aclose()


def _both(first: Callable[[Event], None], second: Emit) -> Emit:
    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit


async def _start(executor: SandboxedExecutor) -> None:
    from ml_coach.execution.levels import SandboxUnavailable

    try:
        await executor.prepare()
    except SandboxUnavailable as error:
        raise SetupError(str(error)) from error


async def _warm(model: Model) -> None:
    """Fetches weights outside of any call, whose time limit is for answering."""
    if model.name.startswith("local:"):
        from ml_coach.models.local import LocalModel

        assert isinstance(model, LocalModel)
        await model.warm()
