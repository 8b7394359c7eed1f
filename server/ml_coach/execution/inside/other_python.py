"""Starts another Python as the worker: contained before its first instruction.

What a workspace calls its Python may be any program. It sees what a run sees: no network, no file
but those that a Python needs, no other process. At the level `landlock` the names and arguments of
other processes can be seen, which runs cannot.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any, NoReturn

from ml_coach.execution.inside import entering
from ml_coach.execution.sandbox import kernel, landlock, namespaces, seccomp


def become(settings: dict[str, Any], control: socket.socket) -> NoReturn:
    """Contains this process at the `level`, then starts `become`, which has `python` (a path),
    `boot` (what it runs), `package` (the folder of our code) and `environment`. Raises `OSError`.
    """
    other = settings["become"]
    settings |= {"become": None, "entered": True}
    readable = [*settings["readable"], other["package"]]
    if settings["level"] == "namespaces":
        entering.enter_namespaces(readable, control)
    else:
        _restrict(readable, settings["our_site"], other["environment"]["TMPDIR"])
    control.set_inheritable(True)
    command = [other["python"], "-s", "-c", other["boot"], json.dumps(settings), other["package"]]
    os.execve(other["python"], command, other["environment"])


def _restrict(readable: list[str], listed: str, folder: str) -> None:
    """For the level `landlock`. `listed` is the folder where our pytest is looked for, if any, and
    `folder` the only place to write: runs get theirs there."""
    kernel.drop_capabilities()
    allowed = [(path, landlock.DEVICE) for path in ("/dev/null", "/dev/zero", "/dev/full")]
    seen = (*namespaces.SYSTEM, *namespaces.SYSTEM_FILES, *readable)
    seen = (*seen, "/proc", "/sys/devices/system/cpu", "/dev/random", "/dev/urandom")
    allowed += [(path, landlock.READ) for path in seen]
    allowed += [(listed, landlock.READ_DIR)] if listed else []
    landlock.restrict([*allowed, (folder, landlock.READ | landlock.WRITE)], tcp=False)
    seccomp.install(seccomp.build(apart=False, worker=True))
