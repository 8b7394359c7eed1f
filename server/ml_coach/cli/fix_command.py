"""`ml-coach fix`: the loop on a project that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_coach.app import App
from ml_coach.cli.endings import USAGE, fail
from ml_coach.cli.generate_command import start
from ml_coach.cli.run_options import RunOptions, with_run_options
from ml_coach.file_orders import fix_order
from ml_coach.project_files import NoProject, open_project


@with_run_options
def fix(
    run: RunOptions,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A project, or a folder or file of its tests.")
    ] = Path(),
    keyword: Annotated[
        str, typer.Option("-k", metavar="EXPR", help="Only the tests that pytest's -k selects.")
    ] = "",
) -> None:
    """Run a project's tests in the sandbox, and mend the code of those that fail."""
    try:
        opened = open_project(path, keyword)
    except NoProject as error:
        fail(str(error), USAGE)
    start(App(), fix_order(opened, run.settings(opened.root)), run)
