"""The parent's side of llama_worker.py: starts the child, waits until it is ready, ends it.

No event loop owns the child. A thread starts it and lives as long as the child does, because Linux
sends the parent-death signal when the *thread* that started a child ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from ml_coach.core.errors import UnavailableError
from ml_coach.models.gguf_header import parts_of, read_header
from ml_coach.models.llama_worker import WorkerOptions
from ml_coach.models.local_sockets import can_listen
from ml_coach.models.machine import cores

_LOG_LINES = 60


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """Which weights a child loads, and the context in tokens that all `slots` share.

    With `speculate`, text that repeats the prompt is generated faster. It is switched off only to
    measure what it brings. `threads` are by default as many as there are cores.
    """

    file: Path
    context: int = 8192
    slots: int = 4
    speculate: bool = True
    threads: int = field(default_factory=cores)

    @property
    def memory_bytes(self) -> int:
        """The memory that the child needs: weights, context, and 120 MB for the rest.

        Measured with Qwen2.5-Coder: 0.80 GB (0.5B) and 1.70 GB (1.5B) with 16 k tokens of context.
        """
        header = read_header(self.file)
        context = self.context * header.bytes_per_context_token if header else 0
        return sum(part.stat().st_size for part in parts_of(self.file)) + context + 120_000_000


class LlamaProcess:
    """One child with one set of weights. `key` is what a request to it has to carry."""

    def __init__(self, options: LlamaOptions) -> None:
        self.options = options
        self.key = secrets.token_urlsafe(32)
        self._folder = Path(
            tempfile.mkdtemp(prefix="ml-coach-")
        )  # Mode 0700, so only we may enter.
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._address: Future[str] = Future()
        self._exit: Future[int] = Future()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._supervise, name="llama-supervisor", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the child has neither ended nor been told to end."""
        return not self._exit.done() and not self._ended.is_set()

    @property
    def process_id(self) -> int | None:
        """The child's; None until it was started."""
        return self._child.pid if self._child else None

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the child has taken so far; 0 where that is not known."""
        try:
            times = psutil.Process(self.process_id).cpu_times() if self.process_id else None
        except psutil.Error:
            times = None
        return times.user + times.system if times else 0.0

    async def address(self) -> str:
        """Waits until the model is loaded and returns where it listens.

        A URL, or `unix://` and a socket's path. Raises `UnavailableError` when loading fails.
        """
        return await shared(self._address)

    async def end(self) -> None:
        """Kills the child, which has nothing to save, and waits until it is gone."""
        self._ended.set()
        if child := self._child:
            child.kill()
        await asyncio.shield(asyncio.wrap_future(self._exit))

    async def gone(self) -> UnavailableError:
        """Waits until the child has ended, and returns the error for the user."""
        return self._gone(await asyncio.shield(asyncio.wrap_future(self._exit)))

    def _supervise(self) -> None:
        code = -1
        try:
            with self._start() as child:
                self._child = child
                if self._ended.is_set():  # `end` was called while the child was being started.
                    child.kill()
                log = threading.Thread(target=self._read_log, args=(child,), daemon=True)
                log.start()
                self._send_options(child)
                assert child.stdout
                if line := child.stdout.readline():
                    self._address.set_result(json.loads(line)["address"])
                code = child.wait()
                log.join()
        except OSError as error:
            self._log.append(f" E {error}")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._exit.set_result(code)
            if not self._address.done():
                self._address.set_exception(self._gone(code))

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "ml_coach.models.llama_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=self._folder,
            # Ctrl-C at the terminal must reach us only.
            start_new_session=True,
        )

    def _send_options(self, child: subprocess.Popen[bytes]) -> None:
        # Other users cannot reach a socket in our folder. They can reach loopback, where the key
        # keeps them out.
        file = self._folder / "llama.sock"
        options = WorkerOptions(
            model=str(self.options.file),
            host=str(file) if can_listen(file) else "127.0.0.1",
            key=self.key,
            context=self.options.context,
            slots=self.options.slots,
            threads=self.options.threads,
            parent=os.getpid(),
            folder=str(self._folder),
            speculate=self.options.speculate,
        )
        assert child.stdin
        with suppress(BrokenPipeError):  # The child has ended; its exit code says more.
            child.stdin.write(json.dumps(asdict(options)).encode() + b"\n")
            child.stdin.flush()

    def _read_log(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stderr
        for line in child.stderr:
            self._log.append(line.decode("utf-8", "replace").rstrip())

    def _gone(self, code: int) -> UnavailableError:
        if self._ended.is_set():
            return UnavailableError("The local model was closed.")
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        # Errors in llama.cpp's log look like "0.01.593 E llama_model_load: the reason".
        errors = [line.partition(" E ")[2] for line in self._log if " E " in line]
        why = f" ({' '.join(errors[0].split())})" if errors else ""
        return UnavailableError(f"The local model {how}{why}. {memory_advice(self.options)}")


async def shared(future: Future[str]) -> str:
    """The result of what a thread works on, for which others may wait, too."""
    waiting = asyncio.wrap_future(future)
    # Whoever waits may be cancelled; asyncio would report the error that nobody heard then.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(waiting)


def memory_advice(options: LlamaOptions) -> str:
    """What a user can do after a model has ended: memory is the common reason."""
    try:
        needed, free = options.memory_bytes, psutil.virtual_memory().available
    except OSError:
        return f"Its weights are not there any more: {options.file}."
    advice = "close other programs or choose a smaller model" if needed > free else "try again"
    memory = f"It needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
    return f"{memory}: {advice}."


def environment() -> dict[str, str]:
    """What of our environment a process with a model gets."""
    # Only these are passed on, so that no API key is in a process that parses models' replies.
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP")
    passed = {name: os.environ[name] for name in kept if name in os.environ}
    # By default llama.cpp's threads spin while they wait for each other, which is slow when another
    # process wants the same cores: 3.5 tokens/s instead of 11 beside one other busy process.
    return passed | {"OMP_WAIT_POLICY": "passive"}
