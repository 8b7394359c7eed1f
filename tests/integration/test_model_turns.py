"""Processes with a local model take turns; a real second process holds the lock."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ml_coach.models.local import LocalModels
from ml_coach.models.model_turns import WAITS, ModelTurns

OTHER = """
import asyncio, sys
from pathlib import Path
from ml_coach.models.model_turns import ModelTurns

async def main():
    async with ModelTurns(Path(sys.argv[1])).turn():
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@asynccontextmanager
async def another_process(file: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process whose turn it is until its standard input ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER, str(file), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout
    assert await process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin
    process.stdin.close()
    await process.wait()


async def test_a_request_waits_for_the_request_of_another_process(tmp_path: Path) -> None:
    told: list[str] = []
    waits = asyncio.Event()

    def note(text: str) -> None:
        told.append(text)
        waits.set()

    turns = ModelTurns(tmp_path / "cache" / "model.lock", note)
    order: list[str] = []

    async def ask(name: str) -> None:
        async with turns.turn():
            order.append(name)

    async with another_process(tmp_path / "cache" / "model.lock") as other:
        asked = [asyncio.create_task(ask(name)) for name in "ab"]
        async with asyncio.timeout(10):
            await waits.wait()
        assert order == []
        await end(other)
        await asyncio.gather(*asked)
    assert sorted(order) == ["a", "b"]
    assert told == [WAITS]


async def test_requests_of_one_process_run_at_the_same_time(tmp_path: Path) -> None:
    turns = ModelTurns(tmp_path / "model.lock")
    both = asyncio.Barrier(2)

    async def ask() -> None:
        async with turns.turn(), asyncio.timeout(5):
            await both.wait()

    await asyncio.gather(ask(), ask())
    async with another_process(tmp_path / "model.lock"):
        pass  # The turn was given back by both.


async def test_a_process_that_is_killed_gives_its_turn_back(tmp_path: Path) -> None:
    turns = ModelTurns(tmp_path / "model.lock")
    async with another_process(tmp_path / "model.lock") as other:
        other.kill()
        await other.wait()
        async with asyncio.timeout(5), turns.turn():
            pass


async def test_a_request_that_is_cancelled_while_it_waits_holds_nothing(tmp_path: Path) -> None:
    turns = ModelTurns(tmp_path / "model.lock")

    async def ask() -> None:
        async with turns.turn():
            raise AssertionError("it was not its turn")

    async with another_process(tmp_path / "model.lock") as other:
        asked = asyncio.create_task(ask())
        await asyncio.sleep(0.1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await end(other)
    async with another_process(tmp_path / "model.lock"):
        pass


async def test_where_no_lock_can_be_had_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with asyncio.timeout(5), ModelTurns(tmp_path / "file" / "model.lock").turn():
        pass


async def test_all_processes_of_a_user_share_one_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    async with another_process(tmp_path / "ml-coach" / "model.lock"):
        turns = LocalModels().turns
        told: list[str] = []
        turns.note = told.append
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), turns.turn():
                pass
        assert told == [WAITS]
