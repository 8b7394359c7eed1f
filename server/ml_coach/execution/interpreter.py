"""Which Python runs the code, and which folders that Python needs to read."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ml_coach.execution.inside.fallback_pytest import PYTEST_AND_ITS_NEEDS
from ml_coach.execution.sandbox.namespaces import outermost

OLDEST = (3, 11)
ASK = """\
import importlib.util, json, sys, sysconfig
print(json.dumps({"executable": sys.executable, "version": list(sys.version_info[:2]),
                  "prefix": sys.prefix, "base_prefix": sys.base_prefix,
                  "purelib": sysconfig.get_path("purelib"),
                  "stdlib": sysconfig.get_path("stdlib"),
                  "modules": sorted(getattr(sys, "stdlib_module_names", ())),
                  "pytest": importlib.util.find_spec("pytest") is not None,
                  "library": sysconfig.get_config_var("INSTSONAME") or ""}))
"""
ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a Python says of itself: `library` is the name of its shared libpython, if any, and
    `has_pytest` whether it can import pytest."""

    executable: str
    version: tuple[int, int]
    prefix: str
    base_prefix: str
    purelib: str
    stdlib: str
    library: str
    modules: frozenset[str]
    has_pytest: bool


class Unusable(Exception):
    """A Python cannot run anything here; the error's text names it and says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python and what a run on it needs.

    `python` is its path, `version` is like `3.12`, `readable` are the paths it has to read.
    `our_site` is the folder of our pytest if this Python has none, else empty. `site` is where its
    packages are installed, `modules` are the names of its standard library. `libraries` is the
    folder of a shared libpython in its prefix: the path that the binary holds may be the one where
    Python was built and not the one where it is now.
    """

    python: str
    version: str
    readable: tuple[str, ...]
    our_site: str
    site: str
    modules: frozenset[str]
    libraries: str = ""

    @property
    def description(self) -> str:
        """Which Python this is, in words for the user."""
        return f"Python {self.version} at {self.python}"


@cache
def our_own() -> Interpreter:
    """The Python that ML Coach itself runs on, which has pytest."""
    return _interpreter(
        _Facts(
            executable=sys.executable,
            version=sys.version_info[:2],
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            purelib=sysconfig.get_path("purelib"),
            stdlib=sysconfig.get_path("stdlib"),
            library=sysconfig.get_config_var("INSTSONAME") or "",
            modules=sys.stdlib_module_names,
            has_pytest=True,
        )
    )


async def named(python: str) -> Interpreter:
    """The interpreter of a path, relative to here, or of a command. Raises `Unusable`."""
    found = _program(python)
    facts = await _ask(found)
    if facts.version < OLDEST:
        old, oldest = (".".join(map(str, version)) for version in (facts.version, OLDEST))
        raise Unusable(f"{found} is Python {old}, older than {oldest}")
    if facts.prefix == sys.prefix:
        return our_own()
    return _interpreter(facts)


def installed(known: Interpreter) -> int:
    """When a package was last installed there or removed, in nanoseconds."""
    try:
        return Path(known.site).stat().st_mtime_ns
    except OSError:
        return 0


def in_workspace(workspace: Path) -> tuple[str, int] | None:
    """(Python of the workspace's virtual environment, when that was made), also of a broken one."""
    for name in (".venv", "venv"):
        python = workspace / name / "bin" / "python"
        for mark in (workspace / name / "pyvenv.cfg", python):
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


async def _ask(python: str) -> _Facts:
    """Raises `Unusable` for a program that does not answer as Python does."""
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-I",
            "-c",
            ASK,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},  # No key of the user's gets there.
        )
    except OSError as error:
        raise Unusable(f"{python} does not start: {error.strerror}") from None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            out, _ = await process.communicate()
        if process.returncode == 0:
            return _facts(json.loads(out))
    except (TimeoutError, ValueError, LookupError, TypeError, RecursionError):
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    raise Unusable(f"{python} does not start as Python")


def _facts(answer: dict[str, Any]) -> _Facts:
    """Raises `LookupError`, `TypeError` or `ValueError` for another answer than `ASK` prints."""
    major, minor = answer["version"]
    paths = ("executable", "prefix", "base_prefix", "purelib", "stdlib", "library")
    known = {name: str(answer[name]) for name in paths}
    modules = frozenset(str(name) for name in answer["modules"])
    return _Facts(
        **known,
        version=(int(major), int(minor)),
        modules=modules,
        has_pytest=answer["pytest"] is True,
    )


def _interpreter(facts: _Facts) -> Interpreter:
    python = facts.executable
    wanted = [facts.prefix, facts.base_prefix, facts.purelib, facts.stdlib]
    wanted.append(str(Path(python).absolute().parent.parent))
    wanted.append(home_of(facts.prefix))
    paths = [str(Path(p)) for p in wanted if p]
    paths += [str(Path(p).resolve()) for p in paths]
    home = str(Path.home())
    readable = [p for p in paths if p not in ("/", "/usr", home) and not p.startswith("/usr/")]
    our_site = "" if facts.has_pytest else sysconfig.get_path("purelib")
    if our_site:
        ours = (Path(our_site, name) for name in PYTEST_AND_ITS_NEEDS)
        readable += [str(p) for each in ours for p in (each, each.with_suffix(".py")) if p.exists()]
    libraries = Path(facts.base_prefix, "lib")
    own_library = bool(facts.library) and (libraries / facts.library).exists()
    return Interpreter(
        python,
        ".".join(map(str, facts.version)),
        tuple(outermost(readable)),
        our_site,
        facts.purelib,
        facts.modules,
        str(libraries) if own_library and str(libraries) != "/usr/lib" else "",
    )


def home_of(prefix: str) -> str:
    """The folder of the Python that a virtual environment was made from, as its pyvenv.cfg names
    it: that may be a link beside the real folder."""
    try:
        lines = (Path(prefix) / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home":
            folder = Path(value.strip()).parent
            return str(folder) if _holds_python(folder) else ""
    return ""


def _holds_python(folder: Path) -> bool:
    """Whether there is a Python installation. A pyvenv.cfg may name any folder, such as one with
    the user's keys, and what it names is shown to the program."""
    programs = folder.glob("bin/python3*")
    return any(programs) and any((folder / "lib").glob("python3*/os.py"))
