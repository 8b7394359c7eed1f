"""Keeps a folder as it was, however often something runs in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from ml_coach.execution.inside import run_folder

_Seen = tuple[int, int, int, int]


class Pristine:
    """What is in the folder `top` now, so that it can be put back."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._before = dict(_entries(top))

    def restore(self, contents: Callable[[str], bytes | None]) -> None:
        """Removes what is new, and writes what was changed or removed as `contents` says; what it
        knows nothing of stays as it is."""
        now = dict(_entries(self._top))
        for path in now.keys() - self._before.keys():
            with contextlib.suppress(OSError):
                if os.path.isdir(path) and not os.path.islink(path):
                    run_folder.wipe(path)
                else:
                    os.unlink(path)
        for path, seen in self._before.items():
            if now.get(path) == seen:
                continue
            content = contents(path)
            with contextlib.suppress(OSError):
                if content is not None:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "wb") as file:
                        file.write(content)
                    os.chmod(path, seen[3])
                self._before[path] = _seen(os.lstat(path))


def _entries(top: str) -> Iterator[tuple[str, _Seen]]:
    todo = [top]
    while todo:
        with contextlib.suppress(OSError):
            for entry in [*os.scandir(todo.pop())]:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                    yield entry.path, (0, 0, 0, status.st_mode)
                else:
                    yield entry.path, _seen(status)


def _seen(status: os.stat_result) -> _Seen:
    return status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode
