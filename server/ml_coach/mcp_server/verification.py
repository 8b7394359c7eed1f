"""Contained runs of tests for a client: of texts that it sends, and of a project on disk."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mcp.server.mcpserver.exceptions import ToolError

from ml_coach import examination
from ml_coach.app import App
from ml_coach.core.auditing.audit import AuditProgress
from ml_coach.core.errors import ExaminationError
from ml_coach.core.project import Project, TestProgress
from ml_coach.core.wording import tests_text
from ml_coach.mcp_server.client_roots import Roots
from ml_coach.mcp_server.tool_results import (
    FilteredTests,
    Verification,
    filtered_tests,
    verification,
)
from ml_coach.mcp_server.tool_runs import ProgressFeed
from ml_coach.project_files import Opened
from ml_coach.settings import Settings


async def verify_texts(
    app: App, settings: Settings, files: Mapping[str, str], seconds: float | None
) -> Verification:
    """See `examination.verify_texts`."""
    with _told():
        return verification(await examination.verify_texts(app, settings, files, seconds))


async def verify_project(
    app: App,
    settings: Settings,
    opened: Opened,
    files: Mapping[str, str],
    seconds: float | None,
    progress: ProgressFeed,
) -> Verification:
    """See `examination.verify_project`."""

    def advanced(now: TestProgress) -> None:
        progress.line(tests_text(now.done, now.total))

    with _told():
        found = await examination.verify_project(app, settings, opened, files, seconds, advanced)
    return verification(found)


async def audit_tests(
    app: App,
    settings: Settings,
    project: Project,
    folder: Path | None,
    modules: Sequence[str],
    progress: ProgressFeed,
) -> FilteredTests:
    """See `examination.filter_tests`."""

    def advanced(now: AuditProgress) -> None:
        progress.line(f"{now.stage}: {now.done} of {now.total or '?'}")

    with _told():
        report = await examination.filter_tests(app, settings, project, folder, modules, advanced)
    return filtered_tests(report)


async def project_at(path: Path, roots: Roots, keyword: str = "") -> Opened:
    """The project of a place in the roots, which are not left for it."""
    with _told():
        return await examination.opened_at(path, roots.highest(path), keyword)


def project_of(texts: Mapping[str, str]) -> Project:
    """See `examination.project_of`."""
    with _told():
        return examination.project_of(texts)


@contextmanager
def _told() -> Generator[None]:
    """What cannot be examined is an error of the call: `ToolError`."""
    try:
        yield
    except ExaminationError as error:
        raise ToolError(str(error)) from error
