"""What a run sees of a folder: a bounded copy of its files, without hidden ones and caches."""

from __future__ import annotations

import os
from pathlib import Path

FILES_AT_MOST = 2_000
BYTES_AT_MOST = 32 << 20
LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv", "env", "build", "dist"})


class TooLarge(Exception):
    """The folder holds more than a run may be given; the error's text says how much that is."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file by its path relative to `folder`.

    Hidden files and folders (.env, .git, ...), virtual environments, caches and symbolic links
    are left out: a link could lead anywhere. Raises `TooLarge`.
    """
    found: dict[str, bytes] = {}
    size = 0
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_wanted(Path(where, name)))
        for name in sorted(names):
            path = Path(where, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            size += path.stat().st_size
            if len(found) >= FILES_AT_MOST or size > BYTES_AT_MOST:
                most = f"{FILES_AT_MOST} files or {BYTES_AT_MOST >> 20} MB"
                raise TooLarge(f"{folder} holds more than {most}")
            try:
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
            except OSError:
                continue  # What we may not read, the run may not either.
    return found


def around(file: Path) -> dict[str, bytes]:
    """The files that a script may need: its folder, or, where that is too large or a home, only
    the Python files beside it."""
    folder = file.parent
    if folder != Path.home() and folder != Path(folder.anchor):
        try:
            return read_folder(folder)
        except TooLarge:
            pass
    beside = [p for p in folder.glob("*.py") if p.is_file() and not p.is_symlink()]
    return {p.name: p.read_bytes() for p in {*beside[:200], file}}


def _is_wanted(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in LEFT_OUT or folder.is_symlink():
        return False
    return not (folder / "pyvenv.cfg").exists()
