"""`ml-coach implement`, `debug`, `write-tests` and `refine`: runs on a program that exists."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_coach.app import App
from ml_coach.cli.endings import USAGE, fail, run_until_done
from ml_coach.cli.generate_command import start
from ml_coach.cli.program_argument import (
    FunctionArgument,
    NamedProgram,
    NewTestsOption,
    ProgramArgument,
    TestsOption,
    complete_file,
    function_in,
    named_program,
    program_in,
)
from ml_coach.cli.prompt_text import read_prompt
from ml_coach.cli.run_options import RunOptions, with_run_options
from ml_coach.cli.run_reference import complete_run, folder_of, named_run, report_of
from ml_coach.cli.shown_paths import shown
from ml_coach.core.python.stubs import stubs_in
from ml_coach.file_orders import FileOrders
from ml_coach.folder_files import FolderFiles


def _complete(begun: str) -> list[str]:
    return [*complete_run(begun), *complete_file(begun)]


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|FILE",
        help="A run, as in `ml-coach show`, or a program; left out: the last run.",
        autocompletion=_complete,
    ),
]
FollowUpArgument = Annotated[
    str,
    typer.Argument(
        metavar="SENTENCE", help="What it must do as well; @FILE and - as for `generate`."
    ),
]


@with_run_options
def implement(run: RunOptions, function: FunctionArgument, tests: NewTestsOption = None) -> None:
    """Give a function that is still empty its body, by its signature and docstring, and test it."""
    app = App()
    file, name = function_in(function)
    program = named_program(file, app)
    if not name:
        empty = ", ".join(dict.fromkeys(stub.name for stub in stubs_in(program.text)))
        listed = f" Still empty: {empty}." if empty else ""
        fail(f"Name the function, as in: ml-coach implement {file}::NAME.{listed}", USAGE)
    orders = _orders(program, run)
    place = program.beside(tests, "--tests")
    start(app, run_until_done(orders.implement(program.file, name, place)), run)


@with_run_options
def debug(run: RunOptions, file: ProgramArgument, tests: TestsOption = None) -> None:
    """Repair a program until its tests pass; each patch waits for your yes."""
    app = App()
    program = named_program(file, app)
    orders = _orders(program, run)
    found = program.beside(tests, "--tests") or orders.tests_of(program.file)
    root = program.files.root
    if not found:
        places = ", ".join(shown(root / place) for place in orders.places(program.file))
        fail(
            f"No tests for {file} were found; looked for {places}. Name them with --tests FILE, or "
            f"have some written first: ml-coach write-tests {file}",
            USAGE,
        )
    if not program.files.exists(found):
        fail(f"There is no file {tests}.", USAGE)
    start(app, run_until_done(orders.debug(program.file, found)), run)


@with_run_options
def write_tests(run: RunOptions, file: ProgramArgument, tests: NewTestsOption = None) -> None:
    """Write tests for a program and run them; the program stays as it is."""
    app = App()
    program = named_program(file, app)
    place = program.beside(tests, "--tests")
    start(app, run_until_done(_orders(program, run).write_tests(program.file, place)), run)


@with_run_options
def refine(
    run: RunOptions,
    target: TargetArgument = "last",
    follow_up: FollowUpArgument = "",
    tests: TestsOption = None,
) -> None:
    """Have a program do something more: its tests stay, and new ones go behind them."""
    app = App()
    if not follow_up:  # One word is the sentence, about the last run.
        if target == "last" or target.endswith(".py"):
            fail(f'Say what it must do as well: ml-coach refine {target} "also …"', USAGE)
        target, follow_up = "last", target
    text = read_prompt(follow_up, None).strip()
    earlier = place = ""
    if target.endswith(".py"):
        program = named_program(target, app)
    else:
        run_id = named_run(app.run_log, target)
        begun, _ = report_of(app.run_log, run_id)
        request, files = begun.request, FolderFiles(folder_of(begun, None), app)
        program = program_in(files, request.program_file)
        place = request.tests_file if files.exists(request.tests_file) else ""
        earlier = request.prompt if request.task in ("generate", "refine") else ""
    place = program.beside(tests, "--tests") or place
    orders = _orders(program, run)
    start(app, run_until_done(orders.refine(program.file, text, earlier, place)), run)


def _orders(program: NamedProgram, run: RunOptions) -> FileOrders:
    return FileOrders(program.files, run.settings(program.files.root))
