"""The user's project as the editor shows it: what is open and not saved counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from ml_coach.core.project import Project
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.protocol import RequestFailed
from ml_coach.project_files import NoProject, Opened, open_project


async def open_shown(
    documents: Documents, place: Path, test: str = "", keyword: str = ""
) -> Opened:
    """The project that `place` belongs to, with what is typed into its open documents.

    Its tests are those below `place`, or the one `test` of that file, such as `TestA::test_b`. Its
    root is at most the workspace folder: nothing above that is written. Raises RequestFailed.
    """
    highest = documents.root_around(place)
    try:
        opened = await asyncio.to_thread(open_project, place, keyword, highest)
    except NoProject as error:
        raise RequestFailed(str(error)) from None
    project = opened.project
    if test:
        project = replace(project, targets=tuple(f"{file}::{test}" for file in project.targets))
    return Opened(opened.root, _as_shown(project, opened.root, documents))


def _as_shown(project: Project, root: Path, documents: Documents) -> Project:
    typed = documents.open_below(root)
    return project.with_texts(
        {file: text for file, text in typed.items() if file in project.files or _is_new(root, file)}
    )


def _is_new(root: Path, file: str) -> bool:
    """Whether it is a Python file that was never saved; one on disk was left out on purpose."""
    return file.endswith(".py") and not (root / file).exists()
