"""What runs on a node of a Ray cluster: one worker, with the node's local model and warm sandbox.

Ray loads this module by its name, so ML Coach has to be installed on each node.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

from ml_coach import __version__
from ml_coach.batch.keys import keys_here
from ml_coach.batch.pools import Worker


class NodeWorker:
    """An actor. It takes nothing before `start`, so that a node with another version can say so."""

    def __init__(self) -> None:
        self._worker: Worker[Any, Any] | None = None

    async def versions(self) -> tuple[str, str]:
        """Those of ML Coach and of Python."""
        return __version__, platform.python_version()

    async def start(
        self, make: Callable[[Mapping[str, str]], Worker[Any, Any]], keys: Mapping[str, str]
    ) -> None:
        """Gets ready what `make` gives for these keys by setting, else for the node's own."""
        self._worker = make({**keys_here(), **keys})
        await self._worker.prepare()

    async def run(self, item: Any) -> Any:
        """The result of one item."""
        assert self._worker is not None
        return await self._worker.run(item)

    async def close(self) -> None:
        """Ends the worker's processes, before the actor's own is killed."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.aclose()
