"""Standard input and output as pipes, also where they are files or the null device, which asyncio
does not wait for."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

_FLUSH_SECONDS = 2.0


@contextmanager
def streams_as_pipes() -> Generator[None]:
    """Within it, a thread copies between a pipe and each of the two that is not one. On Windows the
    protocol's library reads and writes in threads itself."""
    if sys.platform == "win32":
        yield
        return
    if not _can_be_waited_for(0):
        source, (reading, writing) = os.dup(0), os.pipe()
        os.dup2(reading, 0)
        os.close(reading)
        _copying(source, writing)
    written: threading.Thread | None = None
    if not _can_be_waited_for(1):
        target, (reading, writing) = os.dup(1), os.pipe()
        os.dup2(writing, 1)
        os.close(writing)
        written = _copying(reading, target)
    try:
        yield
    finally:
        if written is not None:
            os.dup2(2, 1)  # Closes the pipe, so that the copy comes to its end.
            written.join(_FLUSH_SECONDS)


def _can_be_waited_for(number: int) -> bool:
    kind = os.fstat(number).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(number)


def _copying(source: int, target: int) -> threading.Thread:
    def copy() -> None:
        with open(source, "rb", buffering=0) as read, open(target, "wb", buffering=0) as written:
            shutil.copyfileobj(read, written)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread
