"""The Python files that a prompt names: modules that are there, so that a new program can import
them, and files that it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ml_coach.core.project import is_tests
from ml_coach.core.python.signatures import signatures
from ml_coach.core.types import Program
from ml_coach.project_layout import source_folder

MOST_CHARACTERS = 6_000  # of all signatures together: a small model reads no more beside its task
_FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)*\w+\.py)\b")
# What stands in quotes is a value, such as a path that the program is given.
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|\w+://\S+")
_DOTTED = re.compile(r"(?<![\w./])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)")
# A single word is a module's name only where the prompt says so.
_SINGLE = re.compile(
    r"\b(?:modules?|package|import|from)\s+`?([A-Za-z_]\w*)`?|`([A-Za-z_]\w*)`\s+(?:module|package)\b"
)


def named_modules(
    prompt: str, root: Path, program: str, text_of: Callable[[str], str | None]
) -> str:
    """What the modules offer that `prompt` names, as code; empty where it names none of them.

    `program` is the file that is to be written, whose package's modules may be named without it.
    `text_of` gives a file's text by its path below `root`, None where there is none.
    """
    parts: list[str] = []
    size = 0
    for file in dict.fromkeys(_files(prompt, program, text_of)):
        offered = signatures(text_of(file) or "")
        part = f"# {_module(root, file)}\n{offered}"
        if not offered or file == program or is_tests(file) or size + len(part) > MOST_CHARACTERS:
            continue
        size += len(part)
        parts.append(part)
    return "\n\n".join(parts)


def new_files(prompt: str, exists: Callable[[str], bool]) -> tuple[str, ...]:
    """The Python files that `prompt` names, are not there yet and hold no tests, in its order.

    Left out is what no test could import.
    """
    unquoted = _QUOTED.sub(" ", prompt)
    named = dict.fromkeys(match[1] for match in _FILE.finditer(unquoted))
    return tuple(
        file
        for file in named
        if Program("", file).is_importable and not is_tests(file) and not exists(file)
    )


def _files(prompt: str, program: str, text_of: Callable[[str], str | None]) -> Iterator[str]:
    """The files that the prompt's words stand for and that are there."""
    folders = dict.fromkeys((PurePosixPath(), PurePosixPath("src"), PurePosixPath(program).parent))
    for paths in _named(prompt):
        found = (
            (folder / path).as_posix()
            for path in paths
            for folder in folders
            if text_of((folder / path).as_posix()) is not None
        )
        if file := next(found, None):
            yield file


def _named(prompt: str) -> Iterator[list[str]]:
    """For each word that may be a module's name the paths that it may mean, the likeliest first."""
    for match in _FILE.finditer(prompt):
        yield [match[1]]
    for match in _DOTTED.finditer(prompt):
        names = match[1].split(".")
        # The last one may be what the module defines.
        yield [p for end in (len(names), len(names) - 1) for p in _paths(names[:end])]
    for match in _SINGLE.finditer(prompt):
        yield _paths([match[1] or match[2]])


def _paths(names: list[str]) -> list[str]:
    path = "/".join(names)
    return [f"{path}.py", f"{path}/__init__.py"]


def _module(root: Path, file: str) -> str:
    """The name that a module is imported by."""
    inner = file.removesuffix(".py").removesuffix("/__init__")
    source = source_folder(root, file)
    return inner.removeprefix(f"{source}/" if source else "").replace("/", ".")
