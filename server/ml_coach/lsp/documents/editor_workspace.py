"""The user's files as the editor holds them: implements `core.ports.Workspace` over documents.

Invariants: `read` returns what the user sees; a text that the user changed since the run last knew
it is merged or left alone, never replaced; what could not be put into the editor is saved beside
the run's log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml_coach.change_log import Action, ChangeLog
from ml_coach.claims import Claim
from ml_coach.core.changes import FileChange, PatchRefused
from ml_coach.lsp.backend import Disk
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.delivery import Delivery, UnopenedEdits
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.text_merging import (
    holds_half_character,
    merged,
    plain,
    same_text,
    with_line_ends_of,
)

# Each try takes an editor's round trip, in which nobody types for so many times in a row.
_MOST_TRIES = 5


@dataclass(slots=True)
class EditorWorkspace:
    """One run's view of the files below `root`.

    `known` is each file's text as the run last knew it: first as it found the file, then as it
    wrote it. What the file holds beyond that is the user's, also after a merge. The run may put
    whole new texts into the files `replaced`; any other file of the user's stays theirs. What it
    writes is taken by its `claim` before. `action` says what the changes are logged as. `changed`
    is called with the URI of each file that was changed.
    """

    client: Client
    documents: Documents
    disk: Disk
    unopened: UnopenedEdits
    change_log: ChangeLog
    root: Path
    action: Action = "run"
    changed: Callable[[str], None] = lambda uri: None
    known: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    replaced: frozenset[str] = frozenset()
    claim: Claim | None = None

    def uri(self, file: str) -> str:
        """The URI of a file, as the editor spells it."""
        return self.documents.uri(WorkspaceFile(self.root, file))

    def open_text(self, file: str) -> str | None:
        """The text of a file's open document; None when it is not open."""
        return self.documents.open_text(self.uri(file))

    async def note_present_texts(self, files: Iterable[str]) -> None:
        """Remembers the files' present texts as those that the run found."""
        for file in files:
            self.known[file] = await self._current(file)

    async def read(self, file: str) -> str | None:
        """See `ports.Workspace.read`."""
        text = await self._current(file)
        self.known.setdefault(file, text)
        return text

    async def check_writable(self, files: Sequence[str]) -> None:
        """See `ports.Workspace.check_writable`. Editors cannot save what the disk does not take."""
        await self.disk.check_writable(files)
        self._delivery().refuse_outstanding(files)

    async def write(self, texts: Mapping[str, str | None]) -> None:
        """Makes the files read so: all of them in one edit, or none of them. None deletes.

        Where the user changed a file since, the run's change is merged into theirs. Raises
        `OSError` where that is impossible; the texts are then saved beside the log.
        """
        delivery = self._delivery()
        if self.claim is not None:
            self.claim.take(self.root / file for file in texts)

        changes: list[FileChange] = []
        unsettled: dict[str, FileChange] = {}

        def arrived(change: FileChange) -> None:
            unsettled.pop(change.file, None)
            self.record_change(change)
            # What the text holds beyond what was wanted is the user's.
            self.known[change.file] = texts[change.file]

        # A user who types while an edit is on its way makes it out of date.
        for _ in range(_MOST_TRIES):
            changes = [change for file in texts if (change := await self._change(file, texts))]
            # An editor may make some of the changes and then say that it made none.
            for file in unsettled.keys() - {change.file for change in changes}:
                arrived(unsettled[file])
            unsettled.update({change.file: change for change in changes})
            # Where the run's text was merged into the user's, it is no longer the run's alone.
            whole = {c.file for c in changes if same_text(c.after, texts[c.file])}
            self.plan_changes(changes, whole & self.replaced)
            if not changes or await delivery.put(tuple(changes), arrived):
                return
        names = " and ".join(change.file for change in changes)
        raise OSError(
            f"{names} was edited again each time that ML Coach was about to change it."
            f"{self._saved_copies(texts)}"
        )

    def _delivery(self) -> Delivery:
        return Delivery(
            self.client, self.documents, self.disk, self.unopened, self.root,
            self.change_log.save_copy,
        )  # fmt: skip

    async def _change(self, file: str, texts: Mapping[str, str | None]) -> FileChange | None:
        """The change that makes `file` read its text, None where it does already."""
        now, wanted = await self._current(file), texts[file]
        text = wanted if now is None or wanted is None else with_line_ends_of(now, wanted)
        unchanged = _unchanged(now, self.known.get(file, now))
        after = text if unchanged else self._merge(file, now, texts)
        if same_text(after, now):
            self.known[file] = text
            return None
        return FileChange(file, now, after)

    def plan_changes(self, changes: Sequence[FileChange], whole: Collection[str] = ()) -> None:
        """Notes changes that are about to be made. The files that become ML Coach's are noted too:
        those that get a `whole` new text, and those that were its before.

        A server that is killed before it hears of them finds them again. Raises `OSError`.
        """
        self.change_log.plan(changes, self.action)
        for change in changes:
            is_ours = change.file in whole or self._was_ours(change)
            # What an undo brings back may be the user's own.
            if change.after is not None and self.action == "run" and is_ours:
                self.disk.note(change.file, change.after)

    def _was_ours(self, change: FileChange) -> bool:
        return not (change.before or "").strip() or self.disk.was_ours(change)

    def record_change(self, change: FileChange) -> None:
        """Notes a change that was made, in `known` and in the log.

        Also called for a change that the editor made by itself, from a quick fix's edit.
        """
        self.known[change.file] = change.after
        self.changed(self.uri(change.file))
        self.change_log.add(change, self.action)

    def _merge(self, file: str, now: str | None, texts: Mapping[str, str | None]) -> str | None:
        result = merged(plain(self.known[file]), plain(texts[file]), plain(now), file)
        if isinstance(result, PatchRefused):
            raise OSError(f"{result.reason}{self._saved_copies(texts)}")
        if not same_text(result, now):
            self.client.log(f"{file} was edited meanwhile; both changes are in it now.")
        return result if result is None or now is None else with_line_ends_of(now, result)

    def _saved_copies(self, texts: Mapping[str, str | None]) -> str:
        # Every text of the step is saved, because none of them is written.
        copies = [
            str(self.change_log.save_copy(f, text)) for f, text in texts.items() if text is not None
        ]
        return f" ML Coach's text is kept in {' and '.join(copies)}." if copies else ""

    async def _current(self, file: str) -> str | None:
        uri = self.uri(file)
        text = self.documents.open_text(uri)
        if text is not None:
            if holds_half_character(text):
                raise OSError(
                    f"{file} holds half a character (a lone surrogate), so it cannot be saved; "
                    "ML Coach leaves it alone."
                )
            self.unopened.texts.pop(uri, None)
            return text
        on_disk = await self.disk.read(file)
        ours, disk_then = self.unopened.texts.get(uri, (None, None))
        return ours if ours is not None and on_disk == disk_then else on_disk


def _unchanged(now: str | None, known: str | None) -> bool:
    # A user who opens a file that does not exist yet has an empty buffer and wrote nothing.
    return same_text(now, known) or (known is None and not (now or "").strip())
