"""Which Python runs the code, and which folders that Python needs to read."""

from __future__ import annotations

import asyncio
import json
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import ml_coach

OLDEST = (3, 10)
ASK = """\
import json, sys, sysconfig
print(json.dumps([list(sys.version_info[:2]), sys.prefix, sys.base_prefix,
                  sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")]))
"""
ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`readable` are folders; `our_site` is where pytest lies if this Python should have none."""

    python: str
    readable: tuple[str, ...]
    our_site: str


def our_own() -> Interpreter:
    return _interpreter(
        sys.executable,
        sys.prefix,
        sys.base_prefix,
        sysconfig.get_path("purelib"),
        sysconfig.get_path("stdlib"),
    )


async def chosen(python: str | None) -> Interpreter:
    """The user's interpreter where it can be used, else ours."""
    if python is None:
        return our_own()
    answer = await _ask(python)
    if answer is None or tuple(answer[0]) < OLDEST:
        return our_own()
    return _interpreter(python, *answer[1:])


async def _ask(python: str) -> list[str] | None:
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


def _interpreter(
    python: str, prefix: str, base_prefix: str, packages: str, stdlib: str
) -> Interpreter:
    wanted = [prefix, base_prefix, packages, stdlib]
    wanted.append(str(Path(python).absolute().parent.parent))
    wanted += [_through(prefix)]
    paths = [str(Path(p)) for p in wanted if p]
    paths += [str(Path(p).resolve()) for p in paths]
    home = str(Path.home())
    readable = [p for p in paths if p not in ("/", "/usr", home) and not p.startswith("/usr/")]
    return Interpreter(python, tuple(dict.fromkeys(readable)), _our_site())


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


def _our_site() -> str:
    package = Path(ml_coach.__file__).resolve().parent.parent
    return sysconfig.get_path("purelib") or str(package)
