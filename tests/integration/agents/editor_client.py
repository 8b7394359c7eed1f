"""An editor as the SDK's own client sees it, over a socket to an agent in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acp import PROTOCOL_VERSION, RequestError, connect_to_agent, run_agent, text_block
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    FileSystemCapabilities,
    Implementation,
    ReadTextFileResponse,
    RequestPermissionResponse,
    WriteTextFileResponse,
)

from ml_coach.acp_agent.coach_agent import CoachAgent
from ml_coach.app import App


def first_allowed(name: str, options: list[Any]) -> str:
    return next(o.option_id for o in options if o.kind.startswith("allow"))


@dataclass
class EditorClient:
    """`choose` picks an option's id by the tool call's title; an empty one leaves. `buffers` are
    unsaved texts by path."""

    choose: Callable[[str, list[Any]], str] = first_allowed
    updates: list[Any] = field(default_factory=list)
    asked: list[tuple[str, list[str], list[Any]]] = field(default_factory=list)
    buffers: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    agent: Any = None
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates.append(update)

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[Any], **_: Any
    ) -> RequestPermissionResponse:
        title = tool_call.title
        self.asked.append((title, [o.name for o in options], tool_call.content or []))
        self.was_asked.set()
        if self.holds:
            await self.free.wait()
        chosen = self.choose(title, options)
        outcome = (
            AllowedOutcome(outcome="selected", option_id=chosen)
            if chosen
            else DeniedOutcome(outcome="cancelled")
        )
        return RequestPermissionResponse(outcome=outcome)

    async def read_text_file(self, session_id: str, path: str, **_: Any) -> ReadTextFileResponse:
        if path in self.buffers:
            return ReadTextFileResponse(content=self.buffers[path])
        try:
            return ReadTextFileResponse(content=_text(path))
        except FileNotFoundError:
            raise RequestError.resource_not_found(path) from None

    async def write_text_file(
        self, session_id: str, path: str, content: str, **_: Any
    ) -> WriteTextFileResponse:
        self.written[path] = content
        self.buffers.pop(path, None)
        _write(path, content)
        return WriteTextFileResponse()

    def on_connect(self, conn: Any) -> None:
        self.agent = conn

    async def open(self, folder: Path, *, files: bool = False, name: str = "") -> str:
        """Initializes and begins a session; its id. With `files` the editor reads and writes."""
        info = Implementation(name=name, version="1") if name else None
        capabilities = ClientCapabilities(
            fs=FileSystemCapabilities(read_text_file=files, write_text_file=files)
        )
        said = await self.agent.initialize(
            PROTOCOL_VERSION, client_capabilities=capabilities, client_info=info
        )
        assert said.agent_capabilities.load_session
        return (await self.agent.new_session(cwd=str(folder), mcp_servers=[])).session_id

    async def say(self, session: str, text: str) -> str:
        """The reason that the turn ended for."""
        ended = await self.agent.prompt(session_id=session, prompt=[text_block(text)])
        return ended.stop_reason

    def of_kind(self, kind: str) -> list[Any]:
        return [u for u in self.updates if u.session_update == kind]

    def said(self) -> str:
        return "".join(u.content.text for u in self.of_kind("agent_message_chunk"))

    def plan(self) -> dict[str, str]:
        """The last plan: the status of each entry."""
        return {entry.content: entry.status for entry in self.of_kind("plan")[-1].entries}


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


@asynccontextmanager
async def editor_of(app: App, client: EditorClient) -> AsyncGenerator[EditorClient]:
    agent = CoachAgent(app)
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    agent_reader, agent_writer = await asyncio.open_connection(sock=theirs)
    serving = asyncio.ensure_future(run_agent(agent, agent_writer, agent_reader))  # type: ignore[arg-type]
    connection = connect_to_agent(client, writer, reader)  # type: ignore[arg-type]
    client.agent = connection
    try:
        yield client
    finally:
        await connection.close()
        writer.close()
        await asyncio.wait([serving], timeout=10)
        agent_writer.close()
        await agent.aclose()
