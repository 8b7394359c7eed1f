"""Puts a run together: model, sandbox, log and loop. Every face runs its orders through `App`.

`App` is also the language server's backend (`lsp.backend.Backend`). Nothing heavy is imported
here: a provider's SDK, llama.cpp and pytest are loaded when first used.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from ml_coach.audit_store import AuditStore
from ml_coach.claims import Claims, stopped_from_outside
from ml_coach.core.coach import Coach
from ml_coach.core.errors import BudgetSpent, SetupError
from ml_coach.core.events import (
    DownloadAdvanced,
    Emit,
    Event,
    ModelNoted,
    PromptNoted,
    SuiteWritten,
)
from ml_coach.core.evidence import Provenance
from ml_coach.core.ports import Call, Model, Reviewer, Workspace
from ml_coach.core.types import RunReport
from ml_coach.core.wording import amount
from ml_coach.disk import FolderWorkspace, WrittenFiles
from ml_coach.json_lines import JsonLines, append
from ml_coach.models import registry
from ml_coach.models.calibrations import calibration_of
from ml_coach.models.prices import price_of
from ml_coach.models.recorded import RecordedModel, RecordingModel
from ml_coach.pruning import Pruned, prune
from ml_coach.run_log import RunLog, to_json
from ml_coach.run_order import RunOrder, in_place_of
from ml_coach.settings import Settings, key_host
from ml_coach.test_authors import TestAuthors

if TYPE_CHECKING:
    from ml_coach.core.auditing.audit import AuditProgress
    from ml_coach.core.auditing.report import AuditReport
    from ml_coach.core.results import Verification
    from ml_coach.execution.executor import SandboxedExecutor
    from ml_coach.lsp.backend import Complete
    from ml_coach.models.editor import EditorAnswer, EditorRequest
    from ml_coach.project_files import Opened

logger = logging.getLogger(__name__)

_RUNS_BETWEEN_PRUNING = 50
DEFAULT_PROMPT = "Explain what a transformer is and write a simple token-counting function"


def state_folder() -> Path:
    """Where runs are kept, between the machine's restarts too."""
    return Path(platformdirs.user_state_dir("ml-coach", appauthor=False))


