"""What came out of a sandboxed run: of a script, of tests, of an expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml_coach.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Execution:
    """What one contained run of a script left behind.

    `clean` is true only for a run that ended by itself, with exit code 0, inside every limit.
    `limit` names the limit that stopped it, else it is empty. `ran_on` says which Python ran it,
    and why, where that is not the one that the workspace has.
    """

    clean: bool
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    limit: str = ""
    findings: tuple[Finding, ...] = ()
    ran_on: str = ""


CaseOutcome = Literal["passed", "failed", "error", "skipped", "not_run"]


@dataclass(frozen=True, slots=True)
class Case:
    """One test's outcome. `name` is its id within its file: `test_x`, `TestA::test_b[1-2]`."""

    name: str
    outcome: CaseOutcome
    message: str = ""
    line: int = 0
    seconds: float = 0.0

    @property
    def function(self) -> str:
        """The function behind a parametrized id."""
        return self.name.split("[", 1)[0]


Verdict = Literal["passed", "failed", "error", "tampered"]


@dataclass(frozen=True, slots=True)
class TestReport:
    """The outcome of one suite. The verdict is `passed` only when every expected test ran and
    passed, except those that the user's own file skips.

    `why` is one sentence for the user wherever the verdict is not `passed`. `ran_on` says which
    Python ran the tests, and why, where that is not the one that the workspace has.
    """

    __test__ = False  # pytest collects classes named Test*

    verdict: Verdict
    cases: tuple[Case, ...] = ()
    findings: tuple[Finding, ...] = ()
    why: str = ""
    seconds: float = 0.0
    limit: str = ""
    ran_on: str = ""

    @property
    def passed(self) -> frozenset[str]:
        """The names of the cases that passed."""
        return frozenset(c.name for c in self.cases if c.outcome == "passed")

    @property
    def skipped(self) -> int:
        """How many cases were skipped."""
        return sum(c.outcome == "skipped" for c in self.cases)

    @property
    def ended(self) -> bool:
        """Whether the test run completed, so that a test that did not run never would."""
        return self.verdict in ("passed", "failed")


# How the sandbox names what it did to a program, where no exception of the program's own ended it.
UNANSWERED = ("Timeout", "Stopped", "SandboxError")


@dataclass(frozen=True, slots=True)
class Verification:
    """What a contained run of tests showed that somebody asked for.

    `doubts` are what in the run could have changed its own outcome, `replaced` the project's files
    in whose place it had other texts.
    """

    report: TestReport
    level: str
    doubts: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One expression's value in a program: its `repr`, or the exception as `Type: message`.

    Where it came to neither, the error begins with one of `UNANSWERED`.
    """

    value: str = ""
    error: str = ""

    @property
    def error_type(self) -> str:
        """The name of the exception's class, or one of `UNANSWERED`; empty for a value."""
        return self.error.split(":")[0]

    @property
    def shown(self) -> str:
        """The value, or the type of the error: what a person compares."""
        return self.error_type or self.value
