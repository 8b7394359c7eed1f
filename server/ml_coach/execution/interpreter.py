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


class Unusable(Exception):
    """A Python that cannot run anything here; its text names it and says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`readable` are paths; `our_site` is where pytest lies if this Python has none, else empty.

    `libraries` is the folder of a shared libpython that lies in the prefix. The binary's own note
    of that folder may name where Python was built and not where it is now. `site` is where its
    packages are installed, `modules` are the names of its standard library.
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
    return _interpreter(
        {
            "executable": sys.executable,
            "version": sys.version_info[:2],
            "prefix": sys.prefix,
            "base_prefix": sys.base_prefix,
            "purelib": sysconfig.get_path("purelib"),
            "stdlib": sysconfig.get_path("stdlib"),
            "modules": sys.stdlib_module_names,
            "pytest": True,
            "library": sysconfig.get_config_var("INSTSONAME") or "",
        },
    )


async def named(python: str) -> Interpreter:
    """The interpreter of a path, relative to here, or of a command. Raises `Unusable`."""
    found = _program(python)
    told = await _ask(found)
    if tuple(told["version"]) < OLDEST:
        old, oldest = (".".join(map(str, version)) for version in (told["version"], OLDEST))
        raise Unusable(f"{found} is Python {old}, older than {oldest}")
    if told["prefix"] == sys.prefix:
        return our_own()
    return _interpreter(told)


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
    # Not resolved: a virtual environment's Python is a link, and knows itself by where it lies.
    return str(Path(found).absolute())


async def _ask(python: str) -> dict[str, Any]:
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-I",
            "-c",
            ASK,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unusable(f"{python} does not start: {error.strerror}") from None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            out, _ = await process.communicate()
        if process.returncode == 0:
            return json.loads(out)
    except (TimeoutError, ValueError):
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    raise Unusable(f"{python} does not start as Python")


def _interpreter(told: dict[str, Any]) -> Interpreter:
    python = told["executable"]
    wanted = [told["prefix"], told["base_prefix"], told["purelib"], told["stdlib"]]
    wanted.append(str(Path(python).absolute().parent.parent))
    wanted.append(_through(told["prefix"]))
    paths = [str(Path(p)) for p in wanted if p]
    paths += [str(Path(p).resolve()) for p in paths]
    home = str(Path.home())
    readable = [p for p in paths if p not in ("/", "/usr", home) and not p.startswith("/usr/")]
    our_site = "" if told["pytest"] else sysconfig.get_path("purelib")
    if our_site:
        lent = (Path(our_site, name) for name in PYTEST_AND_ITS_NEEDS)
        readable += [str(p) for each in lent for p in (each, each.with_suffix(".py")) if p.exists()]
    libraries = Path(told["base_prefix"], "lib")
    own_library = bool(told["library"]) and (libraries / told["library"]).exists()
    return Interpreter(
        python,
        ".".join(str(part) for part in told["version"]),
        tuple(outermost(readable)),
        our_site,
        told["purelib"],
        frozenset(told["modules"]),
        str(libraries) if own_library and str(libraries) != "/usr/lib" else "",
    )


def _through(prefix: str) -> str:
    """The home that a virtual environment names: it may be a link beside the real folder."""
    try:
        lines = (Path(prefix) / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home":
            return str(Path(value.strip()).parent)
    return ""
