"""Runs: each a task of its own, started and stopped by commands that never wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.core.errors import ModelError
from ml_coach.core.events import Event, PatchApplied, PatchDiscarded, PatchOffered, RunFinished
from ml_coach.core.types import Outcome, Request, RunReport, Usage
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.change_log import RUN, ChangeLog
from ml_coach.lsp.documents.delivery import UnopenedEdits
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.progress import Progress
from ml_coach.lsp.runs.review import EditorReviewer, Offers, patch_id
from ml_coach.lsp.runs.run_view import RunView
from ml_coach.settings import Settings

logger = logging.getLogger(__name__)

_STOP_SECONDS = 2.0
_ASK_SECONDS = 600.0
_OVERWRITE, _ELSEWHERE = "Overwrite", "Use another file"
_TITLES = {
    "generate": "generating {}",
    "implement": "implementing {}",
    "debug": "debugging {}",
    "test": "testing {}",
    "write_tests": "writing tests for {}",
}


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is started with. `overwrite` lets `generate` replace files of the user's own;
    `replay` is a run whose recorded replies come first."""

    root: Path
    request: Request
    settings: Settings
    overwrite: bool = False
    replay: str = ""

    @property
    def written(self) -> tuple[str, ...]:
        """The files that the run replaces as a whole, so that they must be ours or absent."""
        if self.request.task == "generate":
            return self.request.program_file, self.request.tests_file
        writes_tests = self.request.task in ("implement", "write_tests")
        return (self.request.tests_file,) if writes_tests else ()


@dataclass(slots=True, eq=False)
class Run:
    run_id: str
    job: Job
    workspace: EditorWorkspace
    reviewer: EditorReviewer
    progress: Progress
    view: RunView
    task: asyncio.Task[None] | None = None

    @property
    def paths(self) -> frozenset[Path]:
        request = self.job.request
        return frozenset(self.job.root / f for f in (request.program_file, request.tests_file))


