"""The warm worker: it isolates itself, imports pytest once, and forks for every run.

    launcher ─ zygote ─┬─ supervisor ─ init ─ the run      (namespaces)
                       └─ supervisor ─ the run             (every other level)

The zygote is process 1 of its own pid namespace, so nothing that it ever started outlives it. It
ends when the control socket does, which is when the server ends, however the server ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from dataclasses import replace
from typing import NoReturn

from ml_coach.execution.inside import entering, other_python, supervisor, warm_up
from ml_coach.execution.inside import messages as wire
from ml_coach.execution.inside.context import WorkerContext
from ml_coach.execution.sandbox import kernel, namespaces, seccomp
from ml_coach.execution.sandbox.limits import ResourceLimits


def main() -> NoReturn:
    """Runs the worker until its control socket is closed.

    argv[1] is a JSON object: `control` (a descriptor), `level`, `readable` (paths), `our_site` and
    `libraries` (see interpreter.py), `server` (a process id), `limits`, and `become` (see
    other_python.py) where another Python than this one is to be the worker.
    """
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    private = settings["level"] == "namespaces"
    try:
        if settings["become"]:
            other_python.become(settings, control)
        # Our own code cannot be read from inside, so all of it is loaded before.
        tests = warm_up.load(settings["our_site"])
        if settings["level"] == "landlock":
            importlib.import_module("ml_coach.execution.inside.event_semaphore").install()
        if private and not settings["entered"]:
            entering.enter_namespaces(settings["readable"], control)
        prepared = tests.prepare(namespaces.WORK if private else "")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the server has to learn of it
        with contextlib.suppress(OSError):
            control.sendall(wire.pack({"error": f"{type(error).__name__}: {error}"}))
        os._exit(1)
    context = WorkerContext(
        level=settings["level"],
        readable=tuple(settings["readable"]),
        libraries=settings["libraries"],
        server=settings["server"],
        limits=ResourceLimits(**settings["limits"]),
        prepared=prepared,
        own_modules={n: m for n, m in sys.modules.items() if n.split(".")[0] == "ml_coach"},
    )
    context = replace(context, filter=seccomp.build(apart=context.apart))
    if not context.private:
        kernel.set_dumpable(False)  # Runs of the same user may not read our memory.
        kernel.adopt_orphans()
    control.sendall(wire.pack({"ready": True}))
    _serve(control, context)


def _serve(control: socket.socket, context: WorkerContext) -> NoReturn:
    """One byte with one descriptor asks for one run, whose request comes over that descriptor."""
    wake, wakened = os.pipe()
    for end in (wake, wakened):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, _ignore)
    signal.set_wakeup_fd(wakened)
    gc.collect()
    gc.freeze()  # The collector never writes to pages that every fork shares.
    gc.disable()
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    waiting.register(wake, select.POLLIN)
    waiting_supervisor = _fork_supervisor(control, context, (wake, wakened))
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == wake:
                _reap(wake)
                continue
            asked, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not asked:
                waiting_supervisor.close()
                supervisor.stop_all(context)
                os._exit(0)
            with contextlib.suppress(OSError):
                socket.send_fds(waiting_supervisor, [asked], descriptors)
            waiting_supervisor.close()
            os.close(descriptors[0])
            waiting_supervisor = _fork_supervisor(control, context, (wake, wakened))


def _fork_supervisor(
    control: socket.socket, context: WorkerContext, wakers: tuple[int, int]
) -> socket.socket:
    """Forks a supervisor that sets up its run ahead; returns the socket to hand a request over."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        signal.set_wakeup_fd(-1)
        control.close()
        ours.close()
        for waker in wakers:
            os.close(waker)
        supervisor.main(theirs, context)
    theirs.close()
    return ours


def _ignore(*_: object) -> None:
    """Python writes to the wake-up descriptor only for signals that have a handler."""


def _reap(wake: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(wake, 4096)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
