"""What the files of this folder share about a run: what its worker is like, and its channels."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ml_coach.execution.sandbox.limits import ResourceLimits

# A run answers this signal by writing the line where it is to its stack channel.
SHOW_STACK = signal.SIGRTMAX - 1


@dataclass(frozen=True)
class WorkerContext:
    """What every run of one worker shares.

    `level` is the name of the containment, `readable` are the paths that Python needs, `libraries`
    is the folder of a shared libpython, `filter` the seccomp program and `server` the id of the
    process that started the worker. `prepared` is what tests.py made ahead. `own_modules` are our
    modules, which no run can import; a reference is kept because taking them apart would cost each
    run a millisecond.
    """

    level: str
    readable: tuple[str, ...]
    libraries: str = ""
    filter: bytes = b""
    server: int = 0
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    prepared: Any = None
    own_modules: Mapping[str, ModuleType] = field(default_factory=dict[str, ModuleType])

    @property
    def private(self) -> bool:
        """Whether each run gets a root, processes and a network of its own."""
        return self.level == "namespaces"

    @property
    def apart(self) -> bool:
        """Whether loopback, ipc and shared memory lead to nothing but other runs."""
        return self.level in ("namespaces", "bubblewrap")


@dataclass(frozen=True)
class Channels:
    """Descriptors to write to, and `order` to read the run's request from. `order` and `status`
    are closed before the run's own code begins."""

    stdout: int
    stderr: int
    records: int
    stack: int
    status: int
    order: int
