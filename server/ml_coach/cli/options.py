"""What the commands' options have in common: their types, and the settings that they result in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ml_coach import setting_values as values
from ml_coach import settings as settings_module
from ml_coach.cli.endings import USAGE, fail
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.folder_runs import settings_of
from ml_coach.settings import Settings

_METAVARS: dict[Any, str] = {
    values.whole: "N",
    values.number: "N",
    values.seconds: "SECONDS",
    values.price: "DOLLARS",
    values.share: "SHARE",
    values.exit_code: "CODE",
    values.text: "NAME",
    values.python_file: "FILE",
    values.program_file: "FILE",
}


def setting(field: str, *flags: str) -> Any:
    """The option of a setting, described by the table that the README is made from.

    `flags` are further flags of the option, beside the table's.
    """
    row = next(s for s in settings_module.SETTINGS if s.field == field)
    default = getattr(Settings(), field)
    flag = row.flag
    if isinstance(default, bool):
        flag, default = f"{flag}/--no-{flag.removeprefix('--')}", int(default)
    if isinstance(default, float):
        default = f"{default:g}"
    shown = f", default {default}" if default != "" else ""
    help_text = f"{row.description} ({row.variable}{shown})"
    return typer.Option(flag, *flags, help=help_text, metavar=_METAVARS.get(row.read))


ModelOption = Annotated[str | None, setting("model", "-m")]
JsonOption = Annotated[bool, typer.Option("--json", help="Events as JSON lines.")]


def read_settings(folder: Path | None = None, **flags: Any) -> Settings:
    """The settings of the project that `folder` is in, else of the current folder's, overlaid with
    the environment, then with flags by field name.

    None: no such flag. What is bad is reported and not used; a bad flag ends the command.
    """
    settings, problems = settings_of(folder or Path.cwd())
    console = EscapingConsole(stderr=True)
    for problem in problems:
        console.print(f"[yellow]ml-coach:[/] {escape(problem)}", soft_wrap=True)
    settings, problems = settings_module.with_flags(settings, flags)
    if problems:
        fail(problems[0].split("; using")[0] + ".", USAGE)
    return settings
