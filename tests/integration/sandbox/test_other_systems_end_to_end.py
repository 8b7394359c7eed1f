"""A whole run where Python lacks what Windows and macOS lack: in the terminal and in an editor."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ml_coach.execution.wasm.runtime import VARIABLES
from scripted_model import PROMPT, RIGHT, scripted_model

SIMULATED = [sys.executable, str(Path(__file__).with_name("other_system.py"))]


def environment(folder: Path, model: str) -> dict[str, str]:
    beside = str(Path(sys.executable).parent)  # where the extra `wasm` puts Deno
    # Whoever fetches Pyodide first may need the machine's certificates.
    kept = {"HOME", "XDG_CACHE_HOME", *VARIABLES}
    keep = {name: os.environ[name] for name in kept if name in os.environ}
    state = {"XDG_STATE_HOME": str(folder / "state"), "PATH": beside}
    return {**keep, **state, "ML_COACH_MODEL": model, "RUN_TIMEOUT": "30"}


@pytest.mark.timeout(900)  # Pyodide is slow on a busy machine.
@pytest.mark.parametrize("system", ["win32", "darwin"])
async def test_the_terminal_generates_a_tested_program(tmp_path: Path, system: str) -> None:
    async with scripted_model() as model:
        command = [*SIMULATED, system, "generate", PROMPT, "--auto-patch", "--json"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,
            env=environment(tmp_path, model.model),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    assert (tmp_path / "generated_code.py").read_text() == RIGHT
    events = [json.loads(line) for line in out.decode().splitlines()]
    tested = [event for event in events if event["event"] == "TestsFinished"]
    assert "Pyodide" in tested[-1]["report"]["ran_on"]


class Peer:
    """The least that an editor has to be: it answers requests, and keeps what it is sent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []

    def send(self, **message: Any) -> None:
        assert self.process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def until(self, wanted: Any) -> dict[str, Any]:
        """The first message that `wanted` says yes to."""
        assert self.process.stdout
        while True:
            head = await self.process.stdout.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            message = json.loads(await self.process.stdout.readexactly(length))
            if "id" in message and "method" in message:
                edit = message["method"] == "workspace/applyEdit"
                self.send(id=message["id"], result={"applied": True} if edit else None)
            self.heard.append(message)
            if wanted(message):
                return message


@pytest.mark.timeout(900)  # Pyodide is slow on a busy machine.
@pytest.mark.parametrize("system", ["win32", "darwin"])
async def test_the_language_server_generates_a_tested_program(tmp_path: Path, system: str) -> None:
    async with scripted_model() as model:
        process = await asyncio.create_subprocess_exec(
            *SIMULATED,
            *(system, "serve"),
            cwd=tmp_path,
            env=environment(tmp_path, model.model),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        peer = Peer(process)
        folder = {"uri": tmp_path.as_uri(), "name": "work"}
        started = {"processId": None, "rootUri": folder["uri"], "workspaceFolders": [folder]}
        options = {"events": True, "autoPatch": True}
        peer.send(
            id=1,
            method="initialize",
            params={**started, "capabilities": {}, "initializationOptions": options},
        )
        await peer.until(lambda message: message.get("id") == 1)
        peer.send(method="initialized", params={})
        command = {"command": "mlCoach.generate", "arguments": [{"prompt": PROMPT}]}
        peer.send(id=2, method="workspace/executeCommand", params=command)
        finished = await peer.until(lambda message: "RunFinished" in json.dumps(message))
        peer.send(id=3, method="shutdown")
        await peer.until(lambda message: message.get("id") == 3)
        peer.send(method="exit")
        _, err = await process.communicate()
    assert '"passed"' in json.dumps(finished), err.decode()[-3000:]
    assert (tmp_path / "generated_code.py").read_text() == RIGHT
    assert any("Pyodide" in json.dumps(message) for message in peer.heard)
