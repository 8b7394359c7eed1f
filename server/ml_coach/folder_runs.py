"""Runs on the files of a folder, for every face but an editor's: what they may write, who decides,
and what takes their changes back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_coach import settings as settings_module
from ml_coach.app import App
from ml_coach.change_log import Action, ChangeLog
from ml_coach.claims import Claim
from ml_coach.core.changes import FileChange, Patch, PatchRefused
from ml_coach.core.ports import Decision
from ml_coach.core.question import Answer, Question
from ml_coach.disk import FolderWorkspace, RunWorkspace
from ml_coach.project_settings import project_settings
from ml_coach.run_order import RunOrder
from ml_coach.settings import Settings
from ml_coach.undo_steps import NOTHING_TO_UNDO, NextStep, next_step, texts_after


class DeferringReviewer:
    """Keeps every patch and every question for later, where there is nobody to ask."""

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        return Decision("later")

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        return None


def settings_of(folder: Path, highest: Path | None = None) -> tuple[Settings, list[str]]:
    """The settings of the project that `folder` is in, overlaid with the environment, and a line
    for each that is bad. Above the folder `highest` no project is looked for."""
    project, problems = project_settings(folder, highest)
    settings, more = settings_module.from_environment(os.environ, project)
    return settings, problems + more


def run_workspace(
    app: App, order: RunOrder, folder: FolderWorkspace, claim: Claim | None = None
) -> RunWorkspace:
    """What the run may read and write in its `folder`, with the texts as they are now."""
    kept = app.run_log.folder_for(order.run_id) / "kept"
    if (project := order.project) is not None:
        known: dict[str, str | None] = {file: project.text(file) for file in project.modules}
        return RunWorkspace(folder, known, kept, claim=claim)
    replaced = frozenset(order.replaced_files)
    return RunWorkspace(folder, folder.texts(order.files), kept, replaced, claim)


def refusal(workspace: RunWorkspace, order: RunOrder) -> str:
    """Why the run may not overwrite what is in its files, as a sentence; empty where it may.

    To be asked after the texts were read, so that a change in between is noticed when it writes.
    """
    if order.project is not None or order.overwrite:
        return ""
    foreign = workspace.folder.foreign(order.replaced_files)
    were = "was" if len(foreign) == 1 else "were"
    where = f"{' and '.join(foreign)} in {workspace.root}"
    said = f"{where} {were} not written by ML Coach, or changed since. Nothing was touched"
    return said if foreign else ""


async def undo_or_redo(
    workspace: FolderWorkspace, log: ChangeLog, only: Action | None = None
) -> tuple[NextStep, tuple[FileChange, ...]] | str:
    """Undoes what a run did, or does it again, all files or none: the step, and what had to be
    changed for it; the reason where that cannot be, or where the step would be no `only`."""
    step = await next_step(log, workspace.read, only)
    if step is None:
        return NOTHING_TO_UNDO
    texts = await texts_after(step.changes, workspace.read)
    if isinstance(texts, PatchRefused):
        return f"{texts.reason} Nothing was changed."
    await workspace.check_writable(list(texts))
    changes = await changes_to(texts, workspace)
    await make_changes(changes, workspace, log, step.action)
    return step, changes


async def changes_to(
    texts: Mapping[str, str | None], workspace: FolderWorkspace
) -> tuple[FileChange, ...]:
    """What makes the files read so."""
    every = [FileChange(file, await workspace.read(file), text) for file, text in texts.items()]
    return tuple(change for change in every if change.before != change.after)


async def make_changes(
    changes: Sequence[FileChange], workspace: FolderWorkspace, log: ChangeLog, action: Action
) -> None:
    """Writes the changes, which are logged before and after."""
    for change in log.each(changes, action, workspace.root.resolve()):
        if change.after is None:
            await workspace.delete(change.file)
        else:
            await workspace.write({change.file: change.after})
