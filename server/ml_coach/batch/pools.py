"""Workers that take items one after another: those of this machine, or of a cluster; and the one
way in which a batch and a bench hand them their items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ml_coach.core.agents.concurrency import all_of

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")
I_contra = TypeVar("I_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
# An item whose node is lost is tried on another one, once.
ATTEMPTS = 2


class Worker(Protocol[I_contra, R_co]):
    """What does the work in one process."""

    async def prepare(self) -> None:
        """Gets ready what every item needs: the sandbox, a local model."""
        ...

    async def run(self, item: I_contra) -> R_co:
        """The result of one item. It raises for no item: a failure is a result."""
        ...

    async def aclose(self) -> None:
        """Ends what the worker started. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of a result: the node that worked on the item is gone, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[I, R]):
    """What became of an item, and which node worked on it; empty for this machine."""

    item: I
    result: R | Lost
    node: str = ""


class Pool(Protocol[I, R]):
    """Runs items, and yields results as they come."""

    def run(self, take: Callable[[], Awaitable[I | None]]) -> AsyncGenerator[Done[I, R], None]:
        """Calls `take` whenever it can run one more item, until that gives None; each item that was
        taken is yielded once. Closing the generator stops what is at work."""
        ...

    async def aclose(self) -> None:
        """Ends the workers."""
        ...


async def run_all(
    pool: Pool[I, R], start_next: Callable[[], I | None], ended: Callable[[Done[I, R]], None]
) -> None:
    """Has `pool` run what `start_next` gives, and tells `ended` what became of each item.

    `start_next` gives None where nothing may start now. It is asked again after the next item has
    ended; where none is at work, that was the last one. What `ended` raises ends the work.
    """
    at_work = 0
    changed = asyncio.Condition()

    async def take() -> I | None:
        nonlocal at_work
        async with changed:
            while (item := start_next()) is None:
                if not at_work:
                    return None
                await changed.wait()
            at_work += 1
            return item

    async with aclosing(pool.run(take)) as every:
        async for done in every:
            async with changed:
                at_work -= 1
                ended(done)
                changed.notify_all()


class LocalPool(Generic[I, R]):
    """A `Pool` of one worker in this process, which runs `jobs` items at a time."""

    def __init__(self, worker: Worker[I, R], jobs: int) -> None:
        self._worker = worker
        self._jobs = jobs

    async def run(
        self, take: Callable[[], Awaitable[I | None]]
    ) -> AsyncGenerator[Done[I, R], None]:
        """See `Pool.run`."""
        done: asyncio.Queue[Done[I, R] | None] = asyncio.Queue()

        async def slot() -> None:
            while (item := await take()) is not None:
                done.put_nowait(Done(item, await self._worker.run(item)))

        async def work() -> None:
            try:
                await all_of(*(slot() for _ in range(self._jobs)))
            finally:
                done.put_nowait(None)

        async with aclosing(drained(work, done)) as every:
            async for one in every:
                yield one

    async def aclose(self) -> None:
        """See `Pool.aclose`."""
        await self._worker.aclose()


async def drained(
    work: Callable[[], Awaitable[None]], done: asyncio.Queue[Done[I, R] | None]
) -> AsyncGenerator[Done[I, R], None]:
    """What `work` puts into the queue, until None. Raises what `work` raises; closing this cancels
    it."""
    task = asyncio.ensure_future(work())
    try:
        while (one := await done.get()) is not None:
            yield one
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
