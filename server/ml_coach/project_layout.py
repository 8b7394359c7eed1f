"""Where a project keeps its modules and its tests, by its folders and its pytest configuration."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path, PurePosixPath
from typing import Any, cast

# The folder whose modules the sandbox imports by their names in it, as an installed project does.
_SOURCE_FOLDER = "src"
_TESTS_FOLDERS = ("tests", "test")
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_NO_PACKAGES = frozenset({*_TESTS_FOLDERS, "docs", "doc", "examples", "scripts", "benchmarks"})


def source_folder(root: Path, program_file: str) -> str:
    """The folder below `root` that the program's import name does not contain, empty for none.

    It is `src`, unless that is a package itself.
    """
    parts = PurePosixPath(program_file).parts
    is_inside = len(parts) > 1 and parts[0] == _SOURCE_FOLDER
    return _SOURCE_FOLDER if is_inside and not _is_package(root / _SOURCE_FOLDER) else ""


def usual_tests(root: Path, program_file: str) -> str:
    """The usual tests file of a program: where the project's other tests are, else beside it.

    Both files are relative to `root`. Reads the disk.
    """
    program = PurePosixPath(program_file)
    name, inner = f"test_{program.name}", program.parent
    if source := source_folder(root, program_file):
        inner = inner.relative_to(source)
    folder = _tests_folder(root, program.parent)
    if not folder:
        # A folder of modules that are installed is no place for tests.
        folder = _TESTS_FOLDERS[0] if source else ""
        inner = PurePosixPath() if source else inner
    # Many projects give their tests the folders of the modules.
    for length in range(len(inner.parts), 0, -1):
        for start in range(len(inner.parts) - length + 1):
            mirrored = PurePosixPath(folder, *inner.parts[start : start + length])
            if folder and (root / mirrored).is_dir():
                return (mirrored / name).as_posix()
    return (PurePosixPath(folder) / name if folder else program.parent / name).as_posix()


def new_program(root: Path, file: str) -> str:
    """Where a new program named `file` belongs in the project at `root`: in its package, below
    `src` or not. `file` itself where the folder is no project or has no one package. Reads the
    disk."""
    if not any((root / mark).is_file() for mark in _PROJECT_FILES):
        return file
    source = PurePosixPath(_SOURCE_FOLDER)
    has_source = (root / source).is_dir() and not _is_package(root / source)
    folder = source if has_source else PurePosixPath()
    packages = [path.name for path in _folders(root / folder) if _is_package(path)]
    if not has_source:
        packages = [name for name in packages if name not in _NO_PACKAGES]
    named = [name for name in packages if name.lower() == _project_name(root)]
    found = named or packages
    if len(found) == 1:
        return (folder / found[0] / file).as_posix()
    is_flat = has_source and not packages and any((root / source).glob("*.py"))
    return (folder / file).as_posix() if is_flat else file


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _project_name(root: Path) -> str:
    """The project's name as a package would have it; empty where it has none."""
    project = _pyproject(root).get("project")
    name = cast("Mapping[str, object]", project).get("name") if isinstance(project, dict) else None
    return re.sub(r"[-.]+", "_", name).lower() if isinstance(name, str) else ""


def project_folder(file: Path, here: Path) -> Path:
    """The folder of the project that `file` is in: that of the nearest pyproject.toml at or above
    it, else `here` where the file is below that, else the file's own folder. Reads the disk."""
    for folder in file.parents:
        if (folder / "pyproject.toml").is_file():
            return folder
    return here if file.is_relative_to(here) else file.parent


def tests_places(root: Path, program_file: str) -> tuple[str, ...]:
    """Where a program's tests may be, the likeliest first. Reads the disk."""
    usual = usual_tests(root, program_file)
    folder, stem = PurePosixPath(program_file).parent, PurePosixPath(program_file).stem
    beside = (folder / f"test_{stem}.py").as_posix()
    places = (
        beside,
        (folder / f"{stem}_test.py").as_posix(),
        (folder / "tests" / f"test_{stem}.py").as_posix(),
        f"tests/test_{stem}.py",
        usual,
        generated_name(beside),
        generated_name(usual),
    )
    return tuple(dict.fromkeys(places))


def generated_name(tests_file: str) -> str:
    """The tests file of ours beside one that is the user's."""
    return f"{tests_file.removesuffix('.py')}_generated.py"


def _tests_folder(root: Path, beside: PurePosixPath) -> str:
    """The folder of the tests nearest to `beside`, empty where there is none."""
    for folder in _configured(root):
        if (root / folder).is_dir() and (root / folder).resolve().is_relative_to(root.resolve()):
            return PurePosixPath(folder).as_posix()
    for above in (beside, *beside.parents):
        for name in _TESTS_FOLDERS:
            if (root / above / name).is_dir():
                return (above / name).as_posix()
    return ""


def _configured(root: Path) -> Iterator[str]:
    """The folders that pytest's configuration names as those of the tests."""
    for file, section in (
        ("pytest.ini", "pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        parser = ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(root / file, encoding="utf-8")
            yield from parser.get(section, "testpaths", fallback="").split()
        except (ConfigError, UnicodeDecodeError, OSError):
            continue
    found: Any = _pyproject(root)
    for key in ("tool", "pytest", "ini_options", "testpaths"):
        found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, dict) else None
    paths = found.split() if isinstance(found, str) else found
    if isinstance(paths, list):
        yield from (path for path in cast("list[object]", paths) if isinstance(path, str))


def _pyproject(root: Path) -> dict[str, Any]:
    file = root / "pyproject.toml"
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        return {}


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()
