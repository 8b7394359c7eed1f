"""`ml-coach acp` as a process, with clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import socket
import sys
from typing import Any

import psutil
from agent_place import KEY, Place

from peers import newer_node, node_file
from scripted_model import PROMPT, RIGHT

COMMAND = (sys.executable, "-m", "ml_coach", "acp")


async def run_client(place: Place, *command: str) -> tuple[int, str, str]:
    client = await asyncio.create_subprocess_exec(
        *command, cwd=place.folder,
        env=place.environment() | {"HOME": str(place.elsewhere), "PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(250):
        out, errors = await client.communicate()
    return client.returncode or 0, out.decode(), errors.decode()


def left_running(place: Place) -> list[str]:
    """The agents of this test that still run."""
    found: list[str] = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if "acp" in command and process.info["cwd"] == str(place.folder):
            found.append(shlex.join(command))
    return found


async def test_acpx_has_a_program_written(place: Place) -> None:
    code, out, errors = await run_client(
        place, newer_node(), node_file("acpx/dist/cli.js"), "--agent", shlex.join(COMMAND),
        "--approve-all", "--format", "json", "exec", PROMPT,
    )  # fmt: skip
    assert code == 0, errors + out
    assert place.text("generated_code.py") == RIGHT
    messages: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    updates = [m["params"]["update"] for m in messages if m.get("method") == "session/update"]
    kinds = {update["sessionUpdate"] for update in updates}
    assert kinds >= {"plan", "tool_call", "tool_call_update", "agent_message_chunk"}
    assert KEY not in out + errors
    assert left_running(place) == []


async def test_acpx_may_be_told_to_permit_nothing(place: Place) -> None:
    place.write("generated_code.py", "mine = 1\n")
    _, out, errors = await run_client(
        place, newer_node(), node_file("acpx/dist/cli.js"), "--agent", shlex.join(COMMAND),
        "--deny-all", "--format", "json", "exec", PROMPT,
    )  # fmt: skip
    assert "You did not allow" in out, errors + out
    assert [path.name for path in place.folder.iterdir()] == ["generated_code.py"]


async def test_where_its_editor_vanishes_in_a_turn_the_agent_ends(place: Place) -> None:
    place.model.held = {"coder"}
    (said, its_input), (heard, its_output) = socket.socketpair(), socket.socketpair()  # As Neovim.
    agent = await asyncio.create_subprocess_exec(
        *COMMAND, cwd=place.folder, env=place.environment(), stdin=its_input, stdout=its_output,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    its_input.close()
    its_output.close()
    _, writer = await asyncio.open_connection(sock=said)
    reader, listening = await asyncio.open_connection(sock=heard)
    session: dict[str, Any] = {"cwd": str(place.folder), "mcpServers": []}
    await _request(reader, writer, "initialize", {"protocolVersion": 1})
    begun = await _request(reader, writer, "session/new", session)
    prompt = {"sessionId": begun["sessionId"], "prompt": [{"type": "text", "text": PROMPT}]}
    asking = asyncio.ensure_future(_request(reader, writer, "session/prompt", prompt))
    await place.model.was_asked("coder")
    asking.cancel()
    family = psutil.Process(agent.pid).children(recursive=True)
    writer.close()
    listening.close()
    async with asyncio.timeout(20):
        await agent.communicate()
    assert not [process for process in family if process.is_running()]


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, params: dict[str, Any]
) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
    writer.write(json.dumps(request).encode() + b"\n")
    while line := await reader.readline():
        if (message := json.loads(line)).get("id") == method:
            return message["result"]
    raise ConnectionError(method)
