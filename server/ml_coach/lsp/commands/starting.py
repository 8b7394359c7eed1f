"""The commands that start a run. Each makes one `RunOrder` and answers with the run's id."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from ml_coach.core.project import is_tests
from ml_coach.file_orders import FileOrders, fix_order, one_file
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.commands.arguments import (
    Debug,
    Fix,
    Generate,
    Implement,
    OneRun,
    Refine,
    RunSettings,
    RunTests,
    WriteTests,
)
from ml_coach.lsp.commands.command_results import RunRef
from ml_coach.lsp.commands.editor_files import EditorFiles
from ml_coach.lsp.commands.shown_project import open_shown
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import LONGEST_TEXT, Documents, WorkspaceFile
from ml_coach.lsp.protocol import RequestFailed, invalid, path_of
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.project_layout import usual_tests
from ml_coach.run_order import RunOrder
from ml_coach.settings import Settings, with_editor


@dataclass(frozen=True, slots=True)
class Starting:
    """The handlers. All raise InvalidParams for an argument that makes no sense, and RequestFailed
    where the run cannot start; see `Runs.start`."""

    documents: Documents
    configuration: Configuration
    backend: Backend
    runs: Runs
    finding_store: FindingStore

    async def generate(self, argument: Generate) -> RunRef:
        """Writes a program and its tests into the files named, or into those of the settings."""
        if not argument.prompt.strip():
            raise invalid("mlCoach.generate needs a 'prompt' that says what the program must do.")
        root, program = self._target(argument)
        orders = await self._orders(root, argument)
        tests = self._tests_argument(argument.test_uri, root)
        if program and program == tests:
            raise invalid(one_file(program))
        order = await orders.generate(argument.prompt, program, tests)
        return await self._start(order, argument, overwrite=argument.overwrite)

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
        program, _ = self._open(argument.uri)
        orders = await self._orders(program.root, argument)
        return await self._start(await orders.implement(program.file, argument.function), argument)

    async def debug(self, argument: Debug) -> RunRef:
        """Repairs a program until its tests pass."""
        program, _ = self._open(argument.uri)
        orders = await self._orders(program.root, argument)
        tests = self._tests_argument(argument.test_uri, program.root)
        tests = tests or orders.tests_of(program.file) or usual_tests(program.root, program.file)
        return await self._start(await orders.debug(program.file, tests), argument)

    async def write_tests(self, argument: WriteTests) -> RunRef:
        """Writes tests for a program."""
        program, _ = self._open(argument.uri)
        orders = await self._orders(program.root, argument)
        return await self._start(await orders.write_tests(program.file), argument)

    async def refine(self, argument: Refine) -> RunRef:
        """Has a program do something more. Its tests stay, and new ones go behind them."""
        if not argument.prompt.strip():
            raise invalid("mlCoach.refine needs a 'prompt' that says what the program must do too.")
        program, _ = self._open(argument.uri)
        orders = await self._orders(program.root, argument)
        tests = self._tests_argument(argument.test_uri, program.root)
        order = await orders.refine(program.file, argument.prompt.strip(), tests=tests)
        return await self._start(order, argument)

    async def fix(self, argument: Fix) -> RunRef:
        """Mends the code that tests of a project fail for."""
        if argument.test and not argument.uri:
            raise invalid("mlCoach.fix needs the 'uri' of the file that the 'test' is in.")
        place = path_of(argument.uri) if argument.uri else self.documents.default_root()
        if place is None:
            raise invalid("uri must be the URI of a file or of a folder, like file:///folder.")
        opened = await open_shown(
            self.documents, place, argument.test or "", argument.keyword or ""
        )
        order = fix_order(opened, await self._settings(opened.root, argument))
        return await self._start(order, argument)

    async def run_tests(self, argument: RunTests) -> RunRef:
        """Inspects a program and runs its tests; asks no model. Takes either file of the two."""
        file, text = self._open(argument.uri)
        once = RunSettings(max_iters=1)
        orders = await self._orders(file.root, once)
        if is_tests(file.file):
            program, tests = self._files(file.root).program_of(file.file, text), file.file
        else:
            program, tests = file.file, orders.tests_of(file.file)
        if not tests or not program:
            raise RequestFailed(f"No tests were found that belong to {file.file}.")
        return await self._start(await orders.debug(program, tests), once)

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
        if request.task in ("debug", "implement", "refine"):
            # The user may have changed tests since.
            provenance = await self._files(root).provenance(request.tests_file)
            request = replace(request, provenance=provenance)
        project = None
        if request.task == "fix":
            opened = await open_shown(self.documents, root, keyword=request.keyword)
            project = replace(opened.project, targets=request.targets)
        return RunOrder(root, request, settings, replay=run_id, project=project)

    async def _start(
        self, order: RunOrder | str, own: RunSettings, *, overwrite: bool = False
    ) -> RunRef:
        """Starts the run. Raises RequestFailed with the sentence that stands for the order."""
        if isinstance(order, str):
            raise RequestFailed(order)
        order = replace(order, overwrite=overwrite, quiet=own.quiet)
        return {"runId": await self.runs.start(order)}

    def _files(self, root: Path) -> EditorFiles:
        return EditorFiles(root, self.documents, self.backend, self.finding_store)

    async def _orders(self, root: Path, own: RunSettings) -> FileOrders:
        return FileOrders(self._files(root), await self._settings(root, own))

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

    def text(self, root: Path, file: str) -> str:
        """The text of a file, from the editor or from disk; empty where there is none."""
        return self._files(root).text(file) or ""

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
