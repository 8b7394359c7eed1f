"""The worker of the level `wasm`: it answers as warm_worker.py does, from processes of Deno."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.records import Raised
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.warm_worker import WorkerDied
from ml_coach.execution.wasm import runtime
from ml_coach.execution.wasm.deno_process import DenoEnded, DenoProcess
from ml_coach.execution.wasm.runtime import Progress, RuntimeMissing
from ml_coach.execution.worker_answers import WorkerAnswer, read_answers

# WebAssembly numbers its errors in its own way; findings.py knows the system's numbers.
ERRORS = {51: errno.ENOSPC, 22: errno.EFBIG, 33: errno.EMFILE, 6: errno.EAGAIN}
Start = Callable[[], Coroutine[Any, Any, DenoProcess]]
DESCRIPTION = f"Python {runtime.PYTHON} as WebAssembly (Pyodide {runtime.VERSION})"


class WasmWorker:
    """Runs as many programs at once as there are processors, each in a process of its own that
    goes on to the next one. Made by `start`; `run` may be called concurrently."""

    def __init__(self, start: Start, limits: ResourceLimits, first: DenoProcess) -> None:
        self._start = start
        self._limits = limits
        self._waiting = [first]
        self._all = {first}
        self._starting: set[asyncio.Task[DenoProcess]] = set()
        self._slots = asyncio.Semaphore(max(1, os.cpu_count() or 1))
        self._closed = False

    @classmethod
    async def start(cls, limits: ResourceLimits, progress: Progress | None = None) -> WasmWorker:
        """Raises `WorkerDied` where Deno or Pyodide is missing or does not work."""
        deno = runtime.our_deno()
        if not deno:
            raise WorkerDied("there is no Deno: install ml-coach[wasm]")
        try:
            folder = await runtime.ensure(deno, progress=progress)

            async def one() -> DenoProcess:
                return await DenoProcess.start(deno, folder, limits)

            return cls(one, limits, await one())
        except (RuntimeMissing, DenoEnded) as error:
            raise WorkerDied(str(error)) from None

    @property
    def alive(self) -> bool:
        """Whether it can be asked: processes that end are replaced."""
        return not self._closed

    async def run(self, request: JsonObject) -> tuple[WorkerAnswer, ...]:
        """One answer per part of the request. When this returns or raises, nothing of the run is
        left. Raises `WorkerDied`."""
        common = {name: value for name, value in request.items() if name != "parts"}
        answers: list[JsonObject] = []
        for part in request["parts"]:
            files = {**request["files"], **part.get("files", {})}
            async with self._slots:
                answers.append(await self._answer({**common, **part, "files": files}))
        body = json.dumps({"parts": answers}).encode()
        read = await asyncio.to_thread(read_answers, body, request)
        return tuple(map(_with_own_errors, read))

    async def aclose(self) -> None:
        """Ends every process. May be called twice."""
        self._closed = True
        for task in list(self._starting):
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        self._waiting.clear()
        await asyncio.gather(*(process.end() for process in self._all))
        self._all.clear()

    async def _answer(self, request: JsonObject) -> JsonObject:
        process = await self._process()
        try:
            return await process.run(request, self._limits)
        except DenoEnded as error:
            return {"error": str(error)}
        finally:
            if process.ended:
                self._all.discard(process)
                if not self._waiting:
                    self._start_ahead()
            else:
                self._waiting.append(process)

    async def _process(self) -> DenoProcess:
        """One that waits, or a new one. Raises `WorkerDied` where none can be started."""
        while True:
            while self._waiting:
                process = self._waiting.pop()
                if not process.ended:
                    return process
                self._all.discard(process)
            if not self._starting:
                self._start_ahead()
            starting = list(self._starting)
            if not starting:
                raise WorkerDied("the worker was closed")
            done, _ = await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
            failures = (task.exception() for task in done if not task.cancelled())
            if failure := next(filter(None, failures), None):
                raise WorkerDied(str(failure))

    def _start_ahead(self) -> None:
        """The next run then does not wait for all of it."""
        if self._closed:
            return
        task = asyncio.create_task(self._start())
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[DenoProcess]) -> None:
        self._starting.discard(task)
        if not task.cancelled() and not task.exception():
            self._all.add(task.result())
            self._waiting.append(task.result())


def _with_own_errors(answer: WorkerAnswer) -> WorkerAnswer:
    records = tuple(
        replace(each, errno=ERRORS.get(each.errno, each.errno))
        if isinstance(each, Raised)
        else each
        for each in answer.script_records
    )
    return replace(answer, script_records=records)
