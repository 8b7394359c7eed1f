"""`ml-coach models`, `model pull` and `doctor`: what this machine can run with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml_coach.app import App
from ml_coach.cli.endings import fail, run_until_done
from ml_coach.cli.options import read_settings
from ml_coach.cli.sandbox_progress import starting_sandbox
from ml_coach.cli.terminal_view import EscapingConsole, TerminalView
from ml_coach.core.events import DownloadAdvanced


def models(
    tried: Annotated[
        str,
        typer.Option("--try", metavar="NAME", help="Give this model five tiny tasks instead."),
    ] = "",
) -> None:
    """List the models that can be used, and why one cannot."""
    from ml_coach.models import registry

    if tried:
        run_until_done(_try(tried))
        return
    app, settings, console = App(), read_settings(), EscapingConsole()
    access = app.access(settings)
    chosen, reason = registry.default_choice(access)
    default = settings.model or chosen
    for row in registry.list_models(access):
        profile = row.profile
        state = "" if row.available else "  [red]not available[/]"
        state += "  [green]default[/]" if row.name == default else ""
        console.print(f"[bold]{escape(row.name)}[/]{state}", soft_wrap=True, highlight=False)
        facts = (
            f"context {profile.context}, candidates {profile.candidates}, edits by "
            f"{profile.edit_format}{', plans first' if profile.plans else ''}"
        )
        note = f"; {row.why}" if row.why else ""
        console.print(f"    {escape(facts + note)}", style="dim", soft_wrap=True, highlight=False)
    if not settings.model:
        console.print(f"The default is {escape(f'{default}: {reason}')}.", soft_wrap=True)


async def _try(name: str) -> None:
    """Gives the model five tiny tasks, shows how each went and what a run will take."""
    from ml_coach.bench.strategies import Setup
    from ml_coach.bench.trial import Tried, outlook, total, try_model
    from ml_coach.models.prices import price_of

    app, settings, console = App(), replace(read_settings(), model=name), EscapingConsole()
    view = TerminalView(console, verbose=False)
    model = app.model(settings, view)
    try:
        executor = app.executor(settings)
        await app.prepare(executor, model)
        view.close()

        def finished(task: Tried) -> None:
            mark = "[green]solved[/]" if task.solved else "[red]failed[/]"
            facts = f"{task.seconds:.1f} s, {task.usage.tokens} tokens"
            console.print(f"{mark}  {task.skill}: {facts}", soft_wrap=True, highlight=False)

        tried = await try_model(Setup(model, executor), finished)
        price = price_of(model.name, settings.prompt_price, settings.reply_price)
        for sentence in outlook(tried, price.of(total(tried))):
            console.print(sentence, soft_wrap=True, highlight=False)
    finally:
        view.close()
        await model.aclose()
        await app.aclose()


def pull(
    name: Annotated[
        str,
        typer.Argument(help="Which one: see `ml-coach models`, or OWNER/REPO:QUANT on the hub."),
    ] = "",
) -> None:
    """Download and check a local model's weights, once."""
    from ml_coach.models import weights
    from ml_coach.models.known_weights import DEFAULT
    from ml_coach.models.weights_download import WeightsError

    settings = read_settings()
    wanted = name.removeprefix("local:") or DEFAULT.name
    view = TerminalView(EscapingConsole(), verbose=False)

    def advanced(done_bytes: int, total_bytes: int, source: str) -> None:
        view(DownloadAdvanced(wanted, done_bytes, total_bytes, source))

    try:
        path = run_until_done(weights.ensure(wanted, source=settings.weights, progress=advanced))
    except WeightsError as error:
        view.close()
        fail(str(error), 1)
    view.close()
    EscapingConsole().print(f"{wanted} is ready: {path}", soft_wrap=True)


def doctor() -> None:
    """Check Python, model, sandbox, disk and memory, each with how to mend it."""
    from ml_coach.doctor import examine

    app, settings, console = App(), read_settings(), EscapingConsole()
    folder = Path.cwd()
    theirs = not app.unconfirmed_python(settings, folder)
    with starting_sandbox() as fetched:
        checks = run_until_done(
            examine(
                settings, app.access(settings), app.state, folder,
                starts_theirs=theirs, activated=app.activated, progress=fetched,
            )
        )  # fmt: skip
    for check in checks:
        mark = "[green]ok[/]  " if check.ok else "[red]mend[/]"
        console.print(f"{mark}  {check.name:<8} {escape(check.found)}", soft_wrap=True)
        if check.mend:
            console.print(f"      {escape(check.mend)}", style="yellow", soft_wrap=True)
    raise SystemExit(0 if all(check.ok for check in checks) else 1)
