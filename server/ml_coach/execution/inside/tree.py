"""A run's tree of processes, read from a /proc that sees it. `proc` is a descriptor of that folder,
opened before the run's own /proc covers it."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
MUCH_BYTES = 4 << 30  # reserved memory from which page tables are worth a look
MANY_TABLES = 8 << 20  # bytes; what a run may use of memory needs a fifth of that


def _read(proc: int, path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY, dir_fd=proc)
    try:
        return os.read(descriptor, 8192)
    finally:
        os.close(descriptor)


def _parents(proc: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for name in os.listdir(proc):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = _read(proc, f"{name}/stat").rsplit(b")", 1)[1].split()
                found.setdefault(int(after_name[1]), []).append(int(name))
    return found


def descendants(root: int, proc: int) -> list[int]:
    """The ids of all processes below `root`, nearest first."""
    parents = _parents(proc)
    found: list[int] = []
    todo = [root]
    while todo:
        below = sorted(parents.get(todo.pop(0), []))
        found += below
        todo += below
    return found


def children(root: int) -> list[int]:
    """The ids of the processes that `root` started itself."""
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _parents(proc).get(root, [])
    finally:
        os.close(proc)


def threads(pids: list[int], proc: int) -> int:
    """How many threads the processes have. The kernel's own limit on processes counts threads too,
    but it does not hold for root."""
    count = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            count += int(_read(proc, f"{pid}/stat").rsplit(b")", 1)[1].split()[17])
    return count


def sockets(proc: int) -> int:
    """How many sockets our network has: what waits in them counts as no process's memory."""
    return int(_read(proc, "self/net/sockstat").split()[2])


def memory(pids: list[int], proc: int, enough_bytes: int) -> int:
    """The memory of the processes, in bytes, with the page tables of those that reserve much.

    Resident sizes count the pages that forks share once per process. The exact share is slow to
    get, so it is asked for only when the plain sum is over `enough_bytes`, largest process first,
    and only until the exact sum is over it too. Page tables are never shared: they count at once.
    """
    sizes = sorted(((*_resident(pid, proc), pid) for pid in pids), reverse=True)
    tables = sum(of_tables for _, of_tables, _ in sizes)
    plain = tables + sum(resident for resident, _, _ in sizes)
    if plain <= enough_bytes:
        return plain
    total = tables
    for resident, of_tables, pid in sizes:
        if total > enough_bytes:
            break
        # To go through many tables takes the kernel seconds, in which the rest would grow.
        total += resident if of_tables > MANY_TABLES else _proportional(pid, proc)
    return total


def _resident(pid: int, proc: int) -> tuple[int, int]:
    """(resident bytes, bytes of page tables)."""
    try:
        reserved, resident = map(int, _read(proc, f"{pid}/statm").split()[:2])
        tables = _page_tables(pid, proc) if reserved * PAGE > MUCH_BYTES else 0
        return resident * PAGE, tables
    except (OSError, ValueError):
        return 0, 0


def _page_tables(pid: int, proc: int) -> int:
    for line in _read(proc, f"{pid}/status").splitlines():
        if line.startswith(b"VmPTE:"):
            return int(line.split()[1]) * 1024
    return 0


def _proportional(pid: int, proc: int) -> int:
    try:
        for line in _read(proc, f"{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # It may not be read of a process that is not dumpable.
    return _resident(pid, proc)[0]  # nothing where it has ended by now


def removed_bytes(pids: list[int], proc: int) -> int:
    """The size of all files that the processes hold open and nobody can see in a folder any more.
    Of a process that is not dumpable only root can tell."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for opened in _listed(proc, f"{pid}/fd"):
                with contextlib.suppress(OSError):
                    status = os.stat(f"{pid}/fd/{opened}", dir_fd=proc)
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def _listed(proc: int, path: str) -> list[str]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    try:
        return os.listdir(folder)
    finally:
        os.close(folder)


def kill_all(root: int, proc: int, seconds: float = 3.0) -> None:
    """Stops and kills all processes below `root` until the kernel says that it has no child left.
    `root` has to be the calling process and has to adopt orphans."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pids = descendants(root, proc)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.0005)
