"""The user's own modules that a program imports: the run gets a copy of them.

Copying only what is imported keeps the rest of the workspace, with its keys and its history, out of
reach at every level of containment.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ml_coach.core.python import syntax
from ml_coach.execution.inside.messages import SOURCE_FOLDERS

FILES_AT_MOST = 300
BYTES_AT_MOST = 4 << 20


def needed(
    files: Mapping[str, str], workspace: Path, shown: Mapping[str, str] = {}
) -> dict[str, bytes]:
    """Files by their path in the workspace, for all modules that `files` import from there,
    directly or not. What `files` already holds is not read, and of what an editor has `shown` the
    disk is not asked: both may be newer."""
    root = workspace.resolve()
    found: dict[str, bytes] = {}
    size = 0
    todo = [(name, text) for name, text in files.items() if name.endswith(".py")]
    while todo:
        name, text = todo.pop()
        for path in _places(name, text):
            content = None if path in found or path in files else _read(path, root, shown)
            if content is None:
                continue
            size += len(content)
            if len(found) >= FILES_AT_MOST or size > BYTES_AT_MOST:
                return found
            found[path] = content
            todo.append((path, content.decode("utf-8", "replace")))
    return found


def conftests(tests_file: str, workspace: Path, shown: Mapping[str, str] = {}) -> dict[str, str]:
    """The conftest.py files that pytest loads ahead of this test file, by path: those in its folder
    and in the folders above it."""
    root = workspace.resolve()
    paths = [(above / "conftest.py").as_posix() for above in PurePosixPath(tests_file).parents]
    found = {path: _read(path, root, shown) for path in paths}
    return {path: text.decode("utf-8", "replace") for path, text in found.items() if text}


def _places(name: str, text: str) -> Iterator[str]:
    """The paths at which the modules that the file `name` imports may be. Each has the same path in
    the run as in the workspace, so Python decides there which one it takes."""
    beside = PurePosixPath(name).parent
    folders = dict.fromkeys((*map(PurePosixPath, SOURCE_FOLDERS), beside))
    for wanted in _imported(name, text):
        for folder in folders:
            yield (folder / f"{wanted}.py").as_posix()
            yield (folder / wanted / "__init__.py").as_posix()


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


def _read(path: str, root: Path, shown: Mapping[str, str]) -> bytes | None:
    """None for a file that does not exist, that is hidden, or that leads out of the workspace."""
    # Who types in it just now may have half a line there, or half a character.
    if path in shown and not _is_hidden(path) and syntax.compiles(shown[path]):
        return shown[path].encode("utf-8", "replace")
    file = root / path
    try:
        real = file.resolve()  # A link may lead to a hidden file, or out of the workspace.
        inside = real.relative_to(root).as_posix() if real.is_relative_to(root) else "."
        if not _is_hidden(path) and not _is_hidden(inside) and real.is_file():
            return real.read_bytes()
    except OSError:
        pass
    return None


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
