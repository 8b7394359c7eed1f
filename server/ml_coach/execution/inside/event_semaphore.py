"""Locks for `multiprocessing` where a run has no shared memory of its own.

The C library makes its semaphores in /dev/shm. At the level `landlock` that folder is the whole
machine's, so no run may open it, and without semaphores there is no `Pool` and no `Queue`. The
kernel's event counters do the same and have no name that others could find.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import threading
import time
from multiprocessing import heap
from typing import Any

RECURSIVE = 0
_written_in_c: Any = importlib.import_module("_multiprocessing")
VALUE_AT_MOST: int = _written_in_c.SemLock.SEM_VALUE_MAX


class EventSemaphore:
    """What `_multiprocessing.SemLock` is, for processes that are forks of the one that made it.

    `kind` is `RECURSIVE` for a lock that its owner may take again. Raises what SemLock raises.
    """

    SEM_VALUE_MAX = VALUE_AT_MOST

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
        self.kind, self.maxvalue, self.name = kind, maxvalue, None
        self.handle = os.eventfd(value, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._taken, self._owner = 0, 0

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Whether it was taken, within `timeout` seconds where it has to be waited for."""
        if self.kind == RECURSIVE and self._is_mine():
            self._taken += 1
            return True
        until = None if timeout is None else time.monotonic() + max(0.0, timeout)
        while not self._take():
            left = None if until is None else until - time.monotonic()
            if not block or (left is not None and left <= 0):
                return False
            select.select([self.handle], [], [], left)
        self._taken += 1
        self._owner = threading.get_ident()
        return True

    def release(self) -> None:
        """Gives it back, or adds one to a semaphore."""
        if self.kind == RECURSIVE:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._taken > 1:
                self._taken -= 1
                return
        elif self.maxvalue == 1 and not self._is_zero():
            raise ValueError("semaphore or lock released too many times")
        self._taken -= 1
        os.eventfd_write(self.handle, 1)

    def _take(self) -> bool:
        try:
            os.eventfd_read(self.handle)
        except BlockingIOError:
            return False
        return True

    def _count(self) -> int:
        return self._taken

    def _is_mine(self) -> bool:
        return self._taken > 0 and self._owner == threading.get_ident()

    def _get_value(self) -> int:
        raise NotImplementedError  # as on macOS, whose semaphores do not tell it either

    def _is_zero(self) -> bool:
        return not select.select([self.handle], [], [], 0)[0]

    def _after_fork(self) -> None:
        self._taken = 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            os.close(self.handle)


def install() -> None:
    """Makes `multiprocessing` use these, and keep its shared arrays in the run's folder."""
    _written_in_c.SemLock = EventSemaphore
    arena: Any = heap.Arena
    arena._dir_candidates = []
