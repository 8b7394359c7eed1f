"""What a Python on disk is, read without starting it: a workspace's Python may be any program.

Only folders that have the shape of a Python installation count, and of these only the parts that
Python reads are shown to a run.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What Python and its packages read of a prefix. Other folders there may hold anything.
PARTS = ("bin", "lib", "lib64", "share/zoneinfo", "share/terminfo", "pyvenv.cfg")
CONFIG_AT_MOST = 64 << 10  # bytes of a pyvenv.cfg
VERSION = re.compile(r"3\.(\d+)")


class Unusable(Exception):
    """A Python cannot run anything here; the error's text names it and says why."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A Python and where it lies. `prefix` is its virtual environment, or `base_prefix` where it
    has none. `library` is the path of its shared libpython, if any, `modules` are the names of its
    standard library, and `has_pytest` says whether it can import pytest."""

    python: str
    version: tuple[int, int]
    prefix: Path
    base_prefix: Path
    library: str
    modules: frozenset[str]
    has_pytest: bool

    @property
    def site(self) -> Path:
        """Where its packages are installed."""
        return self.prefix / "lib" / _named(self.version) / "site-packages"

    @property
    def readable(self) -> tuple[str, ...]:
        """The paths that a run on it has to read, under the names that lead there too."""
        both = (self.prefix, self.base_prefix)
        return tuple(path for folder in both for path in _parts(folder))


def read(python: str) -> Installation:
    """The installation that the program at this absolute path belongs to. Raises `Unusable`."""
    program = Path(python)
    if not os.access(program, os.X_OK) or not program.is_file():
        raise Unusable(f"{python} does not start: there is no such program")
    prefix = program.parent.parent
    config = _config(prefix / "pyvenv.cfg")
    if config is None:
        # As Python itself does it: outside of a virtual environment, links are followed.
        prefix = base = program.resolve().parent.parent
        said = program.resolve().name
    else:
        base = Path(config.get("home", "/nowhere/bin")).parent
        said = config.get("version") or config.get("version_info") or ""
    version = _version(base, VERSION.search(said))
    if version is None or _holds_the_home(base) or _holds_the_home(prefix):
        raise Unusable(f"{python} does not belong to a Python installation: {base} is none")
    library = next(iter(sorted((base / "lib").glob(f"libpython3.{version[1]}*.so.1.0"))), "")
    made = Installation(
        python, version, prefix, base, str(library), _modules(base, version), has_pytest=False
    )
    places = [made.site]
    if config is None or config.get("include-system-site-packages") == "true":
        lib = base / "lib"
        places += [lib / _named(version) / "site-packages", lib / "python3" / "dist-packages"]
    has_pytest = any((place / "pytest" / "__init__.py").is_file() for place in places)
    return Installation(python, version, prefix, base, str(library), made.modules, has_pytest)


def _named(version: tuple[int, int]) -> str:
    return f"python{version[0]}.{version[1]}"


def _config(file: Path) -> dict[str, str] | None:
    """What a pyvenv.cfg says, None where there is none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            text = lines.read(CONFIG_AT_MOST)
    except OSError:
        return None
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _version(base: Path, wanted: re.Match[str] | None) -> tuple[int, int] | None:
    """The version of the Python in `base`, the wanted one where there are several; None where
    there is none."""
    if not any(base.glob("bin/python3*")):
        return None
    minors = {
        int(found[1])
        for folder in ("lib", "lib64")
        for each in base.glob(f"{folder}/python3.*/os.py")
        if (found := VERSION.fullmatch(each.parent.name.removeprefix("python")))
    }
    if wanted and int(wanted[1]) in minors:
        return 3, int(wanted[1])
    return (3, minors.pop()) if len(minors) == 1 else None


def _modules(base: Path, version: tuple[int, int]) -> frozenset[str]:
    """Ours, which has those written in C, and what lies in its own library."""
    here = (entry.name.partition(".")[0] for entry in (base / "lib" / _named(version)).glob("*"))
    return frozenset(here) | sys.stdlib_module_names


def _holds_the_home(folder: Path) -> bool:
    return Path.home().resolve().is_relative_to(folder.resolve())


def _parts(folder: Path) -> Iterator[str]:
    """A part that is a link out of the folder is left out: it could lead to the user's keys."""
    real = folder.resolve()
    for name in PARTS:
        part = folder / name
        target = part.resolve()
        if target.exists() and target.is_relative_to(real):
            yield from {str(part), str(target)}
