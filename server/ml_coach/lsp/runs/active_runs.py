"""Runs: each a task of its own, started and stopped by commands that never wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.change_log import Action, ChangeLog
from ml_coach.claims import Claim, Taken
from ml_coach.core.errors import ModelError
from ml_coach.core.events import Event, PatchApplied, PatchDiscarded, PatchOffered, RunFinished
from ml_coach.core.types import Outcome, RunReport
from ml_coach.core.usage import Usage
from ml_coach.lsp.backend import Backend, PastRun
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.delivery import UnopenedEdits
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.protocol import RequestFailed, path_of, uri_of
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.folder_python import ask_about_python
from ml_coach.lsp.runs.key_hosts import ask_about_key
from ml_coach.lsp.runs.open_questions import OpenQuestions
from ml_coach.lsp.runs.overwriting import foreign_files, with_free_names
from ml_coach.lsp.runs.progress import Progress
from ml_coach.lsp.runs.review import EditorReviewer, Offers, patch_id
from ml_coach.lsp.runs.run_tracker import RunTracker, task_of
from ml_coach.lsp.runs.run_view import RunView
from ml_coach.run_order import RunOrder, import_problem, next_order

logger = logging.getLogger(__name__)

_STOP_SECONDS = 2.0
ENDED_WITH_SERVER = "The editor ended or restarted ML Coach's server while the run was active."
ENDED_IN_ITS_MIDST = (
    "ML Coach's server ended in the midst of the run: it crashed, or it was killed."
)
_UNREADABLE = "The end of the run's log cannot be read."
_STOP_ELSEWHERE_SECONDS = 5.0
_ASK_SECONDS = 600.0
_OVERWRITE, _OTHER_FILE = "Overwrite", "Use another file"
_TITLES = {
    "generate": "generating {}",
    "implement": "implementing {}",
    "debug": "debugging {}",
    "test": "testing {}",
    "write_tests": "writing tests for {}",
    "refine": "refining {}",
    "fix": "fixing the tests of {}",
}


@dataclass(slots=True, eq=False)
class ActiveRun:
    """A run that was started and is not over, with its parts in the editor."""

    workspace: EditorWorkspace
    reviewer: EditorReviewer
    progress: Progress
    view: RunView
    claim: Claim
    task: asyncio.Task[None] | None = None

    @property
    def order(self) -> RunOrder:
        """What the run was started with; "Use another file" replaces it before the run begins."""
        return self.view.order

    @property
    def run_id(self) -> str:
        """The run's id, which never changes."""
        return self.view.order.run_id

    @property
    def paths(self) -> frozenset[Path]:
        """The files that no second run may work on meanwhile."""
        return _paths(self.order)


