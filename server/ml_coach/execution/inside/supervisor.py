"""One per request, outside of what the run can see or signal: sets it up, watches it, ends it.

It answers with one message when nothing of the run is left: for each part how it ended, what it
printed, and the records that it wrote, unread. A closed connection means stop.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, field
from typing import NoReturn

from ml_coach.execution.inside import contained, run_folder, tree
from ml_coach.execution.inside import messages as wire
from ml_coach.execution.inside.contained import World
from ml_coach.execution.sandbox import kernel, namespaces
from ml_coach.execution.sandbox.limits import MEGABYTE, Limits

TICK_SECONDS = 0.02
END_SECONDS = 2.0
PIPES = ("stdout", "stderr", "records", "status")
RECORDS_AT_MOST = 8 * MEGABYTE


@dataclass
class _Watch:
    request: wire.Message
    limits: Limits
    started: float
    folder: str
    stack: int
    output: dict[int, bytearray] = field(default_factory=dict[int, bytearray])
    limit: str = ""
    stopped: bool = False
    status: int | None = None


def main(handover: socket.socket, world: World) -> NoReturn:
    """Runs in a fork of the zygote and never returns. A cell is made ahead, then `handover` brings
    the connection of the run that it is for."""
    connection: socket.socket | None = None
    try:
        _own_signals()
        os.setsid()
        cell = _Cell(world)
        try:
            if world.private:
                cell.open()
            connection = _handed(handover)
            answer = cell.serve(connection)
        finally:
            cell.close()
    except wire.Closed:
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a run that could not be set up is an answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(OSError, wire.Closed):
        wire.send(connection or _handed(handover), answer)
    os._exit(0)


def _handed(handover: socket.socket) -> socket.socket:
    word, descriptors, _, _ = socket.recv_fds(handover, 1, 1)
    if not word:
        raise wire.Closed
    return socket.socket(fileno=descriptors[0])


def stop_all(world: World) -> None:
    """Before the zygote leaves. In namespaces of our own its leaving is enough."""
    if world.private:
        return
    for pid in tree.children(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 3
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


class _Cell:
    """One cell and the processes in it. `close` leaves nothing, however far it came."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = ""
        self._first = 0
        self._started = time.time()
        kernel.die_with_parent(signal.SIGKILL if world.private else signal.SIGTERM)
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        self._stack, self._suite = os.memfd_create("stack"), os.memfd_create("suite")

    def open(self) -> None:
        world = self._world
        pipes = [
            {name: os.pipe() for name in (*PIPES, "order")}
            for _ in range(wire.PARTS_AT_MOST if world.private else 1)
        ]
        channels = [
            contained.Channels(
                **{name: ends[1] for name, ends in each.items() if name != "order"},
                order=each["order"][0],
                stack=self._stack,
            )
            for each in pipes
        ]
        self._reading = [{name: each[name][0] for name in PIPES} for each in pipes]
        self._orders = [each["order"][1] for each in pipes]
        if not world.private:
            signal.signal(signal.SIGTERM, self._leave)
            self._folder = tempfile.mkdtemp(prefix=f"ml-coach-{world.server}-")
        _set_apart(world)
        self._first = os.fork()
        if self._first == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._proc)
            for order in self._orders:
                os.close(order)
            contained.start(world, world.limits, channels, self._folder, self._suite)
        for each in channels:
            for name in (*PIPES, "order"):
                os.close(getattr(each, name))
        kernel.set_dumpable(False)

    def serve(self, connection: socket.socket) -> wire.Message:
        request = wire.receive(connection)
        if not self._first:
            self.open()
        answers: list[wire.Message] = []
        parts = request.pop("parts")
        if len(parts) > 1 and request["kind"] == "tests":
            os.write(self._suite, json.dumps(_shared_tests(request, parts)).encode("ascii"))
        for part, ends, order in zip(parts, self._reading, self._orders, strict=False):
            watch = _Watch(request, self._world.limits, time.monotonic(), self._folder, self._stack)
            files = {**request["files"], **part.get("files", {})}
            _give(order, {**request, **part, "files": files})
            _look_after(watch, connection, ends, self._first, self._proc, self._world)
            _end(watch, ends, self._first, self._proc, self._world)
            answers.append(_answer(watch, ends, self._stack))
            if watch.stopped:
                break
        return {"parts": answers}

    def close(self) -> None:
        if self._first or not self._world.private:
            _end_all(self._first, self._proc, self._world)
        if self._folder:
            run_folder.wipe(self._folder)
            if self._world.apart:
                run_folder.empty_shared_memory(self._started)

    def _leave(self, *_: object) -> NoReturn:
        """The zygote tells it to, and its end does once more. It may come in the middle of `close`,
        or before it: whatever was going on is not gone back to."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.close()
        os._exit(0)


def _shared_tests(request: wire.Message, parts: list[wire.Message]) -> dict[str, str]:
    """The test files that every part has, for process 1 to compile once."""
    files, targets = request["files"], parts[0]["tests"]["targets"]
    return {name: files[name] for name in targets if name in files}


def _give(order: int, request: wire.Message) -> None:
    """A run that dies before it has read its order has said why on its status channel."""
    with contextlib.suppress(BrokenPipeError), open(order, "wb") as writing:
        writing.write(json.dumps(request).encode("ascii"))


def _set_apart(world: World) -> None:
    """What the fork that follows will be in, or below."""
    if not world.private:
        kernel.adopt_orphans()
        return
    uid, gid = os.getuid(), os.getgid()
    namespaces.unshare(namespaces.ALL_BUT_USER | namespaces.NEW_USER)
    namespaces.map_ids(uid, gid)


def _answer(watch: _Watch, reading: dict[str, int], stack: int) -> wire.Message:
    for name, end in reading.items():
        _drain(watch, end, name)

    def text(name: str, at_most: int) -> str:
        return bytes(watch.output[reading[name]][:at_most]).decode("latin-1")

    cap = watch.limits.output_bytes
    answer = {
        "status": watch.status,
        **json.loads(text("status", 4096) or "{}"),
        "limit": watch.limit,
        "stopped": watch.stopped,
        "stdout": text("stdout", cap),
        "stderr": text("stderr", cap),
        "records": text("records", RECORDS_AT_MOST),
        "stack": os.pread(stack, 64 << 10, 0).decode("latin-1"),
        "seconds": time.monotonic() - watch.started,
    }
    os.ftruncate(stack, 0)
    os.lseek(stack, 0, os.SEEK_SET)  # The runs write where this points to.
    return answer


def _look_after(
    watch: _Watch,
    connection: socket.socket,
    reading: dict[str, int],
    first: int,
    proc: int,
    world: World,
) -> None:
    """Until the run has ended, a limit is reached, or the connection is closed."""
    deadline = watch.started + watch.request["timeout_seconds"]
    names = {end: name for name, end in reading.items()}
    waiting = select.poll()
    for end in names:
        waiting.register(end, select.POLLIN)
        watch.output[end] = bytearray()
    waiting.register(connection, select.POLLIN)
    ended = os.pidfd_open(first)
    waiting.register(ended, select.POLLIN)
    next_look = watch.started + TICK_SECONDS
    while True:
        now = time.monotonic()
        if now >= deadline:
            watch.limit = "time"
        elif now >= next_look:
            watch.limit = _over(watch, first, proc, world)
            took = time.monotonic() - now  # Many processes take long to measure: give them time.
            next_look = now + took + max(TICK_SECONDS, took - 3 * TICK_SECONDS)
        if watch.limit:
            _show_stack(watch, first, proc, world)
            return
        pause = max(0.0, min(next_look, deadline) - now)
        ready = [end for end, _ in waiting.poll(pause * 1000 + 1)]
        for end in ready:
            if end in names and not _take(watch, end, reading):
                waiting.unregister(end)
        if connection.fileno() in ready:
            watch.stopped = True
            return
        told = watch.output[reading["status"]]  # by process 1, how this part ended
        if told or ended in ready:
            _learn_status(watch, first, world)
            return


def _learn_status(watch: _Watch, first: int, world: World) -> None:
    if not world.private:  # else process 1 tells it
        _, status = os.waitpid(first, 0)
        watch.status = os.waitstatus_to_exitcode(status)


def _take(watch: _Watch, end: int, reading: dict[str, int]) -> bool:
    """Reads what has come; False at the end of it."""
    part = os.read(end, 65536)
    watch.output[end] += part
    too_much = _printed(watch, reading) > watch.limits.output_bytes
    if too_much or len(watch.output[reading["records"]]) > RECORDS_AT_MOST:
        watch.limit = "output"
    return bool(part)


def _printed(watch: _Watch, reading: dict[str, int]) -> int:
    return sum(len(watch.output[reading[name]]) for name in ("stdout", "stderr"))


def _over(watch: _Watch, first: int, proc: int, world: World) -> str:
    """The limit that the tree is over by now, or nothing."""
    pids = [first, *tree.descendants(first, proc)]
    if tree.threads(pids, proc) > watch.limits.processes + 2:
        return "processes"
    if world.apart and tree.sockets(proc) > watch.limits.open_files:
        return "files"
    if (
        tree.memory(pids, proc, watch.limits.memory_mb * MEGABYTE)
        > watch.limits.memory_mb * MEGABYTE
    ):
        return "memory"
    if watch.folder and run_folder.used_bytes(watch.folder) > watch.limits.disk_mb * MEGABYTE:
        return "disk"
    return ""


def _show_stack(watch: _Watch, first: int, proc: int, world: World) -> None:
    """Asks the run for the line where it is; one that can not answer at once is not waited for.
    Its children stand still meanwhile: what grows may not go on growing."""
    below = tree.descendants(first, proc)
    if world.private and not below:
        return
    target = below[0] if world.private else first
    for pid in below:
        if pid != target:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)
    with contextlib.suppress(OSError):
        os.kill(target, contained.SHOW_STACK)
        patience = 0.1 if watch.limit == "time" else 0.03
        until = time.monotonic() + patience
        while os.fstat(watch.stack).st_size == 0 and time.monotonic() < until:
            time.sleep(0.001)


def _end(watch: _Watch, reading: dict[str, int], first: int, proc: int, world: World) -> None:
    """Ends one part. Process 1 stays for the next, unless it does not answer."""
    if not world.private or not watch.limit:
        return
    waiting = select.poll()
    waiting.register(reading["status"], select.POLLIN)
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        for pid in tree.descendants(first, proc):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if waiting.poll(5):
            return
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGKILL)


def _end_all(first: int, proc: int, world: World) -> None:
    """Nothing is left when this returns."""
    if world.private:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)  # process 1: the kernel takes the namespace with it
        with contextlib.suppress(ChildProcessError):
            os.waitpid(first, 0)
        return
    tree.kill_all(os.getpid(), proc)


def _drain(watch: _Watch, end: int, name: str) -> None:
    """Every writer is dead, so the pipes end; what is beyond the limits is thrown away."""
    kept = watch.output.setdefault(end, bytearray())
    os.set_blocking(end, False)
    with contextlib.suppress(BlockingIOError):
        while part := os.read(end, 65536):
            if len(kept) <= RECORDS_AT_MOST:
                kept += part
    if name in ("stdout", "stderr") and len(kept) > watch.limits.output_bytes and not watch.limit:
        watch.limit = "output"
