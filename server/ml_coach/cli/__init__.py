"""The terminal: typer commands and rich output. It has no logic that editors would lack."""

from __future__ import annotations


def main() -> None:
    """Entry point of `ml-coach` and of `python -m ml_coach`."""
    try:
        _command()
    except KeyboardInterrupt:  # Ctrl-C may come while modules are still being imported.
        raise SystemExit(130) from None


def _command() -> None:
    import sys

    if sys.argv[1:2] == ["serve"]:
        # An editor waits for `serve` to start, so typer and the other commands are not imported.
        from ml_coach.cli.serve import serve

        raise SystemExit(serve(sys.argv[2:]))
    if sys.argv[1:2] in (["exec"], ["pytest"]):
        from ml_coach.cli.sandbox_commands import main as sandbox_command

        raise SystemExit(sandbox_command(sys.argv[1:]))
    from ml_coach.cli.commands import run

    run()
