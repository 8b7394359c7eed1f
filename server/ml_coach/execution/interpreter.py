"""Which Python runs the code, and which folders that Python needs to read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ml_coach.execution import installation
from ml_coach.execution.inside.fallback_pytest import PYTEST_AND_ITS_NEEDS
from ml_coach.execution.installation import Unusable
from ml_coach.execution.sandbox.namespaces import outermost

OLDEST = (3, 11)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python and what a run on it needs.

    `python` is its path, `version` is like `3.12`, `readable` are the paths it has to read.
    `our_site` is the folder of our pytest if this Python has none, else empty. `site` is where its
    packages are installed, `modules` are the names of its standard library. `libraries` is the
    folder of a shared libpython in its prefix: the path that the binary holds may be the one where
    Python was built and not the one where it is now. With another `hash_seed` a worker on it has
    sets of texts in another order.
    """

    python: str
    version: str
    readable: tuple[str, ...]
    our_site: str
    site: str
    modules: frozenset[str]
    libraries: str = ""
    hash_seed: int = 0

    @property
    def description(self) -> str:
        """Which Python this is, in words for the user."""
        return f"Python {self.version} at {self.python}"


@cache
def our_own() -> Interpreter:
    """The Python that ML Coach itself runs on, which has pytest. It is trusted as we are."""
    wanted = [sys.prefix, sys.base_prefix, sysconfig.get_path("purelib")]
    wanted += [sysconfig.get_path("stdlib"), str(Path(sys.executable).absolute().parent.parent)]
    wanted += [str(Path(each).resolve()) for each in wanted]
    with contextlib.suppress(Unusable):  # Its parts by the names that lead to them.
        wanted += installation.read(str(Path(sys.executable).absolute())).readable
    home = str(Path.home())
    library = sysconfig.get_config_var("INSTSONAME") or ""
    own_library = bool(library) and Path(sys.base_prefix, "lib", library).exists()
    return Interpreter(
        sys.executable,
        ".".join(map(str, sys.version_info[:2])),
        _seen([path for path in wanted if path not in ("/", home)]),
        "",
        sysconfig.get_path("purelib"),
        sys.stdlib_module_names,
        _library_folder(Path(sys.base_prefix)) if own_library else "",
    )


async def named(python: str) -> Interpreter:
    """The interpreter of a path, relative to here, or of a command. It is not started. Raises
    `Unusable`."""
    found = await asyncio.to_thread(installation.read, _program(python))
    if found.version < OLDEST:
        old, oldest = (".".join(map(str, version)) for version in (found.version, OLDEST))
        raise Unusable(f"{found.python} is Python {old}, older than {oldest}")
    if str(found.prefix) == sys.prefix:
        return our_own()
    our_site = "" if found.has_pytest else sysconfig.get_path("purelib")
    readable = [*found.readable]
    if our_site:
        ours = (Path(our_site, name) for name in PYTEST_AND_ITS_NEEDS)
        readable += [str(p) for each in ours for p in (each, each.with_suffix(".py")) if p.exists()]
    return Interpreter(
        found.python,
        ".".join(map(str, found.version)),
        _seen(readable),
        our_site,
        str(found.site),
        found.modules,
        _library_folder(found.base_prefix) if found.library else "",
    )


def _seen(paths: Sequence[str]) -> tuple[str, ...]:
    """What has to be shown of these: the system's own folders are there in any case."""
    return tuple(outermost([p for p in paths if p != "/usr" and not p.startswith("/usr/")]))


def _library_folder(base_prefix: Path) -> str:
    folder = str(base_prefix / "lib")
    return "" if folder == "/usr/lib" else folder


def installed(known: Interpreter) -> int:
    """When a package was last installed there or removed, in nanoseconds."""
    try:
        return Path(known.site).stat().st_mtime_ns
    except OSError:
        return 0


def in_workspace(workspace: Path) -> tuple[str, int] | None:
    """(Python of the workspace's virtual environment, when that was made), also of a broken one."""
    found = (_in_environment(workspace / name) for name in (".venv", "venv"))
    return next(filter(None, found), None)


def activated(environment: str, workspace: Path | None) -> tuple[str, int] | None:
    """As `in_workspace`, of the virtual environment that the user activated in their shell.

    None for one that is ours, and for the workspace's own: an editor activates that one unasked.
    """
    folder = Path(environment).absolute() if environment else None
    if folder is None or folder.resolve() == Path(sys.prefix).resolve():
        return None
    own = [workspace / name for name in (".venv", "venv")] if workspace else []
    return None if folder in [o.absolute() for o in own] else _in_environment(folder)


def _in_environment(folder: Path) -> tuple[str, int] | None:
    python = folder / "bin" / "python"
    for mark in (folder / "pyvenv.cfg", python):
        if os.path.lexists(mark):
            return str(python), mark.lstat().st_mtime_ns
    return None


def _program(python: str) -> str:
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise Unusable(f"{python} does not start: there is no such program")
    # Not resolved: the Python of a virtual environment is a link, and finds its packages by the
    # folder that the link is in.
    return str(Path(found).absolute())
