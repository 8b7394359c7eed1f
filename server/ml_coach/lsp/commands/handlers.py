"""`workspace/executeCommand`: the handlers of command_table.py, each answering at once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ml_coach.core.request import Request
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.answering import Answering
from ml_coach.lsp.commands.arguments import (
    ApplyPatch,
    DiscardPatch,
    LatestRuns,
    NoArgument,
    OneRun,
    Stop,
)
from ml_coach.lsp.commands.pairing import Pairing
from ml_coach.lsp.commands.results import (
    Applied,
    Check,
    CheckList,
    Discarded,
    EventList,
    ModelList,
    RunList,
    RunSummary,
    Stopped,
    Undone,
)
from ml_coach.lsp.commands.starting import Starting
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.protocol import RequestFailed, uri_of
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.finding_store import FindingStore
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
    ) -> None:
        self._client = client
        self._documents = documents
        self._configuration = configuration
        self._backend = backend
        self._runs = runs
        pairing = Pairing(documents, backend, finding_store)
        self.starting = Starting(documents, configuration, backend, runs, pairing)
        self.answering = Answering(client, backend, self.starting)
        runs.questions.wanted = self.answering.ask

    # During and after a run

    async def stop(self, argument: Stop) -> Stopped:
        """Stops one run, or all, and waits until they are over."""
        return {"stopped": await self._runs.stop(argument.run_id or "")}

    async def apply_patch(self, argument: ApplyPatch) -> Applied:
        """Applies a waiting patch; a refusal is also shown to the user."""
        offers = self._runs.offers
        offer = offers.get(argument.patch_id)
        if argument.all and offer and (run := self._runs.active.get(offer.run_id)):
            run.reviewer.apply_all = True
        reason = await offers.apply(argument.patch_id, edited=argument.edited)
        if reason:
            self._client.show_message(reason, warning=True)
        return {"applied": not reason, "reason": reason}

    async def discard_patch(self, argument: DiscardPatch) -> Discarded:
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
        rows = {run.run_id: self._row(run.run_id, run.request, run.outcome, run.reason)
                for run in past}  # fmt: skip
        for run_id, run in self._runs.active.items():
            if run_id not in rows:
                rows[run_id] = self._row(run_id, run.order.request, "", "")
        newest = sorted(rows, reverse=True)[: argument.limit]
        return {"runs": [rows[run_id] for run_id in newest]}

    def _row(self, run_id: str, request: Request, outcome: str, reason: str) -> RunSummary:
        offer = self._runs.offers.of_run(run_id)
        active = self._runs.active.get(run_id)
        root = active.order.root if active else self._runs.change_log(run_id).root
        elsewhere = active is None and not outcome and self._runs.holder(run_id) is not None
        return {
            "runId": run_id,
            "prompt": request.prompt,
            "task": request.task,
            "programFile": request.program_file,
            "outcome": cast("Any", outcome),
            "reason": reason,
            "active": active is not None or elsewhere,
            "elsewhere": elsewhere,
            "waitingPatchId": offer.patch_id if offer else "",
            "folder": str(self._backend.run_log.folder_for(run_id)),
            "rootUri": uri_of(root) if root else "",
        }

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

    async def models(self, argument: NoArgument) -> ModelList:
        """The models that can be used with the first folder's settings."""
        found = await self._backend.models(await self._configuration.anywhere())
        return cast("ModelList", cast("object", found))

    async def doctor(self, argument: NoArgument) -> CheckList:
        """Checks the machine with the first folder's settings."""
        checks = await self._backend.doctor(await self._configuration.anywhere())
        return {"checks": cast("list[Check]", cast("object", checks))}
