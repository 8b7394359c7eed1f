"""The user's project on disk → `Project`: its root, its pytest configuration and its files."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ml_coach.core.project import Project

FILES_AT_MOST = 5_000
BYTES_AT_MOST = 64 << 20
_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", ".git")
_CONFIGS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")  # as pytest looks for them
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})
# Options that decide which tests there are or how they are imported; each takes a value.
_KEPT = ("-m", "-k", "-p", "-W", "--import-mode", "--ignore", "--ignore-glob", "--deselect",
         "--asyncio-mode", "--ds", "--pythonwarnings", "--rootdir-relative")  # fmt: skip
# Version files that a build writes, and compiled modules, are ignored by git and still needed.
_BUILT = re.compile(r"_?_?version_?_?\.py|.*\.(?:so|pyd)")


class NoProject(Exception):
    """There is no project to work on, or it is too large; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A project, and the folder on disk that its files are relative to."""

    root: Path
    project: Project


def open_project(path: Path, keyword: str = "", highest: Path | None = None) -> Opened:
    """The project that `path`, a folder or a file of tests in it, belongs to.

    Its tests are those below `path`; where that is the root, those that its configuration names.
    Its root is not looked for above the folder `highest`. Raises `NoProject`. Hidden files, what
    `.gitignore` names, virtual environments and caches are left out, and so is a symbolic link that
    leads to any of these or out of the project. Of what is ignored, version files that a build
    wrote and compiled modules are taken all the same: without them most projects cannot be
    imported.
    """
    place = path.absolute()
    if not place.exists():
        raise NoProject(f"There is no {path}.")
    root = _root(place, highest)
    files = read_files(root)
    config, found = _pytest_settings(root)
    target = place.relative_to(root).as_posix()
    every = _targets(root, found, files)
    targets = (target,) if target != "." else every
    name, version, entry_points = _metadata(root)
    project = Project(
        files, _import_roots(root, files), config, _kept(found), targets, every, keyword,
        name, version, entry_points,
    )  # fmt: skip
    return Opened(root, project)


def upwards(folder: Path, highest: Path | None = None) -> tuple[Path, ...]:
    """The folder and those above it, the nearest first, up to `highest` where it is one of them."""
    every = (folder, *folder.parents)
    return every[: every.index(highest) + 1] if highest in every else every


def _root(place: Path, highest: Path | None) -> Path:
    folder = place if place.is_dir() else place.parent
    for above in upwards(folder, highest):
        if above == highest or any((above / mark).exists() for mark in _MARKS):
            return above
    return folder


def read_files(root: Path) -> dict[str, bytes]:
    """Every file that a run of the project may see, by its path. Raises `NoProject`."""
    found: dict[str, bytes] = {}
    size = 0
    for file in _walk(root):
        try:
            size += (root / file).stat().st_size
            content = (root / file).read_bytes() if size <= BYTES_AT_MOST else b""
        except OSError:
            continue  # What we may not read, the run may not either.
        if len(found) >= FILES_AT_MOST or size > BYTES_AT_MOST:
            most = f"{FILES_AT_MOST} files or {BYTES_AT_MOST >> 20} MB"
            raise NoProject(
                f"{root} holds more than {most}, which is more than the sandbox is given: "
                "name what does not belong to the project in .gitignore."
            )
        found[file] = content
    return found


def _walk(root: Path) -> Iterator[str]:
    real_root = root.resolve()
    ignored: dict[str, list[_Pattern]] = {}
    for where, folders, names in os.walk(root):
        inner = Path(where).relative_to(root).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        ignored[prefix] = _patterns(Path(where, ".gitignore"))
        rules = _applying(ignored, prefix)
        folders[:] = sorted(
            name
            for name in folders
            if _is_wanted(Path(where, name)) and not _is_ignored(f"{prefix}{name}", True, rules)
        )
        for name in sorted(names):
            file, path = f"{prefix}{name}", Path(where, name)
            is_built = bool(_BUILT.fullmatch(name))
            if name.startswith(".") or (_is_ignored(file, False, rules) and not is_built):
                continue
            if path.is_symlink() and not _leads_inside(path, real_root, rules):
                continue
            if path.is_file():
                yield file


def _is_wanted(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _LEFT_OUT or folder.is_symlink():
        return False
    return not (folder / "pyvenv.cfg").exists()


def _leads_inside(link: Path, real_root: Path, rules: Sequence[tuple[str, _Pattern]]) -> bool:
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    if not real.is_relative_to(real_root):
        return False
    inside = real.relative_to(real_root)
    is_hidden = any(part.startswith(".") for part in inside.parts)
    above = [folder.as_posix() for folder in inside.parents if folder.parts]
    is_ignored = any(_is_ignored(folder, True, rules) for folder in above)
    is_wanted = all(_is_wanted(real_root / folder) for folder in above)
    is_ignored = is_ignored or _is_ignored(inside.as_posix(), False, rules)
    return is_wanted and not is_hidden and not is_ignored


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A line of a .gitignore. `text` matches a path below its folder."""

    text: re.Pattern[str]
    only_folders: bool
    takes_back: bool


