"""`ml-coach mcp` as a process, over both transports, with clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from agent_place import KEY, Place
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from tool_client import connected

from peers import newer_node, node_file, peer_program
from scripted_model import PROMPT, RIGHT, TESTS

COMMAND = (sys.executable, "-m", "ml_coach", "mcp")
FILES = {"generated_code.py": RIGHT, "test_generated.py": TESTS}


def parameters(place: Place) -> StdioServerParameters:
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:]], env=place.environment(), cwd=place.folder
    )


async def test_over_standard_input_with_the_sdks_client(place: Place) -> None:
    async with connected(parameters(place), place.folder) as client:
        assert (await client.result("verify", files=FILES))["verdict"] == "passed"
        assert (await client.result("generate", prompt=PROMPT))["outcome"] == "passed"


@pytest.mark.parametrize("farewell", ["end of input", "terminate"])
async def test_nothing_but_the_protocol_is_on_standard_output(place: Place, farewell: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, cwd=place.folder, env=place.environment() | {"MAX_ITERS": "many"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, limit=1 << 22,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    who = {"name": "raw", "version": "1"}
    said = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": who}
    lines: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": said},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
         "params": {"name": "generate", "arguments": {"prompt": PROMPT}}},
    ]  # fmt: skip
    for line in lines:
        process.stdin.write(json.dumps(line).encode() + b"\n")
    answers: list[dict[str, Any]] = []
    async with asyncio.timeout(120):
        while not any(answer.get("id") == 2 for answer in answers):
            answers.append(json.loads(await process.stdout.readline()))
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    # Without roots it is the server's own folder.
    assert answers[-1]["result"]["structuredContent"]["folder"] == str(place.folder)
    # It is left in the midst of a second run.
    place.model.held = {"debugger"}
    place.model.forget()
    process.stdin.write(json.dumps(lines[-1] | {"id": 3}).encode() + b"\n")
    await place.model.was_asked("debugger")
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    if farewell == "terminate":
        process.terminate()
    else:
        process.stdin.close()
    rest = await asyncio.wait_for(process.stdout.read(), 30)
    errors = await process.stderr.read()
    assert await process.wait() == (130 if farewell == "terminate" else 0)
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert not [child for child in family if child.is_running()]
    assert KEY.encode() not in errors
    assert b"Traceback" not in errors


@asynccontextmanager
async def served(place: Place) -> AsyncGenerator[tuple[str, str]]:
    """The address and the token of a server over HTTP."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--http", "0", cwd=place.folder, env=place.environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            address = (await process.stderr.readline()).decode().split()[-1]
            token = (await process.stderr.readline()).decode().split()[-1]
        yield address, token
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        out, errors = await asyncio.wait_for(process.communicate(), 20)
        assert out == b""
        assert token.encode() not in errors
        assert not [child for child in family if child.is_running()]


async def test_over_http_only_who_has_the_token_and_comes_from_here_is_answered(
    place: Place,
) -> None:
    async with served(place) as (address, token):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/mcp", address)
        good = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        async with httpx.AsyncClient() as asking:
            for refused, status in (
                ({"Authorization": ""}, 401),
                ({"Authorization": f"Bearer {token[:-1]}"}, 401),
                ({"Authorization": f"Basic {token}"}, 401),
                ({"Host": "example.org"}, 421),
                ({"Origin": "https://example.org"}, 403),
            ):
                answer = await asking.post(address, json=body, headers=good | refused)
                assert answer.status_code == status, (refused, answer.text)
                assert token not in answer.text
        async with (
            authorized(address, token) as transport,
            connected(transport, place.folder) as client,
        ):
            assert (await client.result("verify", files=FILES))["verdict"] == "passed"
            assert "outside your roots" in await client.refusal("verify", path="..")


@asynccontextmanager
async def authorized(address: str, token: str) -> AsyncGenerator[Any]:
    import httpx2

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
        yield streamable_http_client(address, http_client=client)


async def run_peer(place: Place, *command: str) -> str:
    """The output of another program that talks to the server."""
    peer = await asyncio.create_subprocess_exec(
        *command, cwd=place.folder, env=place.environment() | {"HOME": os.environ["HOME"]},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(200):
        out, errors = await peer.communicate()
    assert peer.returncode == 0, errors.decode() + out.decode()
    return out.decode()


async def test_the_inspector_of_the_protocols_authors_agrees(place: Place) -> None:
    inspector = (
        newer_node(),
        node_file("@modelcontextprotocol/inspector/cli/build/cli.js"),
        "--cli",
    )
    tools = json.loads(await run_peer(place, *inspector, *COMMAND, "--method", "tools/list"))
    assert {tool["name"] for tool in tools["tools"]} > {"verify", "filter_tests"}
    assert all(tool["outputSchema"] for tool in tools["tools"])
    called = await run_peer(
        place, *inspector, *COMMAND, "--method", "tools/call", "--tool-name", "verify",
        "--tool-arg", f"files={json.dumps(FILES)}",
    )  # fmt: skip
    assert json.loads(called)["structuredContent"]["verdict"] == "passed"
    assert place.model.asked == []


async def test_fastmcps_client_agrees(place: Place) -> None:
    peer = (peer_program("python"), str(Path(__file__).with_name("fastmcp_peer.py")))
    seen = json.loads(await run_peer(place, *peer, PROMPT, *COMMAND))
    assert seen["outcome"] == "passed"
    assert seen["progress"] > 3
    assert seen["report"]["run_id"] == seen["run_id"]
    assert "outside your roots" in seen["refusal"]
    assert place.text("generated_code.py") == RIGHT


@pytest.mark.parametrize(("command", "library"), [("mcp", "mcp"), ("acp", "acp")])
async def test_without_its_extra_a_face_says_what_to_install(
    place: Place, command: str, library: str
) -> None:
    missing = f"raise ModuleNotFoundError('No module named {library}', name={library!r})\n"
    (place.elsewhere / f"{library}.py").write_text(missing)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ml_coach", command, cwd=place.folder,
        env=place.environment() | {"PYTHONPATH": str(place.elsewhere), "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    (line,) = errors.decode().splitlines()
    assert (process.returncode, out) == (2, b"")
    assert f"pip install 'ml-coach[{command}]'" in line
