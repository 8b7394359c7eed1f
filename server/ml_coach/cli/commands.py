"""The command line of `ml-coach`: the table of its commands, and the last handler of errors."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer

from ml_coach import __version__
from ml_coach.app import state_folder
from ml_coach.cli.bench_command import bench
from ml_coach.cli.endings import FAILED, fail
from ml_coach.cli.file_commands import apply, open_files, undo
from ml_coach.cli.generate_command import generate
from ml_coach.cli.model_commands import doctor, models, pull
from ml_coach.cli.run_commands import answer, runs, show
from ml_coach.core.errors import ModelError, os_error_text
from ml_coach.settings import SETTINGS

_EPILOG = (
    "Settings: each flag of `generate` names its variable and stands in [tool.ml-coach] of "
    "pyproject.toml, too. Variables without a flag: "
    + "; ".join(f"{s.variable} ({s.description.rstrip('.')})" for s in SETTINGS if not s.flag)
)
_cli = typer.Typer(
    name="ml-coach",
    help="A prompt becomes a tested Python program.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_model_cli = typer.Typer(help="The local model's weights.", no_args_is_help=True)
_cli.add_typer(_model_cli, name="model")
_model_cli.command()(pull)
# `--help` lists the commands in this order.
for _command in (generate, runs, show, answer, apply, undo):
    _cli.command()(_command)
_cli.command("open")(open_files)
for _command in (models, doctor, bench):
    _cli.command()(_command)


def run() -> None:
    """Runs the command line; what a user can mend is shown as a line without a traceback."""
    try:
        _cli()
    except BrokenPipeError:
        raise  # `main` ends quietly: whoever read the output has left.
    except OSError as error:
        fail(os_error_text(error), FAILED)
    except ModelError as error:
        fail(str(error), FAILED)
    except Exception:  # noqa: BLE001 - a bug of ours is reported in one line, its trace in a file
        log = state_folder() / "bug.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        fail(f"That was a bug in ML Coach, sorry. What happened is in {log}", FAILED)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ml-coach {__version__}")
        raise typer.Exit


@_cli.callback()
def _options(  # pyright: ignore[reportUnusedFunction] - typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    pass


# The next three are here for the help text: `main` in cli/__init__.py runs these commands before
# typer is imported.
@_cli.command("exec")
def execute(file: Path) -> None:
    """Run any Python file in the sandbox; `ml-coach exec --help` says more."""
    from ml_coach.cli.sandbox_commands import main as sandbox_command

    raise SystemExit(sandbox_command(["exec", str(file)]))


@_cli.command("pytest")
def run_pytest(folder: Path) -> None:
    """Run and judge any folder of tests in the sandbox; `ml-coach pytest --help` says more."""
    from ml_coach.cli.sandbox_commands import main as sandbox_command

    raise SystemExit(sandbox_command(["pytest", str(folder)]))


@_cli.command()
def serve() -> None:
    """Serve the Language Server Protocol to an editor; `ml-coach serve --help` says more."""
    from ml_coach.cli.serve import serve as serve_editor

    raise SystemExit(serve_editor([]))
