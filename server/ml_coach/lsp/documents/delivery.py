"""Changes → the editor, or the disk where the editor cannot take them; read back afterwards.

What each editor really does with an edit is in the comments: none of it is in the specification.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lsprotocol import types as lsp

from ml_coach.core.changes import FileChange
from ml_coach.lsp.backend import Disk
from ml_coach.lsp.client import Client, SentEdit
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.positions import Text, edits_between
from ml_coach.text_merging import holds_change, same_text

# An editor that sends its changes only when it is idle (eglot: half a second) needs this long.
READ_BACK_SECONDS = 2.0
# After this long without an answer the user is told; after that long the run gives up.
TELL_SECONDS = 5.0
CONFIRM_SECONDS = 900.0

Route = Literal["edit", "create", "delete", "empty", "disk"]
"""How a change gets into a file: four ways through the editor, or a write to the disk."""


@dataclass(slots=True)
class UnopenedEdits:
    """Texts that were put into editors which never opened them for us: files that are empty on
    disk while an unsaved buffer holds the text. By URI: our text, and the disk's text then."""

    texts: dict[str, tuple[str, str | None]] = field(
        default_factory=dict[str, tuple[str, str | None]]
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files are relative to `root`. `save_copy` saves a text beside the run's log."""

    client: Client
    documents: Documents
    disk: Disk
    unopened: UnopenedEdits
    root: Path
    save_copy: Callable[[str, str], Path]

    async def put(
        self, changes: tuple[FileChange, ...], arrived: Callable[[FileChange], None]
    ) -> bool:
        """Makes each file, which reads as `before` now, read as `after`: in one edit.

        `arrived` is called for each change that the file holds now. False where a document changed
        before the editor got the edit, so that a change must be made anew from what is shown.
        Raises `OSError`, which says where our text is kept, where a file cannot be changed.
        """
        self.refuse_outstanding([change.file for change in changes])
        routes: dict[str, Route] = {change.file: self._route(change) for change in changes}
        for change in changes:
            if routes[change.file] == "disk" and await self._has_unsaved_edits(change):
                raise OSError(self._refusal(change, "it cannot, and there are unsaved edits"))
        through_editor = tuple(c for c in changes if routes[c.file] != "disk")
        sent = () if not through_editor else await self._send(through_editor, routes, arrived)
        if sent is None:
            return False
        all_arrived = True
        for change in changes:
            if routes[change.file] == "disk":
                await self._to_disk(change)
            elif change in sent and not await self._read_back(change, routes[change.file]):
                all_arrived = False
                continue
            arrived(change)
        return all_arrived

    def refuse_outstanding(self, files: Sequence[str]) -> None:
        """Raises `OSError` where the editor has yet to apply an earlier edit of one of `files`."""
        for file in files:
            if self.documents.uri(WorkspaceFile(self.root, file)) in self.documents.outstanding:
                raise OSError(
                    f"Your editor has neither applied nor refused an earlier edit of {file}. "
                    "Answer its question first, or restart ML Coach's server."
                )

    async def _send(
        self,
        changes: tuple[FileChange, ...],
        routes: Mapping[str, Route],
        arrived: Callable[[FileChange], None],
    ) -> tuple[FileChange, ...] | None:
        """The changes that the editor says it applied; None where they are out of date.

        Changes that it refuses for another reason go to the disk, unless they are open documents.
        """
        label = ", ".join(change.file for change in changes)
        reason = await self._ask_to_apply(label, changes, routes, arrived)
        if not reason:
            return changes
        self.client.log(f"The editor did not take the edit of {label}: {reason}.")
        open_changes = [c for c in changes if self._shown(c) is not None]
        # Perhaps the user typed, and the editor says so only when they pause.
        if open_changes and await self.documents.wait_until(
            lambda: any(self._was_edited(c) for c in open_changes), READ_BACK_SECONDS
        ):
            return None
        if open_changes:  # The first one says it for all.
            raise OSError(self._refusal(open_changes[0], reason))
        for change in changes:
            await self._to_disk(change)
        return ()

    async def _ask_to_apply(
        self,
        label: str,
        changes: tuple[FileChange, ...],
        routes: Mapping[str, Route],
        arrived: Callable[[FileChange], None],
    ) -> str:
        """Why the editor did not apply the changes, empty where it says that it did.

        Nothing is written anywhere else while it says nothing. Raises `OSError` when it has been
        silent for too long; a change that it makes after that is logged all the same.
        """
        uris = {self._uri(change) for change in changes}
        sent = self.client.send_edit(label, self._edit(changes, routes))
        self.documents.outstanding |= uris
        sent.reply.add_done_callback(lambda _: self.documents.outstanding.difference_update(uris))
        try:
            if not await sent.is_answered(TELL_SECONDS):
                self.client.show_message(
                    f"your editor has not said yet whether it changed {label}. "
                    "If it asks you about the change, answer it; ML Coach waits.",
                    warning=True,
                )
                await sent.is_answered(CONFIRM_SECONDS)
        finally:
            if not sent.reply.done():
                # The run was stopped, or waits no longer; the change may still come.
                sent.reply.add_done_callback(lambda _: self._note_late(sent, changes, arrived))
        if sent.reply.done():
            return sent.refusal()
        raise OSError(
            f"The editor did not say whether it changed {label}. "
            f"ML Coach's text is kept in {' and '.join(self._copies(changes))}."
        )

    def _note_late(
        self,
        sent: SentEdit,
        changes: tuple[FileChange, ...],
        arrived: Callable[[FileChange], None],
    ) -> None:
        """Notes an edit that nobody waits for any more, so that it can be undone."""
        if sent.refusal():
            return

        async def note() -> None:
            for change in changes:
                if await self.documents.wait_until(
                    lambda change=change: self._has_arrived(change), READ_BACK_SECONDS
                ):
                    self.client.log(f"The editor changed {change.file} late.")
                    arrived(change)

        self.documents.later.add(task := asyncio.ensure_future(note()))
        task.add_done_callback(self.documents.later.discard)

    def _copies(self, changes: tuple[FileChange, ...]) -> list[str]:
        texts = ((change.file, change.after) for change in changes)
        return [str(self.save_copy(file, text)) for file, text in texts if text is not None]

    def _route(self, change: FileChange) -> Route:
        uri = self._uri(change)
        is_open = self.documents.open_text(uri) is not None
        if change.after is None:
            if self.client.operates_on_files("delete"):
                return "delete"
            return "empty" if is_open and self.client.applies_edits else "disk"
        if is_open:
            return "edit" if self.client.applies_edits else "disk"
        if change.before is None and not (self.root / change.file).exists():
            return "create" if self.client.operates_on_files("create") else "disk"
        # A file that is not open is written to disk, unless an unsaved buffer holds it.
        return "edit" if uri in self.unopened.texts and self.client.applies_edits else "disk"

    def _uri(self, change: FileChange) -> str:
        return self.documents.uri(WorkspaceFile(self.root, change.file))

    def _shown(self, change: FileChange) -> str | None:
        return self.documents.open_text(self._uri(change))

    def _was_edited(self, change: FileChange) -> bool:
        """Whether the user typed into the document after the change was made from it."""
        shown, before = self._shown(change), change.before or ""
        if shown is None or (not shown.strip() and not before.strip()):
            # A new document may be told of with the line end that an empty buffer has.
            return False
        return not same_text(shown, before)

    # Through the editor

    def _edit(
        self, changes: tuple[FileChange, ...], routes: Mapping[str, Route]
    ) -> lsp.WorkspaceEdit:
        plain: dict[str, list[lsp.TextEdit]] = {}
        operations: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.DeleteFile] = []
        for change in changes:
            uri, route = self._uri(change), routes[change.file]
            if route == "delete":
                gone = lsp.DeleteFileOptions(ignore_if_not_exists=True)
                operations.append(lsp.DeleteFile(uri, options=gone))
                continue
            if route == "create":
                # Editors create the file, but not the folders above it.
                (self.root / change.file).parent.mkdir(parents=True, exist_ok=True)
                there = lsp.CreateFileOptions(ignore_if_exists=True)
                operations.append(lsp.CreateFile(uri, options=there))
            before, after, codec = change.before or "", change.after or "", self.client.codec
            if self.documents.open_text(uri) is None:
                # We cannot see this buffer: its whole text is replaced, never added to.
                edits = [lsp.TextEdit(Text.of(before, codec).whole(), after)]
            else:
                edits = edits_between(before, after, codec)
            document = lsp.OptionalVersionedTextDocumentIdentifier(uri, self.documents.version(uri))
            operations.append(lsp.TextDocumentEdit(document, edits))
            plain[uri] = edits
        if self.client.versions_edits:
            return lsp.WorkspaceEdit(document_changes=operations)
        return lsp.WorkspaceEdit(changes=plain)

    # To the disk

    async def _has_unsaved_edits(self, change: FileChange) -> bool:
        """Whether the file is open with edits that are not on disk, where a write would clash."""
        shown = self.documents.open_text(self._uri(change))
        writes_open_file = change.after is not None and shown is not None
        return writes_open_file and shown != await self.disk.read(change.file)

    def _refusal(self, change: FileChange, reason: str) -> str:
        text = f"The editor did not change {change.file} ({reason})."
        if change.after is None:
            return text
        return f"{text} ML Coach's text is kept in {self.save_copy(change.file, change.after)}."

    async def _to_disk(self, change: FileChange) -> None:
        file, text, uri = change.file, change.after, self._uri(change)
        if text is None:
            self.unopened.texts.pop(uri, None)
            await self.disk.delete(file)
            self.client.log(f"Deleted {self.root / file}.")
            if self.documents.open_text(uri):
                self.client.show_message(f"{file} was removed from disk; close it in the editor.")
            return
        await self.disk.write({file: text})
        self.client.log(f"Wrote {self.root / file} to disk.")
        if self.documents.open_text(uri) is not None:
            self.client.show_message(
                f"{file} was changed on disk, your editor cannot do it; reload it there."
            )
        elif self.client.shows_documents:
            await self.client.show_document(uri)
        else:
            self.client.show_message(f"{file} was written to disk.")

    # Reading back

    async def _read_back(self, change: FileChange, route: Route) -> bool:
        """Whether the file holds the change now, with whatever the user typed into it since.

        Nothing is ever written over what the editor shows. False where it shows a text that the
        change must be made for anew; raises `OSError` where it still shows the old one.
        """
        file, uri = change.file, self._uri(change)
        if change.after is None:
            if route == "empty" or (self.root / file).exists():
                await self._to_disk(change)
            self.unopened.texts.pop(uri, None)
            return True
        if route == "create":
            await self.client.show_document(uri)
        # A text that only holds what was typed before says nothing: the edit's may be on its way.
        arrived = await self.documents.wait_until(
            lambda: self._has_arrived(change), READ_BACK_SECONDS
        )
        if self._shown(change) is None:
            await self._check_unopened(change)
            return True
        if arrived:
            if route == "create":
                await self._remove_added_line_end(change)
            return True
        if self._was_edited(change):
            self.client.log(f"{file} was edited before ML Coach's change arrived.")
            return False
        raise OSError(self._refusal(change, "it says that it did, but shows the old text"))

    async def _remove_added_line_end(self, change: FileChange) -> None:
        """Neovim puts a new file's text before the line that an empty buffer has."""
        shown, text = self._shown(change) or "", change.after or ""
        if same_text(shown, text) or not same_text(shown.rstrip("\r\n"), text.rstrip("\r\n")):
            return
        surplus = FileChange(change.file, shown, text)
        edit = self._edit((surplus,), {change.file: "edit"})
        await self.client.send_edit(change.file, edit).is_answered(READ_BACK_SECONDS)
        await self.documents.wait_until(
            lambda: same_text(self._shown(change), text), READ_BACK_SECONDS
        )

    def _has_arrived(self, change: FileChange) -> bool:
        shown = self._shown(change)
        return shown is not None and holds_change(change.before, change.after or "", shown)

    async def _check_unopened(self, change: FileChange) -> None:
        """The editor says that it applied the edit, but did not open the file for us."""
        text, file = change.after or "", change.file
        on_disk = await self.disk.read(file)
        if on_disk is None:
            self.client.log(f"The editor did not create {file}.")
            await self._to_disk(change)
        elif not same_text(on_disk, text):
            self.unopened.texts[self._uri(change)] = (text, on_disk)