def _patterns(file: Path) -> list[_Pattern]:
    if file.is_symlink() or not file.is_file():  # Nor does git follow a link there.
        return []
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [p for line in lines if (p := _pattern(line)) is not None]


def _pattern(line: str) -> _Pattern | None:
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text.removeprefix("\\")
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    is_anchored = "/" in text
    parts: list[str] = []
    for part in text.removeprefix("/").split("/"):
        # `translate` gives `(?s:…)\Z`, whose stars would match slashes.
        one = translate(part).removeprefix("(?s:").rsplit(")", 1)[0].replace(".*", "[^/]*")
        parts.append(r"(?:[^/]+/)*" if part == "**" else f"{one}/")
    body = "".join(parts).removesuffix("/")
    start = "" if is_anchored else r"(?:.*/)?"
    try:
        return _Pattern(re.compile(rf"{start}{body}", re.DOTALL), only_folders, takes_back)
    except re.error:
        return None


def _applying(ignored: dict[str, list[_Pattern]], prefix: str) -> list[tuple[str, _Pattern]]:
    """The patterns that count in a folder, each with the folder of its .gitignore, the last one
    the strongest."""
    above = [""] + [prefix[: i + 1] for i, c in enumerate(prefix) if c == "/"]
    return [(folder, p) for folder in above for p in ignored.get(folder, ())]


def _is_ignored(file: str, is_folder: bool, rules: Sequence[tuple[str, _Pattern]]) -> bool:
    found = False
    for folder, pattern in rules:
        if pattern.only_folders and not is_folder:
            continue
        if file.startswith(folder) and pattern.text.fullmatch(file[len(folder) :]):
            found = not pattern.takes_back
    return found


def _pytest_settings(root: Path) -> tuple[str, dict[str, Any]]:
    """The file that configures pytest, empty for none, and the settings in it as they stand."""
    for name in _CONFIGS:
        path = root / name
        if not path.is_file():
            continue
        if name == "pyproject.toml":
            found = _in_pyproject(path)
        else:
            found = _in_ini(path, "tool:pytest" if name == "setup.cfg" else "pytest")
        if found is not None or name == "pytest.ini":
            return name, found or {}
    return "", {}


def _in_pyproject(path: Path) -> dict[str, Any] | None:
    options = _table(_table(_toml(path), "tool"), "pytest")
    # pytest 9 reads [tool.pytest] itself.
    return _table(options, "ini_options") or options or None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError):
        return {}


def _table(outer: dict[str, Any], key: str) -> dict[str, Any]:
    inner = outer.get(key)
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _metadata(root: Path) -> tuple[str, str, dict[str, dict[str, str]]]:
    """Name, version and entry points by group, from pyproject.toml."""
    project = _table(_toml(root / "pyproject.toml"), "project")
    groups = _table(project, "entry-points")
    groups["console_scripts"] = _table(project, "scripts")
    points = {
        str(group): {str(k): v for k, v in _table(groups, group).items() if isinstance(v, str)}
        for group in groups
    }
    name, version = project.get("name"), project.get("version")
    has_name = isinstance(name, str) and bool(re.fullmatch(r"[\w.-]+", name))
    has_version = isinstance(version, str) and bool(re.fullmatch(r"[\w.+!-]+", version))
    return (str(name) if has_name else ""), (str(version) if has_version else "0"), points


def _in_ini(path: Path, section: str) -> dict[str, Any] | None:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (ConfigError, UnicodeDecodeError, OSError):
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _words(value: object) -> list[str]:
    """A setting's words, whether it is a text or a list of texts."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            return value.split()
    values = cast("list[object]", value) if isinstance(value, list) else []
    return [word for word in values if isinstance(word, str)]


def _kept(settings: dict[str, Any]) -> tuple[str, ...]:
    """The options of `addopts` that decide which tests there are."""
    words, kept = _words(settings.get("addopts")), list[str]()
    for at, word in enumerate(words):
        name, _, value = word.partition("=")
        short = word[:2] if word[:2] in _KEPT and not word.startswith("--") else ""
        if name in _KEPT and value:
            kept.append(word)
        elif word in _KEPT and at + 1 < len(words):
            kept += [word, words[at + 1]]
        elif short and word != short:
            kept.append(word)
    return tuple(kept)


def _targets(root: Path, settings: dict[str, Any], files: dict[str, bytes]) -> tuple[str, ...]:
    named = [PurePosixPath(word).as_posix() for word in _words(settings.get("testpaths"))]
    there = [
        name for name in named if name in files or any(f.startswith(f"{name}/") for f in files)
    ]
    return tuple(there) or (".",)


def _import_roots(root: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    """The root, and before it `src` where that is a folder of modules and no package itself."""
    has_source = any(f.startswith("src/") and f.endswith(".py") for f in files)
    return ("src", "") if has_source and "src/__init__.py" not in files else ("",)