@dataclass(slots=True)
class App:
    """Holds what runs share: the local model's process and the warm sandboxes.

    `editor` asks the editor's own models, where there are any; `shown` gives the texts that it has
    of a folder's files, by their paths there. `only_level` tries one level of
    containment and no other. `activated` is the virtual environment of the user's shell. Close it
    with `aclose`; it leaves no process behind.
    """

    state: Path = field(default_factory=state_folder)
    editor: EditorRequest | None = None
    shown: Callable[[Path], Mapping[str, str]] = lambda folder: {}
    only_level: str = ""
    activated: str = field(default_factory=lambda: os.environ.get("VIRTUAL_ENV", ""))
    _begun: int = 0
    _models: registry.Models = field(default_factory=registry.Models)
    _executors: dict[tuple[str, bool, Path | None, bool, bool], SandboxedExecutor] = field(
        default_factory=dict[Any, Any]
    )

    @property
    def run_log(self) -> RunLog:
        """All runs of this user, those that go on included."""
        return RunLog(self.state)

    @property
    def claims(self) -> Claims:
        """Who works on which run and file, in this process and in others."""
        return Claims(self.state)

    @property
    def written_files(self) -> WrittenFiles:
        """Which texts ML Coach wrote into which files."""
        return WrittenFiles(self.state / "written.jsonl")

    def model(self, settings: Settings, emit: Emit) -> Model:
        """The model that the settings name. Raises `BadRequestError` for a name of no provider."""

        def advanced(done_bytes: int, total_bytes: int, source: str) -> None:
            emit(DownloadAdvanced(name, done_bytes, total_bytes, source))

        def noted(text: str) -> None:
            emit(ModelNoted(text))

        access = replace(self.access(settings), progress=advanced, note=noted)
        name = settings.model or registry.default_model(access)
        return self._models.open(name, access)

    def _tell_choice(self, settings: Settings, emit: Emit) -> None:
        """Tells why a model was chosen for a user who named none, once for each reason."""
        if settings.model:
            return
        text = ": ".join(registry.default_choice(self.access(settings)))
        file = self.state / "told.jsonl"
        if not any(line.get("text") == text for line in JsonLines(file)):
            emit(ModelNoted(text))
            with suppress(OSError):  # Then it is told again.
                append(file, {"text": text})

    def access(self, settings: Settings) -> registry.Access:
        """What the settings give for opening a model: keys, addresses, weights."""
        return registry.Access(
            google_api_key=settings.google_api_key,
            openai_api_key=settings.openai_api_key,
            key_hosts=settings.key_hosts | self._confirmed_hosts(),
            gemini_base_url=settings.gemini_base_url,
            weights=settings.weights,
            editor=self.editor,
        )

    @property
    def test_authors(self) -> TestAuthors:
        """Where the tests come from that ML Coach wrote."""
        return TestAuthors(self.state / "test_authors.jsonl")

    def provenance_in(self, source: str, root: Path, file: str) -> Mapping[str, Provenance]:
        """See `lsp.backend.Backend.provenance_in`."""
        return self.test_authors.provenance_in(source, root, file)

    def unconfirmed_host(self, settings: Settings) -> str:
        """See `lsp.backend.Backend.unconfirmed_host`."""
        host = key_host(settings.model)
        confirmed = not host or host in settings.key_hosts or host in self._confirmed_hosts()
        return "" if confirmed or not settings.openai_api_key else host

    def confirm_host(self, host: str) -> None:
        """See `lsp.backend.Backend.confirm_host`."""
        append(self._hosts_file, {"host": host})

    def unconfirmed_python(self, settings: Settings, folder: Path) -> str:
        """See `lsp.backend.Backend.unconfirmed_python`."""
        from ml_coach.execution.interpreter import activated, in_workspace

        named = settings.python or activated(self.activated, folder)
        found = None if named else in_workspace(folder)
        confirmed = (str(line.get("folder", "")) for line in JsonLines(self._pythons_file))
        return "" if found is None or str(folder.resolve()) in confirmed else found[0]

    def confirm_python(self, folder: Path) -> None:
        """See `lsp.backend.Backend.confirm_python`."""
        append(self._pythons_file, {"folder": str(folder.resolve())})

    @property
    def _pythons_file(self) -> Path:
        return self.state / "pythons.jsonl"

    @property
    def _hosts_file(self) -> Path:
        return self.state / "key_hosts.jsonl"

    def _confirmed_hosts(self) -> frozenset[str]:
        return frozenset(str(line.get("host", "")) for line in JsonLines(self._hosts_file))

    def executor(
        self, settings: Settings, folder: Path | None = None, *, whole: bool = False
    ) -> SandboxedExecutor:
        """The warm sandbox for these settings and the user's `folder`, whose modules programs may
        import; it starts at its first use. A `whole` project may use more than a program."""
        from ml_coach.execution.executor import SandboxedExecutor
        from ml_coach.execution.sandbox.limits import PROJECT_LIMITS, ResourceLimits

        starts_theirs = folder is not None and not self.unconfirmed_python(settings, folder)
        key = (settings.python, settings.allow_weak_sandbox, folder, starts_theirs, whole)
        if key not in self._executors:
            self._executors[key] = SandboxedExecutor(
                settings.python or None,
                workspace=folder,
                allow_weak=settings.allow_weak_sandbox,
                limits=PROJECT_LIMITS if whole else ResourceLimits(),
                only_level=self.only_level,
                starts_theirs=starts_theirs,
                activated=self.activated,
                shown=lambda: self.shown(folder) if folder else {},
            )
        return self._executors[key]

    async def run(
        self,
        order: RunOrder,
        workspace: Workspace,
        reviewer: Reviewer,
        emit: Emit,
        *,
        wrapped: Callable[[Model], Model] = lambda model: model,
    ) -> RunReport:
        """One run, logged as it happens. The agents ask the model as `wrapped` gives it.

        Raises `BadRequestError` for a model of no provider and `OSError` where the log cannot be
        written; everything later is an outcome of the report.
        """
        settings = order.settings
        await asyncio.to_thread(_import_parts)
        pruning = asyncio.ensure_future(self._prune_sometimes(settings))
        pruning.add_done_callback(_report_failure)
        with self.run_log.record(order.run_id) as log:

            def note_tests(event: Event) -> None:
                if isinstance(event, SuiteWritten):
                    self.test_authors.note(event.suite, workspace.root)

            every = _both(_both(log, note_tests), emit)
            chosen = self.model(settings, every)
            model = wrapped(chosen)
            if order.replay:
                calls = self.run_log.folder(order.replay) / log.calls_file.name
                model = RecordedModel(calls, then=model) if calls.is_file() else model
            for file in (log.calls_file, order.record):
                if file is not None:
                    model = RecordingModel(model, file)
            executor = self.executor(settings, workspace.root, whole=order.project is not None)

            async def prepare() -> None:
                self._tell_choice(settings, every)
                if order.note:
                    every(PromptNoted(order.note))
                await self.prepare(executor, chosen, fetched)

            def fetched(done_bytes: int, total_bytes: int) -> None:
                every(DownloadAdvanced("Pyodide", done_bytes, total_bytes, "the npm registry"))

            try:
                coach = Coach(
                    model, executor, workspace, reviewer, prepare=prepare,
                    price=price_of(model.name, settings.prompt_price, settings.reply_price),
                    calibration=calibration_of(model.name), project=order.project,
                )  # fmt: skip
                async with stopped_from_outside(self.claims, order.run_id):
                    return await coach.run(order.request, every, order.run_id)
            finally:
                await asyncio.shield(model.aclose())

    async def divided(self, order: RunOrder, emit: Emit) -> RunOrder:
        """The order for the first part of a prompt that names several files, where the model can
        divide it; else `order` itself. Raises `ModelError` and `OSError`."""
        if len(order.new_files) < 2 or order.of_parts is None or order.replay:
            return order
        await asyncio.to_thread(_import_parts)
        model = self.model(order.settings, emit)
        try:
            if not model.profile.plans:
                return order
            recorded = RecordingModel(model, order.record) if order.record else model
            return await _divided(order, recorded, emit)
        finally:
            await asyncio.shield(model.aclose())

    async def audit(
        self,
        settings: Settings,
        opened: Opened,
        *,
        modules: Sequence[str] = (),
        again: bool = False,
        progress: Callable[[AuditProgress], None] | None = None,
    ) -> AuditReport:
        """What the tests of an opened project notice of mistakes in their modules; kept by content,
        unless it is to be found out `again`. Raises `SetupError` where nothing can be run."""
        from ml_coach.core.auditing.audit import audit
        from ml_coach.execution.interpreter import activated, in_workspace
        from ml_coach.execution.levels import SandboxUnavailable

        root, project, store = opened.root, opened.project, AuditStore(self.state)
        python = settings.python or activated(self.activated, root) or in_workspace(root)
        asked = (python, self.unconfirmed_python(settings, root), self.only_level, tuple(modules))
        key = await asyncio.to_thread(store.key, project, *asked)
        known = None if again else await asyncio.to_thread(store.get, key)
        if known is not None:
            return known
        executor = self.executor(settings, root, whole=True)
        try:
            report = await audit(project, executor, modules=modules, progress=progress)
        except SandboxUnavailable as error:
            raise SetupError(str(error)) from error
        if not report.problem:
            await asyncio.to_thread(store.put, key, report)
        return report

    async def verify(
        self, settings: Settings, files: Mapping[str, str], place: Path | None, highest: Path
    ) -> Verification:
        """See `lsp.backend.Backend.verify`."""
        from ml_coach import examination

        if place is None:
            return await examination.verify_texts(self, settings, files)
        opened = await examination.opened_at(place, highest)
        return await examination.verify_project(self, settings, opened, files)

    async def filter_tests(
        self, settings: Settings, files: Mapping[str, str], place: Path | None, highest: Path
    ) -> AuditReport:
        """See `lsp.backend.Backend.filter_tests`."""
        from ml_coach import examination

        if place is None:
            project = examination.project_of(files)
            return await examination.filter_tests(self, settings, project, None)
        opened = await examination.opened_at(place, highest)
        project = opened.project.with_texts(examination.named_inside(files))
        return await examination.filter_tests(self, settings, project, opened.root)

    def prune(self, settings: Settings) -> Pruned:
        """Removes old runs from the log, as the settings bound it."""
        return prune(self.run_log, self.claims, settings.keep_days, settings.keep_megabytes)

    async def _prune_sometimes(self, settings: Settings) -> None:
        # One look at each folder: seconds for ten thousand runs, so not at every run.
        self._begun += 1
        if self._begun % _RUNS_BETWEEN_PRUNING == 1:
            await asyncio.to_thread(self.prune, settings)

    async def prepare(
        self,
        executor: SandboxedExecutor,
        model: Model,
        fetched: Callable[[int, int], None] | None = None,
    ) -> None:
        """Starts the sandbox, loads a local model. `fetched` hears of what the sandbox has to
        fetch. Raises `SetupError` and `ModelError`."""
        await asyncio.gather(_start(executor, fetched), _warm(model))

    def page_of(self, run_id: str) -> str:
        """The HTML page of a run. Raises `KeyError` when there is no such run."""
        from ml_coach.pages.page import run_page
        from ml_coach.pages.run_facts import run_facts

        return run_page(run_facts(run_id, self.run_log.timed_events(run_id)))

    # What only the language server asks for; see `lsp.backend.Backend`.

    def disk(self, root: Path) -> FolderWorkspace:
        """See `lsp.backend.Backend.disk`."""
        return FolderWorkspace(root, self.written_files)

    def event_json(self, event: Event) -> dict[str, Any]:
        """See `lsp.backend.Backend.event_json`."""
        return to_json(event)

    def show(self, shown: Callable[[Path], Mapping[str, str]]) -> None:
        """See `lsp.backend.Backend.show`."""
        self.shown = shown

    def connect_editor(self, complete: Complete) -> None:
        """See `lsp.backend.Backend.connect_editor`."""

        async def request(model: str, call: Call, take: Callable[[str], None]) -> EditorAnswer:
            return _editor_answer(await complete(model, call, take))

        self.editor = request

    async def models(self, settings: Settings) -> dict[str, Any]:
        """See `lsp.backend.Backend.models`."""
        access = self.access(settings)
        rows = [
            {
                "title": row.title,
                "name": row.name,
                "description": row.why,
                "available": row.available,
            }
            for row in await asyncio.to_thread(registry.list_models, access)
        ]
        return {"default": settings.model or registry.default_model(access), "models": rows}

    async def doctor(self, settings: Settings) -> list[dict[str, Any]]:
        """See `lsp.backend.Backend.doctor`."""
        from ml_coach.doctor import examine

        checks = await examine(settings, self.access(settings), self.state)
        return [asdict(check) for check in checks]

    async def forget(self, folder: Path) -> None:
        """Ends the warm sandboxes of a folder that no further run is for."""
        for key in [key for key in self._executors if key[2] == folder]:
            await self._executors.pop(key).aclose()

    async def aclose(self) -> None:
        """Ends what runs share: model processes and warm sandboxes. May be called twice."""
        executors, self._executors = list(self._executors.values()), {}
        for executor in executors:
            await executor.aclose()