class Runs:
    """All active runs, which run last changed each file (by URI), and which were taken back."""

    def __init__(
        self,
        client: Client,
        documents: Documents,
        backend: Backend,
        finding_store: FindingStore,
        offers: Offers,
        lenses_changed: Callable[[], None],
    ) -> None:
        self._client = client
        self._documents = documents
        self._backend = backend
        self.finding_store = finding_store
        self._lenses_changed = lenses_changed
        self.offers = offers
        self.unopened = UnopenedEdits()
        self.active: dict[str, Run] = {}
        self.latest: dict[str, str] = {}
        self.undone: set[str] = set()

    def workspace(self, run_id: str, root: Path, act: str = RUN) -> EditorWorkspace:
        """The user's files for a run. Raises `KeyError` for what is no run id."""
        backend = self._backend
        change_log = ChangeLog(backend.run_folder(run_id))
        disk = backend.disk(root)
        return EditorWorkspace(
            self._client, self._documents, disk, self.unopened, change_log, root, act,
            touched=lambda uri: self.latest.__setitem__(uri, run_id),
        )  # fmt: skip

    def start(self, job: Job) -> str:
        """The id of a new run. Raises RequestFailed when one of its files is being worked on."""
        backend = self._backend
        run_id = backend.new_run_id()
        workspace = self.workspace(run_id, job.root)
        request = job.request
        # With a single iteration nothing is repaired: what is there is only tried.
        task = "test" if request.task == "debug" and request.max_iters == 1 else request.task
        title = _TITLES[task].format(request.function or request.program_file)
        progress = Progress(self._client, title)
        reviewer = EditorReviewer(self.offers, workspace, run_id, progress)
        view = RunView(
            run_id, request.program_file, request.tests_file, self._client,
            self.finding_store, progress, workspace, self.event_json, self._lenses_changed,
        )  # fmt: skip
        run = Run(run_id, job, workspace, reviewer, progress, view)
        self._refuse_busy(run)
        self.active[run_id] = run
        run.task = asyncio.ensure_future(self._work(run))
        return run_id

    def _refuse_busy(self, run: Run) -> None:
        for other in self.active.values():
            if other is run or other.view.over:
                continue
            if both := other.paths & run.paths:
                name = min(path.name for path in both)
                if self.offers.of_run(other.run_id):
                    raise RequestFailed(
                        f"The run {other.run_id} waits for your decision on its patch for {name}: "
                        "apply it, discard it or stop that run first."
                    )
                raise RequestFailed(
                    f"The run {other.run_id} is working on {name}; stop it first or let it finish."
                )

    async def _work(self, run: Run) -> None:
        run.progress.begin()
        report = None
        try:
            if await self._cleared(run):
                job = run.job
                run.workspace.change_log.begin(job.root)
                report = await self._backend.run(
                    job.request, job.settings, run.workspace, run.reviewer, run.view,
                    run_id=run.run_id, replay=job.replay,
                )  # fmt: skip
            else:
                self._ended(run, "stopped", "Nothing was written.")
        except asyncio.CancelledError:
            # Only before the coach has begun; from then on it turns a stop into a report itself.
            self._ended(run, "stopped", "Stopped by the user.")
        except (ModelError, OSError) as error:
            self._ended(run, "failed", str(error))
        except Exception:
            logger.exception("The run %s ended by a fault of ours.", run.run_id)
            self._ended(run, "failed", "ML Coach made a mistake of its own; see the server's log.")
        finally:
            del self.active[run.run_id]
            run.progress.end(report.outcome if report else "ended")
            self._lenses_changed()

    def _ended(self, run: Run, outcome: Outcome, reason: str) -> None:
        """Tells of a run that has no report of its own."""
        report = RunReport(outcome, reason, None, None, None, 0, Usage(), 0.0, "", "")
        run.view(RunFinished(report))

    def event_json(self, run_id: str, event: Event) -> dict[str, Any]:
        """An event as the client gets it: the log's line, with a patch's id where it has one."""
        line = self._backend.to_json(event)
        if isinstance(event, PatchOffered | PatchApplied | PatchDiscarded) and event.patch:
            line["patch_id"] = patch_id(run_id, event.patch)
        return line

    def uri_of(self, run_id: str, file: str) -> str:
        """The URI of a run's file, also after the run."""
        run = self.active.get(run_id)
        root = run.job.root if run else ChangeLog(self._backend.run_folder(run_id)).root
        return file if root is None else self._documents.uri(WorkspaceFile(root, file))

    def forget(self, run_id: str) -> None:
        """Its files read otherwise now: what it found, and which tests passed, is no longer so."""
        self.finding_store.clear(run_id)
        for uri, state in self.finding_store.suites.items():
            if state.run_id == run_id:
                self.finding_store.suites[uri] = replace(state, report=None)
        self._lenses_changed()

    def respell(self, old: str, new: str) -> None:
        """The editor spells a document's URI otherwise than we did."""
        self.finding_store.respell(old, new)
        if old in self.latest:
            self.latest[new] = self.latest.pop(old)
        self._lenses_changed()

    def suite_for(self, program_uri: str) -> str:
        """The tests file of the latest run on that program, empty for none."""
        states = self.finding_store.suites.values()
        return next((s.suite.file for s in states if s.program_uri == program_uri), "")

    def holds(self, uri: str) -> bool:
        return uri in self.unopened.texts

    # A user's own file

    async def foreign(self, job: Job) -> list[str]:
        """The files that the job would replace although they hold something of the user's."""
        if job.overwrite:
            return []
        disk, found = self._backend.disk(job.root), list[str]()
        for file in job.written:
            text = self._documents.open_text(self._documents.uri(WorkspaceFile(job.root, file)))
            if text is None:
                text = await disk.read(file)
            if text is not None and text.strip() and not disk.wrote(file, text):
                found.append(file)
        return found

    async def _cleared(self, run: Run) -> bool:
        """Whether the run may write; asks the user where that would replace their own text."""
        # Before it is looked whose they are, so that nothing can come in between unseen.
        await run.workspace.begin(run.job.written)
        foreign = await self.foreign(run.job)
        if not foreign:
            return True
        names = " and ".join(foreign)
        chosen = await self._client.choose(
            f"{names} was not written by ML Coach, or was changed since.",
            (_OVERWRITE, _ELSEWHERE),
            _ASK_SECONDS,
        )
        if chosen == _OVERWRITE:
            # That is said of the text at the time of the answer, and of the files asked about.
            await run.workspace.begin(foreign)
        if chosen == _ELSEWHERE:
            run.job = replace(run.job, request=await self._elsewhere(run.job))
            run.view.program_file = run.job.request.program_file
            run.view.tests_file = run.job.request.tests_file
            self._refuse_busy(run)
            run.workspace.known.update(dict.fromkeys(run.job.written))  # None of them is there.
        return bool(chosen)

    async def _elsewhere(self, job: Job) -> Request:
        for number in range(2, 1000):
            request = replace(
                job.request,
                program_file=_numbered(job.request.program_file, number),
                tests_file=_numbered(job.request.tests_file, number),
            )
            if job.request.task != "generate":
                request = replace(request, program_file=job.request.program_file)
            files = replace(job, request=request).written
            if not any((job.root / file).exists() for file in files):
                return request
        raise OSError(f"There is no free name beside {job.request.program_file}.")

    # Ending

    async def settled(self, run_id: str) -> bool:
        """Waits for a run that has told its end already. False for one that still works."""
        run = self.active.get(run_id)
        if run is not None and run.view.over and run.task is not None:
            await asyncio.wait([run.task])
        return run_id not in self.active

    async def stop(self, run_id: str = "") -> list[str]:
        """Cancels one run, or all, and waits until they are over. The ids of those it stopped."""
        chosen = [run for run in self.active.values() if run_id in ("", run.run_id)]
        tasks = [run.task for run in chosen if run.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        return [run.run_id for run in chosen]

    def of_token(self, token: Any) -> str:
        """The run behind a progress token, empty for none."""
        runs = self.active.values()
        return next((run.run_id for run in runs if run.progress.token == token), "")


def _numbered(file: str, number: int) -> str:
    return f"{file.removesuffix('.py')}_{number}.py"
