"""What the language server needs from the rest of ML Coach, as Protocols. `app.App` is all of it.

Imports of lsp/ stop here: this file knows the core and the settings, nothing above them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ml_coach.claims import Claims
from ml_coach.core.auditing.audit import AuditProgress
from ml_coach.core.auditing.report import AuditReport
from ml_coach.core.changes import FileChange
from ml_coach.core.events import Emit, Event, RunStarted
from ml_coach.core.evidence import Provenance
from ml_coach.core.ports import Call, Reviewer, Workspace
from ml_coach.core.question import Question
from ml_coach.core.request import Request
from ml_coach.core.results import Verification
from ml_coach.core.types import RunReport
from ml_coach.project_files import Opened
from ml_coach.run_order import RunOrder
from ml_coach.settings import Settings

Complete = Callable[[str, Call, Callable[[str], None]], Awaitable[dict[str, Any]]]
"""Asks one of the editor's own models: its name or "", the call, and who takes the pieces. Returns
the reply to `mlCoach/complete` (PROTOCOL.md). Raises `ConnectionError` when the editor has gone."""


class Disk(Protocol):
    """A folder's files, never outside it. Methods raise `OSError` with a sentence."""

    async def read(self, file: str) -> str | None:
        """The text of a file, relative to the folder; None where there is no such file."""
        ...

    async def check_writable(self, files: Sequence[str]) -> None:
        """Raises `OSError` for a file that could not be written."""
        ...

    async def write(self, texts: Mapping[str, str]) -> None:
        """Writes each file, with the folders above it."""
        ...

    async def delete(self, file: str) -> None:
        """Removes a file, which may be gone already."""
        ...

    def wrote(self, file: str, text: str) -> bool:
        """Whether ML Coach put this text there, at any time."""
        ...

    def was_ours(self, change: FileChange) -> bool:
        """Whether there was nothing of the user's in the file before this change of it."""
        ...

    def note(self, file: str, text: str) -> None:
        """Remembers a text that the editor was given for `file`."""
        ...


class PastRun(Protocol):
    """A run in the log."""

    @property
    def run_id(self) -> str:
        """The run's id; ids sort by the time of the start."""
        ...

    @property
    def request(self) -> Request:
        """What the user asked for."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended; empty when it never finished."""
        ...

    @property
    def reason(self) -> str:
        """Why it ended so, as a sentence; may be empty."""
        ...

    @property
    def is_damaged(self) -> bool:
        """Whether the end of its log cannot be read, so that the outcome is not known."""
        ...

    @property
    def question(self) -> Question | None:
        """The question that the run left open."""
        ...


class PastRuns(Protocol):
    """The log of all runs. Methods raise `KeyError` for a run that does not exist."""

    def folder_for(self, run_id: str) -> Path:
        """Where the run's log is or would be. Raises `KeyError` only for an impossible id."""
        ...

    def start(self, run_id: str) -> RunStarted:
        """What the run was asked, and of which model."""
        ...

    def events(self, run_id: str) -> Iterator[Event]:
        """Everything in the run's log, in order."""
        ...

    def report(self, run_id: str) -> RunReport | None:
        """How the run ended; None where it did not."""
        ...

    def changed_since(self, run_id: str) -> str:
        """The newest run that changed its program after it and was not undone; empty for none."""
        ...

    def prompt_of(self, folder: Path, program_file: str) -> str:
        """What the program was written for by runs; empty where none is known."""
        ...

    def latest(self, limit: int) -> Sequence[PastRun]:
        """The newest runs, newest first."""
        ...


class Backend(Protocol):
    """Runs orders and knows past runs, models and the machine."""

    @property
    def run_log(self) -> PastRuns:
        """The log of all runs."""
        ...

    @property
    def claims(self) -> Claims:
        """Who works on which run and file, in this process and in others."""
        ...

    def disk(self, root: Path) -> Disk:
        """The files below a workspace folder."""
        ...

    async def run(
        self, order: RunOrder, workspace: Workspace, reviewer: Reviewer, emit: Emit
    ) -> RunReport:
        """One run, logged as it happens. Raises `ModelError` and `OSError` before its start."""
        ...

    async def divided(self, order: RunOrder, emit: Emit) -> RunOrder:
        """The order for the first part of a prompt that names several files, where the model can
        divide it; else `order` itself. Raises `ModelError` and `OSError`."""
        ...

    async def verify(
        self, settings: Settings, files: Mapping[str, str], place: Path | None, highest: Path
    ) -> Verification:
        """Judges tests in the sandbox: those among `files`, texts by relative path; or those of
        `place`, a folder or test file, with `files` in the place of its own. The project around it
        is not looked for above `highest`. Raises `ExaminationError`."""
        ...

    async def filter_tests(
        self, settings: Settings, files: Mapping[str, str], place: Path | None, highest: Path
    ) -> AuditReport:
        """What the tests notice of mistakes in the program; arguments and error as `verify`."""
        ...

    def event_json(self, event: Event) -> dict[str, Any]:
        """An event as plain JSON data, as the log holds it."""
        ...

    def page_of(self, run_id: str) -> str:
        """The HTML page of a run. Raises `KeyError` when there is no such run."""
        ...

    def show(self, shown: Callable[[Path], Mapping[str, str]]) -> None:
        """Has runs import modules as the editor shows them: `shown` gives the texts of a folder's
        files, by their paths there."""
        ...

    def connect_editor(self, complete: Complete) -> None:
        """Makes `editor:` models possible."""
        ...

    def provenance_in(self, source: str, root: Path, file: str) -> Mapping[str, Provenance]:
        """Where the tests in `source`, the text of `file`, come from, by name: those that earlier
        runs wrote and nobody changed since."""
        ...

    def unconfirmed_host(self, settings: Settings) -> str:
        """The host that the OpenAI key would be sent to and that the user did not name or confirm.

        Empty where there is none. Without a confirmation the host gets no key."""
        ...

    def confirm_host(self, host: str) -> None:
        """Remembers that the OpenAI key may be sent to the host. Raises `OSError`."""
        ...

    def unconfirmed_python(self, settings: Settings, folder: Path) -> str:
        """The Python of the folder's virtual environment, if a run would start it and the user did
        not agree to that. Empty where there is none. Without a confirmation it is not started."""
        ...

    def confirm_python(self, folder: Path) -> None:
        """Remembers that the folder's Python may be started. Raises `OSError`."""
        ...

    async def audit(
        self,
        settings: Settings,
        opened: Opened,
        *,
        progress: Callable[[AuditProgress], None] | None = None,
    ) -> AuditReport:
        """What the tests of a project notice of mistakes in their modules. Raises `SetupError`
        where nothing can be run."""
        ...

    async def models(self, settings: Settings) -> dict[str, Any]:
        """The answer to `mlCoach.models`."""
        ...

    async def doctor(self, settings: Settings) -> list[dict[str, Any]]:
        """The checks in the answer to `mlCoach.doctor`."""
        ...

    async def aclose(self) -> None:
        """Ends what the runs shared: model processes, warm sandboxes. May be called twice."""
        ...
