"""How a command ends: exit codes, a line that says what is wrong, Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rich.markup import escape

from ml_coach.app import state_folder
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.errors import ModelError, SetupError, os_error_text
from ml_coach.core.types import Outcome

USAGE = 2
# Something outside of the program went wrong: the model, the sandbox, the disk, or ML Coach.
FAILED = 4
T = TypeVar("T")


def exit_code(outcome: Outcome, unsure: int) -> int:
    """The exit code of a run; `unsure` is what the user wants for that outcome."""
    match outcome:
        case "passed":
            return 0
        case "unsure":
            return unsure
        case "gave_up":
            return 1
        case "failed":
            return FAILED
        case "stopped":
            return 130


def complain(text: str) -> None:
    """Prints `text` to standard error."""
    EscapingConsole(stderr=True).print(f"[red]ml-coach:[/] {escape(text)}", soft_wrap=True)


def fail(text: str, code: int) -> NoReturn:
    """Prints `text` to standard error and ends the command with this exit code."""
    complain(text)
    raise SystemExit(code)


def fail_by(error: Exception) -> NoReturn:
    """Ends the command. What a user can mend is shown as a line without a traceback; the trace of
    a bug of ours is kept in a file."""
    if isinstance(error, OSError) and _is_nowhere():
        fail("The current folder is not there any more: change to another one.", FAILED)
    if isinstance(error, ModelError | SetupError | OSError):
        fail(os_error_text(error) if isinstance(error, OSError) else str(error), FAILED)
    log = state_folder() / "bug.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    fail(f"That was a bug in ML Coach, sorry. What happened is in {log}", FAILED)


def _is_nowhere() -> bool:
    """Whether somebody deleted the folder that the command was started in."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def run_until_done(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` and returns its result. Ends the command with 130 where `work` is cancelled.

    Ctrl-C and termination cancel it; a second one ends the process at once.
    """

    async def guarded() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if task.cancelling():
                os._exit(130)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, stop)
            except NotImplementedError:  # Windows, where asyncio itself cancels the main task.
                break
        return await task

    try:
        return asyncio.run(guarded())
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise SystemExit(130) from None
