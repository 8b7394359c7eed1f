"""The server's end of the worker: starts it, hands it runs, ends it, never blocking the loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import ml_coach
from ml_coach.execution.inside import run_folder
from ml_coach.execution.inside.messages import HEADER, JsonObject, pack
from ml_coach.execution.interpreter import Interpreter, our_own
from ml_coach.execution.levels import Level
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer, failed_start, read_answers

# Only ml_coach can be found through this: the folder that holds it may hold other packages, and
# those must not hide the user's own.
BOOT = """\
import sys, importlib.util as u
spec = u.spec_from_file_location("ml_coach", sys.argv[2] + "/__init__.py",
                                 submodule_search_locations=[sys.argv[2]])
sys.modules["ml_coach"] = u.module_from_spec(spec)
spec.loader.exec_module(sys.modules["ml_coach"])
sys.path.remove("")
from ml_coach.execution.inside.zygote import main
main()
"""
# The levels at which no other program is around the worker: it contains itself.
OUTSIDE = ("namespaces", "landlock")
STOP_SECONDS = 4.0  # more than entering.END_SECONDS
START_SECONDS = 60.0
ANSWER_AT_MOST = 256 << 20  # bytes: eight parts of full channels, as base64, are less
PROGRESS = b'{"progress"'  # how a message begins that is not the answer
LONG_ANSWER = 256 << 10  # bytes that take too long to parse in the event loop


class WorkerDied(Exception):
    """The worker could not start or has gone; its text says why where that is known."""


class WorkerGone(WorkerDied):
    """The worker had ended before it was asked, so another one can be asked instead."""


class WarmWorker:
    """One worker process at one level. Made by `start`; `run` may be called concurrently."""

    def __init__(
        self, process: asyncio.subprocess.Process, control: socket.socket, folder: str
    ) -> None:
        self._process = process
        self._control = control
        self._folder = folder

    @classmethod
    async def start(
        cls, interpreter: Interpreter, level: Level, limits: ResourceLimits
    ) -> WarmWorker:
        """Raises `WorkerDied` when the level cannot be set up here."""
        ours, theirs = socket.socketpair()
        settings: JsonObject = {
            "control": theirs.fileno(),
            "level": level.name,
            "readable": list(interpreter.readable),
            "our_site": interpreter.our_site,
            "libraries": interpreter.libraries,
            "server": os.getpid(),
            "limits": limits.as_dict(),
            "become": None,
            "entered": False,
        }
        package = str(Path(ml_coach.__file__).parent)
        folder = ""
        # Another Python may be any program, so it starts inside: our own contains itself first.
        is_other = level.name in OUTSIDE and interpreter.python != our_own().python
        starting = our_own() if is_other else interpreter
        if is_other:
            environment = _environment(interpreter)
            if level.name == "landlock":  # Elsewhere it has a root of its own.
                folder = tempfile.mkdtemp(prefix=f"ml-coach-{os.getpid()}-")
                environment["TMPDIR"] = folder
            settings["become"] = {
                "python": interpreter.python,
                "boot": BOOT,
                "package": package,
                "environment": environment,
            }
        python = [starting.python, "-s", "-c", BOOT, json.dumps(settings), package]
        command = [*level.wrapper, *python]
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=_environment(starting),
                    cwd="/",
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise WorkerDied(f"{command[0]} does not start: {error.strerror}") from None
            raise
        worker = cls(process, ours, folder)
        try:
            await worker._ready()
        except BaseException:
            await asyncio.shield(worker.aclose())
            raise
        return worker

    async def _ready(self) -> None:
        duplicate = self._control.dup()
        reader, writer = await asyncio.open_unix_connection(sock=duplicate)
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = json.loads(await _receive(reader))
        except TimeoutError:
            raise WorkerDied("the worker did not start in time") from None
        except (ValueError, RecursionError):
            raise WorkerDied("the worker's first word cannot be read") from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._control.setblocking(True)
        if ready != {"ready": True}:
            raise WorkerDied(failed_start(ready))

    @property
    def alive(self) -> bool:
        """Whether the process that was started is still there."""
        return self._process.returncode is None

    async def run(
        self, request: JsonObject, progress: Callable[[bytes], None] | None = None
    ) -> tuple[WorkerAnswer, ...]:
        """One answer per part of the request; `progress` hears what a request that `tells` sends
        meanwhile, unread. When this returns or raises, nothing of the run is left. Raises
        `WorkerGone` or `WorkerDied`."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"r"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise WorkerGone(f"the worker is gone: {error}") from None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()  # The supervisor takes it as a stop.
            raise
        try:
            writer.write(pack(request))
            await writer.drain()
            body = await _receive(reader)
            while body.startswith(PROGRESS):
                if progress:
                    progress(body)
                body = await _receive(reader)
        except asyncio.CancelledError:
            await asyncio.shield(self._stop(reader, writer))
            raise
        except OSError as error:
            raise WorkerDied(str(error)) from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if len(body) < LONG_ANSWER:
            return read_answers(body, request)
        return await asyncio.to_thread(read_answers, body, request)

    async def _stop(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Half closes the connection, which stops the run, and waits for its answer."""
        with contextlib.suppress(OSError, WorkerDied, TimeoutError):
            writer.write_eof()
            async with asyncio.timeout(STOP_SECONDS):
                while (await _receive(reader)).startswith(PROGRESS):
                    pass
                return
        await self.aclose()  # It does not answer, so the worker ends, and every run with it.

    async def aclose(self) -> None:
        """Ends the worker and all that runs in it. May be called twice."""
        self._control.close()
        if self._process.returncode is None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, 9)
                await self._process.wait()
        if self._folder:
            await asyncio.to_thread(_remove, self._folder)


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        run_folder.wipe(folder)


def _environment(interpreter: Interpreter) -> dict[str, str]:
    """Built from nothing: no variable of the server's own reaches the worker."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": str(interpreter.hash_seed),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    if interpreter.libraries:
        environment["LD_LIBRARY_PATH"] = interpreter.libraries
    return environment


async def _receive(reader: asyncio.StreamReader) -> bytes:
    """The body of the next message, unread. Raises `WorkerDied`."""
    try:
        (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
        if length > ANSWER_AT_MOST:
            raise WorkerDied("the worker's answer is too long")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise WorkerDied("the worker ended without an answer") from None
