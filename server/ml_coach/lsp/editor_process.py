"""The editor's own process, which the protocol asks a server to watch (`processId`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_SECONDS_BETWEEN = 1.0


async def until_gone(process_id: int) -> bool:
    """Waits for the end of a process. False at once where no such process can be seen from here,
    as when the editor runs in another container.
    """
    # Imported late: an editor waits for the answer to `initialize`.
    import psutil

    try:
        process = psutil.Process(process_id)
    except (psutil.Error, ValueError, OverflowError):
        return False
    # The end of a process that is not our child wakes nobody up.
    while _lives(process):  # noqa: ASYNC110
        await asyncio.sleep(_SECONDS_BETWEEN)
    return True


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        # `is_running` also notices that the number belongs to another process by now.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
