"""The tools and resources that ML Coach offers to other agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.types import (
    CallToolResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    TextContent,
    ToolAnnotations,
)
from pydantic import BaseModel, Field

from ml_coach import __version__
from ml_coach.app import App
from ml_coach.change_log import Action, ChangeLog
from ml_coach.claims import Taken
from ml_coach.core.errors import os_error_text
from ml_coach.core.events import RunStarted
from ml_coach.core.question import Answer
from ml_coach.core.types import RunReport
from ml_coach.disk import FolderWorkspace
from ml_coach.file_orders import FileOrders
from ml_coach.folder_files import FolderFiles
from ml_coach.folder_runs import settings_of, undo_or_redo
from ml_coach.mcp_server.call_log import CallLog
from ml_coach.mcp_server.client_roots import Roots, RootsOfClient, listed_roots, roots_in
from ml_coach.mcp_server.tool_results import (
    REPORT_URI,
    FilteredTests,
    RunResult,
    RunRows,
    Verification,
    filtered_text,
    run_result,
    run_row,
    run_text,
    verification_text,
)
from ml_coach.mcp_server.tool_runs import ProgressFeed, cancelled_once, carry_out, refusing_files
from ml_coach.mcp_server.verification import (
    audit_tests,
    project_at,
    project_of,
    verify_project,
    verify_texts,
)
from ml_coach.run_order import RunOrder, answered, request_from
from ml_coach.settings import Settings

_INSTRUCTIONS = (
    "ML Coach runs Python that nobody has read yet in a sandbox and judges it from outside, which "
    "makes a faked verdict hard. Call `verify` before you say that code works, and "
    "`filter_tests` before you rely on tests that a model wrote. `generate`, `write_tests` and "
    "`fix` let ML Coach's own loop work; an outcome `unsure` means that only the user can say "
    "what is right."
)
_MOST_LISTED = 300

Folder = Annotated[
    str,
    Field(description="A folder inside your roots, absolute or relative to the first root."),
]
ProjectPath = Annotated[
    str, Field(description="A project, or a folder or file of its tests, inside your roots.")
]
Texts = Annotated[dict[str, str], Field(description="Texts by relative path, as `app/cart.py`.")]
Seconds = Annotated[
    float | None, Field(gt=0, le=3600, description="The longest that the tests may take.")
]
ApplyPatches = Annotated[
    bool, Field(description="Apply patches that help; else the last one waits for the user.")
]
Overwrite = Annotated[
    bool, Field(description="Replace files that ML Coach did not write. Ask the user first.")
]


@dataclass(frozen=True, slots=True)
class CoachTools:
    """The tools, each a method; its docstring is what the calling model reads."""

    app: App

    async def verify(
        self,
        context: Context,
        roots: RootsOfClient,
        files: Texts | None = None,
        path: ProjectPath = "",
        keyword: Annotated[str, Field(description="Only tests that pytest's -k selects.")] = "",
        timeout_seconds: Seconds = None,
    ) -> Annotated[CallToolResult, Verification]:
        """Run pytest tests in a sandbox (no network, no home folder, limits on time and memory) and
        judge them from outside. Give `files`, a program and its tests as texts; or `path`, a
        project with tests; or both: then the texts stand in for the project's files. Nothing on
        disk is changed."""
        async with ProgressFeed(context) as progress:
            if path or not files:
                if not path:
                    raise ToolError("Give `files`, or a `path`.")
                opened = await project_at(roots.place(path), roots, keyword)
                settings = self._settings(opened.root, roots)
                work = verify_project(
                    self.app, settings, opened, files or {}, timeout_seconds, progress
                )
            elif keyword:
                raise ToolError("`keyword` selects tests of a project: give its `path`, too.")
            else:
                settings = self._settings(roots.folders[0], roots)
                work = verify_texts(self.app, settings, files, timeout_seconds)
            found = await cancelled_once(work)
        return answer_of(found, verification_text(found))

    async def filter_tests(
        self,
        context: Context,
        roots: RootsOfClient,
        files: Texts | None = None,
        path: ProjectPath = "",
        modules: Annotated[
            list[str] | None,
            Field(description="The files under test; else those that the tests are about."),
        ] = None,
    ) -> Annotated[CallToolResult, FilteredTests]:
        """Which of these tests cannot fail, are flaky or repeat each other, and which mistakes in
        the code none of them notices, each as a diff. Small mistakes are planted in the code under
        test and the tests are run on each, in the sandbox. Give `files`, the code and its tests as
        texts, or the `path` of tests on disk. Nothing on disk is changed."""
        if path or not files:
            if not path:
                raise ToolError("Give `files`, or a `path`.")
            opened = await project_at(roots.place(path), roots)
            project, folder = opened.project, opened.root
        else:
            project, folder = project_of(files), None
        settings = self._settings(folder or roots.folders[0], roots)
        async with ProgressFeed(context) as progress:
            work = audit_tests(self.app, settings, project, folder, modules or (), progress)
            found = await cancelled_once(work)
        return answer_of(found, filtered_text(found))

    async def generate(
        self,
        context: Context,
        roots: RootsOfClient,
        prompt: Annotated[
            str,
            Field(
                min_length=1,
                description="What the program must do. Give examples, as `f(2) == 4`: each becomes "
                "a test that nothing may drop.",
            ),
        ],
        folder: Folder = "",
        program_file: Annotated[str, Field(description="Relative to `folder`.")] = "",
        tests_file: Annotated[str, Field(description="Relative to `folder`.")] = "",
        apply_patches: ApplyPatches = True,
        overwrite: Overwrite = False,
    ) -> Annotated[CallToolResult, RunResult]:
        """Have ML Coach's own model write a Python program and its tests into `folder`, run both in
        the sandbox and debug until the tests pass. Takes half a minute to some minutes."""
        orders = self._orders(folder, roots, apply_patches)
        with refusing_files():
            order = await orders.generate(prompt, program_file, tests_file)
        if isinstance(order, RunOrder):
            order = replace(order, overwrite=overwrite)
        return await self._ran(order, context)

    async def write_tests(
        self,
        context: Context,
        roots: RootsOfClient,
        program_file: Annotated[str, Field(description="The program, relative to `folder`.")],
        folder: Folder = "",
        tests_file: Annotated[
            str, Field(description="Where the tests go; else where the project keeps them.")
        ] = "",
    ) -> Annotated[CallToolResult, RunResult]:
        """Write pytest tests for a Python file, run them in the sandbox, and keep those that notice
        a planted mistake. The program stays as it is, and so does the user's own tests file."""
        orders = self._orders(folder, roots)
        with refusing_files():
            order = await orders.write_tests(program_file, tests_file)
        return await self._ran(order, context)

    async def fix(
        self,
        context: Context,
        roots: RootsOfClient,
        path: ProjectPath = "",
        keyword: Annotated[str, Field(description="Only tests that pytest's -k selects.")] = "",
        apply_patches: ApplyPatches = False,
    ) -> Annotated[CallToolResult, RunResult]:
        """Run a project's own tests in the sandbox, and mend the code of those that fail: never a
        test, and no test that passed is lost."""
        opened = await project_at(roots.place(path), roots, keyword)
        settings = replace(self._settings(opened.root, roots), auto_patch=apply_patches)
        targets = opened.project.targets
        request = request_from(settings, "", task="fix", targets=targets, keyword=keyword)
        order = RunOrder(opened.root, request, settings, project=opened.project)
        return await self._ran(order, context)

    async def answer(
        self,
        context: Context,
        roots: RootsOfClient,
        run_id: str,
        answer: Annotated[
            str,
            Field(
                description="What the call should give, as the user says: a Python value such as "
                "'abc', `raises ValueError`, or `not defined`."
            ),
        ],
        overwrite: Overwrite = False,
    ) -> Annotated[CallToolResult, RunResult]:
        """Answer the question of a run that ended `unsure`; the run goes on from there. The answer
        is the user's: ask them."""
        begun, report = await self._past_run(run_id, roots)
        if report is None or report.question is None:
            raise ToolError(f"The run {begun.run_id} left no question open.")
        known = report.question.read(answer, f"{date.today():%Y-%m-%d}")
        if not isinstance(known, Answer):
            raise ToolError(known)
        folder = Path(begun.folder)
        settings = replace(self._settings(folder, roots), model=begun.model)
        request = answered(begun.request, report, known)
        order = RunOrder(folder, request, settings, overwrite=overwrite, replay=begun.run_id)
        async with self._taken_back(begun, order):
            return await self._ran(order, context)

    async def runs(
        self,
        roots: RootsOfClient,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> Annotated[CallToolResult, RunRows]:
        """List the latest runs in your roots, newest first."""
        found = RunRows(runs=await asyncio.to_thread(self._rows, roots, limit))
        lines = [
            f"{r.run_id}  {r.outcome or 'not ended'}  {r.task}: {r.prompt}" for r in found.runs
        ]
        return answer_of(found, "\n".join(lines) or "There is no run yet.")

    async def report(self, run_id: str, context: Context) -> str | InputRequiredResult:
        """A run's result, as the tool that started it gave it."""
        listed = await self._roots_for_resource(context)
        if isinstance(listed, InputRequiredResult):
            return listed
        try:
            begun, report = await self._past_run(run_id, roots_in(listed))
        except ToolError as error:
            raise ResourceNotFoundError(str(error)) from error
        if report is None:
            raise ResourceNotFoundError(f"The run {run_id} has not ended.")
        return self._result(begun, report).model_dump_json(indent=1)

    async def _ran(self, order: RunOrder | str, context: Context) -> CallToolResult:
        report = await carry_out(self.app, order, context)
        assert isinstance(order, RunOrder)
        begun = await asyncio.to_thread(self.app.run_log.start, order.run_id)
        result = self._result(begun, report)
        return answer_of(result, run_text(result, report))

    def _result(self, begun: RunStarted, report: RunReport) -> RunResult:
        return run_result(begun, report, patch_waits=self.app.run_log.patch_waits(begun.run_id))

    def _orders(self, folder: str, roots: Roots, apply_patches: bool = False) -> FileOrders:
        root = roots.folder(folder)
        settings = self._settings(root, roots)
        settings = replace(settings, auto_patch=settings.auto_patch or apply_patches)
        return FileOrders(FolderFiles(root, self.app), settings)

    def _settings(self, folder: Path, roots: Roots) -> Settings:
        """The settings there. What is bad in them was named when the server started."""
        return settings_of(folder, roots.highest(folder))[0]

    async def _past_run(self, run_id: str, roots: Roots) -> tuple[RunStarted, RunReport | None]:
        """How a run in the roots began and ended. Raises `ToolError` where there is none."""
        log = self.app.run_log
        try:
            (found,) = await asyncio.to_thread(log.named, run_id)
            begun = await asyncio.to_thread(log.start, found)
            report = await asyncio.to_thread(log.report, found)
        except (KeyError, ValueError):
            raise ToolError(f"There is no run {run_id!r}, or more than one.") from None
        if not roots.hold_folder(begun.folder):
            # Not told apart from no run: what others asked of ML Coach is not the client's.
            raise ToolError(f"There is no run {run_id!r}, or more than one.")
        return begun, report

    @asynccontextmanager
    async def _taken_back(self, begun: RunStarted, order: RunOrder) -> AsyncGenerator[None]:
        """Undoes a run that changed a program which was there before: the replies that it recorded
        are about that program. Where `order` changes nothing, what the run wrote is put back."""
        if begun.request.task == "generate":
            yield
            return
        run_log = self.app.run_log
        if later := await asyncio.to_thread(run_log.changed_since, begun.run_id):
            changed = f"Run {later} changed {begun.request.program_file} after run {begun.run_id}"
            raise ToolError(f"{changed}. The user can take that back: ml-coach undo {later}")
        log = ChangeLog(run_log.folder(begun.run_id))
        is_made = log.latest_action() in ("run", "redo")
        if is_made:
            await self._step(log, begun.run_id, "undo")
        try:
            yield
        finally:
            if is_made and not ChangeLog(run_log.folder_for(order.run_id)).files():
                with anyio.CancelScope(shield=True):
                    await self._step(log, begun.run_id, "redo")

    async def _step(self, log: ChangeLog, run_id: str, action: Action) -> None:
        """Undoes what a run did, or does it again. Raises `ToolError` where that cannot be."""
        root = log.root
        assert root is not None
        claim = self.app.claims.claim(run_id, [root / file for file in log.files()])
        if isinstance(claim, Taken):
            raise ToolError(claim.sentence)
        try:
            done = await undo_or_redo(FolderWorkspace(root, self.app.written_files), log, action)
        except OSError as error:
            raise ToolError(os_error_text(error)) from error
        finally:
            claim.release()
        if isinstance(done, str):
            raise ToolError(done)

    def _rows(self, roots: Roots, limit: int) -> list[Any]:
        log = self.app.run_log
        rows: list[Any] = []
        for run in log.latest(_MOST_LISTED):
            folder = log.start(run.run_id).folder
            if roots.hold_folder(folder):
                rows.append(run_row(run, folder))
            if len(rows) == limit:
                break
        return rows

    async def _roots_for_resource(self, context: Context) -> ListRootsResult | InputRequiredResult:
        """As `listed_roots`, for a resource, whose parameters the library does not resolve."""
        asked = await listed_roots(context)
        if isinstance(asked, ListRootsResult):
            return asked
        answers: Mapping[str, Any] = context.input_responses or {}
        if isinstance(found := answers.get("roots"), ListRootsResult):
            return found
        if context.session.can_send_request:
            return await context.session.send_request(ListRootsRequest(), ListRootsResult)
        return InputRequiredResult(input_requests={"roots": ListRootsRequest()})


def answer_of(result: BaseModel, text: str) -> CallToolResult:
    """A typed result, with the text that a model reads."""
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=result.model_dump(mode="json"),
    )


def create_server(app: App) -> MCPServer[Any]:
    """The server with all its tools; it does nothing before it is served."""
    tools, log = CoachTools(app), CallLog(app.state)
    server: MCPServer[Any] = MCPServer(
        "ml-coach", title="ML Coach", version=__version__, instructions=_INSTRUCTIONS,
        log_level="WARNING", middleware=[log],
    )  # fmt: skip
    looks = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    adds = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=True)
    replaces = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)
    for tool, title, hints in (
        (tools.verify, "Run tests in a sandbox", looks),
        (tools.filter_tests, "Which tests cannot fail?", looks),
        (tools.generate, "Write a tested program", replaces),
        (tools.write_tests, "Write tests", adds),
        (tools.fix, "Mend failing tests", replaces),
        (tools.answer, "Answer a run's question", replaces),
        (tools.runs, "List runs", looks),
    ):
        server.add_tool(tool, title=title, description=_described(tool), annotations=hints)
    server.resource(
        REPORT_URI, name="report", title="Report of a run", mime_type="application/json",
        description="What a run left: its files, tests, evidence, question and patch.",
    )(tools.report)  # fmt: skip
    return server


def _described(tool: Any) -> str:
    return " ".join((tool.__doc__ or "").split())
