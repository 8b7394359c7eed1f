"""Fetches one file from the hub, and of a file that is partly there only the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from ml_coach.core.errors import UnavailableError

_CHUNK = 1 << 20
# The mirror is asked after this when the hub cannot be reached.
_CONNECT_SECONDS = 5.0
_STALLED_SECONDS = 30.0


async def fetch(url: str, target: Path, size: int, report: Callable[[int], None]) -> None:
    """Fills `target` up to `size` bytes from `url`; `report` is called with the bytes there so far.

    A connection that is cut is made again as long as each one brings something. Raises
    `UnavailableError` when the hub does not deliver, `OSError` when the disk refuses a write.
    """
    timeout = httpx.Timeout(_STALLED_SECONDS, connect=_CONNECT_SECONDS)
    async with httpx.AsyncClient(follow_redirects=True, timeout=timeout) as http:
        while (here := await asyncio.to_thread(_size, target)) < size:
            why = "the connection was cut"
            try:
                await _fetch_once(http, url, target, here, size, report)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = str(error) or type(error).__name__
            if await asyncio.to_thread(_size, target) <= here:
                raise UnavailableError(f"the hub ({url}): {why}")


async def _fetch_once(
    http: httpx.AsyncClient,
    url: str,
    target: Path,
    here: int,
    size: int,
    report: Callable[[int], None],
) -> None:
    # The range counts bytes of the file, so they must not be compressed.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
    async with http.stream("GET", url, headers=headers) as response:
        if response.status_code not in (200, 206):
            said = f"{response.status_code} {response.reason_phrase}"
            raise UnavailableError(f"the hub ({url}): {said}")
        start, whole = _extent(response)
        if start not in (0, here) or whole not in (None, size):
            raise UnavailableError(f"the hub ({url}): not the file it should be")
        file = await asyncio.to_thread(target.open, "ab")
        try:
            if start < here:
                await asyncio.to_thread(file.truncate, start)
            async for chunk in response.aiter_bytes(_CHUNK):
                await asyncio.to_thread(file.write, chunk)
                start += len(chunk)
                report(min(start, size))
        finally:
            await asyncio.to_thread(file.close)


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
