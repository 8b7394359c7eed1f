"""The SDK's own client, in this process: what it says and hears is what crosses the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.types import CallToolResult, ListRootsResult, Root
from pydantic import FileUrl


def roots_callback(folders: list[Path]) -> Any:
    async def listed(context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=FileUrl(each.as_uri())) for each in folders])

    return listed


@dataclass
class ToolClient:
    client: Client
    progress: list[str] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        async def told(done: float, total: float | None, message: str | None) -> None:
            self.progress.append(message or "")

        return await self.client.call_tool(tool, arguments, progress_callback=told)

    async def result(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The typed result of a call that is answered."""
        answered = await self.call(tool, **arguments)
        assert not answered.is_error, answered.content
        assert answered.structured_content is not None
        return answered.structured_content

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Why a call is refused."""
        answered = await self.call(tool, **arguments)
        assert answered.is_error, answered.structured_content
        return answered.content[0].text  # type: ignore[union-attr]


@asynccontextmanager
async def connected(
    server: Any, folder: Path | list[Path] | None, mode: str = "auto", **callbacks: Any
) -> AsyncGenerator[ToolClient]:
    """A client of the server, with this folder as its root, or those that are in the list at the
    moment. The library wants to be entered and left in one task, which a
    fixture of pytest is not, so this is a task of its own."""
    opened: asyncio.Future[ToolClient] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        folders = [folder] if isinstance(folder, Path) else folder
        callback = roots_callback(folders) if folders else None
        async with Client(server, list_roots_callback=callback, mode=mode, **callbacks) as client:
            opened.set_result(ToolClient(client))
            await leave.wait()

    holding = asyncio.ensure_future(hold())
    await asyncio.wait([opened, holding], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield opened.result() if opened.done() else await _raised(holding)
    finally:
        leave.set()
        await holding


async def _raised(holding: asyncio.Task[None]) -> ToolClient:
    await holding
    raise AssertionError("The client left before it was connected.")
