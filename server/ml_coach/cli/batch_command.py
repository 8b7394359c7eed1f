"""`ml-coach batch`: its options, checked before batch_runs.py is imported and does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_coach.cli.endings import USAGE, fail, run_until_done
from ml_coach.cli.options import ModelOption, read_settings, setting
from ml_coach.cli.place import RayOption, SendKeysOption, place_of


def batch(
    prompts: Annotated[
        Path, typer.Argument(help="A .jsonl or .csv file, or a folder of prompt files.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for lines and files.")
    ],
    jobs: Annotated[int, typer.Option(min=1, help="Rows at a time on each machine.")] = 1,
    ray: RayOption = "",
    send_keys: SendKeysOption = False,
    total_calls: Annotated[
        int | None, typer.Option(min=1, help="Model calls that all rows may make together.")
    ] = None,
    total_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens that all rows may use together.")
    ] = None,
    total_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="What all rows may cost together.")
    ] = None,
    model: ModelOption = None,
    max_iters: Annotated[str | None, setting("max_iters")] = None,
    min_confidence: Annotated[str | None, setting("min_confidence")] = None,
    unsure_exit: Annotated[str | None, setting("unsure_exit")] = None,
    run_timeout_seconds: Annotated[str | None, setting("run_timeout_seconds")] = None,
    program_file: Annotated[str | None, setting("program_file")] = None,
    tests_file: Annotated[str | None, setting("tests_file")] = None,
    python: Annotated[str | None, setting("python")] = None,
    allow_weak_sandbox: Annotated[bool | None, setting("allow_weak_sandbox")] = None,
    max_calls: Annotated[str | None, setting("max_calls")] = None,
    max_tokens: Annotated[str | None, setting("max_tokens")] = None,
    max_seconds: Annotated[str | None, setting("max_seconds")] = None,
    prompt_price: Annotated[str | None, setting("prompt_price")] = None,
    reply_price: Annotated[str | None, setting("reply_price")] = None,
) -> None:
    """Run many prompts, here or on a Ray cluster; interrupted, it goes on where it was."""
    from ml_coach.batch.budget import BatchLimits
    from ml_coach.batch.results import OutInUse
    from ml_coach.batch.rows import read_rows
    from ml_coach.cli.batch_runs import BatchOptions, run_and_show

    settings = read_settings(
        model=model, max_iters=max_iters, min_confidence=min_confidence, unsure_exit=unsure_exit,
        run_timeout_seconds=run_timeout_seconds, program_file=program_file, tests_file=tests_file,
        python=python, allow_weak_sandbox=allow_weak_sandbox, max_calls=max_calls,
        max_tokens=max_tokens, max_seconds=max_seconds, prompt_price=prompt_price,
        reply_price=reply_price,
    )  # fmt: skip
    if total_cost is not None and not 0 < total_cost < float("inf"):
        fail("--total-cost must be an amount above 0.", USAGE)
    place = place_of(jobs, ray, send_keys=send_keys)
    limits = BatchLimits(total_calls, total_tokens, total_cost)
    options = BatchOptions(output, place, limits)
    try:
        rows = read_rows(prompts, settings.program_file, settings.tests_file)
        code = run_until_done(run_and_show(rows, settings, options))
    except (ValueError, OutInUse) as error:
        fail(str(error), USAGE)
    raise SystemExit(code)
