"""The terminal: typer commands and rich output. It has no logic that editors would lack."""

from __future__ import annotations

# As a shell reports a command that the signal SIGPIPE ended.
_NOBODY_READS = 141


def main() -> None:
    """Entry point of `ml-coach` and of `python -m ml_coach`, and the last handler of errors."""
    import sys

    from ml_coach.cli.standard_streams import drop_output, open_closed

    open_closed()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        if name == "serve":
            # An editor waits for this command to start, so typer is not imported for it.
            from ml_coach.cli.serve import serve

            raise SystemExit(serve(sys.argv[2:]))
        if name in ("exec", "pytest"):
            from ml_coach.cli.sandbox_commands import main as sandbox_command

            raise SystemExit(sandbox_command(sys.argv[1:]))
        from ml_coach.cli.commands import command_line

        command_line()
    except KeyboardInterrupt:  # Ctrl-C may come while modules are still being imported.
        raise SystemExit(130) from None
    except BrokenPipeError:
        drop_output()
        raise SystemExit(_NOBODY_READS) from None
    except Exception as error:  # noqa: BLE001 - a bug of ours is reported in one line
        from ml_coach.cli.endings import fail_by

        fail_by(error)
