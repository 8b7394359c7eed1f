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
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ml_coach.core.errors import UnavailableError
from ml_coach.models.llama_worker import Order

_LOG_LINES = 60


@dataclass(frozen=True, slots=True)
class Load:
    """One model in memory: its file, the context in tokens that all `slots` share."""

    file: Path
    context: int = 8192
    slots: int = 4

    @property
    def memory_bytes(self) -> int:
        """What the child needs, estimated from the file; measured ones are in the README."""
        return int(self.file.stat().st_size * 1.35) + 300_000_000


class LlamaProcess:
    """One child with one load. `address` is ready when the model is."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.key = secrets.token_urlsafe(32)
        self.folder = Path(tempfile.mkdtemp(prefix="ml-coach-"))  # mode 0700
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self._address: Future[str] = Future()
        self._exit: Future[int] = Future()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._keep, name="llama-keeper", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._exit.done() and not self._ended.is_set()

    async def address(self) -> str:
        """Where the loaded model listens. Raises `UnavailableError` when it can not be loaded."""
        return await asyncio.shield(asyncio.wrap_future(self._address))

    def end(self) -> None:
        """Kills the child at once; it holds nothing worth saving."""
        self._ended.set()
        if child := self._child:
            child.kill()

    async def ended(self) -> None:
        self.end()
        await asyncio.shield(asyncio.wrap_future(self._exit))

    def _keep(self) -> None:
        code = -1
        try:
            with self._start() as child:
                self._child = child
                if self._ended.is_set():  # Asked for while it started.
                    child.kill()
                assert child.stdout
                reader = threading.Thread(target=self._read_log, args=(child,), daemon=True)
                reader.start()
                line = child.stdout.readline()
                if line:
                    self._address.set_result(json.loads(line)["address"])
                code = child.wait()
                reader.join()
        except OSError as error:
            self.log.append(str(error))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self._address.done():
                self._address.set_exception(UnavailableError(self.why_gone(code)))
            self._exit.set_result(code)

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", "ml_coach.models.llama_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd=self.folder,
            # Ctrl-C at the terminal is for us alone.
            start_new_session=True,
        )
        unix = hasattr(os, "fork")
        order = Order(
            model=str(self.load.file),
            host=str(self.folder / "llama.sock") if unix else "127.0.0.1",
            key=self.key,
            context=self.load.context,
            slots=self.load.slots,
            threads=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
            parent=os.getpid(),
            folder=str(self.folder),
        )
        assert child.stdin
        child.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        child.stdin.flush()
        return child

    def _read_log(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stderr
        for line in child.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())

    def why_gone(self, code: int) -> str:
        """One sentence for the user on a child that is no more."""
        needed, free = self.load.memory_bytes, psutil.virtual_memory().available
        memory = f"it needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
        said = next((line for line in reversed(self.log) if " E " in line), "")
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        advice = "free some memory or choose a smaller model" if needed > free else "run again"
        return f"The local model stopped ({ended}; {memory}): {advice}. {said}".rstrip()


def _environment() -> dict[str, str]:
    # Built from nothing: no key of ours is in a process that parses models' replies.
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # Threads that spin while they wait for each other starve when the tests of a program, or an
    # editor, want the same cores: 3.5 tokens/s instead of 11 beside one other busy process.
    return environment | {"OMP_WAIT_POLICY": "passive"}
