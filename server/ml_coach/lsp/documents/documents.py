"""Where files are: workspace folders, documents that are open, and waiting for them to change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from pygls.uris import from_fs_path, to_fs_path

from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import RequestFailed, invalid


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """A file in a workspace folder. `file` is relative to `root`, with forward slashes."""

    root: Path
    file: str

    @property
    def path(self) -> Path:
        return self.root / self.file

    @property
    def uri(self) -> str:
        return uri_of(self.path)


def uri_of(path: Path) -> str:
    return from_fs_path(str(path)) or path.as_uri()


@dataclass(slots=True)
class Documents:
    """The editor's folders and documents. Its own URIs are kept, however it spells them."""

    client: Client
    _changed: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    _spelt: dict[Path, str] = field(default_factory=dict[Path, str])

    @property
    def roots(self) -> list[Path]:
        """The workspace folders, the root of an editor that knows no folders, or nothing."""
        workspace = self.client.workspace
        uris = [folder.uri for folder in workspace.folders.values()]
        if not uris and workspace.root_uri:
            uris = [workspace.root_uri]
        paths = (to_fs_path(uri) for uri in uris)
        return [Path(path).resolve() for path in paths if path]

    def of(self, uri: str, argument: str) -> WorkspaceFile:
        """The file behind a URI. Raises InvalidParams for one that lies in no workspace folder.

        In an editor without any folder a file's own folder is its root.
        """
        path = to_fs_path(uri) if ":" in uri else None
        if not path:
            raise invalid(f"{argument} must be the URI of a file, like file:///folder/name.py.")
        resolved = Path(path).resolve()
        if resolved.suffix != ".py":
            raise invalid(f"{argument} must name a Python file; {resolved.name} is none.")
        roots = [r for r in self.roots if resolved.is_relative_to(r)]
        if not roots and self.roots:
            folders = ", ".join(str(root) for root in self.roots)
            raise invalid(f"{resolved} lies outside the workspace folders ({folders}).")
        root = max(roots, key=lambda r: len(r.parts), default=resolved.parent)
        return WorkspaceFile(root, resolved.relative_to(root).as_posix())

    def root_of(self, uri: str) -> Path:
        """The workspace folder of any document; raises like `default_root` where there is none."""
        path = to_fs_path(uri) if ":" in uri else None
        if not path:
            return self.default_root()
        resolved = Path(path).resolve()
        roots = [r for r in self.roots if resolved.is_relative_to(r)]
        if not roots and self.roots:
            return self.roots[0]
        return max(roots, key=lambda r: len(r.parts), default=resolved.parent)

    def default_root(self) -> Path:
        """The first folder. Raises RequestFailed where the editor has none."""
        if not self.roots:
            raise RequestFailed("Open a folder first, or say with targetUri which file to write.")
        return self.roots[0]

    # Documents

    def uri(self, place: WorkspaceFile) -> str:
        """The URI that the editor itself uses for an open document, else our own spelling."""
        for document in self.client.workspace.text_documents.values():
            path = to_fs_path(document.uri)
            if path and (Path(path) == place.path or Path(path).resolve() == place.path):
                return document.uri
        return self._spelt.get(place.path, place.uri)

    def spelt(self, uri: str) -> str:
        """Remembers how the editor spells an open document's URI. Gives the spelling until then."""
        if uri in self._spelt.values():
            return uri  # At each change of a document: no look at the disk.
        path = Path(to_fs_path(uri) or "").resolve()
        before = self._spelt.get(path, uri_of(path))
        self._spelt[path] = uri
        return before

    def open_text(self, uri: str) -> str | None:
        """The text of an open document, unsaved edits included; None when it is not open."""
        document = self.client.workspace.text_documents.get(unquote(uri))
        return None if document is None else document.source

    def disk_text(self, uri: str) -> str | None:
        """What the file of a document that is not open reads; None where there is none."""
        try:
            return Path(to_fs_path(uri) or "").read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None

    def version(self, uri: str) -> int | None:
        document = self.client.workspace.text_documents.get(unquote(uri))
        return None if document is None else document.version

    def document_changed(self) -> None:
        """To be called after every open, change and close."""
        for waiting in self._changed:
            waiting.set()

    async def wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether `holds` became true within the time, looked at after each document change."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    event.clear()
                    await event.wait()
            return True
        except TimeoutError:
            return holds()
        finally:
            self._changed.discard(event)
