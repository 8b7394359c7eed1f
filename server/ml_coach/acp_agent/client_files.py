"""The session's folder as the client sees it: in an editor, what is not saved yet counts.

A client that offers no file methods has its files on disk, and so has any file that it refuses to
hand out. Where a file may be is decided as on disk, before the client is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acp import RequestError
from acp.interfaces import Client

from ml_coach.app import App
from ml_coach.disk import FolderWorkspace
from ml_coach.folder_files import FolderFiles


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """How the client's files are reached: whether it reads and writes them itself."""

    client: Client
    session_id: str
    reads: bool
    writes: bool

    async def read(self, path: Path) -> str | None:
        """The text in the client; None where it has none to give."""
        if not self.reads:
            return None
        try:
            found = await self.client.read_text_file(self.session_id, str(path))
        except RequestError:
            return None
        # Some clients give an empty text for a file that is not there.
        is_there = found.content or await asyncio.to_thread(path.exists)
        return found.content if is_there else None

    async def write(self, path: Path, text: str) -> bool:
        """Whether the client wrote it."""
        if not self.writes:
            return False
        try:
            await self.client.write_text_file(self.session_id, str(path), text)
        except RequestError as error:
            raise OSError(f"{path} cannot be written: the editor says {error}.") from error
        return True


@dataclass(frozen=True, slots=True)
class ClientFolder(FolderWorkspace):
    """See the module. Deleting, and what a run keeps elsewhere, is done on disk."""

    access: ClientAccess

    async def read(self, file: str) -> str | None:
        """See `core.ports.Workspace.read`."""
        path = self.place(file)
        text = await self.access.read(path)
        return text if text is not None else await FolderWorkspace.read(self, file)

    async def write(self, texts: Mapping[str, str]) -> None:
        """See `core.ports.Workspace.write`."""
        for file, text in texts.items():
            if not await self.access.write(self.place(file), text):
                await asyncio.to_thread(self.write_file, file, text)


class ClientFiles(FolderFiles):
    """See `file_orders.Files`. Only what was looked at is read through the client."""

    def __init__(self, folder: ClientFolder, app: App) -> None:
        super().__init__(folder.root, app)
        self._through_client = folder
        self._seen: dict[str, str | None] = {}

    async def look_at(self, *files: str) -> None:
        """Reads these files as the client has them now."""
        for file in filter(None, files):
            self._seen[file] = await self._through_client.read(file)

    def text(self, file: str) -> str | None:
        """See `file_orders.Files.text`."""
        return self._seen[file] if file in self._seen else super().text(file)
