"""Changes → the editor, or the disk where the editor can not take them; read back afterwards.

What each editor really does with an edit is in the comments: none of it is in the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lsprotocol import types as lsp

from ml_coach.core.types import FileChange
from ml_coach.lsp.backend import Disk
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.positions import Text, edits_between
from ml_coach.lsp.documents.texts import same_text

# An editor that sends its changes when it is idle (eglot: half a second) must have had the time.
READ_BACK_SECONDS = 2.0

Way = Literal["edit", "create", "delete", "empty", "disk"]


@dataclass(slots=True)
class UnopenedEdits:
    """Texts that were put into editors which never opened them for us: files that are empty on
    disk while an unsaved buffer holds the text. By URI: our text, and what the disk read then."""

    texts: dict[str, tuple[str, str | None]] = field(
        default_factory=dict[str, tuple[str, str | None]]
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files are relative to `root`. `keep` saves a text beside the run's log and says where."""

    client: Client
    documents: Documents
    disk: Disk
    unopened: UnopenedEdits
    root: Path
    keep: Callable[[str, str], Path]

    async def put(self, changes: tuple[FileChange, ...], *, last: bool) -> bool:
        """Makes each file, which reads as `before` now, read as `after`: in one edit.

        False, with nothing done, where a document changed before the editor got the edit and this
        was not the last try. Raises `OSError` with a sentence where a file can not be changed.
        """
        ways: dict[str, Way] = {change.file: self._way(change) for change in changes}
        for change in changes:
            if ways[change.file] == "disk" and await self._is_unsaved(change):
                raise OSError(self._refusal(change, "it can not, and there are unsaved edits"))
        applied, reason = True, ""
        if through := tuple(c for c in changes if ways[c.file] != "disk"):
            applied, reason = await self._send(through, ways)
            if not applied and not last and any(self._moved(change) for change in through):
                return False
        for change in changes:
            if ways[change.file] == "disk":
                await self._to_disk(change)
            elif not applied:
                # What is open and refuses an edit may hold more than we have been told yet.
                if self.documents.open_text(self.uri(change.file)) is not None:
                    raise OSError(self._refusal(change, reason))
                await self._to_disk(change)
            else:
                await self._read_back(change, ways[change.file])
        return True

    def _way(self, change: FileChange) -> Way:
        uri = self.uri(change.file)
        shown = self.documents.open_text(uri) is not None
        if change.after is None:
            if self.client.operates_on_files("delete"):
                return "delete"
            return "empty" if shown and self.client.applies_edits else "disk"
        if shown:
            return "edit" if self.client.applies_edits else "disk"
        if change.before is None and not (self.root / change.file).exists():
            return "create" if self.client.operates_on_files("create") else "disk"
        # A file that nobody looks at is written where it is, unless an unsaved buffer holds it.
        return "edit" if uri in self.unopened.texts and self.client.applies_edits else "disk"

    def uri(self, file: str) -> str:
        return self.documents.uri(WorkspaceFile(self.root, file))

    def _moved(self, change: FileChange) -> bool:
        shown = self.documents.open_text(self.uri(change.file))
        return shown is not None and shown != change.before

    # Through the editor

    async def _send(
        self, changes: tuple[FileChange, ...], ways: Mapping[str, Way]
    ) -> tuple[bool, str]:
        for change in changes:
            if ways[change.file] == "create":
                # Editors make the file, not the folders above it.
                (self.root / change.file).parent.mkdir(parents=True, exist_ok=True)
        label = ", ".join(change.file for change in changes)
        applied, reason = await self.client.apply(label, self._edit(changes, ways))
        if not applied:
            self.client.log(f"The editor did not take the edit of {label}: {reason}.")
        return applied, reason

    def _edit(self, changes: tuple[FileChange, ...], ways: Mapping[str, Way]) -> lsp.WorkspaceEdit:
        plain: dict[str, list[lsp.TextEdit]] = {}
        operations: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.DeleteFile] = []
        for change in changes:
            uri, way = self.uri(change.file), ways[change.file]
            if way == "delete":
                gone = lsp.DeleteFileOptions(ignore_if_not_exists=True)
                operations.append(lsp.DeleteFile(uri, options=gone))
                continue
            if way == "create":
                there = lsp.CreateFileOptions(ignore_if_exists=True)
                operations.append(lsp.CreateFile(uri, options=there))
            edits = self._text_edits(uri, change)
            document = lsp.OptionalVersionedTextDocumentIdentifier(uri, self.documents.version(uri))
            operations.append(lsp.TextDocumentEdit(document, edits))
            plain[uri] = edits
        if self.client.versions_edits:
            return lsp.WorkspaceEdit(document_changes=operations)
        return lsp.WorkspaceEdit(changes=plain)

    def _text_edits(self, uri: str, change: FileChange) -> list[lsp.TextEdit]:
        before, after = change.before or "", change.after or ""
        if self.documents.open_text(uri) is None:
            # A buffer that we can not see: its whole text is replaced, never added to.
            return [lsp.TextEdit(Text.of(before, self.client.codec).whole(), after)]
        return edits_between(before, after, self.client.codec)

    # Past the editor

    async def _is_unsaved(self, change: FileChange) -> bool:
        """Whether a write would set the disk against a buffer with edits of its own."""
        shown = self.documents.open_text(self.uri(change.file))
        wanted = change.after is not None and shown is not None
        return wanted and shown != await self.disk.read(change.file)

    def _refusal(self, change: FileChange, reason: str) -> str:
        text = f"The editor did not change {change.file} ({reason})."
        if change.after is None:
            return text
        return f"{text} ML Coach's text is kept in {self.keep(change.file, change.after)}."

    async def _to_disk(self, change: FileChange) -> None:
        file, text, uri = change.file, change.after, self.uri(change.file)
        if text is None:
            self.unopened.texts.pop(uri, None)
            await self.disk.delete(file)
            self.client.log(f"Deleted {self.root / file}.")
            if self.documents.open_text(uri):
                self.client.tell(f"{file} was removed from disk; close it in the editor.")
            return
        await self.disk.write({file: text})
        self.client.log(f"Wrote {self.root / file} to disk.")
        if self.documents.open_text(uri) is None:
            await self.client.show(uri)
        else:
            self.client.tell(f"{file} was changed on disk; reload it in the editor.")

    # Reading back

    async def _read_back(self, change: FileChange, way: Way) -> None:
        """Looks at what the editor holds now; says so and keeps our text where it differs."""
        file, text, uri = change.file, change.after, self.uri(change.file)
        if text is None:
            if way == "empty" or (self.root / file).exists():
                await self._to_disk(change)
            self.unopened.texts.pop(uri, None)
            return
        if way == "create":
            await self.client.show(uri)
        if await self._shows(uri, text):
            return
        shown = self.documents.open_text(uri)
        if shown is None:
            await self._unseen(change, uri)
            return
        # Once more, from what is really there: some editors apply a part, or the same text twice.
        edit = lsp.WorkspaceEdit(changes={uri: edits_between(shown, text, self.client.codec)})
        await self.client.apply(file, edit)
        if not await self._shows(uri, text):
            kept = self.keep(file, text)
            self.client.tell(
                f"The editor shows another text in {file}. ML Coach's is kept in {kept}.",
                warning=True,
            )

    async def _shows(self, uri: str, text: str) -> bool:
        return await self.documents.wait_until(
            lambda: same_text(self.documents.open_text(uri), text), READ_BACK_SECONDS
        )

    async def _unseen(self, change: FileChange, uri: str) -> None:
        """The editor says it applied the edit, but did not open the file for us."""
        text, file = change.after or "", change.file
        on_disk = await self.disk.read(file)
        if on_disk is None:
            self.client.log(f"The editor did not create {file}.")
            await self._to_disk(change)
        elif not same_text(on_disk, text):
            self.unopened.texts[uri] = (text, on_disk)
