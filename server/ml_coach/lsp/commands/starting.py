"""The commands that start a run. Each makes one `RunOrder` and answers with the run's id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.core.evidence import Provenance
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.commands.arguments import (
    Debug,
    Generate,
    Implement,
    OneRun,
    RunSettings,
    RunTests,
    WriteTests,
)
from ml_coach.lsp.commands.command_results import RunRef
from ml_coach.lsp.commands.pairing import Pairing, is_tests
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import LONGEST_TEXT, Documents, WorkspaceFile
from ml_coach.lsp.documents.stubs import stubs_in
from ml_coach.lsp.protocol import RequestFailed, invalid
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.project_layout import source_folder
from ml_coach.run_order import RunOrder, request_from
from ml_coach.settings import Settings, with_editor


@dataclass(frozen=True, slots=True)
class Starting:
    """The handlers. All raise InvalidParams for an argument that makes no sense, and RequestFailed
    where the run cannot start; see `Runs.start`."""

    documents: Documents
    configuration: Configuration
    backend: Backend
    runs: Runs
    pairing: Pairing

    async def generate(self, argument: Generate) -> RunRef:
        """Writes a program and its tests into the files named, or into those of the settings."""
        if not argument.prompt.strip():
            raise invalid("mlCoach.generate needs a 'prompt' that says what the program must do.")
        root, program = self._target(argument)
        settings = await self._settings(root, argument)
        tests = self._tests_argument(argument.test_uri, root)
        if not tests and program and program != settings.program_file:
            tests = self.pairing.usual_tests(WorkspaceFile(root, program))
        program, tests = program or settings.program_file, tests or settings.tests_file
        if tests == program:
            raise invalid(
                f"The program and its tests would both be {program}: they must be two files."
            )
        request = request_from(
            settings, argument.prompt, program_file=program, tests_file=tests,
            source_folder=source_folder(root, program),
        )  # fmt: skip
        order = RunOrder(root, request, settings, overwrite=argument.overwrite)
        return {"runId": await self.runs.start(order)}

    def _target(self, argument: Generate) -> tuple[Path, str]:
        """The workspace folder, and the program's file in it where the argument names one."""
        if argument.target_uri:
            target = self.documents.of(argument.target_uri, "targetUri")
            return target.root, target.file
        if argument.document_uri:
            return self.documents.root_of(argument.document_uri), ""
        return self.documents.default_root(), ""

    async def implement(self, argument: Implement) -> RunRef:
        """Gives one stub its body. Raises RequestFailed where there is no such stub."""
        program, text = self._open(argument.uri)
        stubs = [stub for stub in stubs_in(text) if stub.name == argument.function]
        if not stubs:
            raise RequestFailed(
                f"{program.file} has no function {argument.function!r} whose body is still empty."
            )
        settings = await self._settings(program.root, argument)
        tests = await self.pairing.writable_tests(program, settings)
        return await self._start_on(
            program, tests, settings, "implement", stubs[-1].prompt, function=argument.function
        )

    async def debug(self, argument: Debug) -> RunRef:
        """Repairs a program until its tests pass."""
        program, _ = self._open(argument.uri)
        settings = await self._settings(program.root, argument)
        tests = self._tests_argument(argument.test_uri, program.root)
        tests = (
            tests or self.pairing.tests_of(program, settings) or self.pairing.usual_tests(program)
        )
        return await self._start_on(program, tests, settings, "debug")

    async def write_tests(self, argument: WriteTests) -> RunRef:
        """Writes tests for a program."""
        program, _ = self._open(argument.uri)
        settings = await self._settings(program.root, argument)
        tests = await self.pairing.writable_tests(program, settings)
        return await self._start_on(program, tests, settings, "write_tests")

    async def run_tests(self, argument: RunTests) -> RunRef:
        """Inspects a program and runs its tests; asks no model. Takes either file of the two."""
        file, text = self._open(argument.uri)
        settings = await self._settings(file.root, RunSettings(max_iters=1))
        program, tests = file.file, self.pairing.tests_of(file, settings)
        if is_tests(file.file):
            program, tests = self.pairing.program_of(file, text), file.file
        if not tests or not program:
            raise RequestFailed(f"No tests were found that belong to {file.file}.")
        return await self._start_on(WorkspaceFile(file.root, program), tests, settings, "debug")

    async def resume(self, argument: OneRun) -> RunRef:
        """Starts a run anew; the calls that the old run recorded are answered from its log."""
        return {"runId": await self.runs.start(await self.order_again(argument.run_id))}

    async def order_again(self, run_id: str) -> RunOrder:
        """The order for a run that goes on from an old one, in its folder and with its model.

        Raises RequestFailed where there is no such run, or where it worked elsewhere.
        """
        try:
            await self.runs.refuse_active(run_id)
            start = await asyncio.to_thread(self.backend.run_log.start, run_id)
            root = self.runs.change_log(run_id).root
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r} that could be resumed.") from None
        roots = self.documents.client.roots
        if root is None or (roots and root not in roots):
            raise RequestFailed(f"That run worked in {root or 'a terminal'}, not open here.")
        settings = await self.configuration.of(root)
        settings = replace(settings, model=start.model or settings.model)
        request = start.request
        if request.task == "debug":
            # The user may have changed tests since.
            request = replace(request, provenance=await self._provenance(root, request.tests_file))
        return RunOrder(root, request, settings, replay=run_id)

    async def _start_on(
        self,
        program: WorkspaceFile,
        tests: str,
        settings: Settings,
        task: str,
        prompt: str = "",
        **fields: Any,
    ) -> RunRef:
        """Starts a task on a program that exists."""
        if task == "debug":
            fields["provenance"] = await self._provenance(program.root, tests)
        request = request_from(
            settings, prompt, task=task, program_file=program.file, tests_file=tests,
            source_folder=source_folder(program.root, program.file), **fields,
        )  # fmt: skip
        return {"runId": await self.runs.start(RunOrder(program.root, request, settings))}

    async def _settings(self, root: Path, own: RunSettings) -> Settings:
        """The folder's settings with those of the command over them."""
        settings = await self.configuration.of(root)
        named = {
            "maxIters": own.max_iters,
            "runTimeout": own.run_timeout,
            "autoPatch": own.auto_patch,
            "model": own.model,
        }
        settings, problems = with_editor(settings, named)
        if problems:
            raise invalid(problems[0].removeprefix("mlCoach.").split("; using")[0] + ".")
        return settings

    def _open(self, uri: str) -> tuple[WorkspaceFile, str]:
        """A file and its text, from the editor or from disk."""
        file = self.documents.of(uri, "uri")
        text = self.documents.open_text(self.documents.uri(file))
        size = len(text) if text is not None else _size(file.path)
        if size > LONGEST_TEXT:
            raise RequestFailed(f"{file.file} is too long: more than {LONGEST_TEXT // 10**6} MB.")
        if text is None:
            try:
                text = file.path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise RequestFailed(f"{file.file} cannot be read: {error}.") from None
        return file, text

    async def _provenance(self, root: Path, tests: str) -> Mapping[str, Provenance]:
        # The file that says so holds every test that was ever written.
        return await asyncio.to_thread(
            self.backend.provenance_in, self.text(root, tests), root, tests
        )

    def text(self, root: Path, file: str) -> str:
        """The text of a file, from the editor or from disk; empty where there is none."""
        uri = self.documents.uri(WorkspaceFile(root, file))
        return self.documents.open_text(uri) or self.documents.disk_text(uri) or ""

    def _tests_argument(self, uri: str | None, root: Path) -> str:
        if not uri:
            return ""
        tests = self.documents.of(uri, "testUri")
        if tests.root != root:
            raise invalid("The program and its tests must lie in the same workspace folder.")
        return tests.file


def _size(path: Path) -> int:
    """In bytes; 0 for a file that cannot be read, which is told of when it is read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
