"""What takes a run's changes back, or makes them again: each file's text, by three-way merge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ml_coach.change_log import Action, ChangeLog
from ml_coach.core.changes import FileChange, PatchRefused
from ml_coach.text_merging import holds_change, merged, plain, with_line_ends_of

_NEXT: dict[Action, Literal["undo", "redo"]] = {"run": "undo", "undo": "redo", "redo": "undo"}

Read = Callable[[str], Awaitable[str | None]]
"""A file's text as it is now, None where there is no such file."""


NOTHING_TO_UNDO = "There is nothing to undo: the files are as they were before that run."


@dataclass(frozen=True, slots=True)
class NextStep:
    """What an undo does next: the opposite of the run's latest action, by these changes."""

    action: Action
    changes: tuple[FileChange, ...]


async def next_step(log: ChangeLog, read: Read, only: Action | None = None) -> NextStep | None:
    """The next step, so that a second undo is a redo; None where the run changed nothing, or where
    the step is another than `only`: somebody else did that one meanwhile."""
    shown = {file: await read(file) for file in log.files()}
    logged = log.last_action(lambda change: _holds(change, shown[change.file]))
    # An undo that a killed process began is finished, not taken back.
    action, changes = logged.action, logged.unfinished
    if not changes:
        action = _NEXT[logged.action]
        changes = tuple(FileChange(c.file, c.after, c.before) for c in reversed(logged.changes))
    return NextStep(action, changes) if changes and only in (None, action) else None


async def texts_after(
    changes: Sequence[FileChange], read: Read
) -> dict[str, str | None] | PatchRefused:
    """Each file's text after the changes; None deletes the file.

    What the user typed between two changes is part of neither, so each is made on its own.
    """
    texts: dict[str, str | None] = {}
    for change in changes:
        file = change.file
        now = texts[file] if file in texts else await read(file)
        text = _with(change, now)
        if isinstance(text, PatchRefused):
            return text
        texts[file] = text
    return texts


def _holds(change: FileChange, shown: str | None) -> bool:
    """Whether a file, which now reads as `shown`, has the change in it."""
    if change.after is None:
        # An empty buffer stands for a deleted file where the editor cannot delete.
        return not (shown or "").strip()
    return shown is not None and holds_change(change.before, change.after, shown)


def _with(change: FileChange, now: str | None) -> str | PatchRefused | None:
    """The file's text with the change and with everything that came after it.

    The line ends are those of the file, but come back with the text that had others.
    """
    if now == change.before:
        return change.after
    if change.before is None and not (now or "").strip():
        # An empty buffer stands for a deleted file where the editor cannot delete.
        return plain(change.after)
    text = merged(plain(change.before), plain(change.after), plain(now), change.file)
    return with_line_ends_of(now, text) if now and isinstance(text, str) else text
