"""The warm workers of one executor: on the user's Python, on our own, or with another hash seed."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ml_coach.execution import findings, imports, interpreter, levels, probe, workspace_modules
from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.installation import Unusable
from ml_coach.execution.interpreter import Interpreter
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.warm_worker import WarmWorker, WorkerDied, WorkerGone
from ml_coach.execution.worker_answers import WorkerAnswer, failed

if TYPE_CHECKING:
    from ml_coach.execution.wasm.runtime import Progress
    from ml_coach.execution.wasm.wasm_worker import WasmWorker

QUESTION_SECONDS = 10.0
Worker: TypeAlias = "WarmWorker | WasmWorker"


class Workers:
    """Hands each request to a worker on the Python that suits its code, started at its first use.

    That is the Python called `python` where there is one. Else it is that of the virtual
    environment that the user `activated`, or of the `workspace`'s own, unless only our own has all
    that the code imports.
    """

    def __init__(
        self,
        python: str | None,
        workspace: Path | None,
        *,
        allow_weak: bool,
        limits: ResourceLimits,
        only_level: str,
        starts_theirs: bool,
        activated: str = "",
        shown: Callable[[], Mapping[str, str]] = dict[str, str],
    ) -> None:
        self._shown = shown
        self._python = python
        self._activated = activated
        self._workspace = workspace.absolute() if workspace else None  # the worker runs elsewhere
        self._allow_weak = allow_weak
        self._limits = limits
        self._only_level = only_level
        self._starts_theirs = starts_theirs
        self._workers: dict[Interpreter, Worker] = {}
        self._starting = asyncio.Lock()
        self._slots = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        # In bubblewrap all runs share loopback and /dev/shm, so none may run beside another.
        self._alone = asyncio.Lock()
        self._environment: tuple[str, int] | None = None
        self._users: Interpreter | None = None
        self._why_not_users = ""  # why the user's is not taken, where there is one
        self._installed: dict[tuple[Interpreter, int], dict[str, bool]] = {}
        self._progress: Progress | None = None
        self.level = ""

    async def prepare(self, progress: Progress | None = None) -> None:
        """Starts the preferred worker ahead of its first run; `progress` hears what is fetched for
        it. Raises `SandboxUnavailable`."""
        self._progress = progress
        await self._ready(await self._preferred())

    async def run_whole(
        self, request: JsonObject, progress: Callable[[bytes], None] | None
    ) -> tuple[WorkerAnswer, ...]:
        """As `run`, for a request that holds all files of a project. It runs on the user's Python
        where there is one, whatever that lacks: a project's packages are its own affair."""
        chosen, why = await self._preferred(), self._why_not_users
        if self.level == "wasm":
            why = "the level wasm runs no project: it has no native packages and no processes"
            return failed(why, len(request["parts"]))
        # What our own Python has installed is not the project's.
        whole = {**request, "plugins": chosen is not interpreter.our_own()}
        seeded = replace(chosen, hash_seed=request.get("hash_seed", 0))
        return self._described(chosen, why, await self._run(seeded, whole, progress))

    async def run(self, request: JsonObject) -> tuple[WorkerAnswer, ...]:
        """One answer per part of the request. Modules that its files import from the workspace are
        added to the request. Raises `SandboxUnavailable`."""
        files = request["files"]
        sources = _sources(request)
        if self._workspace:
            look = partial(workspace_modules.needed, sources, self._workspace, self._shown())
            own = await asyncio.to_thread(look)
            for name, content in own.items():
                files.setdefault(name, content.decode("latin-1"))
                sources.setdefault(name, content.decode("utf-8", "replace"))
        chosen, why = await self._interpreter_for(sources)
        answers = await self._run(chosen, request)
        if self.level == "wasm":
            from ml_coach.execution.wasm.wasm_worker import DESCRIPTION

            return tuple(replace(each, ran_on=DESCRIPTION) for each in answers)
        return self._described(chosen, why, answers)

    async def aclose(self) -> None:
        """Ends every worker and all that runs in them. May be called twice."""
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            await worker.aclose()

    def _described(
        self, chosen: Interpreter, why: str, answers: Sequence[WorkerAnswer]
    ) -> tuple[WorkerAnswer, ...]:
        """The answers with the Python that ran them, and `why` it is that one."""
        ours = ", ML Coach's own" if chosen is interpreter.our_own() else ""
        ran_on = f"{chosen.description}{ours}{': ' if why else ''}{why}"
        run_by = {"python": chosen.python, "installs": self._installs(chosen), "ran_on": ran_on}
        return tuple(replace(each, **run_by) for each in answers)

    def _installs(self, chosen: Interpreter) -> str:
        """What installs a package for programs. Our own environment is not the user's to change:
        it may be one that a tool made, and an update replaces it."""
        python = Path(chosen.python)
        if chosen is not interpreter.our_own() or self._workspace is None:
            return f"{shlex.quote(str(python))} -m pip install"
        found = interpreter.in_workspace(self._workspace)
        python = Path(found[0]) if found else self._workspace / ".venv" / "bin" / "python"
        folder = shlex.quote(str(python.parent.parent))
        made = "" if found else f"python3 -m venv {folder} && "
        return f"{made}{shlex.quote(str(python))} -m pip install"

    async def _interpreter_for(self, sources: Mapping[str, str]) -> tuple[Interpreter, str]:
        """The interpreter for these files, and why it is not the user's."""
        users, ours = await self._preferred(), interpreter.our_own()
        if users is ours or self._python or self.level == "wasm":
            return users, self._why_not_users
        wanted = await asyncio.to_thread(imports.packages, sources)
        lacks = await self._lacking(users, wanted)
        if lacks and not await self._lacking(ours, wanted):
            return ours, f"{users.python} has no {', '.join(sorted(lacks))}"
        return users, ""

    async def _preferred(self) -> Interpreter:
        """The user's interpreter where it works, else ours. A named one has to work."""
        if sys.platform == "win32":  # Programs run as WebAssembly there, whatever is installed.
            return interpreter.our_own()
        if self._python:
            try:
                self._users = self._users or await interpreter.named(self._python)
            except Unusable as error:
                why = f"Nothing is run: {error}. The setting ML_COACH_PYTHON or --python names it."
                raise SandboxUnavailable(why) from None
            return self._users
        active = interpreter.activated(self._activated, self._workspace)
        own = interpreter.in_workspace(self._workspace) if self._workspace else None
        found = active or own
        async with self._starting:
            if found != self._environment:  # made, made anew, or gone since the last run
                await self._forget_all(self._users)
                self._environment, self._users, self._why_not_users = found, None, ""
                try:
                    if found and not active and not self._starts_theirs:
                        raise Unusable(
                            f"{found[0]} is not used until you allow it: answer yes in a terminal "
                            "or an editor, or name it with --python or ML_COACH_PYTHON"
                        )
                    self._users = await interpreter.named(found[0]) if found else None
                except Unusable as error:
                    self._why_not_users = str(error)
            users = self._users or interpreter.our_own()
        if users is self._users and users not in self._workers:
            try:
                await self._ready(users)
            except SandboxUnavailable:  # Where no Python works in the sandbox, ours will say so.
                self._users, self._why_not_users = (
                    None,
                    f"{users.python} does not work in the sandbox",
                )
                return interpreter.our_own()
        return users

    async def _lacking(self, asked: Interpreter, wanted: frozenset[str]) -> frozenset[str]:
        """Which of the packages cannot be imported there. That is asked in the sandbox, once for
        each package until something is installed or removed."""
        known = self._installed.setdefault((asked, interpreter.installed(asked)), {})
        unknown = sorted(wanted - known.keys() - asked.modules - {"pytest"})
        if unknown:
            finder = "from importlib.util import find_spec\n"
            (answer,) = await self._run(
                asked,
                {
                    "kind": "values",
                    "file": "ask.py",
                    "files": {"ask.py": finder},
                    "timeout_seconds": QUESTION_SECONDS,
                    "parts": [{}],
                    "expressions": [f"find_spec({name!r}) is not None" for name in unknown],
                    "each_seconds": QUESTION_SECONDS,
                },
            )
            # A package of which nothing is known counts as installed.
            values = () if answer.error else findings.evaluations(answer, len(unknown))
            known.update((n, v.value != "False") for n, v in zip(unknown, values, strict=False))
        return frozenset(name for name in wanted if not known.get(name, True))

    async def _run(
        self,
        chosen: Interpreter,
        request: JsonObject,
        progress: Callable[[bytes], None] | None = None,
    ) -> tuple[WorkerAnswer, ...]:
        await self._ready(chosen)  # The level is known then.
        async with self._alone if self.level == "bubblewrap" else self._slots:
            why = ""
            for _ in range(2):
                worker = await self._ready(chosen)
                try:
                    if progress and isinstance(worker, WarmWorker):
                        return await worker.run(request, progress)
                    return await worker.run(request)
                except WorkerDied as error:
                    await self._forget(chosen, worker)
                    why = str(error)
                    if not isinstance(error, WorkerGone):
                        break
            return failed(why, len(request["parts"]))

    async def _forget_all(self, python: Interpreter | None) -> None:
        """Ends the workers on a Python, whatever their hash seed."""
        for chosen, worker in [*self._workers.items()]:
            if python and chosen.python == python.python:
                await self._forget(chosen, worker)

    async def _forget(self, chosen: Interpreter, worker: Worker) -> None:
        if self._workers.get(chosen) is worker:
            del self._workers[chosen]
        await worker.aclose()

    async def _ready(self, chosen: Interpreter) -> Worker:
        async with self._starting:
            worker = self._workers.get(chosen)
            if worker and not worker.alive:
                await self._forget(chosen, worker)
                worker = None
            if worker is None:
                worker = self._workers[chosen] = await self._start(chosen)
            return worker

    async def _start(self, chosen: Interpreter) -> Worker:
        reasons: list[str] = []
        for level in levels.candidates(
            chosen.readable, self._limits, allow_weak=self._allow_weak, only=self._only_level
        ):
            if level.name == "wasm" and chosen is not interpreter.our_own():
                continue  # No Python of the user's runs there, so ours is asked for it.
            try:
                if level.name == "wasm":
                    from ml_coach.execution.wasm.wasm_worker import WasmWorker

                    worker = await WasmWorker.start(self._limits, self._progress)
                else:
                    worker = await WarmWorker.start(chosen, level, self._limits)
            except WorkerDied as error:
                reasons.append(f"{level.name}: {error}")
                continue
            if why := await self._leak(worker, level):
                await worker.aclose()
                reasons.append(f"{level.name}: {why}")
                continue
            self.level = level.name
            return worker
        raise SandboxUnavailable(f"{levels.WHAT_TO_DO} Tried: {'; '.join(reasons) or 'nothing'}.")

    async def _leak(self, worker: Worker, level: levels.Level) -> str:
        """What gets through this worker's walls, as a probe measures it; nothing is promised of the
        weak level, so nothing is measured there."""
        if level.name == "weak":
            return ""
        try:
            return await probe.what_gets_through(worker, level.name)
        except WorkerDied as error:
            return str(error)


def _sources(request: JsonObject) -> dict[str, str]:
    """The texts of all Python files of a request."""
    every: list[dict[str, str]] = [
        request["files"],
        *(part.get("files", {}) for part in request["parts"]),
    ]
    return {
        name: packed.encode("latin-1").decode("utf-8", "replace")
        for each in every
        for name, packed in each.items()
        if name.endswith(".py")
    }
