"""Lets the local models of one user's processes answer one after another.

Two that compute at the same moment share cores and memory, and each falls to a tenth of its speed:
their threads wait for each other at every layer. So a request waits until no other process's
request is being answered. A process that is idle, because its user reads a patch, holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOOK_SECONDS = 0.05
WAITS = "Another ML Coach uses the local model; this one waits for its turn"


class ModelTurns:
    """The turns of this process; its own requests run at the same time. `file` is the lock that
    all processes of the user share, `note` is told once if a turn has to be waited for."""

    def __init__(self, file: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self.note = note
        self._file = file
        # It counts how often it is held, so that requests of one process share it.
        self._lock = FileLock(file, thread_local=False)
        self._told = False

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Waits for the turn and keeps it while the work inside goes on."""
        is_held = await self._taken()
        try:
            yield
        finally:
            if is_held:
                self._lock.release()

    async def _taken(self) -> bool:
        """False where no lock can be had, on a disk that is read-only or knows none."""
        while True:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(blocking=False)
            except Timeout:
                if not self._told:
                    self._told = True
                    self.note(WAITS)
                await asyncio.sleep(_LOOK_SECONDS)
            except (OSError, NotImplementedError):
                return False
            else:
                return True
