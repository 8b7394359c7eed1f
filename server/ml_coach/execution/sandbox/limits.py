"""What one run may use: the limits, and how the kernel is told those that it enforces itself."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import Any

MEGABYTE = 1 << 20
ADDRESS_SPACE_GB = 64


@dataclass(frozen=True)
class ResourceLimits:
    """What one run may use. Memory is that of the whole tree of processes, disk is all that is
    written, output is what the program prints on both streams together."""

    memory_mb: int = 512
    processes: int = 64
    open_files: int = 256
    file_mb: int = 64
    disk_mb: int = 128
    output_bytes: int = 1 << 20

    def as_dict(self) -> dict[str, int]:
        """The limits by name, for the worker's settings."""
        return asdict(self)


# For the tests of a whole project.
PROJECT_LIMITS = ResourceLimits(
    memory_mb=2048,
    processes=256,
    open_files=1024,
    file_mb=256,
    disk_mb=512,
    output_bytes=8 << 20,
)


def _resource() -> Any:
    """Python's module for limits, which there is not on Windows: it is loaded where it is used."""
    return importlib.import_module("resource")


def apply(limits: ResourceLimits, cpu_seconds: int) -> None:
    """Lowers this process's limits for good. RLIMIT_AS is generous, since numpy and threads reserve
    more than they use; without it the tables of reserved pages could fill the memory.

    RLIMIT_DATA is per process, so the supervisor watches the tree; it is set above the tree's
    limit because thread stacks count as data though they are never touched.
    """
    resource = _resource()
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, cpu_seconds, 1)
    _lower(resource.RLIMIT_DATA, (limits.memory_mb + 128) * MEGABYTE)
    _lower(resource.RLIMIT_AS, ADDRESS_SPACE_GB << 30)
    _lower(resource.RLIMIT_NPROC, limits.processes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_FSIZE, limits.file_mb * MEGABYTE)
    _lower(resource.RLIMIT_STACK, 8 * MEGABYTE)
    _lower(resource.RLIMIT_MEMLOCK, 64 << 10)
    _lower(resource.RLIMIT_MSGQUEUE, 0)
    _lower(resource.RLIMIT_SIGPENDING, 256)
    _lower(resource.RLIMIT_RTPRIO, 0)


def allow_descriptors(count: int) -> None:
    """Makes room for descriptors below `count`. Raises `ValueError` where that is not allowed."""
    resource = _resource()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _lower(kind: int, value: int, grace: int = 0) -> None:
    resource = _resource()
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
        grace = min(grace, hard - value)
    resource.setrlimit(kind, (value, value + grace))
