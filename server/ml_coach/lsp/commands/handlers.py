"""`workspace/executeCommand`: the handlers of command_table.py, each answering at once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from ml_coach.change_log import Action
from ml_coach.core.errors import os_error_text
from ml_coach.core.python import syntax
from ml_coach.core.request import Request
from ml_coach.core.wording import sentence
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.answering import Answering
from ml_coach.lsp.commands.arguments import (
    ApplyPatch,
    AuditTests,
    LatestRuns,
    ListTests,
    NoArgument,
    OnePatch,
    OneRun,
    Stop,
)
from ml_coach.lsp.commands.command_results import (
    Applied,
    AuditStarted,
    Check,
    CheckList,
    Discarded,
    EventList,
    Explanation,
    FileDetails,
    ModelList,
    PatchFiles,
    RunList,
    RunPage,
    RunSummary,
    Stopped,
    TestList,
    Undone,
)
from ml_coach.lsp.commands.examining import Examining
from ml_coach.lsp.commands.starting import Starting
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import LONGEST_TEXT, Documents
from ml_coach.lsp.protocol import RequestFailed, uri_of
from ml_coach.lsp.run_details import RunAction, RunDetails
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.audits import Audits
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.run_tracker import RunTracker, task_of
from ml_coach.lsp.runs.undo import undo


class Commands:
    """All handlers; those that start a run are in `starting` and `answering`."""

    def __init__(
        self,
        client: Client,
        documents: Documents,
        configuration: Configuration,
        backend: Backend,
        runs: Runs,
        finding_store: FindingStore,
        audits: Audits,
    ) -> None:
        self._client = client
        self._documents = documents
        self._configuration = configuration
        self._backend = backend
        self._runs = runs
        self._audits = audits
        self.starting = Starting(documents, configuration, backend, runs, finding_store)
        self.answering = Answering(client, backend, self.starting)
        self.examining = Examining(client, configuration, backend)
        runs.questions.wanted = self.answering.ask

    # During and after a run

    async def stop(self, argument: Stop) -> Stopped:
        """Stops one run or call, or all and every audit, and waits until the runs are over."""
        if not argument.run_id:
            await self._audits.stop()
        calls = self.examining.stop(argument.run_id or "")
        return {"stopped": [*calls, *await self._runs.stop(argument.run_id or "", argument.reason)]}

    async def apply_patch(self, argument: ApplyPatch) -> Applied:
        """Applies a waiting patch; a refusal is also shown to the user."""
        offers = self._runs.offers
        offer = offers.get(argument.patch_id)
        if argument.all and offer and (run := self._runs.active.get(offer.run_id)):
            run.reviewer.apply_all = True
            run.view.tracker.details["autoPatch"] = True
        reason = await offers.apply(argument.patch_id, edited=argument.edited)
        if reason:
            self._client.show_message(reason, warning=True)
        return {"applied": not reason, "reason": reason}

    async def discard_patch(self, argument: OnePatch) -> Discarded:
        """Lets the run go on without a waiting patch."""
        reason = self._runs.offers.discard(argument.patch_id)
        return {"discarded": not reason, "reason": reason}

    async def undo_run(self, argument: OneRun) -> Undone:
        """Undoes or redoes what a run changed; a refusal is also shown to the user."""
        undone = await undo(argument.run_id, self._documents, self._runs)
        if undone.action == "refused":
            self._client.show_message(undone.reason, warning=True)
        else:
            self._runs.forget_results(argument.run_id)
            self._runs.questions.undone(argument.run_id, redone=undone.action == "redone")
        return {"action": undone.action, "files": list(undone.files), "reason": undone.reason}

    # Reading

    async def list_runs(self, argument: LatestRuns) -> RunList:
        """The newest runs, also those that began too recently to be in the log."""
        past = await asyncio.to_thread(self._backend.run_log.latest, argument.limit)
        known = {run.run_id: (run.request, run.outcome, self._runs.reason_of(run)) for run in past}
        for run_id, run in self._runs.active.items():
            details = run.view.tracker.details
            known[run_id] = (run.order.request, details["outcome"], details["reason"])
        newest = sorted(known, reverse=True)[: argument.limit]
        logs = {run_id: self._runs.change_log(run_id) for run_id in newest}

        def read_logs() -> dict[str, tuple[Path | None, Action | None]]:
            return {run_id: (log.root, log.latest_action()) for run_id, log in logs.items()}

        changed = await asyncio.to_thread(read_logs)
        return {"runs": [self._row(run_id, *known[run_id], *changed[run_id]) for run_id in newest]}

    def _row(
        self,
        run_id: str,
        request: Request,
        outcome: str,
        reason: str,
        root: Path | None,
        latest_action: Action | None,
    ) -> RunSummary:
        offer = self._runs.offers.of_run(run_id)
        active = self._runs.active.get(run_id)
        root = active.order.root if active else root
        elsewhere = active is None and not outcome and self._runs.holder(run_id) is not None
        is_active = elsewhere or (active is not None and not active.view.over)
        task = task_of(request)
        return {
            "runId": run_id,
            "prompt": request.prompt,
            "task": task,
            "programFile": request.subject,
            "outcome": cast("Any", outcome),
            "reason": reason,
            "active": is_active,
            "elsewhere": elsewhere,
            "waitingPatchId": offer.patch_id if offer else "",
            "folder": str(self._backend.run_log.folder_for(run_id)),
            "rootUri": uri_of(root) if root else "",
            "startedAt": _started_at(run_id),
            "can": ["stop"] if is_active else self._can(root, task, outcome, latest_action),
        }

    def _can(
        self, root: Path | None, task: str, outcome: str, latest_action: Action | None
    ) -> list[RunAction]:
        """What can be done with a run that is over."""
        roots = self._client.roots
        if root is None or (roots and not any(root.is_relative_to(folder) for folder in roots)):
            return []
        found: list[RunAction] = []
        if latest_action is not None:
            found.append("redo" if latest_action == "undo" else "undo")
        if outcome != "passed" and task != "test" and (not roots or root in roots):
            found.append("resume")
        return found

    async def run(self, argument: OneRun) -> RunDetails:
        """Everything that is shown of a run. Raises RequestFailed where there is no such run."""
        return (await self._tracker(argument.run_id)).details

    async def run_page(self, argument: OneRun) -> RunPage:
        """Writes the page of a run. Raises RequestFailed where there is no such run, or where it
        cannot be written."""
        run_id = argument.run_id

        def written() -> Path:
            file = self._backend.run_log.folder_for(run_id) / "report.html"
            file.write_text(self._backend.page_of(run_id), encoding="utf-8")
            return file

        try:
            return {"uri": uri_of(await asyncio.to_thread(written))}
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r}.") from None
        except OSError as error:
            raise RequestFailed(os_error_text(error)) from None

    async def patch(self, argument: OnePatch) -> PatchFiles:
        """The texts before and after a patch. Raises RequestFailed where there is no such patch."""
        tracker = await self._tracker(argument.patch_id.rpartition("/")[0])
        patch = tracker.patches.get(argument.patch_id)
        if patch is None:
            raise RequestFailed("This patch is not known any more.")
        changes = [FileDetails(file=c.file, before=c.before, after=c.after) for c in patch.changes]
        return {"changes": changes}

    async def _tracker(self, run_id: str) -> RunTracker:
        """What is known of a run: of an active one by its events so far, else by its log."""
        if run := self._runs.active.get(run_id):
            return run.view.tracker

        def replayed() -> RunTracker:
            root = self._runs.change_log(run_id).root
            request = self._backend.run_log.start(run_id).request
            tracker = RunTracker.of(run_id, request, uri_of(root) if root else "")
            for event in self._backend.run_log.events(run_id):
                tracker.take(event)
            tracker.leave(active=not tracker.details["outcome"] and bool(self._runs.holder(run_id)))
            return tracker

        try:
            return await asyncio.to_thread(replayed)
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r}.") from None

    async def events(self, argument: OneRun) -> EventList:
        """Everything in a run's log. Raises RequestFailed for a run that does not exist."""
        run_id = argument.run_id

        def logged() -> list[dict[str, Any]]:
            return [self._runs.event_json(run_id, e) for e in self._backend.run_log.events(run_id)]

        try:
            lines = await asyncio.to_thread(logged)
            root = self._runs.change_log(run_id).root
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r}.") from None
        return {"rootUri": uri_of(root) if root else "", "events": lines}

    async def audit_tests(self, argument: AuditTests) -> AuditStarted:
        """Begins to look which tests of a file cannot fail; what it finds are diagnostics."""
        file = self._documents.of(argument.uri, "uri")
        settings = await self._configuration.of(file.root)
        await self._audits.start(file, settings)
        return {"started": True}

    async def explain(self, argument: OneRun) -> Explanation:
        """A run's log in words. Raises RequestFailed for a run that does not exist."""

        def said() -> list[str]:
            return [
                text for e in self._backend.run_log.events(argument.run_id) if (text := sentence(e))
            ]

        try:
            return {"steps": await asyncio.to_thread(said)}
        except KeyError:
            raise RequestFailed(f"There is no run {argument.run_id!r}.") from None

    async def list_tests(self, argument: ListTests) -> TestList:
        """The tests of a file; none where it cannot be read or does not parse."""
        uri = self._documents.uri(self._documents.of(argument.uri, "uri"))
        text = self._documents.open_text(uri) or self._documents.disk_text(uri) or ""
        if len(text) > LONGEST_TEXT:
            return {"tests": []}
        places = await asyncio.to_thread(syntax.test_places, text)
        return {"tests": [{"name": name, "line": line - 1} for name, line in places.items()]}

    async def models(self, argument: NoArgument) -> ModelList:
        """The models that can be used with the first folder's settings."""
        found = await self._backend.models(await self._configuration.anywhere())
        return cast("ModelList", cast("object", found))

    async def doctor(self, argument: NoArgument) -> CheckList:
        """Checks the machine with the first folder's settings."""
        checks = await self._backend.doctor(await self._configuration.anywhere())
        return {"checks": cast("list[Check]", cast("object", checks))}


def _started_at(run_id: str) -> str:
    """The local time in a run's id, in ISO 8601; empty where it holds none."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").isoformat()
    except ValueError:
        return ""
