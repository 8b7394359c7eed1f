"""The one list of commands. The server registers them from it; the command lists in PROTOCOL.md and
in client-vscode/src/protocol.ts are written from it by tests/protocol_text.py, and a test compares.

An editor waits for this import, so it brings in the arguments' and the answers' types alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ml_coach.lsp.commands import arguments, results

if TYPE_CHECKING:
    from ml_coach.lsp.commands.handlers import Commands

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Command(Generic[A, R]):
    """`handler` finds the method that takes the argument and returns the answer. `does` is for
    PROTOCOL.md: what the command does, beside what the names say."""

    name: str
    argument: type[A]
    answer: type[R]
    handler: Callable[[Commands], Callable[[A], Awaitable[R]]]
    does: str = ""

    @property
    def full_name(self) -> str:
        """The name in `workspace/executeCommand`."""
        return f"mlCoach.{self.name}"

    async def run(self, commands: Commands, given: tuple[Any, ...]) -> R:
        """Reads the arguments and calls the handler. Raises InvalidParams and RequestFailed."""
        argument = arguments.read_arguments(self.argument, self.full_name, given)
        return await self.handler(commands)(argument)


COMMANDS = (
    Command(
        "generate", arguments.Generate, results.RunRef, lambda c: c.starting.generate,
        "writes a program and its tests; `documentUri` says from which document's folder settings "
        "and files are taken where there is no `targetUri`",
    ),
    Command(
        "implement", arguments.Implement, results.RunRef, lambda c: c.starting.implement,
        "gives a stub its body; `function` is its dotted name",
    ),
    Command(
        "debug", arguments.Debug, results.RunRef, lambda c: c.starting.debug,
        "repairs a program until its tests pass",
    ),
    Command(
        "writeTests", arguments.WriteTests, results.RunRef, lambda c: c.starting.write_tests,
        "writes tests for a program",
    ),
    Command(
        "runTests", arguments.RunTests, results.RunRef, lambda c: c.starting.run_tests,
        "takes a program or its tests; inspects and tests it, asks no model",
    ),
    Command(
        "stop", arguments.Stop, results.Stopped, lambda c: c.stop,
        "without `runId`: every run",
    ),
    Command(
        "applyPatch", arguments.ApplyPatch, results.Applied, lambda c: c.apply_patch,
        "`all`: every later patch of that run too, unasked; `edited`: the client applies the code "
        "action's edit itself",
    ),
    Command(
        "discardPatch", arguments.DiscardPatch, results.Discarded, lambda c: c.discard_patch,
        "lets the run go on without the patch",
    ),
    Command(
        "undoRun", arguments.OneRun, results.Undone, lambda c: c.undo_run,
        "takes back what the run changed; a second call takes the undo back",
    ),
    Command(
        "resume", arguments.OneRun, results.RunRef, lambda c: c.starting.resume,
        "starts a new run that goes on where that one ended",
    ),
    Command(
        "runs", arguments.LatestRuns, results.RunList, lambda c: c.list_runs,
        "the newest runs first, 20 without `limit`",
    ),
    Command(
        "events", arguments.OneRun, results.EventList, lambda c: c.events,
        "everything in the run's log",
    ),
    Command(
        "models", arguments.NoArgument, results.ModelList, lambda c: c.models,
        "the models that can be used here",
    ),
    Command(
        "doctor", arguments.NoArgument, results.CheckList, lambda c: c.doctor,
        "checks Python, model, sandbox, disk and memory",
    ),
)  # fmt: skip
