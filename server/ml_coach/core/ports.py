"""What the core needs from outside, as Protocols. app.py picks what implements each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ml_coach.core.changes import Patch
from ml_coach.core.finding import Finding
from ml_coach.core.project import Project, ProjectReport, TestProgress, Trial, TrialResult
from ml_coach.core.question import Answer, Question
from ml_coach.core.results import Evaluation, TestReport
from ml_coach.core.types import Program, Suite
from ml_coach.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the talk with a model."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model.

    `purpose` names the agent that asks, for display and logs only. `max_tokens` bounds the reply,
    `timeout_seconds` the whole call, queueing included. `stop` are texts that end the reply, which
    does not include them. `grammar` is in llama.cpp's GBNF and keeps a small model to the expected
    form; a provider that does not support grammars ignores it. With `may_be_cut` the caller can use
    a reply that ends at `max_tokens`, so that it is not continued.
    """

    purpose: str
    messages: tuple[Message, ...]
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str = ""
    may_be_cut: bool = False
    timeout_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The last item of a stream. `length` means the reply was cut off and is not whole."""

    finish: Literal["stop", "length"]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Profile:
    """What a model can do, measured (see models/profiles.py), so that prompts fit it.

    `context` is in tokens. `candidates` is how many programs are decoded in parallel; a model with
    one is not sampled. `repairs` is how often it repairs a program before it writes a new one.
    `edit_format` is what the debugger asks for: whole functions or a unified diff. `plans` says
    whether the model's own plan helps it. `thinking_tokens` is the room that a provider adds to a
    call's `max_tokens` for a model whose unseen thoughts count against that limit. A model that
    `goes_on` takes a last message of the assistant's for the beginning of its own reply.
    """

    context: int = 8192
    candidates: int = 1
    # Most models lose 60 to 80 % of their ability to debug a program within two or three attempts
    # (The Debugging Decay Index, arXiv:2506.18403).
    repairs: int = 2
    edit_format: Literal["function", "diff"] = "diff"
    plans: bool = True
    temperature: float = 0.0
    max_tokens: int = 2048
    thinking_tokens: int = 0
    goes_on: bool = False


class Model(Protocol):
    """A language model. `name` is `provider:model`, as the user would write it."""

    @property
    def name(self) -> str:
        """`provider:model`, as the user would write it."""
        ...

    @property
    def profile(self) -> Profile:
        """What the model can do."""
        ...

    def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """The reply's text in pieces, without reasoning parts, then exactly one `Ended`.

        Closing the generator or cancelling its task ends the request at the provider.
        Raises the `ModelError` family (errors.py) and nothing else.
        """
        ...

    async def aclose(self) -> None:
        """Frees what the model holds: connections, processes. May be called twice."""
        ...


class Executor(Protocol):
    """Runs generated code where it can harm nothing (execution/).

    Every method can be cancelled: when it returns or raises, no process and no temporary file of it
    is left. Each run sees a private copy of the files that it is given and nothing else.
    """

    @property
    def level(self) -> str:
        """The containment in force, as shown to the user: `namespaces`, `bubblewrap`, ..."""
        ...

    async def inspect(
        self, program: Program, files: Mapping[str, str], *, timeout_seconds: float
    ) -> tuple[Finding, ...]:
        """Compiles the program, looks for undefined names, then runs it as `__main__`. `files` maps
        relative paths to the texts that it may need."""
        ...

    async def test(
        self, programs: Sequence[Program], suite: Suite, *, timeout_seconds: float
    ) -> tuple[TestReport, ...]:
        """Judges each program with the same suite; one report per program, in order. Without a
        program nothing is started."""
        ...

    async def evaluate(
        self, programs: Sequence[Program], expressions: Sequence[str], *, timeout_seconds: float
    ) -> tuple[tuple[Evaluation, ...], ...]:
        """The value of each expression in each program's namespace, as its `repr`: a tuple per
        program, in order. Statements may stand before an expression."""
        ...

    async def trace(self, program: Program, expression: str, *, timeout_seconds: float) -> str:
        """What each executed line of the program changed while `expression` was evaluated, as
        text such as `line 7: i = 3, total = 12`; bounded in lines and size."""
        ...

    async def test_project(
        self,
        project: Project,
        changes: Sequence[Mapping[str, str]] = ({},),
        *,
        only: Collection[str] | None = None,
        followed: Collection[str] | None = None,
        each_line: bool = False,
        timeout_seconds: float,
        test_seconds: float,
        hash_seed: int = 0,
        progress: Callable[[TestProgress], None] | None = None,
    ) -> tuple[ProjectReport, ...]:
        """Runs the project's tests, or `only` those with these ids, once for each of `changes`:
        texts by file that stand in the place of the project's. One report per change, in order.
        With `followed` the reports say which lines the tests ran: those tests surely, and all of
        them where that costs little; with `each_line` also which test ran which line.

        `timeout_seconds` bounds each of the runs, `test_seconds` each test. With another
        `hash_seed` sets of texts have another order. `progress` hears of each test. The tests are
        the user's own and pytest runs them as it does for the user, so they are judged less
        strictly than `test` judges (`execution/inside/project_tests.py`).
        """
        ...

    async def try_changes(
        self,
        project: Project,
        trials: Sequence[Trial],
        *,
        timeout_seconds: float,
        test_seconds: Mapping[str, float] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[TrialResult, ...]:
        """Runs each trial on a private copy of the project; one result per trial, in order.

        The project is imported and its tests are collected once for many trials. After
        `timeout_seconds` what is left is `untried`. `test_seconds` has, by id, the seconds of a
        processor that a test may use of those of its trial. `progress` hears how many trials are
        done.
        """
        ...

    async def aclose(self) -> None:
        """Ends the sandbox and all that runs in it. May be called twice."""
        ...


class Workspace(Protocol):
    """Where the user's files are: a folder for the terminal, an editor's documents for LSP."""

    @property
    def root(self) -> Path:
        """The folder on disk that files are relative to."""
        ...

    async def read(self, file: str) -> str | None:
        """The text as the user sees it now (unsaved edits included), None without such a file."""
        ...

    async def check_writable(self, files: Sequence[str]) -> None:
        """Raises `OSError`, with a sentence, for a file that `write` could not change."""
        ...

    async def write(self, texts: Mapping[str, str]) -> None:
        """Makes each file read its text: one step, so one edit for an editor.

        Raises `OSError` with the path when it cannot.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """The user's answer to an offered patch. `edited` replaces it where they changed it."""

    answer: Literal["apply", "discard", "stop", "later"]
    edited: Patch | None = None


class Reviewer(Protocol):
    """Asks the user about a patch, or what is right: at the terminal, in an editor, or nobody."""

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """Waits for the user; `later` where there is nobody to ask."""
        ...

    async def answer(self, question: Question) -> Answer | None:
        """Waits for the user; None where there is nobody to ask, or they answer later."""
        ...
