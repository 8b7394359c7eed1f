"""Two servers that nobody here wrote: llama.cpp's own at a TCP port, and LM-Proxy in front of it.
Behind both is a tiny model of random weights."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ml_coach.core.errors import AuthError, BadRequestError, DeadlineError
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.models.local import LocalModels
from ml_coach.models.openai_compatible import OpenAICompatibleModel
from ml_coach.models.profiles import profile_of
from tiny_gguf import tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "a-key-of-the-server"
# As it is, but for the address, the key and the size.
SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.api_keys = sys.argv[1], [sys.argv[2]]
params.hostnames, params.port = ["127.0.0.1"], 0
params.n_ctx, params.n_parallel = 1024, 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("\\n" + server.listening_address, flush=True)
sys.stdin.read()
"""
SYSTEM = Message("system", "Be short.")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "tiny.gguf"
    file.write_bytes(tiny_model())
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(weights: Path) -> AsyncGenerator[str]:
    """The address of the server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(weights), KEY),
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=os.environ | {"OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip
    assert process.stdout
    try:
        async with asyncio.timeout(120):
            while not (line := (await process.stdout.readline()).decode()).startswith("http"):
                assert line, "the server did not start"
        yield line.strip()
    finally:
        process.kill()
        await process.communicate()


CONFIG = """
host = "127.0.0.1"
port = 0
[connections.here]
api_type = "openai"
api_base = "{url}/v1/"
api_key = "{key}"
[routing]
"*" = "here.*"
[groups.default]
api_keys = ["{key}"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """The address of LM-Proxy, a FastAPI application that asks through OpenAI's SDK."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "config.toml").write_text(CONFIG.format(url=server, key=KEY))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lm_proxy"),
        cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
    )  # fmt: skip
    assert process.stderr
    seen = ""
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(120):
            while not (found := re.search(r"running on (http://[\d.:]+)", seen)):
                line = (await process.stderr.readline()).decode()
                assert line, f"the proxy did not start: {seen[-2000:]}"
                seen += line
        reading = asyncio.create_task(process.stderr.read())
        yield found[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading:
            await reading


def opened(url: str, key: str = KEY) -> OpenAICompatibleModel:
    return OpenAICompatibleModel("openai:tiny", "tiny", url, api_key=key, profile=Profile())


def call(text: str, **more: object) -> Call:
    return Call("coder", (SYSTEM, Message("user", text)), **more)  # type: ignore[arg-type]


async def ask(model: OpenAICompatibleModel, asked: Call) -> tuple[str, Ended]:
    pieces = [piece async for piece in model.stream(asked)]
    ended = pieces.pop()
    assert isinstance(ended, Ended)
    return "".join(map(str, pieces)), ended


async def test_a_reply_streams_with_its_usage(server: str) -> None:
    model = opened(server)
    pieces = [p async for p in model.stream(call("Hello.", max_tokens=12, temperature=0.8, seed=1))]
    ended = pieces.pop()
    assert isinstance(ended, Ended)
    assert len(pieces) > 1
    assert ended.finish == "length"
    assert ended.usage.prompt_tokens > 20
    assert ended.usage.completion_tokens == 12
    await model.aclose()


async def test_the_same_seed_gives_the_same_reply(server: str) -> None:
    model = opened(server)
    replies = [
        (await ask(model, call("Hello.", max_tokens=8, temperature=1.0, seed=seed)))[0]
        for seed in (1, 1, 2)
    ]
    assert replies[0] == replies[1] != replies[2]
    await model.aclose()


async def test_a_wrong_key_and_a_long_prompt_are_told_with_advice(server: str) -> None:
    model = opened(server, "wrong")
    with pytest.raises(AuthError, match="Check the key"):
        await ask(model, call("Hi."))
    await model.aclose()
    model = opened(server)
    with pytest.raises(BadRequestError, match="larger context"):
        await ask(model, call("word " * 900, max_tokens=5))
    await model.aclose()


async def test_leaving_a_reply_frees_the_slot(server: str) -> None:
    model = opened(server)
    async with aclosing(model.stream(call("Hello.", max_tokens=800, temperature=1.0))) as stream:
        await anext(stream)
    with pytest.raises(DeadlineError):
        await ask(model, call("Hello.", max_tokens=800, temperature=1.0, timeout_seconds=0.001))
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
        async with asyncio.timeout(10):
            while any(s["is_processing"] for s in (await http.get(f"{server}/slots")).json()):
                pass
    await model.aclose()


async def test_the_same_weights_inside_answer_as_well(weights: Path) -> None:
    """Through the child process, with what it sets, and the profile that the file gives."""
    profile = profile_of(f"local:{weights}")
    assert (profile.candidates, profile.context) == (4, 2048)
    model = LocalModels().model(str(weights), profile)
    try:
        await model.warm()
        calls = [call("Hello.", max_tokens=6, temperature=0.8, seed=seed) for seed in range(3)]
        ended = [[p async for p in model.stream(c)][-1] for c in calls]
        assert [e.finish for e in ended if isinstance(e, Ended)] == ["length"] * 3
        with pytest.raises(BadRequestError, match="larger context"):
            _ = [p async for p in model.stream(call("word " * 9000))]
    finally:
        await model.aclose()


async def test_a_reply_comes_through_a_proxy(proxy: str) -> None:
    """It reports no usage, and ends every reply with “stop”."""
    model = opened(proxy)
    asked = call("Hello.", max_tokens=12, temperature=0.8, seed=1)
    text, ended = await ask(model, asked)
    assert text
    assert ended.finish == "stop"
    await model.aclose()


async def test_what_is_wrong_behind_a_proxy_is_told(proxy: str) -> None:
    """Its own refusal, and that of the server behind it, which arrives inside the stream."""
    model = opened(proxy, "wrong")
    with pytest.raises(AuthError, match="Incorrect API key"):
        await ask(model, call("Hi."))
    await model.aclose()
    model = opened(proxy)
    with pytest.raises(BadRequestError, match="larger context"):
        await ask(model, call("word " * 900, max_tokens=5))
    await model.aclose()
