"""The editor's documents and where files lie: URIs, workspace folders, open texts, waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.positions import Text
from ml_coach.lsp.protocol import RequestFailed, invalid, path_of, uri_of

# In characters. A longer document is neither parsed nor split into lines: that would keep every
# other request waiting, and take fifty times its size of memory.
LONGEST_TEXT = 2_000_000
# In characters: the lines of documents are kept until their texts are longer than that together.
_MOST_KEPT = LONGEST_TEXT


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """A file in a workspace folder. `file` is relative to `root`, with forward slashes."""

    root: Path
    file: str

    @property
    def path(self) -> Path:
        """The file's absolute path."""
        return self.root / self.file

    @property
    def uri(self) -> str:
        """The file's URI as pygls spells it; the editor's own spelling is in `Documents`."""
        return uri_of(self.path)


@dataclass(slots=True)
class Documents:
    """The editor's folders and documents.

    An editor may escape more of a URI than is needed. Its own spelling is used for every document
    that it opened, also after it closed it. `outstanding` holds the URIs of edits that the editor
    has neither applied nor refused: whatever is written into these files meanwhile clashes with the
    edit when it comes. `later` holds what is still done about edits that came late.
    """

    client: Client
    outstanding: set[str] = field(default_factory=set[str])
    later: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])
    _waiting: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    _editor_uris: dict[Path, list[str]] = field(default_factory=dict[Path, list[str]])
    _known_uris: set[str] = field(default_factory=set[str])
    _lines: dict[str, tuple[str, Text]] = field(default_factory=dict[str, "tuple[str, Text]"])

    def of(self, uri: str, argument: str) -> WorkspaceFile:
        """The file behind a URI. Raises InvalidParams for one that lies in no workspace folder.

        In an editor without any folder a file's own folder is its root. `argument` is the name of
        the command's argument, for the message.
        """
        resolved = path_of(uri)
        if resolved is None:
            raise invalid(f"{argument} must be the URI of a file, like file:///folder/name.py.")
        if resolved.suffix != ".py":
            raise invalid(f"{argument} must name a Python file; {resolved.name} is not one.")
        root = self._innermost_root(resolved)
        if root is None:
            raise invalid(self._outside(resolved))
        return WorkspaceFile(root, resolved.relative_to(root).as_posix())

    def root_of(self, uri: str) -> Path:
        """The workspace folder of any document; raises like `default_root` where there is none."""
        path = path_of(uri)
        if path is None:
            return self.default_root()
        return self._innermost_root(path) or self.client.roots[0]

    def root_around(self, path: Path) -> Path | None:
        """The workspace folder that `path`, a file or a folder, lies in; None where the editor has
        no folder. Raises InvalidParams for one that lies outside."""
        root = self._innermost_root(path) if self.client.roots else None
        if root is None and self.client.roots:
            raise invalid(self._outside(path))
        return root

    def _outside(self, path: Path) -> str:
        folders = ", ".join(str(root) for root in self.client.roots)
        return f"{path} lies outside the workspace folders ({folders})."

    def _innermost_root(self, path: Path) -> Path | None:
        roots = self.client.roots
        inside = [root for root in roots if path.is_relative_to(root)]
        if not inside:
            return None if roots else path.parent
        return max(inside, key=lambda root: len(root.parts))

    def default_root(self) -> Path:
        """The first folder. Raises RequestFailed where the editor has none."""
        if not self.client.roots:
            raise RequestFailed("Open a folder first, or the Python file that is to be written.")
        return self.client.roots[0]

    # URIs

    def uri(self, file: WorkspaceFile) -> str:
        """The URI that the editor itself uses for an open document, else the one known last."""
        known = self._editor_uris.get(file.path)
        if not known:
            return file.uri
        # A file may be open by several names, as through a link: the one that is open now counts.
        return next((u for u in reversed(known) if self.open_text(u) is not None), known[-1])

    def remember_uri(self, uri: str) -> str:
        """Remembers the editor's URI of an open document. Returns the URI used for it before."""
        if uri in self._known_uris:
            return uri  # This is called at each change of a document: no look at the disk.
        self._known_uris.add(uri)
        path = path_of(uri)
        if path is None:
            return uri
        known = self._editor_uris.setdefault(path, [])
        before = known[-1] if known else uri_of(path)
        known.append(uri)
        return before

    # Texts

    def open_text(self, uri: str) -> str | None:
        """The text of an open document, unsaved edits included; None when it is not open."""
        document = self.client.workspace.text_documents.get(unquote(uri))
        return None if document is None else document.source

    def open_below(self, folder: Path) -> dict[str, str]:
        """The texts of all open documents that lie below `folder`, by their paths in it."""
        found: dict[str, str] = {}
        for uri, document in self.client.workspace.text_documents.items():
            path = path_of(uri) if uri.startswith("file:") else None
            if path is not None and path.is_relative_to(folder):
                found[path.relative_to(folder).as_posix()] = document.source
        return found

    def short_text(self, uri: str) -> str | None:
        """The text of an open document that is short enough to be taken apart; else None."""
        text = self.open_text(uri)
        return None if text is None or len(text) > LONGEST_TEXT else text

    def lines(self, uri: str, text: str) -> Text:
        """`text`, which the open document reads, taken apart into its lines; once for each text."""
        known = self._lines.get(uri)
        if known is None or known[0] is not text:
            self._lines.pop(uri, None)
            kept = sum(len(other) for other, _ in self._lines.values()) + len(text)
            while self._lines and kept > _MOST_KEPT:
                kept -= len(self._lines.pop(next(iter(self._lines)))[0])
            self._lines[uri] = known = text, Text.of(text, self.client.codec)
        return known[1]

    def forget_lines(self, uri: str) -> None:
        """To be called when a document was closed."""
        self._lines.pop(uri, None)

    def disk_text(self, uri: str) -> str | None:
        """The text on disk of a document; None where it cannot be read."""
        path = path_of(uri)
        try:
            return None if path is None else path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None

    def exists(self, file: WorkspaceFile) -> bool:
        """Whether the file is on disk or open in the editor."""
        return file.path.is_file() or self.open_text(self.uri(file)) is not None

    def version(self, uri: str) -> int | None:
        """The version number of an open document; None when it is not open."""
        document = self.client.workspace.text_documents.get(unquote(uri))
        return None if document is None else document.version

    # Waiting for changes

    def document_changed(self) -> None:
        """To be called after every open, change and close."""
        for waiting in self._waiting:
            waiting.set()

    async def wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether `holds` became true within the time; checked after each document change."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    event.clear()
                    await event.wait()
            return True
        except TimeoutError:
            return holds()
        finally:
            self._waiting.discard(event)
