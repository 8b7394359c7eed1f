"""However a run ends, none of its processes, mounts and temporary files stay: checked many times."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from pathlib import Path

import pytest

from ml_coach.execution.executor import SandboxedExecutor

BUSY = """\
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"{marker}", 0, 0, 0)
open("kept.txt", "w").write("x")
print("on its way", flush=True)
if os.fork() == 0: os.setsid()
os.fork()
time.sleep(60)
"""
SERVER = """\
import asyncio, sys
from ml_coach.execution.executor import SandboxedExecutor
async def main():
    executor = SandboxedExecutor(only_level=sys.argv[2])
    await executor.prepare()
    print("ready", flush=True)
    await executor.run("busy.py", {"busy.py": sys.argv[1]}, timeout_seconds=60)
asyncio.run(main())
"""
LEVELS = ["namespaces", "landlock"]


class Traces:
    """What a run could leave behind: processes with a name of its own, mounts, temporary folders."""

    def __init__(self) -> None:
        self.marker = f"b{secrets.token_hex(5)}"
        self.server = os.getpid()
        self.before = self.around()

    @property
    def program(self) -> str:
        return BUSY.format(marker=self.marker)

    def around(self) -> tuple[str, set[str]]:
        folders = {str(path) for path in Path("/tmp").glob(f"ml-coach-{self.server}-*")}
        return Path("/proc/self/mountinfo").read_text(), folders

    def processes(self) -> list[int]:
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if (entry / "comm").read_text().strip() == self.marker:
                        found.append(int(entry.name))
        return found

    async def begun(self) -> None:
        """Waits until the run has begun: at least three processes have its name."""
        async with asyncio.timeout(20):
            while len(self.processes()) < 3:
                await asyncio.sleep(0.005)

    async def gone(self, seconds: float = 5.0) -> None:
        """Waits until all of the run has gone; what was there before it may stay."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.processes() or self.around() != self.before:
                    await asyncio.sleep(0.005)
                return
        raise AssertionError(f"left: {self.processes()}, {self.around()} not {self.before}")


@pytest.mark.parametrize("level", LEVELS)
async def test_stop_leaves_nothing(level: str) -> None:
    executor = SandboxedExecutor(only_level=level)
    try:
        for _ in range(60 if level == "namespaces" else 8):
            traces = Traces()
            run = executor.run("busy.py", {"busy.py": traces.program}, timeout_seconds=60)
            task = asyncio.create_task(run)
            await traces.begun()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert traces.processes() == []
            assert traces.around() == traces.before
    finally:
        await executor.aclose()


@pytest.mark.parametrize("level", LEVELS)
async def test_timeout_leaves_nothing(level: str) -> None:
    executor = SandboxedExecutor(only_level=level)
    try:
        for _ in range(24 if level == "namespaces" else 5):
            traces = Traces()
            ran = await executor.run("b.py", {"b.py": traces.program}, timeout_seconds=0.15)
            assert ran.limit == "time"
            assert traces.processes() == []
            assert traces.around() == traces.before
    finally:
        await executor.aclose()


@pytest.mark.parametrize("level", LEVELS)
async def test_kill_of_the_worker_leaves_nothing_and_the_next_run_works(level: str) -> None:
    for _ in range(8 if level == "namespaces" else 3):
        traces = Traces()
        executor = SandboxedExecutor(only_level=level)
        task = asyncio.create_task(
            executor.run("busy.py", {"busy.py": traces.program}, timeout_seconds=60)
        )
        try:
            await traces.begun()
            os.kill(_worker_of(os.getpid()), signal.SIGKILL)
            assert "worker" in (await task).findings[0].message
            await traces.gone()
            ran = await executor.run("a.py", {"a.py": "print(1)"}, timeout_seconds=10)
            assert ran.stdout == "1\n"
        finally:
            await executor.aclose()


@pytest.mark.parametrize("level", LEVELS)
async def test_kill_of_the_server_leaves_nothing(level: str) -> None:
    for _ in range(8 if level == "namespaces" else 5):
        traces = Traces()
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, traces.program, level, stdout=asyncio.subprocess.PIPE
        )
        traces.server = server.pid
        await traces.begun()
        server.kill()
        await server.communicate()
        await traces.gone()


def _worker_of(server: int) -> int:
    """The newest child of the server whose command line holds a worker's settings."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    workers = [int(p) for p in children if b'"control"' in Path(f"/proc/{p}/cmdline").read_bytes()]
    return workers[-1]
