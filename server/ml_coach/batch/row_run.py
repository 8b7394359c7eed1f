"""One row's run, in the process that has the local model and the warm sandbox."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ml_coach.app import App
from ml_coach.batch.budget import Grant, MeteredModel
from ml_coach.batch.memory_workspace import MemoryWorkspace
from ml_coach.batch.results import RowResult
from ml_coach.batch.rows import Row
from ml_coach.core.agents.researcher import read
from ml_coach.core.changes import Patch
from ml_coach.core.errors import ModelError
from ml_coach.core.events import DownloadAdvanced, Emit, Event, RunFinished
from ml_coach.core.ports import Decision, Model
from ml_coach.core.question import Answer, Question
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.disk import FolderWorkspace
from ml_coach.run_log import CALLS_FILE, EVENTS_FILE, to_json
from ml_coach.run_order import RunOrder, import_problem, request_from
from ml_coach.settings import Settings


@dataclass(frozen=True, slots=True)
class RowWork:
    """A row to run, with its share of the budget. `attempt` counts from 1."""

    row: Row
    digest: str
    grant: Grant
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RowDone:
    """A row's line, without its folder, and the texts of the files that belong into that."""

    result: RowResult
    files: dict[str, str]


class Nobody:
    """The reviewer where nobody watches: patches that help are applied, questions stay open."""

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        return Decision("apply")

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        return None


class RowWorker:
    """Runs rows, `jobs` at a time. `settings` name the model of rows that name none.

    It keeps nothing: its scratch folder, with the logs of the runs at work, ends with it. `emit`
    hears of downloads.
    """

    def __init__(self, settings: Settings, jobs: int, emit: Emit = lambda event: None) -> None:
        self._settings = settings
        self._jobs = jobs
        self._emit = emit
        self._scratch = Path(tempfile.mkdtemp(prefix="ml-coach-batch-"))
        self._app = App(self._scratch / "state")
        # Rows without files share one folder, and so one warm sandbox.
        self._empty = self._scratch / "empty"
        self._empty.mkdir()
        self._model: Model | None = None

    async def prepare(self) -> None:
        """Starts the sandbox and loads the batch's model, which stays until `aclose`. Raises
        `SetupError` and `ModelError`."""
        settings = self._settings
        self._model = self._app.model(settings, self._emit)
        await self._app.prepare(self._app.executor(settings, self._empty), self._model, self._fetch)

    def _fetch(self, done_bytes: int, total_bytes: int) -> None:
        self._emit(DownloadAdvanced("Pyodide", done_bytes, total_bytes, "the npm registry"))

    async def run(self, item: RowWork) -> RowDone:
        """The run of one row. What fails is its result."""
        row = item.row
        settings = replace(self._settings, model=row.model or self._settings.model)
        blank = RowResult(
            row.id, row.line, "failed", digest=item.digest, model=settings.model,
            attempts=item.attempt,
        )  # fmt: skip
        try:
            return await self._run(item, settings, blank)
        except (ModelError, OSError) as error:
            return RowDone(replace(blank, reason=str(error)), {})
        except Exception as error:  # noqa: BLE001 - the failure of a row is a row
            files = {"bug.txt": "".join(traceback.format_exception(error))}
            return RowDone(replace(blank, reason=f"A bug in ML Coach: {error!r}"), files)

    async def _run(self, work: RowWork, settings: Settings, blank: RowResult) -> RowDone:
        row, sharing = work.row, self._jobs if settings.model.startswith("local:") else 1
        request = _request(row, settings, work.grant, sharing)
        if fault := import_problem(request, has_tests=request.task == "debug"):
            return RowDone(replace(blank, reason=fault), {})
        root = self._folder(row)
        metered: list[MeteredModel] = []
        order = RunOrder(root, request, settings)

        def meter(model: Model) -> Model:
            tokens = work.grant.limits.tokens if work.grant.metered else None
            metered.append(MeteredModel(model, tokens, sharing))
            return metered[0]

        try:
            workspace = MemoryWorkspace(root, _texts(row, request))
            report = await self._app.run(order, workspace, Nobody(), _ignore, wrapped=meter)
            if report.outcome == "stopped":
                raise asyncio.CancelledError  # The run made a report of it, and it must go on.
            files = {**row.files, **workspace.texts, **self._log_of(order.run_id, report)}
        finally:
            await self._forget(root, order.run_id)
        ended_by_share = metered[0].refused or report.usage.calls >= work.grant.limits.calls
        cut_short = not work.grant.is_whole and report.outcome == "gave_up" and ended_by_share
        return RowDone(_result(blank, report, cut_short=cut_short), files)

    def _folder(self, row: Row) -> Path:
        """Where programs find the row's modules."""
        if not row.files:
            return self._empty
        root = Path(tempfile.mkdtemp(dir=self._scratch))
        folder = FolderWorkspace(root, self._app.written_files)
        for file, text in row.files.items():
            folder.write_file(file, text)
        return root

    def _log_of(self, run_id: str, report: RunReport) -> dict[str, str]:
        """What is kept of a run beside its program and tests."""
        kept = {"report.json": json.dumps(to_json(RunFinished(report))["report"], indent=1) + "\n"}
        for name in (EVENTS_FILE, CALLS_FILE):
            file = self._app.run_log.folder_for(run_id) / name
            if file.is_file():
                kept[name] = file.read_text(encoding="utf-8")
        return kept

    async def _forget(self, root: Path, run_id: str) -> None:
        if root != self._empty:
            await self._app.forget(root)
            shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(self._app.run_log.folder_for(run_id), ignore_errors=True)

    async def aclose(self) -> None:
        """Ends the model and the sandboxes. May be called twice."""
        model, self._model = self._model, None
        if model is not None:
            await model.aclose()
        await self._app.aclose()
        shutil.rmtree(self._scratch, ignore_errors=True)


def row_worker(settings: Settings, jobs: int, keys: Mapping[str, str]) -> RowWorker:
    """The worker of a node, with the keys that are known there."""
    return RowWorker(replace(settings, **dict(keys)), jobs)


def _request(row: Row, settings: Settings, grant: Grant, sharing: int) -> Request:
    limits = replace(grant.limits, seconds=grant.limits.seconds * sharing)
    prompt, examples, task = row.prompt, None, "generate"
    if row.asserts:
        prompt = f"{row.prompt.rstrip()}\n\n{row.tests.strip()}\n"
        examples = tuple(dict.fromkeys((*read(row.prompt).examples, *row.asserts)))
    elif row.tests.strip():
        task = "debug"
    return replace(
        request_from(settings, prompt, task=task, examples=examples),
        auto_patch=True,
        limits=limits,
    )


def _texts(row: Row, request: Request) -> dict[str, str]:
    """The files that the run finds. A program that nobody asked to debug is written anew."""
    if request.task == "debug":
        return {**row.files, request.tests_file: row.tests}
    return dict(row.files)


def _result(blank: RowResult, report: RunReport, *, cut_short: bool) -> RowResult:
    usage = report.usage
    return replace(
        blank,
        outcome=report.outcome,
        reason=report.reason,
        tests_passed=len(report.tests.passed) if report.tests else 0,
        tests=len(report.tests.cases) if report.tests else 0,
        confidence=report.confidence,
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens,
        reply_tokens=usage.completion_tokens,
        cost=round(usage.cost, 6),
        seconds=round(report.seconds, 2),
        cut_short=cut_short,
    )


def _ignore(_: Event) -> None:
    pass
