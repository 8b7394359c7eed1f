"""The terminal face: typer commands, rich output. It holds no logic that an editor would lack."""

from __future__ import annotations


def main() -> None:
    """Entry point of `ml-coach` and of `python -m ml_coach`."""
    try:
        _command()
    except KeyboardInterrupt:  # It may come while the imports still go on.
        raise SystemExit(130) from None


def _command() -> None:
    import sys

    if sys.argv[1:2] == ["serve"]:
        # Somebody waits for these: nothing that they do not need is imported for them.
        from ml_coach.cli.serve import serve

        raise SystemExit(serve(sys.argv[2:]))
    if sys.argv[1:2] in (["exec"], ["pytest"]):
        from ml_coach.cli.sandbox_commands import main as sandbox_command

        raise SystemExit(sandbox_command(sys.argv[1:]))
    from ml_coach.cli.commands import run

    run()
