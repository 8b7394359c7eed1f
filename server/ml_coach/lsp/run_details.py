"""What clients get to draw of a run, as JSON objects with the protocol's names; see PROTOCOL.md."""

from __future__ import annotations

from typing import Literal, TypedDict

from ml_coach.core.evidence import Provenance

Task = Literal["generate", "implement", "debug", "write_tests", "refine", "test", "fix"]
Outcome = Literal["passed", "unsure", "gave_up", "stopped", "failed"]
RunAction = Literal["stop", "undo", "redo", "resume"]


class StageDetails(TypedDict):
    """A step of an iteration. Two may be `running` at once. `stopped`: it ended with the run."""

    stage: str
    title: str
    state: Literal["running", "done", "stopped"]


class CaseDetails(TypedDict):
    """One test's outcome. `provenance` says where the test comes from. `line` is where it failed, 0
    where that is unknown."""

    name: str
    provenance: Provenance
    outcome: Literal["passed", "failed", "error", "skipped", "not_run"]
    message: str
    line: int
    seconds: float


class ReportDetails(TypedDict):
    """What the tests said of a program. `ranOn` names the Python; `why` what kept them from it."""

    verdict: Literal["passed", "failed", "error", "tampered"]
    why: str
    ranOn: str
    tests: list[CaseDetails]


class PatchDetails(TypedDict):
    """A patch; `text` is its diff. `note`: what it would bring, or why it was not taken."""

    patchId: str
    text: str
    summary: str
    state: Literal["waiting", "applied", "discarded"]
    note: str


class DroppedDetails(TypedDict):
    """A test that may not judge, and why."""

    test: str
    reason: str


class QuestionDetails(TypedDict):
    """A question that a run left open, and the answers to choose from, in words."""

    text: str
    choices: list[str]


class IterationDetails(TypedDict):
    """One iteration; `report` is of its last test run."""

    number: int
    of: int
    stages: list[StageDetails]
    patches: list[PatchDetails]
    report: ReportDetails | None


class RunDetails(TypedDict):
    """Everything that is shown of a run. `report` speaks of the program in the user's files, not
    of a patch on trial. Of a run on a project's tests, `programFile` says where those are (`.` for
    all), `testsFile` is empty, and tests are named by pytest's ids. `saved`: the files that the run
    has written so far. `autoPatch`: patches are applied unasked. `summary` says in sentences how
    the run ended and what helps, `question` what it left open."""

    runId: str
    rootUri: str
    prompt: str
    task: Task
    programFile: str
    testsFile: str
    model: str
    sandbox: str
    autoPatch: bool
    active: bool
    outcome: Outcome | Literal[""]
    reason: str
    iterations: list[IterationDetails]
    dropped: list[DroppedDetails]
    saved: list[str]
    report: ReportDetails | None
    summary: str
    question: QuestionDetails | None


class AgentWriting(TypedDict):
    """What an agent writes now: `text` is what came since the last message, or the whole text so
    far where `callId` is new. `lines` counts those of the text, `line` is the last one that is not
    empty. `replies`: how many the agent is writing at once; the text is of one of them."""

    agent: str
    stage: str
    doing: str
    file: str
    replies: int
    callId: int
    text: str
    lines: int
    line: str
    tokensPerSecond: float


class RunWriting(TypedDict):
    """The agents of a run that are writing; none: they are done."""

    runId: str
    agents: list[AgentWriting]
