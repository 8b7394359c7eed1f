"""`ml-coach audit-tests`: which mistakes in the module under test the tests notice."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml_coach.app import App
from ml_coach.audit_store import to_json
from ml_coach.cli.audit_files import as_junit, as_sarif
from ml_coach.cli.audit_view import show_audit
from ml_coach.cli.endings import FAILED, USAGE, complain, fail, run_until_done
from ml_coach.cli.options import read_settings, setting
from ml_coach.cli.python_consent import ask_about_python
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.auditing.audit import AuditProgress
from ml_coach.core.auditing.new_tests import added
from ml_coach.core.auditing.report import AuditReport
from ml_coach.core.errors import SetupError, os_error_text
from ml_coach.disk import FolderWorkspace
from ml_coach.project_files import NoProject, Opened, open_project
from ml_coach.settings import Settings


def audit_tests(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file or folder of tests, or a project.")
    ] = Path(),
    module: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The module under test; else the one the tests import."),
    ] = None,
    keyword: Annotated[
        str, typer.Option("-k", metavar="EXPR", help="Only the tests that pytest's -k selects.")
    ] = "",
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", min=0, max=100, help="Exit with 1 where fewer mistakes are noticed."
        ),
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the findings as SARIF 2.1.0.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as JUnit XML.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole result as JSON.")] = False,
    write_tests: Annotated[
        bool,
        typer.Option(
            "--write-tests", help="Write tests that notice surviving mistakes behind the others."
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Do not use the kept result of the same files.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show every test and every mistake.")
    ] = False,
    python: Annotated[str | None, setting("python")] = None,
    allow_weak_sandbox: Annotated[bool | None, setting("allow_weak_sandbox")] = None,
) -> None:
    """Say which tests cannot fail: make mistakes in their module, and see who notices."""
    settings = read_settings(python=python, allow_weak_sandbox=allow_weak_sandbox)
    try:
        opened = open_project(path, keyword)
    except NoProject as error:
        fail(str(error), USAGE)
    opened = _without(opened, [file for file in (sarif, junit) if file is not None])
    modules = [_in_project(opened, file) for file in module or ()]
    report = run_until_done(_audited(settings, opened, modules, again=again, quiet=as_json))
    if as_json:
        sys.stdout.write(json.dumps(to_json(report), indent=1) + "\n")
    else:
        asked = [str(path), *(part for file in module or () for part in ("--module", str(file)))]
        asked += ["-k", keyword] if keyword else []
        command = "" if write_tests else f"ml-coach audit-tests {shlex.join(asked)} --write-tests"
        show_audit(EscapingConsole(), report, opened.root, verbose=verbose, write_command=command)
    for file, written in ((sarif, as_sarif), (junit, as_junit)):
        if file is not None:
            _write(file, written, report)
    if write_tests:
        _write_tests(opened, report)
    raise SystemExit(_exit_code(report, min_score))


def _without(opened: Opened, written: list[Path]) -> Opened:
    """The project without the reports of earlier audits: they would make it a different one."""
    root = opened.root.resolve()
    names = {
        f.resolve().relative_to(root).as_posix()
        for f in written
        if f.resolve().is_relative_to(root)
    }
    files = {name: text for name, text in opened.project.files.items() if name not in names}
    return replace(opened, project=replace(opened.project, files=files))


def _in_project(opened: Opened, file: Path) -> str:
    """The module's name in the project; the command ends where it is none."""
    whole = Path(os.path.normpath(file.absolute()))
    name = whole.relative_to(opened.root).as_posix() if whole.is_relative_to(opened.root) else ""
    if name not in opened.project.modules:
        fail(f"{file} is no module of the project in {opened.root}.", USAGE)
    return name


async def _audited(
    settings: Settings, opened: Opened, modules: list[str], *, again: bool, quiet: bool
) -> AuditReport:
    app, console = App(), Console(stderr=True)
    try:
        if sys.stdin.isatty() and sys.stdout.isatty() and not quiet:
            await ask_about_python(EscapingConsole(), app, settings, opened.root)
        with console.status("Starting the sandbox ...") as status:

            def advanced(progress: AuditProgress) -> None:
                of = f": {progress.done} of {progress.total}" if progress.total else ""
                status.update(f"ML Coach {progress.stage}{of}")

            return await app.audit(
                settings, opened, modules=modules, again=again, progress=advanced
            )
    except SetupError as error:
        complain(str(error))
        raise SystemExit(FAILED) from None
    finally:
        await app.aclose()


def _write(file: Path, written: Callable[[AuditReport], str], report: AuditReport) -> None:
    try:
        file.write_text(written(report), encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be written: {os_error_text(error)}", USAGE)


def _write_tests(opened: Opened, report: AuditReport) -> None:
    """Writes the new tests into their files, where these still are what was audited. Ends the
    command where one of them is not written."""
    left = sum(mistake.status != "noticed" for mistake in report.mistakes)
    if left and not report.new_tests:
        complain(f"No test was written: in the time there was none was found for the {left} left.")
    workspace = FolderWorkspace(opened.root, App().written_files)
    files = dict.fromkeys(test.file for test in report.new_tests)
    refused = [why for file in files if (why := _write_into(file, workspace, opened, report))]
    for why in refused:
        complain(why)
    if refused:
        raise SystemExit(FAILED)


def _write_into(file: str, workspace: FolderWorkspace, opened: Opened, report: AuditReport) -> str:
    """Why the new tests of a file were not written into it; empty where they were."""
    tests = report.new_tests_of(file)
    try:
        text = workspace.texts([file])[file]
        if text is None or text != opened.project.text(file):
            return f"{file} was changed meanwhile; nothing was written into it."
        asyncio.run(workspace.check_writable([file]))
        workspace.write_file(file, f"{text}{added(text, tests)}")
    except OSError as error:
        said = os_error_text(error)  # One without a number is a sentence of ours.
        return f"{file} cannot be written: {said}" if error.errno else said
    count = len({number for test in tests for number in test.notices})
    complain(f"Wrote {len(tests)} tests into {file}: they notice {count} more mistakes.")
    return ""


def _exit_code(report: AuditReport, min_score: float | None) -> int:
    if report.problem:
        return FAILED
    is_below = report.score is None or 100 * report.score < (min_score or 0)
    return int(min_score is not None and is_below)
