"""The run's folder where there is no private root: how much is in it, and how it is removed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

ENTRIES_AT_MOST = 20_000
ENTRIES_PER_FOLDER = 8  # A folder takes that much longer to remove than a file.
FULL = 1 << 62


def used_bytes(folders: Iterable[str]) -> int:
    """The size of all files below the folders. `FULL` where there are too many entries, folders
    too, or where they are nested deeper than a path can say: nobody could look what is there."""
    total = entries = 0
    todo = [*folders]
    while todo:
        try:
            for entry in _entries(todo.pop()):
                is_folder = entry.is_dir(follow_symlinks=False)
                todo += [entry.path] if is_folder else []
                entries += ENTRIES_PER_FOLDER if is_folder else 1
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entries > ENTRIES_AT_MOST:
                    return FULL
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return FULL
    return total


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, also in one that its owner may write to but not read."""
    try:
        yield from os.scandir(folder)
    except PermissionError:
        mode = stat.S_IMODE(os.lstat(folder).st_mode)
        os.chmod(folder, stat.S_IRWXU)
        try:
            listed = [*os.scandir(folder)]
        finally:
            os.chmod(folder, mode)
        yield from listed


def empty_shared_memory(since: float) -> None:
    """Removes what a run has left in a /dev/shm that later runs see as well. `since` is when the
    run began, in seconds since the epoch."""
    with contextlib.suppress(OSError):
        os.chmod("/dev/shm", stat.S_IRWXU)  # It is ours: a run may have changed that.
    for entry in list(os.scandir("/dev/shm")):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_ctime >= since:
                os.unlink(entry.path)


def clear(top: str, kept: Iterable[str], mounted: Sequence[str] = ()) -> None:
    """Empties a folder, whatever rights a run has left there, and makes the folders `kept` anew.

    The places `mounted` below it stay, and the folders above them: what is mounted there would go
    with them.
    """
    with contextlib.suppress(OSError):
        os.chmod(top, stat.S_IRWXU)
    for entry in list(os.scandir(top)):
        with contextlib.suppress(OSError):
            if entry.path in mounted:
                continue
            if any(place.startswith(f"{entry.path}/") for place in mounted):
                clear(entry.path, (), mounted)
            elif entry.is_dir(follow_symlinks=False):
                wipe(entry.path)
            else:
                os.unlink(entry.path)
    for folder in kept:
        with contextlib.suppress(OSError):
            os.mkdir(folder, 0o777)


def wipe(top: str) -> None:
    """Removes a folder that a hostile run has filled: with folders without permissions, and with
    names and depths that no path can express. It works level by level: what is in a subfolder is
    moved up before the subfolder is removed."""
    moved = 0
    with contextlib.suppress(OSError):
        os.chmod(top, stat.S_IRWXU)
    base = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        while entries := list(os.scandir(base)):
            removed = 0
            for entry in entries:
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.name, dir_fd=base)
                    else:
                        moved = _empty(base, entry.name, moved)
                        os.rmdir(entry.name, dir_fd=base)
                    removed += 1
            if not removed:
                return
    finally:
        os.close(base)
        with contextlib.suppress(OSError):
            os.rmdir(top)


def _empty(base: int, name: str, moved: int) -> int:
    os.chmod(name, stat.S_IRWXU, dir_fd=base, follow_symlinks=True)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base)
    try:
        for entry in list(os.scandir(inner)):
            if entry.is_dir(follow_symlinks=False):
                moved += 1
                with contextlib.suppress(OSError):  # A folder without permissions cannot be moved.
                    os.chmod(entry.name, stat.S_IRWXU, dir_fd=inner)
                os.rename(entry.name, f"moved-{moved}", src_dir_fd=inner, dst_dir_fd=base)
            else:
                os.unlink(entry.name, dir_fd=inner)
    finally:
        os.close(inner)
    return moved
