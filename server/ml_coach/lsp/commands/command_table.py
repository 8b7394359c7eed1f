"""The one list of commands: a name, its handler, and what it does.

The handler's signature is the rest of a row: the dataclass of its argument (arguments.py) and the
shape of its answer (results.py). The server registers the commands from this list. Those in
PROTOCOL.md and in client-vscode/src/protocol.ts are written from it by tests/protocol_text.py.

An editor waits for this import, so it brings in nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_coach.lsp.commands.handlers import Commands


@dataclass(frozen=True, slots=True)
class Command:
    """`handler` finds the method that takes the `argument` and returns the answer. `does` is for
    PROTOCOL.md: what the command does, beside what the names say."""

    name: str
    handler: Callable[[Commands], Callable[[Any], Awaitable[Any]]]
    does: str

    @property
    def full_name(self) -> str:
        """The name in `workspace/executeCommand`."""
        return f"mlCoach.{self.name}"


COMMANDS = (
    Command(
        "generate", lambda c: c.starting.generate,
        "writes a program and its tests; `documentUri` says from which document's folder settings "
        "and files are taken where there is no `targetUri`; where the prompt names several new "
        "files and the model can divide it, this run writes the first, and a run for each of the "
        "others follows",
    ),
    Command(
        "implement", lambda c: c.starting.implement,
        "gives a stub its body; `function` is its dotted name",
    ),
    Command(
        "debug", lambda c: c.starting.debug,
        "repairs a program until its tests pass",
    ),
    Command(
        "writeTests", lambda c: c.starting.write_tests,
        "writes tests for a program",
    ),
    Command(
        "refine", lambda c: c.starting.refine,
        "has a program do what `prompt` says, too; its tests stay, and new ones go behind them",
    ),
    Command(
        "fix", lambda c: c.starting.fix,
        "runs a project's tests, those below `uri` (a folder or a file; else the workspace folder) "
        "or one `test` of that file, and mends the code that they fail for; with `maxIters` 1 it "
        "only runs them",
    ),
    Command(
        "runTests", lambda c: c.starting.run_tests,
        "takes a program or its tests; inspects and tests it, asks no model",
    ),
    Command(
        "auditTests", lambda c: c.audit_tests,
        "looks which tests of a file cannot fail, by mistakes made in their module; what it finds "
        "are diagnostics of the file, and it goes on behind a progress that can be cancelled",
    ),
    Command(
        "tests", lambda c: c.list_tests,
        "where the tests of a file stand, unsaved edits included",
    ),
    Command(
        "stop", lambda c: c.stop,
        "without `runId`: every run; `reason` is a sentence for the report where it was not the "
        "user who stopped it",
    ),
    Command(
        "applyPatch", lambda c: c.apply_patch,
        "`all`: every later patch of that run too, unasked; `edited`: the client applies the code "
        "action's edit itself",
    ),
    Command(
        "discardPatch", lambda c: c.discard_patch,
        "lets the run go on without the patch",
    ),
    Command(
        "undoRun", lambda c: c.undo_run,
        "takes back what the run changed; a second call takes the undo back",
    ),
    Command(
        "resume", lambda c: c.starting.resume,
        "starts a new run that goes on where that one ended",
    ),
    Command(
        "answer", lambda c: c.answering.answer,
        "answers the question that a run left open, and starts the run that goes on; `text` is a "
        "Python literal, `raises X`, `not defined` or `skip`; without `choice` and `text` the "
        "user is asked",
    ),
    Command(
        "runs", lambda c: c.list_runs,
        "the newest runs first, 20 without `limit`",
    ),
    Command(
        "run", lambda c: c.run,
        "everything that is shown of a run, as in `mlCoach/run`",
    ),
    Command(
        "runPage", lambda c: c.run_page,
        "writes the page of a run into its log folder: one HTML file that asks no network",
    ),
    Command(
        "patch", lambda c: c.patch,
        "the whole texts before and after a patch of a run",
    ),
    Command(
        "events", lambda c: c.events,
        "everything in the run's log",
    ),
    Command(
        "explain", lambda c: c.explain,
        "what the run did and found, step by step, in words",
    ),
    Command(
        "verify", lambda c: c.examining.verify,
        "runs pytest tests in the sandbox and judges them from outside; answers when they have run",
    ),
    Command(
        "filterTests", lambda c: c.examining.filter_tests,
        "makes small mistakes in the program and says which tests notice them; answers when they "
        "have run",
    ),
    Command(
        "models", lambda c: c.models,
        "the models that can be used here",
    ),
    Command(
        "doctor", lambda c: c.doctor,
        "checks Python, model, sandbox, disk and memory",
    ),
)  # fmt: skip
