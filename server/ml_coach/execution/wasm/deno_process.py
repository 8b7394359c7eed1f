"""One process of Deno: its command line, its frames, how much memory it takes, and its end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import struct
import time
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from ml_coach.execution.inside.messages import RECORDS_AT_MOST
from ml_coach.execution.sandbox.limits import MEGABYTE, ResourceLimits
from ml_coach.execution.wasm import job_object, runtime

START_SECONDS = 60.0
SNAPSHOT_SECONDS = 600.0  # on a machine that is busy with other things; else it takes about ten
GRACE_SECONDS = 0.8  # after its time is up a run has so long to say where it was
LOOK_SECONDS = 0.1
ANSWER_AT_MOST = 64 << 20
STACK_AT_MOST = 64 << 10
# What Deno itself takes, with its copies of Pyodide, the snapshot and a second isolate.
OWN_MEGABYTES = 700
HEADER = struct.Struct("!I")


class DenoEnded(Exception):
    """The process has ended or was ended; the text says why. Nothing of a run is left."""


class DenoProcess:
    """A process that waits for one request at a time. `ended` ones are of no more use."""

    def __init__(self, process: asyncio.subprocess.Process, word: bytes) -> None:
        self._process = process
        self._word = word
        self._job = job_object.holding(process.pid)
        self._first: dict[str, Any] = {}

    @classmethod
    async def start(cls, deno: str, folder: Path, limits: ResourceLimits) -> DenoProcess:
        """A process that is ready for its first request. Raises `DenoEnded`."""
        snapshot = folder / runtime.SNAPSHOT
        if not await asyncio.to_thread(snapshot.exists):
            # Of several processes that want it at once only one makes it.
            lock = FileLock(folder / "snapshot.lock", thread_local=False)
            await _acquire(lock)
            try:
                if not await asyncio.to_thread(snapshot.exists):
                    await cls._make_snapshot(deno, folder, limits)
            finally:
                lock.release()
        size = (await asyncio.to_thread(snapshot.stat)).st_size
        return await cls._started(deno, folder, limits, size)

    @classmethod
    async def _started(
        cls, deno: str, folder: Path, limits: ResourceLimits, snapshot_bytes: int
    ) -> DenoProcess:
        word = secrets.token_hex(16)
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(deno, folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder,
                env={"NO_COLOR": "1", "DENO_DIR": str(folder / "none")},
            )
        except OSError as error:
            raise DenoEnded(f"{deno} does not start: {error.strerror}") from None
        started = cls(process, word.encode())
        try:
            await started._send(
                {
                    "word": word,
                    "snapshot": runtime.SNAPSHOT if snapshot_bytes else "",
                    "least_bytes": snapshot_bytes,
                    "limits": _limits(limits),
                }
            )
            async with asyncio.timeout(START_SECONDS if snapshot_bytes else SNAPSHOT_SECONDS):
                started._first = await started._receive()
        except BaseException as error:
            await asyncio.shield(started.end())
            if isinstance(error, TimeoutError):
                raise DenoEnded("it was not ready in time") from None
            raise
        return started

    @classmethod
    async def _make_snapshot(cls, deno: str, folder: Path, limits: ResourceLimits) -> None:
        """Loads the interpreter once and keeps its memory, which saves each later start seconds."""
        making = await cls._started(deno, folder, limits, 0)
        try:
            assert making._process.stdout
            memory = await making._process.stdout.readexactly(int(making._first["bytes"]))
            await asyncio.to_thread(runtime.keep_snapshot, folder, memory)
        except asyncio.IncompleteReadError:
            raise DenoEnded("it ended while it made the snapshot") from None
        finally:
            await asyncio.shield(making.end())

    @property
    def ended(self) -> bool:
        """Whether the process can take no further request."""
        return self._process.returncode is not None

    async def run(self, request: dict[str, Any], limits: ResourceLimits) -> dict[str, Any]:
        """The answer on one program. Where a limit ended it, the process has ended with it.

        Raises `DenoEnded`. A run that is cancelled ends with the process.
        """
        started = time.monotonic()
        printed = {"stdout": bytearray(), "stderr": bytearray()}
        watching = asyncio.create_task(self._watch_memory(limits.memory_mb + OWN_MEGABYTES))
        try:
            await self._send(request)
            async with asyncio.timeout(request["timeout_seconds"] + GRACE_SECONDS):
                while "printed" in (answer := await self._receive()):
                    for name, text in printed.items():
                        text += base64.b64decode(answer["printed"][name])
            if answer.pop("stuck", True):
                await self.end()
            return answer
        except TimeoutError:
            await self.end()
            return _ended("time", started, printed)
        except BaseException as error:
            await asyncio.shield(self.end())
            if isinstance(error, DenoEnded) and watching.done():
                return _ended("memory", started, printed)
            raise
        finally:
            watching.cancel()

    async def end(self) -> None:
        """Ends the process and all that runs in it. May be called twice."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _watch_memory(self, megabytes: int) -> None:
        """Returns when the process was ended because it took more than that."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            while True:
                if process.memory_info().rss > megabytes * MEGABYTE:
                    process.kill()
                    return
                await asyncio.sleep(LOOK_SECONDS)
        await asyncio.Event().wait()  # It has ended for another reason, which its answer tells.

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        body = json.dumps(message).encode()
        self._process.stdin.write(HEADER.pack(len(body)) + body)
        try:
            await self._process.stdin.drain()
        except OSError:
            raise DenoEnded("it has ended") from None

    async def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        try:
            head = await self._process.stdout.readexactly(len(self._word) + HEADER.size)
            if not secrets.compare_digest(head[: len(self._word)], self._word):
                raise DenoEnded("the program wrote to the channel of the answers")
            (length,) = HEADER.unpack(head[len(self._word) :])
            if length > ANSWER_AT_MOST:
                raise DenoEnded("the answer is too long")
            return json.loads(await self._process.stdout.readexactly(length))
        except asyncio.IncompleteReadError:
            raise DenoEnded("it ended without an answer") from None


def _ended(limit: str, started: float, printed: dict[str, bytearray]) -> dict[str, Any]:
    """The answer where the process was ended, which can give none any more."""
    told = {name: base64.b64encode(text).decode("ascii") for name, text in printed.items()}
    return {"limit": limit, "seconds": time.monotonic() - started, **told}


async def _acquire(lock: FileLock) -> None:
    while True:
        try:
            lock.acquire(blocking=False)
            return
        except Timeout:
            await asyncio.sleep(LOOK_SECONDS)


def _command(deno: str, folder: Path) -> list[str]:
    return [
        *(deno, "run", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm"),
        *("--cached-only", "--quiet", f"--allow-read={folder}", "--unstable-worker-options"),
        # Without this a program could have JavaScript make code of a text, and call that.
        "--v8-flags=--disallow-code-generation-from-strings",
        str(folder / "host.mjs"),
    ]


def _limits(limits: ResourceLimits) -> dict[str, int]:
    return {
        "memory_bytes": limits.memory_mb * MEGABYTE,
        "file_bytes": limits.file_mb * MEGABYTE,
        "disk_bytes": limits.disk_mb * MEGABYTE,
        "output_bytes": limits.output_bytes,
        "record_bytes": RECORDS_AT_MOST,
        "stack_bytes": STACK_AT_MOST,
    }
