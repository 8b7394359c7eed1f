"""Asks at the terminal whether a folder's own Python may be started."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from ml_coach.app import App
from ml_coach.cli.reviewer import read_line
from ml_coach.settings import Settings


async def ask_about_python(console: Console, app: App, settings: Settings, folder: Path) -> None:
    """Asks once for each folder; the answer yes is remembered. Without it the folder's Python is
    not started."""
    python = app.unconfirmed_python(settings, folder)
    if not python:
        return
    question = (
        f"{python} is the Python of this folder. May ML Coach start it, in the sandbox, to run "
        "generated code? The answer yes is remembered for this folder. [y]es, [n]o: "
    )
    console.print(question, end="", markup=False, highlight=False)
    if (await read_line(sys.stdin)).strip().lower()[:1] == "y":
        app.confirm_python(folder)
