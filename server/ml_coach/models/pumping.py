"""Runs an SDK's stream in a task of its own, because only a cancelled task closes it for certain.

Both Gemini SDKs keep their connection open when a consumer just stops reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ml_coach.core.errors import DeadlineError

T = TypeVar("T")


async def pumped(
    fill: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T, None]:
    """Yields what `fill` puts, then raises what it raised.

    Closing this generator cancels `fill` and waits for its end. The queue has no bound on purpose:
    `fill` must only ever wait for the network, so that the cancel arrives there.
    """
    queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await fill(lambda item: queue.put_nowait((item,)))
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while (item := await queue.get()) is not None:
            yield item[0]
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # Marks it as seen: there is nobody left to tell.


@asynccontextmanager
async def late_after(seconds: float, who: str) -> AsyncGenerator[None, None]:
    """Raises `DeadlineError` once the work inside took longer. Not for use around a yield."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeadlineError(f"{who}: the reply took longer than {seconds:g} s.") from None
