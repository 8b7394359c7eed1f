"""Where `ml-coach batch` and `bench` work: on this machine, or on the nodes of a Ray cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from ml_coach.batch.keys import keys_of
from ml_coach.batch.pools import LocalPool, Pool, Worker
from ml_coach.batch.ray_pool import RayPool
from ml_coach.cli.place import Place
from ml_coach.settings import Settings

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


@asynccontextmanager
async def opened_pool(
    place: Place,
    settings: Settings,
    here: Callable[[], Worker[I, R]],
    on_node: Callable[[Mapping[str, str]], Worker[I, R]],
    note: Callable[[str], None],
) -> AsyncGenerator[Pool[I, R]]:
    """The workers, ready to run: `here` makes this machine's, `on_node` a node's (see `RayPool`).
    Raises `SetupError` and `ModelError` where they cannot be had."""
    pool: Pool[I, R]
    if place.ray:
        keys = keys_of(settings) if place.send_keys else {}
        pool = nodes = RayPool(place.ray, on_node, jobs=place.jobs, keys=keys, note=note)
        preparing = nodes.prepare
    else:
        worker = here()
        pool, preparing = LocalPool(worker, place.jobs), worker.prepare
    try:
        await preparing()
        yield pool
    finally:
        await asyncio.shield(pool.aclose())
