"""bubblewrap's command line for a minimal root, where we cannot make namespaces ourselves.

Ubuntu 24.04, for one, denies user namespaces to all but a few programs, and bwrap is one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ml_coach.execution.sandbox.namespaces import ETC, SYSTEM, SYSTEM_FILES


def command(bwrap: str, readable: Iterable[str], disk_mb: int) -> list[str]:
    """What to put before `python ...`. Nothing of the environment and no capability gets through.

    All runs of a worker share these namespaces: only Landlock keeps them apart.
    """
    arguments = [bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    arguments += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        arguments += ["--size", str(disk_mb << 20), "--tmpfs", folder]
    for path in SYSTEM:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        else:
            arguments += ["--ro-bind-try", path, path]
    for path in (*SYSTEM_FILES, *readable):
        arguments += ["--ro-bind-try", path, path]
    for file in sorted(ETC.iterdir()):
        arguments += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return [*arguments, "--chdir", "/", "--remount-ro", "/", "--"]