async def _divided(order: RunOrder, model: Model, emit: Emit) -> RunOrder:
    """The order for the first part of its prompt; `order` itself, which says why, where the model
    gives no parts."""
    from ml_coach.core.agents.divider import divide
    from ml_coach.core.agents.model_client import Budget, ModelClient

    assert order.of_parts is not None
    settings, limits = order.settings, order.request.limits
    budget = Budget(max_calls=limits.calls, max_tokens=limits.tokens, max_seconds=limits.seconds)
    price = price_of(model.name, settings.prompt_price, settings.reply_price)
    model_client = ModelClient(model, budget, emit, price=price)
    try:
        parts = await divide(model_client, order.request.prompt, order.new_files)
    except BudgetSpent as spent:
        parts = str(spent)
    first = parts if isinstance(parts, str) else await order.of_parts(parts)
    used = budget.usage
    left = limits.after(used)
    if isinstance(first, str):
        note = f"{order.note}. The model's division was refused: {first}"
        return replace(order, request=replace(order.request, limits=left), note=note)
    took = f"{amount(used.calls, 'call')} and {amount(used.tokens, 'token')}"
    return in_place_of(
        order, first, left, run_id=order.run_id, quiet=order.quiet,
        note=f"{first.note}. Dividing the prompt took {took}",
    )  # fmt: skip


