"""What happened in a run, in order. Faces show it, the run log keeps it, tests assert it.

An event says what happened, never what to show. wording.py matches over
`Event` with `assert_never`, so that no new event is left without words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ml_coach.core.changes import Patch
from ml_coach.core.finding import Finding
from ml_coach.core.question import Answer, Question
from ml_coach.core.request import Request
from ml_coach.core.results import TestReport
from ml_coach.core.types import (
    AgentName,
    Diagnosis,
    Dropped,
    Program,
    RunReport,
    Spec,
    Stage,
    Suite,
)
from ml_coach.core.usage import Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins. `model` is its name as `provider:model`, `folder` what the request's files are
    relative to; empty in the logs of earlier versions."""

    run_id: str
    request: Request
    model: str
    folder: str = ""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """`iteration` counts checked programs from 1, `of` is the most there may be."""

    stage: Stage
    iteration: int
    of: int


@dataclass(frozen=True, slots=True)
class DownloadAdvanced:
    """Weights, or Pyodide, on their way to the cache. `total_bytes` is 0 where it is not known."""

    name: str
    done_bytes: int
    total_bytes: int
    source: str


@dataclass(frozen=True, slots=True)
class ModelNoted:
    """What the user should know about the model, and what stops nothing; no full stop."""

    text: str


@dataclass(frozen=True, slots=True)
class PromptNoted:
    """What of the prompt the run does not do; no full stop."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """`call_id` counts the run's model calls from 1."""

    call_id: int
    purpose: str
    model: str


@dataclass(frozen=True, slots=True)
class TextArrived:
    """The next piece of a model call's reply."""

    call_id: int
    text: str


@dataclass(frozen=True, slots=True)
class CallRetrying:
    """The call failed and starts again after `delay_seconds`."""

    call_id: int
    attempt: int
    attempts: int
    delay_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call ended. `finish` is `stop`, `length` (cut off), `failed` or `cancelled`."""

    call_id: int
    purpose: str
    usage: Usage
    finish: str


@dataclass(frozen=True, slots=True)
class SpecWritten:
    """What the program must do is known."""

    spec: Spec


@dataclass(frozen=True, slots=True)
class ReplyRefused:
    """An agent's reply could not be used; what is asked next says why."""

    agent: AgentName
    reason: str


@dataclass(frozen=True, slots=True)
class ProgramWritten:
    """`done` lists what was changed between the model's reply and the program."""

    program: Program
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateChosen:
    """`program` is one of `candidates`, of which `agreeing` (itself included) give its answers."""

    program: Program
    candidates: int
    agreeing: int


@dataclass(frozen=True, slots=True)
class ProgramInspected:
    """A program was compiled and run on its own; `findings` are what is wrong with it."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SuiteWritten:
    """Also told of a suite that was changed since, by an answer of the user or a name that was
    misread. `done` lists what was changed between the model's reply and the suite."""

    suite: Suite
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuiteFiltered:
    """Which tests may judge the code. `mutation_score`: killed / all mutants, None if unknown."""

    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    mutation_score: float | None = None


@dataclass(frozen=True, slots=True)
class TestsFinished:
    """A program was tested with the suite that judges now."""

    __test__ = False  # pytest collects classes named Test*

    report: TestReport


@dataclass(frozen=True, slots=True)
class TestsAdvanced:
    """A run of a project's tests goes on, see `core.project.TestProgress`. Not logged."""

    __test__ = False  # pytest collects classes named Test*

    done: int
    total: int
    test: str


@dataclass(frozen=True, slots=True)
class PatchesTried:
    """So many small edits were tried for a failure. Not logged."""

    done: int


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    """How a project's tests are before anything is changed: so many pass and fail. `flaky` tests
    came out differently in a second run, `set_aside` says of others what the sandbox lacks."""

    passed: int
    failing: int
    causes: int
    flaky: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureChosen:
    """The run works on these failing tests of a project, which have one cause. `suspects` are the
    functions that may be to blame, as `file::name`, the most suspicious one first."""

    tests: tuple[str, ...]
    message: str
    suspects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What is wrong with the program is known, with a patch where there is one."""

    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class PatchOffered:
    """A patch that was tried on a private copy and helps: `passed` of `total` tests after it."""

    patch: Patch
    summary: str
    passed: int
    total: int


@dataclass(frozen=True, slots=True)
class PatchApplied:
    """The patched program is the best so far and goes into the files."""

    patch: Patch
    summary: str


@dataclass(frozen=True, slots=True)
class PatchDiscarded:
    """A patch was not taken; `patch` is None where it must not be shown as one."""

    reason: str
    patch: Patch | None = None


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """The run is not sure and asks the user what a call should give."""

    question: Question


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """The user answered, or skipped the question."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class FilesSaved:
    """The workspace now reads like this. Texts by relative path."""

    files: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event of every run."""

    report: RunReport


Event = (
    RunStarted
    | StageStarted
    | DownloadAdvanced
    | ModelNoted
    | PromptNoted
    | CallStarted
    | TextArrived
    | CallRetrying
    | CallFinished
    | SpecWritten
    | ReplyRefused
    | ProgramWritten
    | CandidateChosen
    | ProgramInspected
    | SuiteWritten
    | SuiteFiltered
    | TestsFinished
    | TestsAdvanced
    | PatchesTried
    | BaselineTaken
    | FailureChosen
    | Diagnosed
    | PatchOffered
    | PatchApplied
    | PatchDiscarded
    | QuestionAsked
    | QuestionAnswered
    | FilesSaved
    | RunFinished
)

Emit = Callable[[Event], None]
