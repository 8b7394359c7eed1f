"""One per request, outside of what the run can see or signal: sets it up and ends it.

It answers with one message when nothing of the run is left: for each part how it ended, what it
printed, and the records that it wrote, unread. A closed connection means that it has to stop.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import tempfile
import time
from typing import NoReturn

from ml_coach.execution.inside import contained, run_folder, tree
from ml_coach.execution.inside import messages as wire
from ml_coach.execution.inside.context import Channels, WorkerContext
from ml_coach.execution.inside.part_run import PIPES, PartRun, RunProcesses
from ml_coach.execution.sandbox import kernel, namespaces

STOP_SECONDS = 3.0


def main(handover: socket.socket, context: WorkerContext) -> NoReturn:
    """Runs in a fork of the zygote and never returns. The run is set up ahead; then `handover`
    brings the connection over which its request comes."""
    connection: socket.socket | None = None
    try:
        _own_signals()
        os.setsid()
        run = _SupervisedRun(context)
        try:
            if context.private:
                run.set_up()
            connection = _handed_over(handover)
            answer = run.serve(connection)
        finally:
            run.close()
    except wire.ConnectionClosed:
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a run that could not be set up is an answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(OSError, wire.ConnectionClosed):
        (connection or _handed_over(handover)).sendall(wire.pack(answer))
    os._exit(0)


def _handed_over(handover: socket.socket) -> socket.socket:
    word, descriptors, _, _ = socket.recv_fds(handover, 1, 1)
    if not word:
        raise wire.ConnectionClosed
    return socket.socket(fileno=descriptors[0])


def stop_all(context: WorkerContext) -> None:
    """Ends all runs before the zygote leaves. With namespaces of our own its leaving does that."""
    if context.private:
        return
    for pid in tree.children(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def _own_signals() -> None:
    """What CPython itself starts with; the zygote's handlers are not for runs."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class _SupervisedRun:
    """One run and its processes. `close` leaves nothing of it, however far the set-up came."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._folder = ""
        self._first = 0
        self._started = time.time()
        kernel.die_with_parent(signal.SIGKILL if context.private else signal.SIGTERM)
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        self._stack, self._suite = os.memfd_create("stack"), os.memfd_create("suite")

    def set_up(self) -> None:
        """Starts the run's first process, which waits for its order."""
        context = self._context
        pipes = [
            {name: os.pipe() for name in (*PIPES, "order")}
            for _ in range(wire.PARTS_AT_MOST if context.private else 1)
        ]
        channels = [
            Channels(
                **{name: ends[1] for name, ends in each.items() if name != "order"},
                order=each["order"][0],
                stack=self._stack,
            )
            for each in pipes
        ]
        self._reading = [{name: each[name][0] for name in PIPES} for each in pipes]
        self._orders = [each["order"][1] for each in pipes]
        if not context.private:
            signal.signal(signal.SIGTERM, self._leave)
            self._folder = tempfile.mkdtemp(prefix=f"ml-coach-{context.server}-")
        _isolate_children(context)
        self._first = os.fork()
        if self._first == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._proc)
            for order in self._orders:
                os.close(order)
            contained.start(context, channels, self._folder, self._suite)
        for each in channels:
            for name in (*PIPES, "order"):
                os.close(getattr(each, name))
        kernel.set_dumpable(False)

    def serve(self, connection: socket.socket) -> wire.JsonObject:
        """Runs each part of the request that comes over the connection; returns the answer."""
        if not self._first:  # Before the request is here: what this frame holds, the run inherits.
            self.set_up()
        request = wire.receive(connection)
        answers: list[wire.JsonObject] = []
        processes = RunProcesses(self._first, self._proc, self._folder, self._stack)
        parts = request.pop("parts")
        if len(parts) > 1 and request["kind"] == "tests":
            os.write(self._suite, json.dumps(_shared_tests(request, parts)).encode("ascii"))
        for part, ends, order in zip(parts, self._reading, self._orders, strict=False):
            limit, tells = request["timeout_seconds"], request.get("tells", False)
            run = PartRun(self._context, processes, ends, limit, tells=tells)
            files = {**request["files"], **part.get("files", {})}
            _give(order, {**request, **part, "files": files})
            goes_on = run.watch(connection)
            run.end()
            answers.append(run.answer())
            if not goes_on:
                break
        return {"parts": answers}

    def close(self) -> None:
        """Ends every process of the run and removes its folder."""
        if self._context.private:
            if self._first:
                with contextlib.suppress(ProcessLookupError):
                    # Process 1: the kernel ends all others of its namespace with it.
                    os.kill(self._first, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self._first, 0)
        else:
            tree.kill_all(os.getpid(), self._proc)
        if self._folder:
            run_folder.wipe(self._folder)
            if self._context.apart:
                run_folder.empty_shared_memory(self._started)

    def _leave(self, *_: object) -> NoReturn:
        """The zygote sends the signal, and its end sends it once more. It may come before `close`
        or in the middle of it, so whatever was going on is not continued."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.close()
        os._exit(0)


def _shared_tests(request: wire.JsonObject, parts: list[wire.JsonObject]) -> dict[str, str]:
    """The test files that every part has, for process 1 to compile once."""
    files, targets = request["files"], parts[0]["tests"]["targets"]
    return {name: files[name] for name in targets if name in files}


def _give(order: int, request: wire.JsonObject) -> None:
    """A run that ends before it has read its order has written why to its status channel."""
    with contextlib.suppress(BrokenPipeError), open(order, "wb") as writing:
        writing.write(json.dumps(request).encode("ascii"))


def _isolate_children(context: WorkerContext) -> None:
    """Prepares the namespaces that the fork that follows will be in, or adopts its orphans."""
    if not context.private:
        kernel.adopt_orphans()
        return
    uid, gid = os.getuid(), os.getgid()
    namespaces.unshare(namespaces.ALL_BUT_USER | namespaces.NEW_USER)
    namespaces.map_ids(uid, gid)
