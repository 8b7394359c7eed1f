"""Which modules a project's tests are about: what they import, narrowed by their names and by what
they run."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from ml_coach.core.project import Project
from ml_coach.core.python import syntax

_NAMED_AFTER = re.compile(r"tests?_(\w+?)|(\w+?)_tests?")
_DEEPEST = 6  # packages whose __init__.py hands a name on to the next


def modules_under_test(
    project: Project, tests: Iterable[str], ran: Collection[str]
) -> tuple[str, ...]:
    """The modules that the files `tests` are about, sorted. `ran` are the modules of which the
    tests ran a line.

    Where a test file is named after one of the modules that it imports, or that it runs where it
    imports none of that name, it is about that one. Else it is about all that it imports.
    """
    found: set[str] = set()
    for test in tests:
        imported = _imported(project, test) & set(ran)
        named = _NAMED_AFTER.fullmatch(PurePosixPath(test).stem)
        word = (named[1] or named[2]) if named else ""
        for among in (imported, set(ran)):
            about = {file for file in among if word and _word(file) == word.strip("_")}
            if about:
                found |= about
                break
        else:
            found |= imported
    return tuple(sorted(found))


def _word(file: str) -> str:
    path = PurePosixPath(file)
    return (path.parent.name if path.stem == "__init__" else path.stem).strip("_")


def _imported(project: Project, test: str) -> set[str]:
    found: set[str] = set()
    tree = syntax.parse(project.text(test))
    for module, name in _imports(tree, test) if tree else ():
        found |= set(_homes(project, module, name, _DEEPEST))
    return found


def _imports(tree: ast.Module, file: str) -> Iterator[tuple[str, str]]:
    """(module, name in it or nothing), with slashes for dots; relative to an import root."""
    for node in syntax.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.name.replace(".", "/"), ""
            case ast.ImportFrom(module=module, names=names, level=level):
                inner = (module or "").replace(".", "/")
                if level:
                    above = PurePosixPath(file).parents[
                        min(level, len(PurePosixPath(file).parents)) - 1
                    ]
                    inner = (above / inner).as_posix()
                for alias in names:
                    yield inner, alias.name
            case _:
                continue


def _homes(project: Project, module: str, name: str, depth: int) -> Iterator[str]:
    """The files that a name of a module is defined in, through packages that hand it on."""
    file = _file_of(project, module)
    inner = _file_of(project, f"{module}/{name}") if name else None
    if inner is not None:
        yield inner
        return
    if file is None:
        return
    handed_on: list[str] = []
    if file.endswith("__init__.py") and depth:
        tree = syntax.parse(project.text(file))
        for other, alias in _imports(tree, file) if tree else ():
            if not name or alias in (name, "*"):
                handed_on += _homes(project, other, name or alias, depth - 1)
    yield from handed_on or [file]


def _file_of(project: Project, module: str) -> str | None:
    for root in ("", *(f"{root}/" for root in project.import_roots if root)):
        for file in (f"{root}{module}.py", f"{root}{module}/__init__.py"):
            if file in project.files and file in project.modules:
                return file
    return None
