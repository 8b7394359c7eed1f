"""The typed records of what a run wrote, as record_reader.py reads them: frozen and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["setup", "call", "teardown"]
PhaseOutcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line, from 1, in one of the run's own files."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class RunBegan:
    """pytest is about to collect."""


@dataclass(frozen=True, slots=True)
class Found:
    """pytest collects a project's tests, and has found so many."""

    number: int


@dataclass(frozen=True, slots=True)
class Collected:
    """pytest has collected so many tests of a project, canaries included."""

    number: int


@dataclass(frozen=True, slots=True)
class Covered:
    """What the tests of a project ran, as `inside/line_coverage.py` packs it."""

    packed: str


@dataclass(frozen=True, slots=True)
class TestBegan:
    """pytest is about to set up the test with this id."""

    __test__ = False
    test: str


@dataclass(frozen=True, slots=True)
class TestCalled:
    """A test function returned or raised. `function` and `line` are those of the code that ran,
    and `own_code` says whether that is the very code of the test file."""

    __test__ = False
    test: str
    outcome: PhaseOutcome
    function: str
    line: int
    own_code: bool


@dataclass(frozen=True, slots=True)
class TestReported:
    """What pytest reports of one phase of a test. `xfail` says that the test was marked as expected
    to fail. `detail` is pytest's explanation, `message` its one line, `places` its traceback."""

    __test__ = False
    test: str
    phase: Phase
    outcome: PhaseOutcome
    xfail: bool
    seconds: float
    detail: str
    places: tuple[Place, ...]
    message: str

    @property
    def passed(self) -> bool:
        """Whether this phase passed and was meant to."""
        return self.outcome == "passed" and not self.xfail


@dataclass(frozen=True, slots=True)
class NotCollected:
    """A file or class that pytest could not collect. `name` is pytest's id of it; `file` is the
    file that it is in, empty where that is not one of the run's own."""

    name: str
    file: str
    detail: str
    places: tuple[Place, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Tampered:
    """The run did something that could change its own verdict. `what` completes "the run ..."."""

    what: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A test went through a comparison that no pass of it can avoid. `value` is the `repr` of what
    was compared with the literal, empty where that is an object."""

    test: str
    place: str
    value: str


@dataclass(frozen=True, slots=True)
class AgreedWithAll:
    """A test compares an object that says that it equals other plain values as well. `kind` and
    `module` name its type."""

    test: str
    kind: str
    module: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """pytest came to its end, with this exit code."""

    exit_code: int


TestRecord = (
    RunBegan
    | Found
    | Collected
    | Covered
    | TestBegan
    | TestCalled
    | TestReported
    | NotCollected
    | Compared
    | AgreedWithAll
    | Tampered
    | RunEnded
)


@dataclass(frozen=True, slots=True)
class Forged:
    """Why the records of a test run cannot be trusted, as a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that ended a script or kept a module from loading. `expression` is the text of
    what raised it, where that is on one line; `errno` is 0 for other than operating system errors.
    """

    name: str
    text: str
    places: tuple[Place, ...]
    errno: int
    expression: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A script called `sys.exit`. `wants_arguments` says that it looks at its command line."""

    wants_arguments: bool
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value of the expression with this index, as its `repr`, or the error it raised."""

    index: int
    value: str
    error: str


@dataclass(frozen=True, slots=True)
class Traced:
    """What one executed line did, as text."""

    text: str


ScriptRecord = Raised | Exited | Evaluated | Traced
