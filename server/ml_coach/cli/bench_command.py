"""`ml-coach bench`: its options, checked before bench_runs.py is imported and does the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_coach.cli.endings import FAILED, USAGE, fail, run_until_done
from ml_coach.cli.options import ModelOption, read_settings, setting
from ml_coach.cli.place import RayOption, SendKeysOption, place_of

if TYPE_CHECKING:
    from ml_coach.bench.tasks import Task

ReportOption = Annotated[Path, typer.Option("--output", "-o", help="The report.")]


def bench(
    tasks: Annotated[Path, typer.Argument(help="JSON lines, one task each.")],
    model: ModelOption = None,
    strategy: Annotated[str, typer.Option(help="one-shot, best-of-n, majority or loop.")] = "loop",
    versus: Annotated[str, typer.Option(help="A second strategy, to pair with.")] = "",
    limit: Annotated[int, typer.Option(help="The first so many tasks only; 0: all.")] = 0,
    skip: Annotated[int, typer.Option(help="Pass over so many tasks first.")] = 0,
    only: Annotated[
        str, typer.Option(help="One task, or all of a source: `MBPP/12`, `MBPP`.")
    ] = "",
    jobs: Annotated[int, typer.Option(help="Tasks at a time on each machine.")] = 1,
    ray: RayOption = "",
    send_keys: SendKeysOption = False,
    given: Annotated[
        bool, typer.Option("--given/--no-given", help="Give the public tests.")
    ] = True,
    programs: Annotated[
        Path | None,
        typer.Option(help="JSON lines task_id, code: programs of these tasks to debug."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave out filter, candidates or repair.")
    ] = None,
    coder: Annotated[
        Path | None,
        typer.Option(help="JSON lines task_id, solution: these programs are the coder's replies."),
    ] = None,
    questions: Annotated[
        int,
        typer.Option(help="Questions of a task that a simulated user answers from --solutions."),
    ] = 0,
    solutions: Annotated[
        Path | None,
        typer.Option(help="JSON lines task_id, solution: their calls answer the questions."),
    ] = None,
    user: Annotated[str, typer.Option(help="exact, errs (1 in 10) or skips (1 in 3).")] = "exact",
    plan: Annotated[bool, typer.Option("--plan", help="Let the researcher plan.")] = False,
    samples: Annotated[int, typer.Option(help="n of best-of-n and majority.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the sampled programs.")] = 0,
    max_iters: Annotated[str | None, setting("max_iters")] = None,
    min_confidence: Annotated[str | None, setting("min_confidence")] = None,
    output: ReportOption = Path("bench.json"),
    replies: Annotated[
        Path | None,
        typer.Option(help="Where the model's replies are kept and looked up; else beside it."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Fit the confidence of reports on these runs; write it to this file."),
    ] = None,
    also: Annotated[
        list[Path] | None, typer.Option(help="A further report whose runs are fitted on.")
    ] = None,
) -> None:
    """Measure how many tasks a strategy solves; interrupted, it goes on where it was."""
    from ml_coach.bench.simulated_user import MANNERS
    from ml_coach.cli.bench_runs import PARTS, STRATEGIES, BenchOptions, run_and_report

    settings = read_settings(model=model, max_iters=max_iters, min_confidence=min_confidence)
    wanted = [name for name in (versus, strategy) if name]
    _require_known(wanted, STRATEGIES, "strategy")
    _require_known(without or (), PARTS, "part to leave out")
    _require_known([user], MANNERS, "kind of user")
    if questions and solutions is None:
        fail("--questions needs --solutions, from which they are answered.", USAGE)
    options = BenchOptions(
        place=place_of(max(1, jobs), ray, send_keys=send_keys),
        given=given, without=tuple(part for part in PARTS if part in (without or ())),
        plan=plan, samples=samples, seed=seed, output=output,
        replies=replies or output.with_suffix(".replies.jsonl"),
        calibrate=calibrate, also=tuple(also or ()), coder=coder,
        questions=max(0, questions), solutions=solutions,
        user=next(manner for manner in MANNERS if manner == user),
    )  # fmt: skip
    try:
        chosen = _chosen(tasks, programs, only, skip, limit)
        given_up = run_until_done(
            run_and_report(chosen, [s for s in STRATEGIES if s in wanted], settings, options)
        )
    except ValueError as error:
        fail(str(error), USAGE)
    if given_up:
        fail(f"The same command again runs what is missing: {'; '.join(given_up)}.", FAILED)


def _require_known(names: Iterable[str], known: Collection[str], what: str) -> None:
    """Ends the command at the first name that is not a known one."""
    for name in names:
        if name not in known:
            fail(f"{name} is not a {what}; there are {', '.join(known)}.", USAGE)


def _chosen(file: Path, programs: Path | None, only: str, skip: int, limit: int) -> list[Task]:
    """The tasks that the options choose from `file`. Raises `ValueError` for a bad line."""
    from ml_coach.bench.tasks import read_programs, read_tasks

    tasks = [t for t in read_tasks(file) if only in ("", t.id, t.id.partition("/")[0])]
    if programs is not None:
        tasks = read_programs(programs, tasks)
    tasks = tasks[max(0, skip) :][: limit or None]
    if not tasks:
        fail(f"{file} holds no such task.", USAGE)
    return tasks
