"""A pool of the nodes of a Ray cluster, one worker on each.

The user has started the cluster; nothing is started here, and nothing is sent anywhere but to its
nodes. Keys go to the workers as the argument of a call, which stays in memory. Ray's own place for
environment variables would put them on the command line of a process and into its logs.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Generic

from ml_coach import __version__
from ml_coach.batch.pools import Done, I, Lost, R, Worker, drained
from ml_coach.batch.ray_worker import NodeWorker
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.errors import SetupError
from ml_coach.core.wording import amount

# A worker that is lost so often without a result in between is not started again on that node.
_STARTS = 3
_START_SECONDS = 120.0
_REACH_SECONDS = 10.0
# Weights of some gigabytes may have to be fetched first.
_PREPARE_SECONDS = 3600.0
_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Node:
    """A node that is alive: Ray's id of it, and the name that people know."""

    node_id: str
    name: str


class RayPool(Generic[I, R]):
    """A `Pool`. `make` gives a node's worker from the keys by setting. Ray pickles and keeps it, so
    it must hold no key. `keys` are sent to the nodes. Each node runs `jobs` items at a time."""

    def __init__(
        self,
        address: str,
        make: Callable[[Mapping[str, str]], Worker[I, R]],
        *,
        jobs: int,
        keys: Mapping[str, str],
        note: Callable[[str], None],
    ) -> None:
        self._address = address
        self._make = make
        self._jobs = jobs
        self._keys = keys
        self._note = note
        self._ray: Any = None
        self._made: Any = None
        self._actors: dict[_Node, Any] = {}

    async def prepare(self) -> None:
        """Connects, and gets a worker ready on each node. Raises `SetupError` where there is no
        cluster, or a node has another version of ML Coach."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # Else, below `uv run`, Ray would send the whole current folder to the nodes.
        os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
        self._ray = importlib.import_module("ray")
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            # In a thread, where Ray leaves the handlers of signals alone.
            await asyncio.to_thread(self._connect)
        except (OSError, RuntimeError, ValueError) as error:
            raise SetupError(
                f"There is no Ray cluster at {self._address}: {_first_line(error)}. "
                "`ray start --head` starts one; docs/batch.md says how."
            ) from error
        nodes = self._nodes()
        if not nodes:
            raise SetupError("No node of the Ray cluster offers a CPU.")
        self._note(f"Ray: {amount(len(nodes), 'node')} ({', '.join(node.name for node in nodes)}).")
        self._actors = {node: self._actor(node) for node in nodes}
        said = await all_of(*(self._versions(*each) for each in self._actors.items()))
        if others := sorted(filter(None, said)):
            raise SetupError(
                f"This machine has ML Coach {__version__}, but {'; '.join(others)}. "
                "Install the same version on each node."
            )
        # It may hold a bench's replies, some megabytes, so the nodes have one copy from here.
        self._made = self._ray.put(self._make)
        await all_of(*(self._start(*each) for each in self._actors.items()))

    def _connect(self) -> None:
        host, colon, port = self._address.rpartition(":")
        if colon and port.isdigit():  # Ray itself asks for minutes where nobody answers.
            socket.create_connection(
                (host.removeprefix("ray://"), int(port)), _REACH_SECONDS
            ).close()
        self._ray.init(
            address=self._address, log_to_driver=False, configure_logging=False,
            include_dashboard=None, namespace="ml-coach",
        )  # fmt: skip

    def _nodes(self) -> list[_Node]:
        alive = [n for n in self._ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        alive.sort(key=lambda n: (n["NodeManagerAddress"], n["NodeManagerPort"]))
        return [
            _Node(n["NodeID"], f"{n['NodeManagerAddress']}:{n['NodeManagerPort']}") for n in alive
        ]

    def _actor(self, node: _Node) -> Any:
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        there = strategies.NodeAffinitySchedulingStrategy(node_id=node.node_id, soft=False)
        # One more call than items at work must come through: the one that closes it.
        options = {"num_cpus": 1, "max_concurrency": self._jobs + 1}
        actor = self._ray.remote(NodeWorker).options(scheduling_strategy=there, **options)
        return actor.remote()

    async def _versions(self, node: _Node, actor: Any) -> str:
        """What is wrong with a node's version, empty where it is ours."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                version, _ = await actor.versions.remote()
        except TimeoutError:
            return f"{node.name} gave no worker within {_START_SECONDS:.0f} s (is a CPU free?)"
        except self._ray.exceptions.RayError as error:
            missing = "ModuleNotFoundError" in str(error)
            why = "has none" if missing else f"fails: {_last_line(error)}"
            return f"{node.name} {why}"
        return "" if version == __version__ else f"{node.name} has {version}"

    async def _start(self, node: _Node, actor: Any) -> None:
        try:
            async with asyncio.timeout(_PREPARE_SECONDS):
                await actor.start.remote(self._made, dict(self._keys))
        except self._ray.exceptions.RayError as error:
            raise SetupError(f"{node.name} is not ready: {_last_line(error)}") from None
        except TimeoutError:
            raise SetupError(f"{node.name} was not ready within an hour.") from None

    async def run(
        self, take: Callable[[], Awaitable[I | None]]
    ) -> AsyncGenerator[Done[I, R], None]:
        """See `Pool.run`."""
        done: asyncio.Queue[Done[I, R] | None] = asyncio.Queue()

        async def work() -> None:
            try:
                await all_of(*(self._serve(node, take, done) for node in list(self._actors)))
            finally:
                done.put_nowait(None)

        async with aclosing(drained(work, done)) as every:
            async for one in every:
                yield one

    async def _serve(
        self,
        node: _Node,
        take: Callable[[], Awaitable[I | None]],
        done: asyncio.Queue[Done[I, R] | None],
    ) -> None:
        """Has a node run items until there are none, or its worker cannot be had any more."""
        starts = 1
        while True:
            ended = await all_of(*(self._slot(node, take, done) for _ in range(self._jobs)))
            if not any(is_lost for is_lost, _ in ended):
                return
            starts = 1 if any(results for _, results in ended) else starts + 1
            if starts > _STARTS or not await self._again(node):
                self._note(f"{node.name} is lost; the others go on.")
                return

    async def _slot(
        self,
        node: _Node,
        take: Callable[[], Awaitable[I | None]],
        done: asyncio.Queue[Done[I, R] | None],
    ) -> tuple[bool, int]:
        """Runs one item after another. Returns whether the worker was lost, and how many results
        there were."""
        actor, results = self._actors[node], 0
        while (item := await take()) is not None:
            try:
                result = await actor.run.remote(item)
            except self._ray.exceptions.RayError as error:
                done.put_nowait(Done(item, Lost(f"{node.name}: {_last_line(error)}"), node.name))
                return True, results
            done.put_nowait(Done(item, result, node.name))
            results += 1
        return False, results

    async def _again(self, node: _Node) -> bool:
        """A new worker on a node whose worker is lost; False where the node is lost, too."""
        self._kill(self._actors.pop(node))
        actor = self._actor(node)
        if await self._versions(node, actor):
            self._kill(actor)
            return False
        try:
            await self._start(node, actor)
        except SetupError:
            self._kill(actor)
            return False
        self._actors[node] = actor
        return True

    def _kill(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor)

    async def _close(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await actor.close.remote()
        self._kill(actor)

    async def aclose(self) -> None:
        """See `Pool.aclose`. The cluster stays; it is the user's."""
        actors, self._actors = list(self._actors.values()), {}
        if self._ray is not None and self._ray.is_initialized():
            await all_of(*(self._close(actor) for actor in actors))
            await asyncio.to_thread(self._ray.shutdown)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _last_line(error: BaseException) -> str:
    """The sentence of the error that was raised on the node, which stands below its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
