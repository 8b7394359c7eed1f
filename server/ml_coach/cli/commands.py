"""The command line of `ml-coach`: the table of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml_coach import __version__
from ml_coach.cli.agent_commands import acp, mcp
from ml_coach.cli.audit_command import audit_tests
from ml_coach.cli.batch_command import batch
from ml_coach.cli.bench_command import bench
from ml_coach.cli.file_commands import apply, open_files, undo
from ml_coach.cli.fix_command import fix
from ml_coach.cli.generate_command import generate
from ml_coach.cli.help_words import WordedCommand, WordedGroup
from ml_coach.cli.model_commands import doctor, models, pull
from ml_coach.cli.program_commands import debug, implement, refine, write_tests
from ml_coach.cli.report_command import report
from ml_coach.cli.run_commands import answer, runs, show
from ml_coach.settings import SETTINGS

_EPILOG = (
    "Settings: each flag of `generate` names its variable and stands in [tool.ml-coach] of "
    "pyproject.toml, too. Variables without a flag: "
    + "; ".join(f"{s.variable} ({s.description.rstrip('.')})" for s in SETTINGS if not s.flag)
)
command_line = typer.Typer(
    name="ml-coach",
    cls=WordedGroup,
    help="A prompt becomes a tested Python program.",
    epilog=escape(_EPILOG),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_model_cli = typer.Typer(cls=WordedGroup, help="The local model's weights.", no_args_is_help=True)
command_line.add_typer(_model_cli, name="model")
_model_cli.command(cls=WordedCommand)(pull)
# `--help` lists the commands in this order, and shows an example of those that start a run.
for _command, _example in (
    (
        generate,
        'generate \'Write slugify(text), words joined by hyphens. slugify("A b") == "a-b"\'',
    ),
    (implement, "implement shop/cart.py::Cart.total"),
    (debug, "debug shop/cart.py --tests tests/test_cart.py"),
    (write_tests, "write-tests shop/cart.py"),
    (fix, "fix tests/test_cart.py -k discount"),
    (audit_tests, "audit-tests tests/test_cart.py --min-score 80"),
    (refine, "refine shop/cart.py 'also take a discount: total([10], 0.5) == 5'"),
):
    command_line.command(cls=WordedCommand, epilog=f"Example: ml-coach {escape(_example)}")(
        _command
    )
for _command in (runs, show, answer, apply, undo):
    # What is no option may be an answer: -1.
    _unknown = {"ignore_unknown_options": _command is answer}
    command_line.command(cls=WordedCommand, context_settings=_unknown)(_command)
command_line.command("open", cls=WordedCommand)(open_files)
for _command in (models, doctor, batch, bench, report, mcp, acp):
    command_line.command(cls=WordedCommand)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ml-coach {__version__}")
        raise typer.Exit


@command_line.callback()
def _options(  # pyright: ignore[reportUnusedFunction] - typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    pass


# The next three are here for the help text: `main` in cli/__init__.py runs these commands before
# typer is imported.
@command_line.command("exec", cls=WordedCommand)
def execute(file: Path) -> None:
    """Run any Python file in the sandbox; `ml-coach exec --help` says more."""
    from ml_coach.cli.sandbox_commands import main as sandbox_command

    raise SystemExit(sandbox_command(["exec", str(file)]))


@command_line.command("pytest", cls=WordedCommand)
def run_pytest(folder: Path) -> None:
    """Run and judge any folder of tests in the sandbox; `ml-coach pytest --help` says more."""
    from ml_coach.cli.sandbox_commands import main as sandbox_command

    raise SystemExit(sandbox_command(["pytest", str(folder)]))


@command_line.command(cls=WordedCommand)
def serve() -> None:
    """Serve the Language Server Protocol to an editor; `ml-coach serve --help` says more."""
    from ml_coach.cli.serve import serve as serve_editor

    raise SystemExit(serve_editor([]))
