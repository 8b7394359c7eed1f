"""Takes the worker into namespaces of its own, for good."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import NoReturn

from ml_coach.execution.sandbox import kernel, namespaces

# As root the worker becomes this user for good; nothing on a usual system belongs to it.
UNPRIVILEGED_ID = 64_931
END_SECONDS = 2.0


def enter_namespaces(readable: list[str], control: socket.socket) -> None:
    """Returns in the zygote only; the process that was started stays behind and waits for it."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        # Real root makes the mounts, so it can show a Python below a home that others may not
        # enter. The user namespace comes with each run, after root has been given up.
        namespaces.unshare(namespaces.ALL_BUT_USER)
    else:
        namespaces.unshare(namespaces.ALL_BUT_USER | namespaces.NEW_USER)
        namespaces.map_ids(uid, gid)
    zygote = os.fork()
    if zygote:
        _wait_for(zygote, control)
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != 0 and not os.path.exists("/proc/self"):
        os._exit(1)
    os.setsid()
    namespaces.raise_loopback()
    namespaces.build_root(readable)
    if uid == 0:
        os.setgroups([])
        os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        # A change of user clears both, and without the second no id map can be written.
        kernel.die_with_parent(signal.SIGKILL)
        kernel.set_dumpable(True)
    kernel.forbid_new_privileges()


def _wait_for(zygote: int, control: socket.socket) -> NoReturn:
    """Another Python may not end when the control socket does, so it is ended."""
    waiting = select.poll()
    waiting.register(control, 0)  # A hang-up is told in any case.
    waiting.register(ended := os.pidfd_open(zygote), select.POLLIN)
    if ended not in dict(waiting.poll()):
        waiting.unregister(control)
        if not waiting.poll(END_SECONDS * 1000):
            os.kill(zygote, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(zygote, 0)
    os._exit(0)