class Runs:
    """All active runs by id, the run that last changed each file (by URI), and the undone runs.

    `resumable` is the id of the newest run where that was stopped or failed, else empty.
    """

    def __init__(
        self,
        client: Client,
        documents: Documents,
        backend: Backend,
        finding_store: FindingStore,
        offers: Offers,
        questions: OpenQuestions,
        lenses_changed: Callable[[], None],
    ) -> None:
        self._client = client
        self._documents = documents
        self._backend = backend
        self._finding_store = finding_store
        self._lenses_changed = lenses_changed
        self.offers = offers
        self.questions = questions
        self.unopened = UnopenedEdits()
        self.active: dict[str, ActiveRun] = {}
        self.latest: dict[str, str] = {}
        self.undone: set[str] = set()
        self.resumable = ""

    def workspace(self, run_id: str, root: Path, action: Action = "run") -> EditorWorkspace:
        """The user's files for a run. Raises `KeyError` for an impossible run id."""
        return EditorWorkspace(
            self._client,
            self._documents,
            self._backend.disk(root),
            self.unopened,
            self.change_log(run_id),
            root,
            action,
            changed=lambda uri: self.latest.__setitem__(uri, run_id),
        )

    def change_log(self, run_id: str) -> ChangeLog:
        """What a run did to the user's files. Raises `KeyError` for an impossible run id."""
        return ChangeLog(self._backend.run_log.folder_for(run_id))

    # Starting

    async def start(self, order: RunOrder) -> str:
        """The id of the new run.

        Raises RequestFailed when no test could import the program, when one of the files is being
        worked on, or when one is the user's own and they cannot be asked about it.
        """
        self._refuse_unimportable(order)
        if not self._client.asks_questions and (foreign := await self._foreign(order)):
            raise RequestFailed(
                f"{' and '.join(foreign)} was not written by ML Coach, or was changed since. "
                "Name another file, or remove it."
            )
        workspace = self.workspace(order.run_id, order.root)
        progress = Progress(self._client, _title(order), order.quiet)
        reviewer = EditorReviewer(self.offers, workspace, order.run_id, progress)
        view = RunView(
            order, self._client, self._finding_store, self.questions, progress, workspace,
            self.event_json, self._lenses_changed,
            RunTracker.of(order.run_id, order.request, uri_of(order.root)),
        )  # fmt: skip
        await self._leave_question_open(order)
        self._refuse_busy(order)
        claim = workspace.claim = self.claim(order.run_id, _paths(order))
        if order.project is not None:
            files = order.project.modules
            workspace.known.update({file: order.project.text(file) for file in files})
        run = ActiveRun(workspace, reviewer, progress, view, claim)
        self.active[run.run_id] = run
        run.task = asyncio.ensure_future(self._work(run))
        run.task.add_done_callback(lambda _: self._end_unbegun(run))
        return run.run_id

    def _refuse_unimportable(self, order: RunOrder) -> None:
        has_tests = self._documents.exists(WorkspaceFile(order.root, order.request.tests_file))
        if problem := import_problem(order.request, has_tests=has_tests):
            raise RequestFailed(problem)

    def claim(self, run_id: str, files: Iterable[Path]) -> Claim:
        """Claims a run and its files among all servers and terminals. Raises RequestFailed where
        somebody else works on one of them."""
        claim = self._backend.claims.claim(run_id, files)
        if isinstance(claim, Taken):
            raise RequestFailed(claim.sentence)
        return claim

    async def _leave_question_open(self, order: RunOrder) -> None:
        """Ends runs that only wait for an answer: a question keeps no file from other runs."""
        for other in list(self.active.values()):
            if other.reviewer.is_asking and other.paths & _paths(order) and other.task:
                other.reviewer.left.set()
                await asyncio.wait([other.task])

    def _refuse_busy(self, order: RunOrder) -> None:
        for other in self.active.values():
            if other.run_id == order.run_id or other.view.over:
                continue
            if both := other.paths & _paths(order):
                name = min(path.name for path in both)
                if self.offers.of_run(other.run_id):
                    raise RequestFailed(
                        f"The run {other.run_id} waits for your decision on its patch for {name}: "
                        "apply it, discard it or stop that run first."
                    )
                raise RequestFailed(
                    f"The run {other.run_id} is working on {name}; stop it first or let it finish."
                )

    async def _work(self, run: ActiveRun) -> None:
        run.progress.begin()
        report = None
        try:
            await ask_about_key(self._client, self._backend, run.order)
            await ask_about_python(self._client, self._backend, run.order.settings, run.order.root)
            self._replace(run, await self._backend.divided(run.order, run.progress))
            if await self._may_write(run):
                run.workspace.replaced = frozenset(run.order.replaced_files)
                run.workspace.change_log.begin(run.order.root)
                emit = run.claim.released_at_end(run.view)
                report = await self._backend.run(run.order, run.workspace, run.reviewer, emit)
            else:
                self._end_without_report(run, "stopped", "Nothing was written.")
        except asyncio.CancelledError as stop:
            # Only before the coach has begun; from then on it turns a stop into a report itself.
            self._end_without_report(run, "stopped", str(stop) or "Stopped by the user.")
        except (ModelError, OSError, RequestFailed) as error:
            self._end_without_report(run, "failed", str(error))
        except Exception:
            logger.exception("The run %s ended by a fault of ours.", run.run_id)
            reason = "ML Coach made a mistake of its own; see the server's log."
            self._end_without_report(run, "failed", reason)
        finally:
            if report is not None:
                self.resumable = run.run_id if report.outcome in ("stopped", "failed") else ""
            run.claim.release()
            run.progress.end(report.outcome if report else "ended")
            try:
                # Whoever stops all runs now means the one that follows, too.
                if report is not None:
                    await self._go_on(run.order, report)
            finally:
                del self.active[run.run_id]
                self._lenses_changed()

    def _end_unbegun(self, run: ActiveRun) -> None:
        """Ends a run whose task was cancelled ahead of its first step, so that none of it ran."""
        if self.active.pop(run.run_id, None) is not None:
            self._end_without_report(run, "stopped", "Stopped by the user.")
            run.claim.release()
            run.progress.end("ended")
            self._lenses_changed()

    async def _go_on(self, order: RunOrder, report: RunReport) -> None:
        """Starts the run that follows on this one, where there is one."""
        try:
            following = await next_order(order, report)
            if isinstance(following, RunOrder):
                await self.start(following)
            elif following:
                self._client.show_message(following, warning=True)
        except (OSError, RequestFailed) as refused:
            self._client.show_message(str(refused), warning=True)

    def _replace(self, run: ActiveRun, order: RunOrder) -> None:
        """Has a run that has not begun do another order, on other files."""
        if order is run.order:
            return
        run.view.order = order
        self._refuse_busy(order)
        run.claim.take(run.paths)

    def _end_without_report(self, run: ActiveRun, outcome: Outcome, reason: str) -> None:
        if run.view.over:
            return  # It was stopped between its end and that of its model.
        report = RunReport(outcome, reason, None, None, None, 0, Usage(), 0.0, "", "")
        run.claim.released_at_end(run.view)(RunFinished(report))

    async def _foreign(self, order: RunOrder) -> list[str]:
        """The files that the run would replace although they hold something of the user's."""
        if order.overwrite:
            return []
        disk = self._backend.disk(order.root)
        return await foreign_files(order.root, order.replaced_files, self._documents, disk)

    async def _may_write(self, run: ActiveRun) -> bool:
        """Whether the run may write; asks the user where that would replace their own text."""
        order = run.order
        # Noted before the check for foreign files, so that no edit can come in between.
        await run.workspace.note_present_texts(run.order.replaced_files)
        foreign = await self._foreign(run.order)
        if not foreign:
            return True
        names = " and ".join(foreign)
        chosen = await self._client.ask(
            f"{names} was not written by ML Coach, or was changed since.",
            (_OVERWRITE, _OTHER_FILE),
            _ASK_SECONDS,
        )
        if chosen == _OVERWRITE:
            # The user allows it for the text at the time of the answer, in the files named only.
            await run.workspace.note_present_texts(foreign)
        if chosen == _OTHER_FILE:
            self._replace(run, replace(with_free_names(run.order), rest=()))
            if rest := [part.file for part in order.rest]:
                self._client.show_message(
                    f"{' and '.join(rest)} will not be written: it would import "
                    f"{order.request.program_file}, and not {run.order.request.program_file}.",
                    warning=True,
                )
            # None of the new files exists.
            run.workspace.known.update(dict.fromkeys(run.order.replaced_files))
        return bool(chosen)

    # Reading

    def event_json(self, run_id: str, event: Event) -> dict[str, Any]:
        """An event as the client gets it: the log's line, with a patch's id where it has one."""
        line = self._backend.event_json(event)
        if isinstance(event, PatchOffered | PatchApplied | PatchDiscarded) and event.patch:
            line["patch_id"] = patch_id(run_id, event.patch)
        return line

    def uri_of(self, run_id: str, file: str) -> str:
        """The URI of a run's file, also after the run; `file` itself where the root is unknown."""
        run = self.active.get(run_id)
        root = run.order.root if run else self.change_log(run_id).root
        return file if root is None else self._documents.uri(WorkspaceFile(root, file))

    def run_of_token(self, token: Any) -> str:
        """The id of the run behind a progress token, empty for none."""
        runs = self.active.values()
        return next((run.run_id for run in runs if run.progress.token == token), "")

    def has_unopened_text(self, uri: str) -> bool:
        """Whether an editor holds our text in a document that it did not open for us."""
        return uri in self.unopened.texts

    def shown_below(self, folder: Path) -> dict[str, str]:
        """The texts that the editor holds and the disk may not, by their paths below `folder`."""
        shown = self._documents.open_below(folder)
        for uri, (text, disk_then) in self.unopened.texts.items():
            path = path_of(uri)
            is_below = path is not None and path.is_relative_to(folder)
            if path and is_below and self._documents.disk_text(uri) == disk_then:
                shown.setdefault(path.relative_to(folder).as_posix(), text)
        return shown

    def rename_uri(self, old: str, new: str) -> None:
        """The editor's URI of a document differs from the one used until now."""
        self._finding_store.rename_uri(old, new)
        self.questions.rename_uri(old, new)
        if old in self.latest:
            self.latest[new] = self.latest.pop(old)
        self._lenses_changed()

    # Ending

    async def refuse_active(self, run_id: str) -> None:
        """Raises RequestFailed for a run that goes on, here or elsewhere; waits for one that has
        reported its end already."""
        run = self.active.get(run_id)
        if run is not None and run.view.over and run.task is not None:
            await asyncio.wait([run.task])
        if holder := self.holder(run_id):
            raise RequestFailed(holder.sentence)

    def holder(self, run_id: str) -> Taken | None:
        """Who works on a run now: this server, another or a terminal. None for a run that is over.

        Raises `KeyError` for an impossible run id.
        """
        self._backend.run_log.folder_for(run_id)
        return self._backend.claims.holder(run_id)

    def reason_of(self, run: PastRun) -> str:
        """Why a run of the log ended; empty for one that goes on, here or elsewhere."""
        if run.outcome or run.run_id in self.active or self.holder(run.run_id):
            return run.reason
        return _UNREADABLE if run.is_damaged else ENDED_IN_ITS_MIDST

    async def stop(self, run_id: str = "", reason: str = "") -> list[str]:
        """Cancels one run, or all, and waits until they are over. The ids of those it stopped.

        `reason` says in their reports why, where it was not the user who stopped them.
        """
        chosen = [
            run for run in self.active.values() if run_id in ("", run.run_id, run.order.first)
        ]
        if run_id and not chosen:
            return await self._stop_elsewhere(run_id)
        tasks = [run.task for run in chosen if run.task is not None]
        for task in tasks:
            task.cancel(reason or None)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        return [run.run_id for run in chosen]

    async def _stop_elsewhere(self, run_id: str) -> list[str]:
        with suppress(KeyError):
            if self.holder(run_id):
                stopped = await self._backend.claims.stop(run_id, _STOP_ELSEWHERE_SECONDS)
                return [run_id] if stopped else []
        return []

    def forget_results(self, run_id: str) -> None:
        """Drops a run's findings and test outcomes, because its files were changed back."""
        self._finding_store.forget_results(run_id)
        self._lenses_changed()


def _paths(order: RunOrder) -> frozenset[Path]:
    program_file = () if order.project else (order.request.program_file,)
    return frozenset(order.root / file for file in (*order.files, *program_file))


def _title(order: RunOrder) -> str:
    return _TITLES[task_of(order.request)].format(order.request.function or order.subject)
