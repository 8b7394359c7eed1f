"""The hub: which files a repository has, and fetching one, of a file that is partly there the rest.

HF_ENDPOINT names another hub, HF_TOKEN is what it gets for gated repositories. A redirect to
another host (the hub's own storage is one) never gets the token.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import httpx

from ml_coach.core.errors import UnavailableError
from ml_coach.models.foreign_json import Json, count_at, object_at, objects_at, text_at
from ml_coach.models.http import retry_after_seconds

# Seconds to wait before each further try where the hub is busy or broken.
PAUSES = (1.0, 4.0, 15.0)
_LONGEST_PAUSE = 60.0
_CHUNK = 1 << 20
# The mirror is asked after this when the hub cannot be reached.
_CONNECT_SECONDS = 5.0
_STALLED_SECONDS = 30.0
_MOST_PAGES = 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GATED = (
    "it does not exist, is private, or wants its terms accepted: see {url}, and set HF_TOKEN to a"
    " token of your account"
)
_WHY = {401: _GATED, 403: _GATED, 404: "there is no such repository or file"}


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: its path there, its size in bytes, its SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


def hub() -> str:
    """The address of the hub in use."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


async def listing(repository: str, *, pauses: Sequence[float] = PAUSES) -> tuple[HubFile, ...]:
    """The repository's GGUF files whose sum the hub states. Raises `UnavailableError`."""
    url: str | None = f"{hub()}/api/models/{repository}/tree/main?recursive=true"
    found: list[HubFile] = []
    async with _client() as http:
        for _ in range(_MOST_PAGES):
            response = await _retried(http, url, repository, pauses)
            found += _files(response)
            url = response.links.get("next", {}).get("url")
            if not url or urlsplit(url).netloc != urlsplit(hub()).netloc:
                break
    return tuple(found)


async def fetch(
    repository: str,
    path: str,
    target: Path,
    size: int,
    report: Callable[[int], None],
    *,
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Fills `target` up to `size` bytes; `report` is called with the bytes there so far.

    A connection that is cut is made again. One that brings nothing, and a hub that is busy or
    broken, is followed by each of `pauses` (seconds), or by what the hub asks for.
    Raises `UnavailableError` when the hub does not deliver, `OSError` when the disk refuses a
    write.
    """
    url = f"{hub()}/{repository}/resolve/main/{quote(path)}"
    left = list(pauses)
    async with _client() as http:
        while (here := await asyncio.to_thread(_size, target)) < size:
            why = "the connection was cut"
            try:
                await _fetch_once(http, url, repository, target, size, report)
            except _BusyError as busy:
                if left:
                    await asyncio.sleep(busy.pause_seconds(left.pop(0)))
                    continue
                why = str(busy)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = str(error) or type(error).__name__
            if await asyncio.to_thread(_size, target) > here:
                left = list(pauses)
            elif here and left:  # It has delivered before, so it can be reached.
                await asyncio.sleep(left.pop(0))
            else:
                raise UnavailableError(f"the hub ({url}): {why}")


class _BusyError(Exception):
    """The hub may answer later; after `wanted` seconds, if it said so."""

    def __init__(self, said: str, wanted: float | None) -> None:
        super().__init__(said)
        self._wanted = wanted

    def pause_seconds(self, planned: float) -> float:
        return min(_LONGEST_PAUSE, planned if self._wanted is None else self._wanted)


def _client() -> httpx.AsyncClient:
    timeout = httpx.Timeout(_STALLED_SECONDS, connect=_CONNECT_SECONDS)
    # httpx sends the header on to no other host.
    return httpx.AsyncClient(follow_redirects=True, timeout=timeout, headers=_token_header())


def _token_header() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    place = urlsplit(hub())
    is_private = place.scheme == "https" or place.hostname in ("localhost", "127.0.0.1", "::1")
    is_token = token.isascii() and token.isprintable() and bool(token)
    return {"Authorization": f"Bearer {token}"} if is_token and is_private else {}


def _check(response: httpx.Response, repository: str) -> None:
    """Raises `_BusyError` or `UnavailableError` for an answer that is a refusal."""
    status, url = response.status_code, response.request.url
    if status in (200, 206):
        return
    said = f"{status} {response.reason_phrase}"
    if status == 429 or status >= 500:
        raise _BusyError(said, retry_after_seconds(response.headers))
    why = _WHY.get(status, "").format(url=f"{hub()}/{repository}")
    raise UnavailableError(f"the hub ({url}): {said}{why and ', ' + why}")


async def _retried(
    http: httpx.AsyncClient, url: str, repository: str, pauses: Sequence[float]
) -> httpx.Response:
    """The answer to a question that is asked again while the hub is busy."""
    left = list(pauses)
    while True:
        try:
            response = await http.get(url)
            _check(response, repository)
        except _BusyError as busy:
            if not left:
                raise UnavailableError(f"the hub ({url}): {busy}") from None
            await asyncio.sleep(busy.pause_seconds(left.pop(0)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise UnavailableError(f"the hub ({url}): {why}") from None
        else:
            return response


def _files(response: httpx.Response) -> list[HubFile]:
    try:
        items: Any = response.json()
    except ValueError:
        raise UnavailableError(f"the hub ({response.request.url}): not a list of files") from None
    found: list[HubFile] = []
    for item in objects_at({"items": items}, "items"):
        path, lfs = text_at(item, "path"), object_at(item, "lfs")
        sha256, size = text_at(lfs, "oid").removeprefix("sha256:"), _stated_size(item, lfs)
        if path.lower().endswith(".gguf") and _SHA256.fullmatch(sha256) and size:
            found.append(HubFile(path, size, sha256))
    return found


def _stated_size(item: Json, lfs: Json) -> int:
    return count_at(lfs, "size") or count_at(item, "size")


async def _fetch_once(
    http: httpx.AsyncClient,
    url: str,
    repository: str,
    target: Path,
    size: int,
    report: Callable[[int], None],
) -> None:
    here = await asyncio.to_thread(_size, target)
    # The range counts bytes of the file, so they must not be compressed.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
    async with http.stream("GET", url, headers=headers) as response:
        _check(response, repository)
        start, whole = _extent(response)
        if start not in (0, here) or whole not in (None, size):
            raise UnavailableError(f"the hub ({url}): not the file it should be")
        file = await asyncio.to_thread(target.open, "ab")
        held = bytearray()
        try:
            if start < here:
                await asyncio.to_thread(file.truncate, start)
            async for piece in response.aiter_bytes():
                held += piece
                if len(held) >= _CHUNK:
                    await asyncio.to_thread(file.write, held)
                    start, held = start + len(held), bytearray()
                    report(min(start, size))
        finally:
            # Where the connection is cut, what has arrived is kept to the last byte.
            await asyncio.to_thread(_end, file, held)
        report(min(start + len(held), size))


def _end(file: IO[bytes], held: bytearray) -> None:
    with file:
        file.write(held)


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Where the response begins in the file (-1: unknown), and the file's size if it is known."""
    if response.status_code == 206:
        first, _, rest = response.headers.get("content-range", "").partition("-")
        first, whole = first.removeprefix("bytes "), rest.rpartition("/")[2]
    else:
        first, whole = "0", response.headers.get("content-length", "")
    return int(first) if first.isdigit() else -1, int(whole) if whole.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
