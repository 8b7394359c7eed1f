"""How a user names a program, or a function in one: `FILE`, `FILE::function`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ml_coach.app import App
from ml_coach.cli.endings import USAGE, fail
from ml_coach.cli.shown_paths import shown
from ml_coach.core.errors import os_error_text
from ml_coach.core.project import is_tests
from ml_coach.core.python.stubs import functions_in, stubs_in
from ml_coach.folder_files import FolderFiles
from ml_coach.project_layout import project_folder

_SEPARATOR = "::"


def complete_file(begun: str) -> list[str]:
    """The Python files and the folders that `begun` may become."""
    folder, name = os.path.split(begun)
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    found: list[str] = []
    for entry in entries:
        if entry.name.startswith(name or "") and (name or not entry.name.startswith(".")):
            path = os.path.join(folder, entry.name)  # noqa: PTH118 - as it was begun: `./a`
            if entry.is_dir():
                found.append(f"{path}/")
            elif entry.name.endswith(".py"):
                found.append(path)
    return found


def _functions(begun: str) -> list[str]:
    """As `complete_file`; behind `FILE::` the functions that are still empty."""
    file, separator, name = begun.partition(_SEPARATOR)
    if not separator:
        return complete_file(begun)
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    names = dict.fromkeys(stub.name for stub in stubs_in(text))
    return [f"{file}{_SEPARATOR}{n}" for n in names or functions_in(text) if n.startswith(name)]


ProgramArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="The program.", autocompletion=complete_file)
]
FunctionArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE::FUNCTION",
        help="The function, as `sums.py::add` or `shop.py::Cart.total`.",
        autocompletion=_functions,
    ),
]
TestsOption = Annotated[
    Path | None,
    typer.Option("--tests", "-t", metavar="FILE", help="The program's tests; else looked for."),
]
NewTestsOption = Annotated[
    Path | None,
    typer.Option(
        "--tests", "-t", metavar="FILE",
        help="Where its tests are written; else where the project keeps them.",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedProgram:
    """A program that is there: its folder's files, its path in that folder, and its text."""

    files: FolderFiles
    file: str
    text: str

    def beside(self, path: Path | None, option: str) -> str:
        """A further file as a path in the same folder, empty for none. Ends the command where it
        lies elsewhere or is no Python file; `option` names it."""
        if path is None:
            return ""
        _refuse_other(path, option)
        whole, root = _absolute(path), self.files.root
        if not whole.is_relative_to(root):
            fail(f"{path} lies outside {root}, the folder of {self.file}.", USAGE)
        if whole == root / self.file:
            fail(f"{option} must name another file than the program.", USAGE)
        return whole.relative_to(root).as_posix()


def named_program(name: str, app: App) -> NamedProgram:
    """The program that the user means. Its folder is that of the nearest pyproject.toml at or above
    it, else the current one, else its own. Ends the command where there is no such program."""
    path = Path(name)
    _refuse_other(path, "FILE")
    whole = _absolute(path)
    files = FolderFiles(project_folder(whole, Path.cwd()), app)
    return program_in(files, whole.relative_to(files.root).as_posix(), name)


def program_in(files: FolderFiles, file: str, name: str = "") -> NamedProgram:
    """The program at that path in the folder; the user calls it `name`. Ends the command where
    there is no such program."""
    name = name or shown(files.root / file)
    try:
        text = files.text(file)
    except OSError as error:
        fail(os_error_text(error), USAGE)
    if text is None:
        fail(f"There is no file {name}.", USAGE)
    if is_tests(file):
        fail(f"{name} holds tests, by its name. Name the program that they test.", USAGE)
    if not text.strip():
        fail(f"{name} is empty. `ml-coach generate` writes a new program.", USAGE)
    return NamedProgram(files, file, text)


def function_in(target: str) -> tuple[str, str]:
    """The parts of `FILE::FUNCTION`; the function is empty where none is named. Its parts may be
    separated as pytest does: `FILE::Class::method`."""
    file, _, function = target.partition(_SEPARATOR)
    return file, function.replace(_SEPARATOR, ".").removesuffix("()")


def _refuse_other(path: Path, what: str) -> None:
    if path.is_dir():
        fail(f"{path} is a folder: {what} must be a Python file.", USAGE)
    if path.suffix != ".py":
        fail(f"{path} is not a Python file: its name must end in .py.", USAGE)


def _absolute(path: Path) -> Path:
    # Links in the folders above are followed. Where the file itself is one, writing checks it.
    return path.parent.resolve() / path.name
