"""Runs an SDK's stream in a task of its own, because only cancelling a task surely closes it.

Both Gemini SDKs keep their connection open when a consumer merely stops reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ml_coach.core.errors import DeadlineError

T = TypeVar("T")


async def stream_from_task(
    produce: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T, None]:
    """Yields each item that `produce` passes to its `put`, then raises what `produce` raised.

    Closing this generator cancels `produce` and waits until it has ended. The queue is unbounded
    on purpose: `produce` must wait for the network only, so that a cancellation arrives there.
    """
    queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await produce(lambda item: queue.put_nowait((item,)))
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
            task.exception()  # asyncio would log an exception that nobody retrieved.


@asynccontextmanager
async def deadline(seconds: float, who: str) -> AsyncGenerator[None, None]:
    """Raises `DeadlineError`, naming `who`, when the work inside takes longer than `seconds`.

    Not for use around a yield: it would then cancel the consumer's code.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeadlineError(f"{who}: the reply took longer than {seconds:g} s.") from None
