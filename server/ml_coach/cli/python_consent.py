"""Asks at the terminal whether a folder's own Python may be started."""

from __future__ import annotations

from pathlib import Path

from ml_coach.app import App
from ml_coach.cli.menus import Option, choose
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.settings import Settings


async def ask_about_python(
    console: EscapingConsole, app: App, settings: Settings, folder: Path
) -> None:
    """Asks once for each folder; the answer yes is remembered. Without it the folder's Python is
    not started."""
    python = app.unconfirmed_python(settings, folder)
    if not python:
        return
    question = (
        f"{python} is the Python of this folder. May ML Coach start it, in the sandbox, to run "
        "generated code? The answer yes is remembered for this folder."
    )
    console.print(question, markup=False, highlight=False)
    if await choose(console, (Option("no", "n"), Option("yes", "y"))) == 1:
        app.confirm_python(folder)
