"""Undoes what a run did, or redoes it: by three-way merge, all files or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_coach.core.changes import FileChange, PatchRefused
from ml_coach.lsp.documents.change_log import Action, ChangeLog
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.documents.texts import holds_change, merged, plain
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.lsp.runs.active_runs import Runs

_NOTHING = "That run changed no file."
_DAMAGED = "The log of what that run changed is damaged, so it cannot be undone."
_NEXT: dict[Action, Literal["undo", "redo"]] = {"run": "undo", "undo": "redo", "redo": "undo"}


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. `files` are URIs; `reason` says why an undo was `refused`."""

    action: Literal["undone", "redone", "refused"]
    files: tuple[str, ...] = ()
    reason: str = ""


async def undo(run_id: str, documents: Documents, runs: Runs) -> Undone:
    """Reverses the run's latest action, so that a second undo is a redo.

    Raises RequestFailed for a run that is active, unknown, or of a folder that is not open, and
    where a run is working on one of its files.
    """
    try:
        await runs.refuse_active(run_id)
        change_log = runs.change_log(run_id)
    except KeyError:
        raise RequestFailed(f"There is no run {run_id!r}.") from None
    root = change_log.root
    if root is None:
        lost = change_log.files() or change_log.is_damaged
        return Undone("refused", reason=_DAMAGED if lost else _NOTHING)
    roots = documents.client.roots
    if roots and not any(root.is_relative_to(folder) for folder in roots):
        raise RequestFailed(f"That run worked in {root}, which is not open here.")
    if change_log.is_damaged:
        return Undone("refused", reason=_DAMAGED)
    claim = runs.claim(run_id, [root / file for file in change_log.files()])
    try:
        return await _next_step(run_id, root, change_log, runs)
    finally:
        claim.release()


async def _next_step(run_id: str, root: Path, change_log: ChangeLog, runs: Runs) -> Undone:
    reading = runs.workspace(run_id, root)
    shown = {file: await reading.read(file) for file in change_log.files()}
    logged = change_log.last_action(lambda change: _holds(change, shown[change.file]))
    # An undo that a killed server began is finished, not taken back.
    next_action = logged.action if logged.unfinished else _NEXT[logged.action]
    if not (logged.changes or logged.unfinished):
        return Undone("refused", reason=_NOTHING)
    workspace = runs.workspace(run_id, root, next_action)
    steps = logged.unfinished or [_reversed(change) for change in reversed(logged.changes)]
    texts = await _texts_after(steps, workspace)
    if isinstance(texts, PatchRefused):
        return Undone("refused", reason=f"{texts.reason} Nothing was changed.")
    try:
        await workspace.write(texts)
    except OSError as error:
        return Undone("refused", reason=str(error))
    uris = tuple(workspace.uri(file) for file in texts)
    if next_action == "undo":
        runs.undone.add(run_id)
        return Undone("undone", uris)
    runs.undone.discard(run_id)
    return Undone("redone", uris)


def _reversed(change: FileChange) -> FileChange:
    return FileChange(change.file, change.after, change.before)


def _holds(change: FileChange, shown: str | None) -> bool:
    """Whether a file, which now reads as `shown`, has the change in it."""
    if change.after is None:
        # An empty buffer stands for a deleted file where the editor cannot delete.
        return not (shown or "").strip()
    return shown is not None and holds_change(change.before, change.after, shown)


async def _texts_after(
    changes: Sequence[FileChange], workspace: EditorWorkspace
) -> dict[str, str | None] | PatchRefused:
    """Each file's text after the changes; None deletes the file.

    What the user typed between two changes is part of neither, so each is made on its own.
    """
    texts: dict[str, str | None] = {}
    for change in changes:
        file = change.file
        now = texts[file] if file in texts else await workspace.read(file)
        text = _with(change, now)
        if isinstance(text, PatchRefused):
            return text
        texts[file] = text
    return texts


def _with(change: FileChange, now: str | None) -> str | PatchRefused | None:
    """The file's text with the change and with everything that came after it."""
    if change.before is None and not (now or "").strip():
        # An empty buffer stands for a deleted file where the editor cannot delete.
        return plain(change.after)
    return merged(plain(change.before), plain(change.after), plain(now), change.file)
