"""A peer that sends any bytes to a real server process: no library stands between."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from editor import SERVER


def framed(**message: Any) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message; None at the end of the stream."""
    try:
        header = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = next(line for line in header.split(b"\r\n") if line.startswith(b"Content-Length"))
    return json.loads(await reader.readexactly(int(length.split(b":")[1])))


class RawPeer:
    """`messages` holds what the server sent and nobody waited for."""

    def __init__(self, process: asyncio.subprocess.Process, root: Path) -> None:
        self.process = process
        self.root = root
        self.messages: list[Any] = []

    def send(self, data: bytes) -> None:
        self.process.stdin.write(data)

    async def reply(self, number: Any, seconds: float = 20) -> Any:
        """The reply with that id; other messages are kept in `messages`."""
        return await self.until(lambda m: m.get("id") == number and "method" not in m, seconds)

    async def until(self, wanted: Any, seconds: float = 20) -> Any:
        async with asyncio.timeout(seconds):
            while (message := await read_message(self.process.stdout)) is not None:
                if wanted(message):
                    return message
                self.messages.append(message)
        raise AssertionError(f"the server ended; before that {self.messages}")

    async def ask(self, number: Any, method: str, params: Any = None) -> Any:
        self.send(framed(id=number, method=method, params=params))
        return await self.reply(number)

    async def initialize(self, number: Any = "initialize", **more: Any) -> Any:
        params = {
            "processId": None,
            "rootUri": self.root.as_uri(),
            "capabilities": {},
            **more,
        }
        return await self.ask(number, "initialize", params)

    async def answers(self, number: Any = "alive") -> bool:
        """Whether the server does its work: it offers to generate from a comment."""
        uri = (self.root / "notes.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": "# coach: do it\n"}
        self.send(framed(method="textDocument/didOpen", params={"textDocument": document}))
        here = {"line": 0, "character": 0}
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": here, "end": here},
            "context": {"diagnostics": []},
        }
        reply = await self.ask(number, "textDocument/codeAction", params)
        return "Generate with ML Coach" in [action["title"] for action in reply["result"]]


@asynccontextmanager
async def raw_peer(folder: Path, **environment: str) -> AsyncGenerator[RawPeer]:
    """A server that has been started and nothing else."""
    root = folder / "project"
    root.mkdir(exist_ok=True)
    variables = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), **environment}
    process = await asyncio.create_subprocess_exec(
        *SERVER, env=variables, limit=2**26,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield RawPeer(process, root)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
