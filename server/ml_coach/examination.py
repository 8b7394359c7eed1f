"""Contained runs of tests for whoever asks: of texts that are given, and of a project on disk.

An editor's tools and other agents' tools answer with these. Nothing on disk is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from ml_coach.core.auditing.audit import AuditProgress, audit
from ml_coach.core.auditing.report import AuditReport
from ml_coach.core.errors import ExaminationError, os_error_text
from ml_coach.core.fix_loop import LEAST_TEST_SECONDS, SUITE_SECONDS
from ml_coach.core.project import Project, TestProgress, is_tests
from ml_coach.core.results import Verification
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.project_files import NoProject, Opened, open_project
from ml_coach.settings import Settings

_NO_TEST = "There is no test: name a file of tests test_*.py or *_test.py."


class Sandboxes(Protocol):
    """Has the warm sandboxes: `app.App`."""

    def executor(
        self, settings: Settings, folder: Path | None = None, *, whole: bool = False
    ) -> SandboxedExecutor:
        """See `App.executor`."""
        ...


async def verify_texts(
    sandboxes: Sandboxes, settings: Settings, files: Mapping[str, str], seconds: float | None = None
) -> Verification:
    """Judges the test files among `files`, in a folder that holds nothing else; `seconds` bounds
    the run. Raises `ExaminationError`.

    Their outcomes come as signed records, so that printed text and exit codes count for nothing.
    """
    texts = named_inside(files)
    if not any(is_tests(name) for name in texts):
        raise ExaminationError(_NO_TEST)
    executor = sandboxes.executor(settings)
    limit = seconds or settings.run_timeout_seconds
    try:
        report = await executor.test_files(texts, timeout_seconds=limit)
    except (SandboxUnavailable, OSError) as error:
        raise refused(error) from error
    return Verification(report, executor.level)


async def verify_project(
    sandboxes: Sandboxes,
    settings: Settings,
    opened: Opened,
    files: Mapping[str, str],
    seconds: float | None = None,
    progress: Callable[[TestProgress], None] | None = None,
) -> Verification:
    """Runs a project's tests as pytest does for its user, with `files` in the place of its own.

    `progress` hears of each test. Raises `ExaminationError`.
    """
    texts = named_inside(files)
    executor = sandboxes.executor(settings, opened.root, whole=True)
    try:
        (report,) = await executor.test_project(
            opened.project.with_texts(texts),
            timeout_seconds=seconds or SUITE_SECONDS,
            test_seconds=max(LEAST_TEST_SECONDS, settings.run_timeout_seconds),
            progress=progress,
        )
    except (SandboxUnavailable, OSError) as error:
        raise refused(error) from error
    replaced = tuple(sorted(name for name in texts if name in opened.project.files))
    return Verification(report.tests, executor.level, tuple(sorted(report.doubts)), replaced)


async def filter_tests(
    sandboxes: Sandboxes,
    settings: Settings,
    project: Project,
    folder: Path | None,
    modules: Sequence[str] = (),
    progress: Callable[[AuditProgress], None] | None = None,
) -> AuditReport:
    """What a project's tests notice of mistakes that are made in `modules`, or else in those that
    they are about. `folder` is where it lies, None for texts that lie nowhere.

    Raises `ExaminationError`, also where the audit has no result.
    """
    if unknown := [name for name in modules if name not in project.modules]:
        where = f" in {folder}" if folder else ""
        raise ExaminationError(f"{unknown[0]!r} is no module of the project{where}.")
    executor = sandboxes.executor(settings, folder, whole=True)
    try:
        named = tuple(dict.fromkeys(modules))
        report = await audit(project, executor, modules=named, progress=progress)
    except (SandboxUnavailable, OSError) as error:
        raise refused(error) from error
    if report.problem:
        raise ExaminationError(report.problem)
    return report


async def opened_at(place: Path, highest: Path, keyword: str = "") -> Opened:
    """The project of a folder or test file, not looked for above `highest`; only the tests that
    pytest's `-k keyword` selects. Raises `ExaminationError`."""
    try:
        return await asyncio.to_thread(open_project, place, keyword, highest)
    except NoProject as error:
        raise ExaminationError(str(error)) from error


def project_of(files: Mapping[str, str]) -> Project:
    """The project that consists of these files alone. Raises `ExaminationError` where none is a
    test."""
    named = named_inside(files)
    tests = tuple(name for name in named if is_tests(name))
    if not tests:
        raise ExaminationError(_NO_TEST)
    return Project({}, targets=tests).with_texts(named)


def named_inside(files: Mapping[str, str]) -> dict[str, str]:
    """The files by their plain relative paths. Raises `ExaminationError` for a name that leads
    out, or into another file."""
    texts: dict[str, str] = {}
    for name, text in files.items():
        path = PurePosixPath(name)
        is_plain = bool(path.parts) and ".." not in path.parts and not set(name) & {"\\", "\0", ":"}
        if path.is_absolute() or not is_plain:
            raise ExaminationError(
                f"{name!r} is no path inside the run's folder: write app/module.py."
            )
        texts[str(path)] = text
    for name in texts:
        if above := next((str(p) for p in PurePosixPath(name).parents if str(p) in texts), ""):
            raise ExaminationError(f"{above!r} cannot be a file and the folder of {name!r}.")
    return texts


def refused(error: Exception) -> ExaminationError:
    """Why nothing could be run."""
    return ExaminationError(os_error_text(error) if isinstance(error, OSError) else str(error))
