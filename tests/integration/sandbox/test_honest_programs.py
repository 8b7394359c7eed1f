"""Honest programs pass, and are not accused, at each level that this machine has."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from ml_coach.execution.executor import SandboxedExecutor

from . import kinds, reaches


@pytest_asyncio.fixture(params=["namespaces", "bubblewrap", "landlock"])
async def executor(request: pytest.FixtureRequest) -> AsyncGenerator[SandboxedExecutor]:
    if request.param == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed here")
    forced = SandboxedExecutor(only_level=request.param)
    yield forced
    await forced.aclose()


@pytest.mark.timeout(300)
async def test_every_honest_program_passes(executor: SandboxedExecutor) -> None:
    wrong: dict[str, str] = {}
    for name, files in {**kinds.HONEST, **reaches.HONEST}.items():
        report = await executor.test_files(files, timeout_seconds=20)
        if report.verdict != "passed":
            wrong[name] = f"{report.verdict}: {report.why}"
    assert wrong == {}


LOCKS = """\
import multiprocessing as mp
context = mp.get_context("fork")
def count(value):
    for _ in range(300):
        with value.get_lock():
            value.value += 1
value, queue, event = context.Value("i", 0), context.Queue(1), context.Event()
workers = [context.Process(target=count, args=(value,)) for _ in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
queue.put("queued")
lock = context.Lock()
print(value.value, queue.get(), event.wait(0.01), lock.acquire(), lock.acquire(timeout=0.01))
event.set()
print(event.wait(5))
try: context.BoundedSemaphore(1).release()
except ValueError: print("bounded")
try: context.RLock().release()
except AssertionError: print("not mine")
"""


async def test_locks_between_processes_hold(executor: SandboxedExecutor) -> None:
    ran = await executor.run("locks.py", {"locks.py": LOCKS}, timeout_seconds=20)
    assert ran.stdout == "900 queued False True False\nTrue\nbounded\nnot mine\n", ran.stderr
