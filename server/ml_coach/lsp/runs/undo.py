"""Undoes what a run did, or redoes it: by three-way merge, all files or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_coach.change_log import Action, ChangeLog
from ml_coach.core.changes import PatchRefused
from ml_coach.core.errors import os_error_text
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.undo_steps import NOTHING_TO_UNDO, next_step, texts_after

_NOTHING = "That run changed no file."
_DAMAGED = "The log of what that run changed is damaged, so it cannot be undone."


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. `files` are URIs; `reason` says why an undo was `refused`."""

    action: Literal["undone", "redone", "refused"]
    files: tuple[str, ...] = ()
    reason: str = ""


async def undo(run_id: str, documents: Documents, runs: Runs, only: Action | None = None) -> Undone:
    """Reverses the run's latest action, so that a second undo is a redo; refused where that would
    be no `only`.

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
        return await _next_step(run_id, root, change_log, runs, only)
    finally:
        claim.release()


async def _next_step(
    run_id: str, root: Path, change_log: ChangeLog, runs: Runs, only: Action | None
) -> Undone:
    step = await next_step(change_log, runs.workspace(run_id, root).read, only)
    if step is None:
        return Undone("refused", reason=NOTHING_TO_UNDO)
    workspace = runs.workspace(run_id, root, step.action)
    texts = await texts_after(step.changes, workspace.read)
    if isinstance(texts, PatchRefused):
        return Undone("refused", reason=f"{texts.reason} Nothing was changed.")
    try:
        await workspace.write(texts)
    except OSError as error:
        return Undone("refused", reason=os_error_text(error))
    uris = tuple(workspace.uri(file) for file in texts)
    if step.action == "undo":
        runs.undone.add(run_id)
        return Undone("undone", uris)
    runs.undone.discard(run_id)
    return Undone("redone", uris)
