"""The user's files as the editor holds them: implements `core.ports.Workspace` over documents.

Invariants: what the user sees is what `read` gives; a text that changed since the run last knew it
is merged or left alone, never replaced; what could not be put into the editor is kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml_coach.core.types import FileChange, PatchRefused
from ml_coach.lsp.backend import Disk
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.change_log import RUN, ChangeLog
from ml_coach.lsp.documents.delivery import Delivery, UnopenedEdits
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.texts import ended_like, merged, plain, same_text


@dataclass(slots=True)
class EditorWorkspace:
    """One run's view. `known` is each file's text as the run last knew it: as it found the file,
    then as it wanted it. What the file holds beyond that is the user's, also after a merge."""

    client: Client
    documents: Documents
    disk: Disk
    unopened: UnopenedEdits
    change_log: ChangeLog
    root: Path
    act: str = RUN
    touched: Callable[[str], None] = lambda uri: None
    known: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    def place(self, file: str) -> WorkspaceFile:
        return WorkspaceFile(self.root, file)

    async def begin(self, files: Iterable[str]) -> None:
        """Takes the files as they are now for what the run found."""
        for file in files:
            self.known[file] = await self._current(file)

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
            known = self.known.get(file, now)
            after = text if _unchanged(now, known) else self._merged(file, now, texts)
            if same_text(after, now):
                self.known[file] = text
                continue
            changes.append(FileChange(file, now, after))
        if not changes:
            return True
        delivery = Delivery(
            self.client, self.documents, self.disk, self.unopened, self.root, self.change_log.keep
        )
        if not await delivery.put(tuple(changes), last=last):
            return False
        for change in changes:
            self.adopt(change)
            self.known[change.file] = texts[change.file]
        return True

    def adopt(self, change: FileChange) -> None:
        """Takes a change as the run's own that the editor made for it: a quick fix's edit."""
        self.known[change.file] = change.after
        self.touched(self.documents.uri(self.place(change.file)))
        self.change_log.note(change, self.act)
        if change.after is not None:
            self.disk.note(change.file, change.after)

    def _merged(self, file: str, now: str | None, texts: Mapping[str, str | None]) -> str | None:
        fitted = merged(plain(self.known[file]), plain(texts[file]), plain(now), file)
        if isinstance(fitted, PatchRefused):
            raise OSError(f"{fitted.reason}{self._kept(texts)}")
        if not same_text(fitted, now):
            self.client.log(f"{file} was edited meanwhile; both changes are in it now.")
        return fitted if fitted is None or now is None else ended_like(now, fitted)

    def _kept(self, texts: Mapping[str, str | None]) -> str:
        # Every text of the step: none of them is written.
        paths = [
            str(self.change_log.keep(f, text)) for f, text in texts.items() if text is not None
        ]
        return f" ML Coach's text is kept in {' and '.join(paths)}." if paths else ""

    async def _current(self, file: str) -> str | None:
        uri = self.documents.uri(self.place(file))
        text = self.documents.open_text(uri)
        if text is not None:
            self.unopened.texts.pop(uri, None)
            return text
        on_disk = await self.disk.read(file)
        ours, then = self.unopened.texts.get(uri, (None, None))
        return ours if ours is not None and on_disk == then else on_disk


def _unchanged(now: str | None, known: str | None) -> bool:
    # Who opens a file that is not there yet has an empty buffer, and has written nothing.
    return same_text(now, known) or (known is None and not (now or "").strip())
