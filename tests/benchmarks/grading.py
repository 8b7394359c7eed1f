"""Runs programs against hidden tests, each in a process of its own, many per second.

A worker (`python -I`, empty environment) forks once per program instead of starting Python anew.
The fork has limits on memory, CPU, file size and wall time; where the worker is root it has no
network and sees every file system read-only. This is for data files whose programs are known:
generated code of users runs in the real sandbox only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

WALL_SECONDS = 5
CPU_SECONDS = 4
MEMORY_BYTES = 1 << 30
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
MOUNT_ATTR_RDONLY, MS_PRIVATE = 1, 1 << 18


def grade(pairs: Sequence[tuple[str, str]], workers: int = 2) -> list[bool]:
    """Whether each (program, hidden test) runs through without raising."""
    shares = [pairs[i::workers] for i in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        verdicts = list(pool.map(_grade_share, shares))
    return [verdicts[i % workers][i // workers] for i in range(len(pairs))]


def _grade_share(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    jobs = "".join(json.dumps([program, test]) + "\n" for program, test in pairs)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-I", __file__],
            input=jobs.encode(), capture_output=True, check=True, cwd=folder, env={},
        )  # fmt: skip
    return [line == b"1" for line in done.stdout.split()]


def _worker() -> None:
    _close_off()
    for line in sys.stdin.buffer:
        program, test = json.loads(line)
        os.write(1, b"1\n" if _passes(program, test) else b"0\n")


def _close_off() -> None:
    """No network and no writable file; where that is not allowed, the other limits remain."""
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) == 0:
        attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, 0)
        libc.syscall(
            SYS_MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE,
            ctypes.byref(attributes), ctypes.sizeof(attributes),
        )  # fmt: skip


def _passes(program: str, test: str) -> bool:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(program, test, writer)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], WALL_SECONDS)
    passed = bool(ready) and os.read(reader, 1) == b"1"
    os.close(reader)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return passed


def _run(program: str, test: str, verdict: int) -> None:
    os.setsid()
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        namespace = {"__name__": "generated_code"}
        exec(compile(program, "<program>", "exec", dont_inherit=True), namespace)
        exec(compile(test, "<test>", "exec", dont_inherit=True), namespace)
        os.write(verdict, b"1")
    except BaseException:  # noqa: BLE001 - whatever a program raises is a failed test
        pass
    finally:
        os._exit(0)


if __name__ == "__main__":
    _worker()
