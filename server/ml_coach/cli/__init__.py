"""The terminal face: typer commands, rich output. It holds no logic that an editor would lack."""

from __future__ import annotations


def main() -> None:
    """Entry point of `ml-coach` and of `python -m ml_coach`."""
    from ml_coach.cli.commands import run

    run()
