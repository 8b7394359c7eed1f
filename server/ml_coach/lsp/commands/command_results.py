"""What the commands answer, as JSON objects with the protocol's names."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from ml_coach.core.auditing.report import TestVerdict
from ml_coach.core.results import CaseOutcome, Verdict
from ml_coach.lsp.run_details import Outcome, RunAction, Task

RunEvent = dict[str, Any]
"""One line of the run log, as in `mlCoach/event`; see PROTOCOL.md."""


class RunRef(TypedDict):
    """A run, by its id."""

    runId: str


class AuditStarted(TypedDict):
    """An audit goes on."""

    started: bool


class Stopped(TypedDict):
    """The ids of the runs that were stopped."""

    stopped: list[str]


class Applied(TypedDict):
    """`reason` is empty where the patch was applied."""

    applied: bool
    reason: str


class Discarded(TypedDict):
    """`reason` is empty where the patch was discarded."""

    discarded: bool
    reason: str


class Answered(TypedDict):
    """`runId` is the run that goes on with the answer; it is empty while the user is asked, and
    where `reason` says why the answer cannot be read."""

    runId: str
    reason: str


class RunPage(TypedDict):
    """Where the page is."""

    uri: str


class Undone(TypedDict):
    """`files` are URIs; `reason` says why an undo was refused, else it is empty."""

    action: Literal["undone", "redone", "refused"]
    files: list[str]
    reason: str


class RunSummary(TypedDict):
    """One run. `outcome` is empty for a run that has not finished, or never did; `rootUri` where
    it worked in no folder of an editor. `folder` is its log folder on disk. `elsewhere`: it is
    active in another window or a terminal. `startedAt` is the local time, as in
    2026-01-02T10:15:00, empty where it is unknown. `can` lists what can be done with the run in
    the folders that are open here."""

    runId: str
    prompt: str
    task: Task
    programFile: str
    outcome: Outcome | Literal[""]
    reason: str
    active: bool
    elsewhere: bool
    waitingPatchId: str
    folder: str
    rootUri: str
    startedAt: str
    can: list[RunAction]


class RunList(TypedDict):
    """Runs, newest first."""

    runs: list[RunSummary]


class FileDetails(TypedDict):
    """A file before and after a patch; null for one that does not exist."""

    file: str
    before: str | None
    after: str | None


class PatchFiles(TypedDict):
    """The whole texts that a patch is about."""

    changes: list[FileDetails]


class EventList(TypedDict):
    """Everything in a run's log; files in the events are relative to `rootUri`."""

    rootUri: str
    events: list[RunEvent]


class Explanation(TypedDict):
    """What a run did, one sentence for each step that has something to say."""

    steps: list[str]


class TestOutcome(TypedDict):
    """How one test came out; `message` says why it did not pass."""

    name: str
    outcome: CaseOutcome
    message: str


class Fault(TypedDict):
    """One thing that is wrong; `line` is 0 where it is not known."""

    kind: str
    message: str
    file: str
    line: int


class Verified(TypedDict):
    """What a contained run of tests showed. `level` is the containment, `ranOn` the Python, `limit`
    what stopped it. `doubts`: what in the run could have changed its own outcome. `replaced`: the
    files on disk in whose place other texts stood."""

    verdict: Verdict
    why: str
    level: str
    ranOn: str
    limit: str
    tests: list[TestOutcome]
    faults: list[Fault]
    doubts: list[str]
    replaced: list[str]


class DoubtfulPlace(TypedDict):
    """A line of a test that cannot fail, whatever the program does."""

    line: int
    what: str


class FilteredTest(TypedDict):
    """What a test is good for. `notices` counts the mistakes that make it fail, `reaches` those
    whose lines it runs; `why` says why one is `not_judging`."""

    test: str
    file: str
    line: int
    verdict: TestVerdict
    why: str
    notices: int
    reaches: int
    doubts: list[DoubtfulPlace]


class Survivor(TypedDict):
    """A mistake in the program that no test notices, though those in `reachedBy` run its line.
    `newTest` is a test that does, seen in the sandbox; empty where none was found."""

    file: str
    line: int
    what: str
    diff: str
    reachedBy: list[str]
    newTest: str


class FilteredTests(TypedDict):
    """What tests notice of mistakes in `modules`. `score` is the share that they notice, 0 to 1.
    `unreached` counts the mistakes whose line no test runs; `alike` are groups of tests that notice
    the same."""

    score: float | None
    level: str
    ranOn: str
    modules: list[str]
    tests: list[FilteredTest]
    survived: list[Survivor]
    unreached: int
    alike: list[list[str]]


class ListedModel(TypedDict):
    """A model that the settings may name. `title` is for people; `description` says what is
    missing, if anything."""

    title: str
    name: str
    description: str
    available: bool


class ModelList(TypedDict):
    """`default` is the model of a run that names none."""

    default: str
    models: list[ListedModel]


class TestPlace(TypedDict):
    """A test of a file and the line of its `def`, from 0. `name` is as in CaseDetails, without
    parameters."""

    name: str
    line: int


class TestList(TypedDict):
    """The tests in the order of the file."""

    tests: list[TestPlace]


class Check(TypedDict):
    """One check of the machine. `mend` says how to repair what was found."""

    name: str
    ok: bool
    found: str
    mend: str


class CheckList(TypedDict):
    """All checks."""

    checks: list[Check]
