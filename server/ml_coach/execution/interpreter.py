"""Which Python runs the code, and which folders that Python needs to read."""

from __future__ import annotations

import asyncio
import json
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_coach.execution.inside.lent import PYTEST_AND_ITS_NEEDS
from ml_coach.execution.sandbox.namespaces import outermost

OLDEST = (3, 11)
ASK = """\
import importlib.util, json, sys, sysconfig
print(json.dumps({"version": list(sys.version_info[:2]), "prefix": sys.prefix,
                  "base_prefix": sys.base_prefix, "purelib": sysconfig.get_path("purelib"),
                  "stdlib": sysconfig.get_path("stdlib"),
                  "pytest": importlib.util.find_spec("pytest") is not None,
                  "library": sysconfig.get_config_var("INSTSONAME") or ""}))
"""
ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`readable` are paths; `our_site` is where pytest lies if this Python has none, else empty.

    `libraries` is the folder of a shared libpython that lies in the prefix. The binary's own note
    of that folder may name where Python was built and not where it is now.
    """

    python: str
    readable: tuple[str, ...]
    our_site: str
    libraries: str = ""


def our_own() -> Interpreter:
    return _interpreter(
        sys.executable,
        {
            "prefix": sys.prefix,
            "base_prefix": sys.base_prefix,
            "purelib": sysconfig.get_path("purelib"),
            "stdlib": sysconfig.get_path("stdlib"),
            "pytest": True,
            "library": sysconfig.get_config_var("INSTSONAME") or "",
        },
    )


async def chosen(python: str | None, workspace: Path | None = None) -> Interpreter:
    """The named interpreter, else that of the workspace's virtual environment, else ours; ours as
    well where the other does not start or is older than `OLDEST`."""
    python = python or (_of_workspace(workspace) if workspace else None)
    if python is None:
        return our_own()
    answer = await _ask(python)
    if answer is None or tuple(answer["version"]) < OLDEST:
        return our_own()
    return _interpreter(python, answer)


def _of_workspace(workspace: Path) -> str | None:
    for folder in (".venv", "venv"):
        python = workspace / folder / "bin" / "python"
        if python.exists():
            return str(python)
    return None


async def _ask(python: str) -> dict[str, Any] | None:
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
    except OSError:
        return None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            out, _ = await process.communicate()
        return json.loads(out) if process.returncode == 0 else None
    except (TimeoutError, ValueError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _interpreter(python: str, told: dict[str, Any]) -> Interpreter:
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
        tuple(outermost(readable)),
        our_site,
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
