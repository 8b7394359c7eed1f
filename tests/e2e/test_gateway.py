"""A whole run through a Gemini gateway that nobody here wrote, with the real 0.5B model behind it.

ml-coach generate ─ SDK ─► api-for-gemini ─► a TCP port ─► the local model's own socket
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from ml_coach.models import weights
from ml_coach.models.llama_process import LlamaOptions, LlamaProcess

KEY = "AIza-this-key-must-stay-secret"
PROMPT = "Write a function add(a, b) that returns the sum of two numbers. add(1, 2) == 3"
CONFIG = """
[provider.local]
template = "openai"
api_url = "{url}/v1"
api_key = "{key}"

[model.qwen]
provider = "local"
model = "qwen"

[[transfer]]
make = "gemini-*"
to = "qwen"
"""

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def tcp_port(address: str) -> AsyncGenerator[str, None]:
    """An http URL for the model's address, which is a unix socket where there are such."""
    path = address.removeprefix("unix://")
    if path == address:
        yield address
        return

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def bridge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(bridge, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def local_model() -> AsyncGenerator[LlamaProcess, None]:
    process = LlamaProcess(LlamaOptions(await weights.ensure("qwen2.5-coder-0.5b")))
    try:
        yield process
    finally:
        await process.end()


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncGenerator[str, None]:
    """What `gema start` runs, on a free port. It reads config.toml in its folder."""
    command = ("-m", "uvicorn", "api_for_gemini.server.main:app", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    assert process.stderr
    reading: asyncio.Task[bytes] | None = None
    try:
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"running on (http://[\d.:]+)", line):
                reading = asyncio.create_task(process.stderr.read())
                yield found[1]
                break
        else:
            raise AssertionError("the gateway did not start")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading:
            await reading


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str, None]:
    folder = tmp_path_factory.mktemp("gateway")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(local_model())
        url = await stack.enter_async_context(tcp_port(await model.address()))
        (folder / "config.toml").write_text(CONFIG.format(url=url, key=model.key))
        yield await stack.enter_async_context(running_gateway(folder))


@pytest.mark.parametrize("provider", ["gemini", "genai"])
async def test_a_run_passes(gateway: str, provider: str, tmp_path: Path) -> None:
    # The size in the name tells which prompts the model behind the gateway can bear.
    name = f"{provider}:gemini-qwen2.5-coder-0.5b"
    environment = os.environ | {
        "GOOGLE_API_KEY": KEY,
        "ML_COACH_GEMINI_BASE_URL": gateway,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    output = tmp_path / "out"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ml_coach", "generate", PROMPT),
        *("--model", name, "--output", str(output), "--json", "--auto-patch"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(300):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()[-2000:] + out.decode()[-2000:]
    report = json.loads(out.splitlines()[-1])
    assert "passed" in json.dumps(report)
    assert name in json.dumps(report)
    left = written(tmp_path)
    assert "def add" in left
    assert KEY not in left + out.decode() + err.decode()


def written(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_text("utf-8", "replace") for path in files)
