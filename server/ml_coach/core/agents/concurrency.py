"""Several coroutines at once, with one rule: the first error, or a cancellation, ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


@overload
async def all_of(
    first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U], /
) -> tuple[T, U]: ...
@overload
async def all_of(*work: Coroutine[Any, Any, T]) -> tuple[T, ...]: ...
async def all_of(*work: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """The results in order. Nothing of `work` still runs when this returns or raises."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
