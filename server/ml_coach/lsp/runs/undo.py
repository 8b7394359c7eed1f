"""Undoes what a run did, or redoes it: by three-way merge, all files or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml_coach.core.types import FileChange, PatchRefused
from ml_coach.lsp.documents.change_log import Action
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.documents.texts import merged, plain
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.lsp.runs.active_runs import Runs

_NEXT: dict[Action, Literal["undo", "redo"]] = {"run": "undo", "undo": "redo", "redo": "undo"}


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. `files` are URIs; `reason` says why an undo was `refused`."""

    action: Literal["undone", "redone", "refused"]
    files: tuple[str, ...] = ()
    reason: str = ""


async def undo(run_id: str, documents: Documents, runs: Runs) -> Undone:
    """Reverses the run's latest action, so that a second undo is a redo.

    Raises RequestFailed for a run that is active, unknown, or of a folder that is not open.
    """
    if not await runs.is_over(run_id):
        raise RequestFailed(f"The run {run_id} is still going on; stop it first.")
    try:
        change_log = runs.change_log(run_id)
    except KeyError:
        raise RequestFailed(f"There is no run {run_id!r}.") from None
    root, (action, changes) = change_log.root, change_log.last_action()
    if root is None or not changes:
        return Undone("refused", reason="That run changed no file.")
    roots = documents.client.roots
    if roots and not any(root.is_relative_to(folder) for folder in roots):
        raise RequestFailed(f"That run worked in {root}, which is not open here.")
    next_action = _NEXT[action]
    workspace = runs.workspace(run_id, root, next_action)
    texts = await _reversed_texts(changes, workspace)
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


async def _reversed_texts(
    changes: tuple[FileChange, ...], workspace: EditorWorkspace
) -> dict[str, str | None] | PatchRefused:
    """Each changed file's text without the changes; None deletes the file."""
    texts: dict[str, str | None] = {}
    # From the last change to the first: what the user typed between two is part of neither.
    for change in reversed(changes):
        file = change.file
        now = texts[file] if file in texts else await workspace.read(file)
        text = _without(change, now)
        if isinstance(text, PatchRefused):
            return text
        texts[file] = text
    return texts


def _without(change: FileChange, now: str | None) -> str | PatchRefused | None:
    """The file's text without the change but with everything that came after it."""
    if change.after is None and not (now or "").strip():
        # An empty buffer stands for a deleted file where the editor cannot delete.
        return plain(change.before)
    return merged(plain(change.after), plain(change.before), plain(now), change.file)
