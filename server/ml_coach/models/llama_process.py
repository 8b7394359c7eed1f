"""The parent's side of llama_worker.py: starts it, knows when it is ready or gone, ends it.

A child belongs to no event loop: it is kept by a thread of its own, which lives as long as the
child. Linux sends the parent-death signal when the *thread* that started a child ends.
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
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ml_coach.core.errors import UnavailableError
from ml_coach.models.llama_worker import Order

_LOG_LINES = 60
# A child whose connection broke is gone within this, or lives.
_EXIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """One model in memory: its file, and the context in tokens that all `slots` share.

    With `speculate` text that repeats the prompt comes faster; off only to measure what it brings.
    """

    file: Path
    context: int = 8192
    slots: int = 4
    speculate: bool = True

    @property
    def memory_bytes(self) -> int:
        """What the child needs: weights, context, and 120 MB for the rest.

        Measured with Qwen2.5-Coder: 0.80 GB (0.5B) and 1.70 GB (1.5B) with 16 k tokens of context,
        of which each takes 12 kB and 28 kB, in both cases a 39,000th of the file.
        """
        file = self.file.stat().st_size
        return file + self.context * file // 39_000 + 120_000_000


class LlamaProcess:
    """One child with one load. `address` is ready when the model is."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.key = secrets.token_urlsafe(32)
        self._folder = Path(tempfile.mkdtemp(prefix="ml-coach-"))  # For us alone: mode 0700.
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._address: Future[str] = Future()
        self._exit: Future[int] = Future()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._keep, name="llama-keeper", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._exit.done() and not self._ended.is_set()

    @property
    def process_id(self) -> int | None:
        return self._child.pid if self._child else None

    async def address(self) -> str:
        """Where the loaded model listens. Raises `UnavailableError` when it can not be loaded."""
        return await asyncio.shield(asyncio.wrap_future(self._address))

    async def ended(self) -> None:
        """Kills the child, which holds nothing worth saving, and waits until it is gone."""
        self._ended.set()
        if child := self._child:
            child.kill()
        await asyncio.shield(asyncio.wrap_future(self._exit))

    async def why_gone(self) -> UnavailableError | None:
        """What to tell the user if the child is no more; None if it lives."""
        try:
            exit_code = asyncio.shield(asyncio.wrap_future(self._exit))
            return self._gone(await asyncio.wait_for(exit_code, _EXIT_SECONDS))
        except TimeoutError:
            return None

    def _keep(self) -> None:
        code = -1
        try:
            with self._start() as child:
                self._child = child
                if self._ended.is_set():  # Asked for while it started.
                    child.kill()
                log = threading.Thread(target=self._read_log, args=(child,), daemon=True)
                log.start()
                self._give_order(child)
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
            env=_environment(),
            cwd=self._folder,
            # Ctrl-C at the terminal is for us alone.
            start_new_session=True,
        )

    def _give_order(self, child: subprocess.Popen[bytes]) -> None:
        # A socket in a folder of ours is out of reach for other users; loopback is not, there the
        # key has to keep them out.
        unix = sys.platform != "win32"
        order = Order(
            model=str(self.load.file),
            host=str(self._folder / "llama.sock") if unix else "127.0.0.1",
            key=self.key,
            context=self.load.context,
            slots=self.load.slots,
            threads=_threads(),
            parent=os.getpid(),
            folder=str(self._folder),
            speculate=self.load.speculate,
        )
        assert child.stdin
        with suppress(BrokenPipeError):  # It is gone already; its exit code says more.
            child.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            child.stdin.flush()

    def _read_log(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stderr
        for line in child.stderr:
            self._log.append(line.decode("utf-8", "replace").rstrip())

    def _gone(self, code: int) -> UnavailableError:
        if self._ended.is_set():
            return UnavailableError("The local model was closed.")
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        needed, free = self.load.memory_bytes, psutil.virtual_memory().available
        memory = f"It needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
        advice = "close other programs or choose a smaller model" if needed > free else "try again"
        # Errors in llama.cpp's log look like "0.01.593 E llama_model_load: the reason".
        said = [line.partition(" E ")[2] for line in self._log if " E " in line]
        why = f" ({' '.join(said[0].split())})" if said else ""
        return UnavailableError(f"The local model {how}{why}. {memory}: {advice}.")


def _threads() -> int:
    """Physical cores that this process may use: twice as many threads on them are slower."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def _environment() -> dict[str, str]:
    # Built from nothing: no key of ours is in a process that parses models' replies.
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # Threads that spin while they wait for each other starve when the tests of a program, or an
    # editor, want the same cores: 3.5 tokens/s instead of 11 beside one other busy process.
    return environment | {"OMP_WAIT_POLICY": "passive"}
