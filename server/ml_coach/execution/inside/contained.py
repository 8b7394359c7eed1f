"""From the supervisor's fork to the first line of the run: gives up every right, then runs it.

With namespaces of our own, the fork becomes process 1 of a pid namespace of its own and the run is
its child: signals mean for the run what they mean everywhere, and when process 1 leaves, the kernel
ends all that is left. A request may have several parts: candidates for one suite run one after
another below one process 1, each from a fork of its own, with nothing left of the one before, and
without any knowledge of the others' orders.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import NoReturn

from ml_coach.execution.inside import program, run_folder
from ml_coach.execution.inside.context import Channels, WorkerContext
from ml_coach.execution.inside.messages import TEST_KINDS, JsonObject
from ml_coach.execution.sandbox import kernel, landlock, limits, namespaces, seccomp

# Descriptors of the run's channels, beyond the limit that is set on a run: a program that closes
# all that it may have opened, as daemons do, does not close these.
RECORDS, STACK, STATUS, ORDER, RULES = 4000, 4001, 4002, 4003, 4004
NUMBERS_UP_TO = 4096
ERROR_AT_MOST = 600  # characters: at six bytes each it fits into one write to a pipe


def start(
    context: WorkerContext, channels: Sequence[Channels], folder: str, suite: int
) -> NoReturn:
    """Makes the run's folders, then runs what the channels order, one after another.

    All this happens ahead: the run waits, ready, for its order. `folder` is the run's folder where
    there is no private root, made by the supervisor; then there is one run. `suite` is the
    descriptor of a file with the tests that several runs share.
    """
    own = channels[0]
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if context.private:
            namespaces.raise_loopback()
            namespaces.mount_run_folders(context.limits.disk_mb, context.readable)
            folder = namespaces.BOX
            kernel.set_dumpable(False)
            kernel.drop_capabilities()
        else:
            for name in ("work", "tmp"):
                os.mkdir(f"{folder}/{name}")
        _environment(folder, context.libraries)
        has_rules = context.level != "weak" and landlock.abi() > 0
        rules = landlock.rules(_allowed(context, folder), tcp=context.apart) if has_rules else None
        if context.private:
            own = _fork_each(channels, context, suite)
        _rearrange(own, rules)
        own = replace(own, status=STATUS)
        work = Path(folder, "work")
        os.chdir(work)
        request = _order()
        _write(work, request["files"])
        _give_up_rights(context, request, has_rules=has_rules)
    except BaseException as error:  # noqa: BLE001 - the supervisor hands it on
        _write_status(own.status, error=f"{type(error).__name__}: {error}"[:ERROR_AT_MOST])
        os._exit(125)
    os.close(STATUS)
    program.main(request, context, str(work), RECORDS, STACK)


def _order() -> JsonObject:
    with open(ORDER, "rb") as order:
        return json.loads(order.read())


def _fork_each(channels: Sequence[Channels], context: WorkerContext, suite: int) -> Channels:
    """Returns in each run only. Process 1 waits for it, ends what it left behind, writes how it
    ended to its status channel, and goes on with the next."""
    for own in channels:
        run = os.fork()
        if run == 0:
            return own
        status = _wait_for(run)
        run_folder.clear("/dev/shm", ())
        folders = (namespaces.WORK, namespaces.TEMPORARY)
        run_folder.clear(namespaces.BOX, folders, namespaces.mounted_in_tmp(context.readable))
        _write_status(own.status, status=os.waitstatus_to_exitcode(status))
        if own is channels[0] and (shared := os.pread(suite, os.fstat(suite).st_size, 0)):
            # The first run was forked before there was an order; the others inherit this.
            context.prepared.compile(json.loads(shared), namespaces.WORK)
    os._exit(0)


def _wait_for(run: int) -> int:
    """The status of the run, once nothing but process 1 is left."""
    found = 0
    while True:
        pid, status = os.wait()
        if pid == run:
            found = status
            break
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # Everything in this namespace but ourselves.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return found


def _rearrange(channels: Channels, rules: int | None) -> None:
    """stdin is empty, and nothing stays open but our channels, at known numbers."""
    limits.allow_descriptors(NUMBERS_UP_TO)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    targets = (1, 2, RECORDS, STACK, STATUS, ORDER)
    for source, target in zip(astuple(channels), targets, strict=True):
        os.dup2(source, target, inheritable=target <= 2)
    if rules is not None:
        os.dup2(rules, RULES, inheritable=False)
    os.closerange(3, RECORDS)
    os.closerange(RULES + (rules is not None), 1 << 16)


def _write(work: Path, files: dict[str, str]) -> None:
    """The private copy. A text is its bytes as latin-1, so every file fits into JSON."""
    for name, content in files.items():
        target = work / name
        if (target.is_absolute() and work not in target.parents) or ".." in target.parts:
            raise ValueError(f"{name} is not inside the run's folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode("latin-1"))


def _write_status(descriptor: int, **message: object) -> None:
    os.write(descriptor, json.dumps(message).encode("ascii"))


def _give_up_rights(context: WorkerContext, request: JsonObject, *, has_rules: bool) -> None:
    limits.apply(context.limits, int(request["timeout_seconds"]) + 2)
    # A run of tests is closed to its own children as well: they could rewrite what it reports.
    kernel.set_dumpable(request["kind"] not in TEST_KINDS)
    if context.level != "weak":
        if has_rules:
            landlock.enforce(RULES)
        if not context.private:  # Else process 1 has done it.
            kernel.drop_capabilities()
        seccomp.install(context.filter)


def _allowed(context: WorkerContext, folder: str) -> list[tuple[str, int]]:
    """What Landlock lets through. Below our own root everything is readable: it holds no secret."""
    allowed = [(f"/dev/{name}", landlock.DEVICE) for name in ("null", "zero", "full")]
    allowed.append((folder, landlock.READ | landlock.WRITE))
    if context.apart:
        allowed.append(("/dev/shm", landlock.READ | landlock.WRITE))
        allowed.append(("/dev/pts", landlock.TERMINAL))
    if context.private:
        return [*allowed, ("/", landlock.READ), ("/tmp", landlock.READ | landlock.WRITE)]
    readable = [
        *namespaces.SYSTEM,
        *namespaces.SYSTEM_FILES,
        *context.readable,
        # Where there is a root of the worker's own, /etc holds nothing of the user's.
        *(("/proc", "/etc") if context.apart else ("/proc/self", "/proc/cpuinfo", "/proc/meminfo")),
        "/sys/devices/system/cpu",
        "/dev/random",
        "/dev/urandom",
    ]
    return [*allowed, *((path, landlock.READ) for path in readable)]


def _environment(folder: str, libraries: str) -> None:
    """Built from nothing, never a filtered copy: what is not named here does not exist."""
    temporary = f"{folder}/tmp"
    tempfile.tempdir = None
    hash_seed = os.environ["PYTHONHASHSEED"]
    os.environ.clear()
    os.environ.update(
        PATH=f"{sys.prefix}/bin:/usr/bin:/bin",
        HOME=temporary,
        TMPDIR=temporary,
        LANG="C.UTF-8",
        USER="coach",
        LOGNAME="coach",
        PYTHONHASHSEED=hash_seed,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONSAFEPATH="",
        MPLBACKEND="Agg",
        # One thread each: a numeric library's pool would count against the limit of processes.
        OPENBLAS_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
        MKL_NUM_THREADS="1",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    if libraries:
        os.environ["LD_LIBRARY_PATH"] = libraries
