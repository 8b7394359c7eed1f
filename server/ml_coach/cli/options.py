"""What the commands' options have in common: their types, and the settings that they result in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ml_coach import settings as settings_module
from ml_coach.cli.endings import USAGE, fail
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.settings import Settings


def setting(field: str, *flags: str) -> Any:
    """The option of a setting, described by the table that the README is made from.

    `flags` are further flags of the option, beside the table's.
    """
    row = next(s for s in settings_module.SETTINGS if s.field == field)
    default = getattr(Settings(), field)
    flag = row.flag
    if isinstance(default, bool):
        flag, default = f"{flag}/--no-{flag.removeprefix('--')}", int(default)
    shown = f", default {default}" if default != "" else ""
    return typer.Option(flag, *flags, help=f"{row.description} ({row.variable}{shown})")


ModelOption = Annotated[str | None, setting("model", "-m")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id; see `runs`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Events as JSON lines.")]


def read_settings(**flags: Any) -> Settings:
    """The settings of the environment, overlaid with flags by field name; None: no such flag.

    A bad variable is reported and its default used. A bad flag ends the command.
    """
    settings, problems = settings_module.from_environment(os.environ)
    console = EscapingConsole(stderr=True)
    for problem in problems:
        console.print(f"[yellow]ml-coach:[/] {escape(problem)}", soft_wrap=True)
    settings, problems = settings_module.with_flags(settings, flags)
    if problems:
        fail(problems[0].split("; using")[0] + ".", USAGE)
    return settings
