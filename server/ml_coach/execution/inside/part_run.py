"""Watches one part of a request: reads what it writes, ends it at a limit, says how it ended."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

from ml_coach.execution.inside import run_folder, tree
from ml_coach.execution.inside.context import SHOW_STACK, WorkerContext
from ml_coach.execution.inside.messages import RECORDS_AT_MOST, JsonObject, pack
from ml_coach.execution.sandbox.limits import MEGABYTE

PIPES = ("stdout", "stderr", "records", "status")
TICK_SECONDS = 0.02
TELL_SECONDS = 0.1
END_SECONDS = 2.0
STATUS_AT_MOST = 4096
STACK_AT_MOST = 64 << 10
MANY_RECORDS = 8 << 10  # bytes from one look to the next; the pipe holds eight times as many


@dataclass(frozen=True)
class RunProcesses:
    """The processes of a run: `first` is the id of the topmost one, process 1 where there are
    namespaces of our own. `proc` is a descriptor of a /proc that shows them. `folder` is the run's
    folder where it has no root of its own, else empty. `stack` is the file that a run writes the
    line to where it is."""

    first: int
    proc: int
    folder: str
    stack: int

    def below(self) -> list[int]:
        """The ids of all processes of the run but the first."""
        return tree.descendants(self.first, self.proc)


class PartRun:
    """One part, from the moment it has its order. `ends` are the descriptors to read, by pipe. One
    that `tells` sends its records while it runs, too, for display."""

    def __init__(
        self,
        context: WorkerContext,
        processes: RunProcesses,
        ends: dict[str, int],
        timeout_seconds: float,
        *,
        tells: bool = False,
    ) -> None:
        self._context = context
        self._processes = processes
        self._limits = context.limits
        self._ends = ends
        self._output = {name: bytearray() for name in ends}
        self._started = time.monotonic()
        self._deadline = self._started + timeout_seconds
        self._limit = ""
        self._status: int | None = None
        self._tells, self._told, self._told_at = tells, 0, self._started

    def watch(self, connection: socket.socket) -> bool:
        """Returns when the run has ended, a limit is reached, or the connection is closed. False in
        the last case: nobody waits for an answer."""
        names = {end: name for name, end in self._ends.items()}
        waiting = select.poll()
        ended = os.pidfd_open(self._processes.first)
        for each in (*names, connection.fileno(), ended):
            waiting.register(each, select.POLLIN)
        waiting.unregister(self._ends["records"])  # Each record would wake us beside the run.
        next_look = self._started + TICK_SECONDS
        while True:
            now = time.monotonic()
            if now >= self._deadline:
                self._limit = "time"
            elif now >= next_look:
                self._look(waiting)
                self._tell(connection)
                # Many processes take long to measure, which must not slow them down for ever.
                took = time.monotonic() - now
                next_look = now + took + max(TICK_SECONDS, took - 3 * TICK_SECONDS)
            if self._limit:
                self._show_stack()
                return True
            pause = max(0.0, min(next_look, self._deadline) - now)
            ready = [end for end, _ in waiting.poll(pause * 1000 + 1)]
            for end in ready:
                if end in names and not self._read(names[end]):
                    waiting.unregister(end)
            if connection.fileno() in ready:
                return False
            if self._output["status"] or ended in ready:
                self._learn_status()
                return True

    def _tell(self, connection: socket.socket) -> None:
        """Sends what was recorded since the last time, where that is wanted and not too often."""
        now, new = time.monotonic(), self._output["records"][self._told :]
        if self._tells and new and now >= self._told_at + TELL_SECONDS:
            self._told_at, self._told = now, self._told + len(new)
            with contextlib.suppress(OSError):  # Where nobody waits, the connection says so.
                connection.sendall(pack({"progress": _text(new)}))

    def end(self) -> None:
        """Ends the part. Process 1 stays for the next one, unless it does not answer."""
        if not self._context.private or not self._limit:
            return
        waiting = select.poll()
        waiting.register(self._ends["status"], select.POLLIN)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            for pid in self._processes.below():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if waiting.poll(5):
                return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._processes.first, signal.SIGKILL)

    def answer(self) -> JsonObject:
        """How the part ended, what it printed and the records that it wrote, unread. Every writer
        is dead by now; of what they left in the pipes, all beyond the limits is thrown away."""
        for name, end in self._ends.items():
            os.set_blocking(end, False)
            with contextlib.suppress(BlockingIOError):
                while part := os.read(end, 65536):
                    if len(self._output[name]) <= RECORDS_AT_MOST:
                        self._output[name] += part
        cap = self._limits.output_bytes
        if not self._limit and any(len(self._output[n]) > cap for n in ("stdout", "stderr")):
            self._limit = "output"
        answer = {
            "limit": self._limit,
            "stdout": _text(self._output["stdout"][:cap]),
            "stderr": _text(self._output["stderr"][:cap]),
            "records": _text(self._output["records"][:RECORDS_AT_MOST]),
            "stack": _text(os.pread(self._processes.stack, STACK_AT_MOST, 0)),
            "seconds": time.monotonic() - self._started,
            **self._reported_status(),
        }
        os.ftruncate(self._processes.stack, 0)
        os.lseek(self._processes.stack, 0, os.SEEK_SET)  # The runs write where this points to.
        return answer

    def _learn_status(self) -> None:
        if not self._context.private:  # Else process 1 writes the status.
            _, status = os.waitpid(self._processes.first, 0)
            self._status = os.waitstatus_to_exitcode(status)

    def _reported_status(self) -> JsonObject:
        """The `status` or the `error` that process 1 or the run's set-up wrote."""
        written = self._output["status"][:STATUS_AT_MOST]
        status: JsonObject = json.loads(written) if written else {}
        if "error" in status:
            return {"error": status["error"]}
        return {"status": status.get("status", self._status)}

    def _look(self, waiting: select.poll) -> None:
        """Looks what the run uses and what it has recorded since the last look. Where that is much,
        its records are waited for from now on, so that it does not wait for us."""
        self._limit = self._reached_limit()
        os.set_blocking(self._ends["records"], False)
        with contextlib.suppress(BlockingIOError):
            if self._read("records") > MANY_RECORDS:
                waiting.register(self._ends["records"], select.POLLIN)

    def _read(self, name: str) -> int:
        """Reads what has come; 0 at the end of the pipe."""
        part = os.read(self._ends[name], 65536)
        self._output[name] += part
        printed = len(self._output["stdout"]) + len(self._output["stderr"])
        too_many_records = len(self._output["records"]) > RECORDS_AT_MOST
        if printed > self._limits.output_bytes or too_many_records:
            self._limit = "output"
        return len(part)

    def _reached_limit(self) -> str:
        """The limit that the run's processes are over by now, or nothing."""
        limits, proc, folder = self._limits, self._processes.proc, self._processes.folder
        pids = [self._processes.first, *self._processes.below()]
        if tree.threads(pids, proc) > limits.processes + 2:
            return "processes"
        if self._context.apart and tree.sockets(proc) > limits.open_files:
            return "files"
        memory_at_most = limits.memory_mb * MEGABYTE
        if tree.memory(pids, proc, memory_at_most) > memory_at_most:
            return "memory"
        if folder:  # Else the kernel counts, in the run's own mounts.
            shared = ["/dev/shm"] if self._context.apart else []
            written = run_folder.used_bytes([folder, *shared]) + tree.removed_bytes(pids, proc)
            if written > limits.disk_mb * MEGABYTE:
                return "disk"
        return ""

    def _show_stack(self) -> None:
        """Asks the run for the line where it is, and does not wait long for an answer. The run's
        children are stopped meanwhile, so that what grows cannot go on growing."""
        below = self._processes.below()
        if self._context.private and not below:
            return
        target = below[0] if self._context.private else self._processes.first
        for pid in below:
            if pid != target:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGSTOP)
        with contextlib.suppress(OSError):
            os.kill(target, SHOW_STACK)
            until = time.monotonic() + (0.1 if self._limit == "time" else 0.03)
            while os.fstat(self._processes.stack).st_size == 0 and time.monotonic() < until:
                time.sleep(0.001)


def _text(raw: bytes | bytearray) -> str:
    return base64.b64encode(raw).decode("ascii")
