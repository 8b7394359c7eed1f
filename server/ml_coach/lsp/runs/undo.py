"""Taking back what a run did, and taking that back again: by three-way merge, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml_coach.core.types import FileChange, PatchRefused
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.documents.change_log import RUN, ChangeLog
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.documents.texts import merged, plain
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.lsp.runs.active_runs import Runs

_NEXT = {RUN: "undo", "undo": "redo", "redo": "undo"}
_DONE: dict[str, Literal["undone", "redone"]] = {"undo": "undone", "redo": "redone"}


@dataclass(frozen=True, slots=True)
class Undone:
    """`files` are URIs; `reason` says why nothing was done where it is `refused`."""

    action: Literal["undone", "redone", "refused"]
    files: tuple[str, ...] = ()
    reason: str = ""


async def undo(run_id: str, backend: Backend, documents: Documents, runs: Runs) -> Undone:
    """Reverses the run's latest act. Raises RequestFailed where that can not even be tried."""
    if not await runs.settled(run_id):
        raise RequestFailed(f"The run {run_id} is still going on; stop it first.")
    try:
        change_log = ChangeLog(backend.run_folder(run_id))
    except KeyError:
        raise RequestFailed(f"There is no run {run_id!r}.") from None
    root, (act, changes) = change_log.root, change_log.last_act()
    if root is None or not changes:
        return Undone("refused", reason="That run changed no file.")
    if documents.roots and not any(root.is_relative_to(r) or r == root for r in documents.roots):
        raise RequestFailed(f"That run worked in {root}, which is not open here.")
    next_act = _NEXT[act]
    workspace = runs.workspace(run_id, root, next_act)
    wanted: dict[str, str | None] = {}
    # From the last change to the first: what the user typed between two is part of neither.
    for change in reversed(changes):
        file = change.file
        now = wanted[file] if file in wanted else await workspace.read(file)
        fitted = _taken_back(change, now)
        if isinstance(fitted, PatchRefused):
            return Undone("refused", reason=f"{fitted.reason} Nothing was changed.")
        wanted[file] = fitted
    try:
        await workspace.write(wanted)
    except OSError as error:
        return Undone("refused", reason=str(error))
    (runs.undone.add if next_act == "undo" else runs.undone.discard)(run_id)
    uris = tuple(documents.uri(workspace.place(file)) for file in wanted)
    return Undone(_DONE[next_act], uris)


def _taken_back(change: FileChange, now: str | None) -> str | PatchRefused | None:
    """The file's text without the change but with everything that came after it."""
    if change.after is None and not (now or "").strip():
        # A buffer that could only be emptied stands for the file that was taken away.
        return plain(change.before)
    return merged(plain(change.after), plain(change.before), plain(now), change.file)
