"""The user's own modules that a program imports: copied into the run, never shown in place.

A copy of just what is imported keeps the rest of the workspace, with its keys and its history, out
of reach at every level of containment.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_coach.core import syntax

FILES_AT_MOST = 300
BYTES_AT_MOST = 4 << 20
SOURCE_FOLDERS = ("", "src")


def needed(files: Mapping[str, str], workspace: Path) -> dict[str, bytes]:
    """Files by their path in the run, for all modules that `files` import from the workspace,
    directly or not. What `files` already holds is not read: it may be newer than the disk."""
    root = workspace.resolve()
    found: dict[str, bytes] = {}
    size = 0
    todo = [(name, text) for name, text in files.items() if name.endswith(".py")]
    while todo:
        name, text = todo.pop()
        for wanted in _imported(name, text):
            path, content = _read(wanted, root)
            if not path or path in found or path in files:
                continue
            size += len(content)
            if len(found) >= FILES_AT_MOST or size > BYTES_AT_MOST:
                return found
            found[path] = content
            todo.append((path, content.decode("utf-8", "replace")))
    return found


def _imported(name: str, text: str) -> Iterator[str]:
    """Paths, without suffix, that the imports of the file `name` may stand for."""
    tree = syntax.parse(text)
    if tree is None:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _with_parents(alias.name.split("."))
            case ast.ImportFrom(module=module, names=names, level=level):
                start = list(Path(name).parts[:-level]) if level else []
                start += module.split(".") if module else []
                yield from _with_parents(start)
                for alias in names:
                    yield "/".join([*start, alias.name])
            case _:
                pass


def _with_parents(parts: list[str]) -> Iterator[str]:
    for length in range(1, len(parts) + 1):
        yield "/".join(parts[:length])


def _read(wanted: str, root: Path) -> tuple[str, bytes]:
    if any(part.startswith(".") or not part for part in wanted.split("/")):
        return "", b""
    for folder in SOURCE_FOLDERS:
        for path in (f"{wanted}.py", f"{wanted}/__init__.py"):
            file = root / folder / path
            try:
                if file.is_file() and file.resolve().is_relative_to(root):
                    return path, file.read_bytes()
            except OSError:
                continue
    return "", b""
