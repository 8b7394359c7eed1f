"""`ml-coach fix`: the loop on a project that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_coach.app import App
from ml_coach.cli.endings import USAGE, fail, run_until_done
from ml_coach.cli.generate_command import carry_out
from ml_coach.cli.options import JsonOption, ModelOption, read_settings, setting
from ml_coach.project_files import NoProject, open_project
from ml_coach.run_order import RunOrder, request_from


def fix(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A project, or a folder or file of its tests.")
    ] = Path(),
    keyword: Annotated[
        str, typer.Option("-k", metavar="EXPR", help="Only the tests that pytest's -k selects.")
    ] = "",
    model: ModelOption = None,
    max_iters: Annotated[str | None, setting("max_iters")] = None,
    run_timeout: Annotated[str | None, setting("run_timeout_seconds")] = None,
    auto_patch: Annotated[bool | None, setting("auto_patch")] = None,
    python: Annotated[str | None, setting("python")] = None,
    allow_weak_sandbox: Annotated[bool | None, setting("allow_weak_sandbox")] = None,
    max_calls: Annotated[str | None, setting("max_calls")] = None,
    max_tokens: Annotated[str | None, setting("max_tokens")] = None,
    max_seconds: Annotated[str | None, setting("max_seconds")] = None,
    as_json: JsonOption = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the model's transcript to this file."),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the model text.")] = False,
) -> None:
    """Run a project's tests in the sandbox, and mend the code of those that fail."""
    settings = read_settings(
        model=model, max_iters=max_iters, run_timeout_seconds=run_timeout, auto_patch=auto_patch,
        python=python, allow_weak_sandbox=allow_weak_sandbox, max_calls=max_calls,
        max_tokens=max_tokens, max_seconds=max_seconds,
    )  # fmt: skip
    try:
        opened = open_project(path, keyword)
    except NoProject as error:
        fail(str(error), USAGE)
    targets = opened.project.targets
    request = request_from(settings, "", task="fix", targets=targets, keyword=keyword)
    order = RunOrder(opened.root, request, settings, record=record, project=opened.project)
    raise SystemExit(run_until_done(carry_out(App(), order, as_json=as_json, verbose=verbose)))