def _import_parts() -> None:
    """Imports what a run needs. To be called in a thread: the first time it takes so long that an
    editor's requests would have to wait."""
    # The last one is what the HTTP library loads with its first client.
    for module in ("ml_coach.execution.executor", "ml_coach.models.http", "httpcore"):
        with suppress(ImportError):  # Whoever needs it says what is missing.
            importlib.import_module(module)
    from ml_coach.models.machine import this_machine

    this_machine()  # Where there is a graphics card, llama.cpp is asked what it can use.


def _report_failure(pruning: asyncio.Future[None]) -> None:
    if not pruning.cancelled() and (error := pruning.exception()):
        logger.warning("Old runs could not be removed: %s.", error)


def _both(first: Callable[[Event], None], second: Emit) -> Emit:
    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit


def _editor_answer(reply: dict[str, Any]) -> EditorAnswer:
    """The editor's JSON reply, read tolerantly: what is unknown or of another type is left out."""
    from ml_coach.models.editor import EditorAnswer

    answer = asdict(EditorAnswer())
    names = {
        "finish": "finish", "text": "text", "promptTokens": "prompt_tokens",
        "completionTokens": "completion_tokens", "fault": "fault", "message": "message",
    }  # fmt: skip
    for key, value in reply.items():
        if key in names and isinstance(value, type(answer[names[key]])):
            answer[names[key]] = value
    return EditorAnswer(**answer)


async def _start(executor: SandboxedExecutor, fetched: Callable[[int, int], None] | None) -> None:
    from ml_coach.execution.levels import SandboxUnavailable

    try:
        await executor.prepare(fetched)
    except SandboxUnavailable as error:
        raise SetupError(str(error)) from error


async def _warm(model: Model) -> None:
    """Fetches weights before the first call, because a call's time limit is for its reply."""
    if model.name.startswith("local:"):
        from ml_coach.models.local import LocalModel

        assert isinstance(model, LocalModel)
        await model.warm()
