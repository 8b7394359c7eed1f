"""`workspace/executeCommand`: what PROTOCOL.md lists, each command answering at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ml_coach.core.types import Program
from ml_coach.lsp.backend import Backend, PastRun
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.arguments import (
    ApplyPatch,
    Generate,
    Implement,
    Latest,
    Limited,
    Nothing,
    OnFile,
    OnPatch,
    OnRun,
    RunTests,
    Stop,
    WriteTests,
)
from ml_coach.lsp.commands.pairing import Pairing, beside, is_tests
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.change_log import ChangeLog
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile, uri_of
from ml_coach.lsp.documents.stubs import stubs_in
from ml_coach.lsp.protocol import RequestFailed, invalid
from ml_coach.lsp.runs.active_runs import Job, Runs
from ml_coach.lsp.runs.undo import undo
from ml_coach.settings import Settings, with_editor

Handler = Callable[[Any], Coroutine[Any, Any, Any]]


class Commands:
    def __init__(
        self,
        client: Client,
        documents: Documents,
        configuration: Configuration,
        backend: Backend,
        runs: Runs,
    ) -> None:
        self._client = client
        self._documents = documents
        self._configuration = configuration
        self._backend = backend
        self._runs = runs
        self._pairs = Pairing(documents, backend, runs)

    def table(self) -> dict[str, tuple[type, Handler]]:
        """Every command by its name, with the type of its argument."""
        return {
            "mlCoach.generate": (Generate, self.generate),
            "mlCoach.implement": (Implement, self.implement),
            "mlCoach.debug": (OnFile, self.debug),
            "mlCoach.writeTests": (WriteTests, self.write_tests),
            "mlCoach.runTests": (RunTests, self.run_tests),
            "mlCoach.stop": (Stop, self.stop),
            "mlCoach.applyPatch": (ApplyPatch, self.apply_patch),
            "mlCoach.discardPatch": (OnPatch, self.discard_patch),
            "mlCoach.undoRun": (OnRun, self.undo_run),
            "mlCoach.resume": (OnRun, self.resume),
            "mlCoach.runs": (Latest, self.list_runs),
            "mlCoach.events": (OnRun, self.events),
            "mlCoach.models": (Nothing, self.models),
            "mlCoach.doctor": (Nothing, self.doctor),
        }

    # Starting

    async def generate(self, argument: Generate) -> dict[str, Any]:
        if not argument.prompt.strip():
            raise invalid("mlCoach.generate needs a 'prompt' that says what the program must do.")
        if argument.target_uri:
            target = self._documents.of(argument.target_uri, "targetUri")
            root, file = target.root, target.file
        elif argument.document_uri:
            root, file = self._documents.root_of(argument.document_uri), ""
        else:
            root, file = self._documents.default_root(), ""
        settings = await self._settings(root, argument)
        program = file or settings.program_file
        tests = self._tests_argument(argument.test_uri, root)
        if not tests:
            tests = beside(program) if file and file != settings.program_file else (
                settings.tests_file
            )  # fmt: skip
        if tests == program:
            raise invalid("targetUri and testUri must be two different files.")
        request = self._backend.request(
            settings, argument.prompt, program_file=program, tests_file=tests
        )
        job = Job(root, request, settings, overwrite=argument.overwrite)
        return await self._start(job)

    async def implement(self, argument: Implement) -> dict[str, Any]:
        place, text = self._open(argument.uri)
        named = [stub for stub in stubs_in(text) if stub.name == argument.function]
        stub = named[-1] if named else None
        if stub is None:
            raise RequestFailed(
                f"{place.file} has no function {argument.function!r} whose body is still empty."
            )
        settings = await self._settings(place.root, argument)
        tests = await self._pairs.writable_tests(place, settings)
        request = self._backend.request(
            settings, stub.prompt, task="implement", function=stub.name,
            program_file=place.file, tests_file=tests,
        )  # fmt: skip
        return await self._start(Job(place.root, request, settings))

    async def debug(self, argument: OnFile) -> dict[str, Any]:
        place, _ = self._open(argument.uri)
        settings = await self._settings(place.root, argument)
        tests = self._tests_argument(argument.test_uri, place.root)
        tests = tests or self._pairs.tests_of(place, settings) or beside(place.file)
        request = self._backend.request(
            settings, "", task="debug", program_file=place.file, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def write_tests(self, argument: WriteTests) -> dict[str, Any]:
        place, _ = self._open(argument.uri)
        settings = await self._settings(place.root, argument)
        tests = await self._pairs.writable_tests(place, settings)
        request = self._backend.request(
            settings, "", task="write_tests", program_file=place.file, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def run_tests(self, argument: RunTests) -> dict[str, Any]:
        """Inspects a program and runs its tests; asks no model. Takes either file of the two."""
        place, text = self._open(argument.uri)
        settings = await self._settings(place.root, Limited(max_iters=1))
        program, tests = place.file, self._pairs.tests_of(place, settings)
        if is_tests(place.file):
            program, tests = self._pairs.program_of(place, text), place.file
        if not tests or not program:
            raise RequestFailed(f"No tests were found that belong to {place.file}.")
        request = self._backend.request(
            settings, "", task="debug", program_file=program, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def _start(self, job: Job) -> dict[str, Any]:
        request = job.request
        # The user's own tests may load the program in their own way.
        own_tests = request.task == "debug" and self._pairs.exists(job.root, request.tests_file)
        if not own_tests and not Program("", request.program_file).is_importable:
            raise RequestFailed(
                f"Tests can not import {request.program_file}: rename it, so that each part of its "
                "path is a Python name, as in app/my_module.py."
            )
        if not self._client.asks and (foreign := await self._runs.foreign(job)):
            raise RequestFailed(
                f"{' and '.join(foreign)} was not written by ML Coach, or was changed since. "
                "Name another file, or remove it."
            )
        return {"runId": self._runs.start(job)}

    async def _settings(self, root: Path, limited: Limited) -> Settings:
        settings = await self._configuration.of(root)
        asked = {
            "maxIters": limited.max_iters,
            "runTimeout": limited.run_timeout,
            "autoPatch": limited.auto_patch,
            "model": limited.model,
        }
        settings, problems = with_editor(settings, asked)
        if problems:
            raise invalid(problems[0].removeprefix("mlCoach.").split("; using")[0] + ".")
        return settings

    # Files

    def _open(self, uri: str) -> tuple[WorkspaceFile, str]:
        place = self._documents.of(uri, "uri")
        text = self._documents.open_text(self._documents.uri(place))
        if text is None:
            try:
                text = place.path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise RequestFailed(f"{place.file} can not be read: {error}.") from None
        return place, text

    def _tests_argument(self, uri: str | None, root: Path) -> str:
        if not uri:
            return ""
        place = self._documents.of(uri, "testUri")
        if place.root != root:
            raise invalid("The program and its tests must lie in the same workspace folder.")
        return place.file

    # During and after

    async def stop(self, argument: Stop) -> dict[str, Any]:
        if argument.run_id and argument.run_id not in self._runs.active:
            return {"stopped": []}
        return {"stopped": await self._runs.stop(argument.run_id or "")}

    async def apply_patch(self, argument: ApplyPatch) -> dict[str, Any]:
        offer = self._runs.offers.get(argument.patch_id)
        if argument.all and offer and (run := self._runs.active.get(offer.run_id)):
            run.reviewer.apply_all = True
        reason = await self._runs.offers.apply(argument.patch_id, edited=argument.edited)
        if reason:
            self._client.tell(reason, warning=True)
        return {"applied": not reason, "reason": reason}

    async def discard_patch(self, argument: OnPatch) -> dict[str, Any]:
        reason = self._runs.offers.discard(argument.patch_id)
        return {"discarded": not reason, "reason": reason}

    async def undo_run(self, argument: OnRun) -> dict[str, Any]:
        undone = await undo(argument.run_id, self._backend, self._documents, self._runs)
        if undone.action == "refused":
            self._client.tell(undone.reason, warning=True)
        else:
            self._runs.forget(argument.run_id)
        return asdict(undone)

    async def resume(self, argument: OnRun) -> dict[str, Any]:
        run_id, backend = argument.run_id, self._backend
        if not await self._runs.settled(run_id):
            raise RequestFailed(f"The run {run_id} is still going on.")
        try:
            start = await asyncio.to_thread(backend.past_start, run_id)
            root = ChangeLog(backend.run_folder(run_id)).root
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r} that could be resumed.") from None
        roots = self._documents.roots
        if root is None or (roots and root not in roots):
            raise RequestFailed(f"That run worked in {root or 'a terminal'}, not open here.")
        settings = await self._configuration.of(root)
        settings = replace(settings, model=start.model or settings.model)
        return await self._start(Job(root, start.request, settings, replay=run_id))

    # Reading

    async def list_runs(self, argument: Latest) -> dict[str, Any]:
        past = await asyncio.to_thread(self._backend.runs, argument.limit)
        logged = {run.run_id for run in past}
        begun = [
            PastRun(run_id, run.job.request, "", "", self._backend.run_folder(run_id))
            for run_id, run in self._runs.active.items()
            if run_id not in logged
        ]
        latest = sorted((*begun, *past), key=lambda run: run.run_id, reverse=True)
        return {"runs": [self._row(run) for run in latest[: argument.limit]]}

    def _row(self, run: PastRun) -> dict[str, Any]:
        offer = self._runs.offers.of_run(run.run_id)
        active = self._runs.active.get(run.run_id)
        root = active.job.root if active else ChangeLog(run.folder).root
        return {
            "runId": run.run_id,
            "prompt": run.request.prompt,
            "task": run.request.task,
            "programFile": run.request.program_file,
            "outcome": run.outcome,
            "reason": run.reason,
            "active": active is not None,
            "waitingPatchId": offer.patch_id if offer else "",
            "folder": str(run.folder),
            "rootUri": uri_of(root) if root else "",
        }

    async def events(self, argument: OnRun) -> dict[str, Any]:
        backend = self._backend
        try:
            events = await asyncio.to_thread(backend.past_events, argument.run_id)
            root = ChangeLog(backend.run_folder(argument.run_id)).root
        except KeyError:
            raise RequestFailed(f"There is no run {argument.run_id!r}.") from None
        lines = [self._runs.event_json(argument.run_id, event) for event in events]
        return {"rootUri": uri_of(root) if root else "", "events": lines}

    async def models(self, argument: Nothing) -> dict[str, Any]:
        return await self._backend.models(await self._anywhere())

    async def doctor(self, argument: Nothing) -> dict[str, Any]:
        return {"checks": await self._backend.doctor(await self._anywhere())}

    async def _anywhere(self) -> Settings:
        roots = self._documents.roots
        return await self._configuration.of(roots[0]) if roots else self._backend.settings()[0]
