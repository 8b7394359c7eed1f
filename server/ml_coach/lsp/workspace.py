"""The user's files as the editor holds them: implements `core.ports.Workspace` over documents.

Invariants: what the user sees is what `read` gives; a text that changed since the run last knew it
is merged or left alone, never replaced; what could not be put into the editor is kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lsprotocol import types as lsp

from ml_coach.core.patches import make_patch, rebase
from ml_coach.core.patches.lines import line_end
from ml_coach.core.types import FileChange, PatchRefused
from ml_coach.lsp.client import Client
from ml_coach.lsp.journal import RUN, Journal
from ml_coach.lsp.parts import Disk
from ml_coach.lsp.places import Place, Places
from ml_coach.lsp.positions import Text, edits_between

# An editor that sends its changes when it is idle (eglot: half a second) must have had the time.
READ_BACK_SECONDS = 2.0

Way = Literal["edit", "create", "delete", "disk"]


@dataclass(slots=True)
class Held:
    """Texts that were put into editors which never opened them for us: files that are empty on
    disk while an unsaved buffer holds the text. By URI: our text, and what the disk read then."""

    texts: dict[str, tuple[str, str | None]] = field(
        default_factory=dict[str, tuple[str, str | None]]
    )


@dataclass(slots=True)
class EditorWorkspace:
    """One run's view. `known` is each file's text as the run last read or wrote it."""

    client: Client
    places: Places
    disk: Disk
    held: Held
    journal: Journal
    root: Path
    act: str = RUN
    touched: Callable[[str], None] = lambda uri: None
    known: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    def place(self, file: str) -> Place:
        return Place(self.root, file)

    async def read(self, file: str) -> str | None:
        text = await self._current(file)
        self.known.setdefault(file, text)
        return text

    async def write(self, texts: Mapping[str, str | None]) -> None:
        """Makes the files read so: all of them in one edit, or none of them. None deletes.

        Where the user changed a file since, the run's change is merged into theirs. Raises
        `OSError` where that is impossible; the text is then kept beside the log.
        """
        if not await self._try(texts):
            # The user typed while the edit was on its way: once more, on what is there now.
            await self._try(texts, last=True)

    async def _try(self, texts: Mapping[str, str | None], *, last: bool = False) -> bool:
        changes: list[FileChange] = []
        for file, wanted in texts.items():
            now = await self._current(file)
            text = wanted if now is None or wanted is None else ended_like(now, wanted)
            if now == text:
                self.known[file] = text
                continue
            known = self.known.get(file, now)
            after = text if _same(now, known) else self._merged(file, known, text, now)
            changes.append(FileChange(file, now, after))
        return not changes or await self._put(tuple(changes), last=last)

    def adopt(self, change: FileChange) -> None:
        """Takes a change as the run's own that the editor made for it: a quick fix's edit."""
        self.known[change.file] = change.after
        self.touched(self._uri(change.file))
        self.journal.note(change, self.act)
        if change.after is not None:
            self.disk.note(change.file, change.after)

    def _merged(
        self, file: str, known: str | None, text: str | None, now: str | None
    ) -> str | None:
        present = {} if now is None else {file: now}
        fitted = rebase(make_patch({file: known}, {file: text}), present)
        if isinstance(fitted, PatchRefused):
            raise OSError(self._kept(file, text, fitted.reason))
        self.client.log(f"{file} was edited meanwhile; both changes are in it now.")
        return next((c.after for c in fitted.changes if c.file == file), now)

    def _kept(self, file: str, text: str | None, reason: str) -> str:
        if text is None:
            return reason
        return f"{reason} ML Coach's text is kept in {self.journal.keep(file, text)}."

    async def _current(self, file: str) -> str | None:
        uri = self.places.uri(self.place(file))
        text = self.places.open_text(uri)
        if text is not None:
            self.held.texts.pop(uri, None)
            return text
        on_disk = await self.disk.read(file)
        ours, then = self.held.texts.get(uri, (None, None))
        return ours if ours is not None and on_disk == then else on_disk

    # Putting changes into the editor

    async def _put(self, changes: tuple[FileChange, ...], *, last: bool) -> bool:
        """False, with nothing done, where a document changed before the editor got the edit."""
        ways: dict[str, Way] = {change.file: self._way(change) for change in changes}
        through = tuple(c for c in changes if ways[c.file] != "disk")
        if through:
            for change in through:
                if ways[change.file] == "create":
                    # Editors make the file, not the folders above it.
                    self.place(change.file).path.parent.mkdir(parents=True, exist_ok=True)
            label = ", ".join(change.file for change in through)
            applied, reason = await self.client.apply(label, self._edit(through, ways))
            if not applied:
                self.client.log(f"The editor did not take the edit of {label}: {reason}.")
                if not last and any(self._moved(change) for change in through):
                    return False
        else:
            applied, reason = True, ""
        for change in changes:
            if ways[change.file] == "disk" or not applied:
                await self._to_disk(change, reason)
            else:
                await self._read_back(change, ways[change.file])
            self.adopt(change)
        return True

    def _moved(self, change: FileChange) -> bool:
        shown = self.places.open_text(self._uri(change.file))
        return shown is not None and shown != change.before

    def _way(self, change: FileChange) -> Way:
        if change.after is None:
            return "delete" if self.client.operates_on_files("delete") else "disk"
        if self.places.open_text(self._uri(change.file)) is not None:
            return "edit" if self.client.applies_edits else "disk"
        if change.before is None and not self.place(change.file).path.exists():
            return "create" if self.client.operates_on_files("create") else "disk"
        # A file that nobody looks at is written where it is, unless an unsaved buffer holds it.
        return "edit" if self._uri(change.file) in self.held.texts else "disk"

    def _uri(self, file: str) -> str:
        return self.places.uri(self.place(file))

    def _edit(self, changes: tuple[FileChange, ...], ways: Mapping[str, Way]) -> lsp.WorkspaceEdit:
        plain: dict[str, list[lsp.TextEdit]] = {}
        operations: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.DeleteFile] = []
        for change in changes:
            uri, way = self._uri(change.file), ways[change.file]
            if way == "delete":
                options = lsp.DeleteFileOptions(ignore_if_not_exists=True)
                operations.append(lsp.DeleteFile(uri, options=options))
                continue
            if way == "create":
                created = lsp.CreateFileOptions(ignore_if_exists=True)
                operations.append(lsp.CreateFile(uri, options=created))
            edits = self._text_edits(uri, change)
            document = lsp.OptionalVersionedTextDocumentIdentifier(uri, self.places.version(uri))
            operations.append(lsp.TextDocumentEdit(document, edits))
            plain[uri] = edits
        if self.client.versions_edits:
            return lsp.WorkspaceEdit(document_changes=operations)
        return lsp.WorkspaceEdit(changes=plain)

    def _text_edits(self, uri: str, change: FileChange) -> list[lsp.TextEdit]:
        before, after = change.before or "", change.after or ""
        if self.places.open_text(uri) is None:
            # A buffer that we can not see: its whole text is replaced, never added to.
            return [lsp.TextEdit(Text.of(before, self.client.codec).whole(), after)]
        return edits_between(before, after, self.client.codec)

    async def _to_disk(self, change: FileChange, reason: str) -> None:
        """Writes past the editor, unless that would set the disk against an unsaved buffer."""
        file, text = change.file, change.after
        shown = self.places.open_text(self._uri(file))
        if shown is not None and shown != (await self.disk.read(file)):
            cause = reason or "it can not"
            why = f"The editor did not change {file}, which has unsaved edits ({cause})."
            raise OSError(self._kept(file, text, why))
        if text is None:
            await self.disk.delete(file)
            self.client.log(f"Deleted {self.place(file).path}.")
            return
        await self.disk.write({file: text})
        self.client.log(f"Wrote {self.place(file).path} to disk.")
        if shown is not None:
            self.client.tell(f"{file} was changed on disk; reload it in the editor.")
        else:
            await self.client.show(self._uri(file))

    async def _read_back(self, change: FileChange, way: Way) -> None:
        """Looks at what the editor holds now; says so and keeps our text where it differs."""
        file, text, uri = change.file, change.after, self._uri(change.file)
        if text is None:
            return
        if way == "create":
            await self.client.show(uri)
        if await self.places.wait_until(
            lambda: _same(self.places.open_text(uri), text), READ_BACK_SECONDS
        ):
            return
        shown = self.places.open_text(uri)
        if shown is None:
            await self._unseen(change, uri)
            return
        # Once more, from what is really there: some editors apply a part, or the same text twice.
        edit = lsp.WorkspaceEdit(changes={uri: edits_between(shown, text, self.client.codec)})
        await self.client.apply(file, edit)
        if not await self.places.wait_until(
            lambda: _same(self.places.open_text(uri), text), READ_BACK_SECONDS
        ):
            self.client.tell(
                self._kept(file, text, f"The editor shows another text in {file}."), warning=True
            )

    async def _unseen(self, change: FileChange, uri: str) -> None:
        """The editor says it applied the edit, but did not open the file for us."""
        text, file = change.after or "", change.file
        on_disk = await self.disk.read(file)
        if on_disk is None:
            self.client.log(f"The editor did not create {file}.")
            await self.disk.write({file: text})
        elif not _same(on_disk, text):
            self.held.texts[uri] = (text, on_disk)


def _same(one: str | None, other: str | None) -> bool:
    """Equal but for the kind of line ends, which some editors choose themselves."""
    if one is None or other is None:
        return one is other
    return one == other or one.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def ended_like(now: str, text: str) -> str:
    """`text` with the line ends of the document that it goes into."""
    return text.replace("\r\n", "\n").replace("\n", line_end(now))
