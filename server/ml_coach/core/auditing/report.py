"""What an audit of tests found, as values."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

MistakeStatus = Literal["noticed", "survived", "unreached"]
TestVerdict = Literal["notices", "cannot_fail", "elsewhere", "not_judging"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One small mistake in a module under test, made on purpose.

    `first` is its first line, from 1; `before` and `after` are the whole lines from there on, as
    they stand and with the mistake. `what` says it in one sentence, `function` is the qualified
    name around it (empty: the module itself).

    `survived` means that tests ran the line and all passed; `unreached` that no test runs it.
    `reached_by` are the tests that run it, `noticed_by` those of them that failed; `ended` says how
    a run ended that came to no end, such as at its time limit, which counts as noticed.
    """

    file: str
    first: int
    before: str
    after: str
    what: str
    function: str = ""
    status: MistakeStatus = "unreached"
    reached_by: tuple[str, ...] = ()
    noticed_by: tuple[str, ...] = ()
    ended: str = ""

    @property
    def line(self) -> int:
        """The line that differs first."""
        old, new = self.before.splitlines(), self.after.splitlines()
        pairs = zip(old, new, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))
        return self.first + same

    @property
    def diff(self) -> str:
        """The lines that differ, as a hunk of a unified diff."""
        old, new = self.before.splitlines(), self.after.splitlines()
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A place in a test, its line from 1, that cannot fail whatever the program does; `what` is a
    sentence."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class TestAudit:
    """One test, by pytest's id, and what it notices.

    `cannot_fail`: it runs lines with mistakes in them and notices none. `elsewhere`: it runs no
    line of the modules under test that a mistake is in. `not_judging`: it fails, is skipped, is
    flaky or needs other tests before it, so it says nothing; `why` says which.
    `notices` and `reaches` are indices into the report's mistakes. `line` is from 1, 0: unknown.
    """

    __test__ = False  # pytest collects classes named Test*

    test: str
    file: str
    line: int
    verdict: TestVerdict
    why: str = ""
    notices: tuple[int, ...] = ()
    reaches: tuple[int, ...] = ()
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class NewTest:
    """A test for mistakes that nobody notices: in the sandbox it passed on the program and failed
    on each of `notices`, indices into the report's mistakes. `text` is a function with a comment,
    to stand behind the text of the test file `file`, `name` its name."""

    file: str
    name: str
    text: str
    notices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the tests of a project notice of mistakes in `modules`.

    `alike` are groups of tests that notice the same mistakes and run the same lines. `equivalent`
    counts the mistakes that change nothing that Python executes, and that were left out; `untried`
    those that there was no room for. `new_tests` notice mistakes that no test does yet. `problem`
    is a sentence where there is nothing to report on; then all else is empty. `level` is the
    containment that the runs had, `ran_on` the Python.
    """

    modules: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    tests: tuple[TestAudit, ...] = ()
    alike: tuple[tuple[str, ...], ...] = ()
    new_tests: tuple[NewTest, ...] = ()
    equivalent: int = 0
    untried: int = 0
    level: str = ""
    ran_on: str = ""
    seconds: float = 0.0
    problem: str = ""

    @property
    def score(self) -> float | None:
        """The mutation score: the share of the mistakes that a test notices; None without any."""
        noticed = sum(mistake.status == "noticed" for mistake in self.mistakes)
        return noticed / len(self.mistakes) if self.mistakes else None

    @property
    def survived(self) -> tuple[Mistake, ...]:
        """The mistakes that no test notices though some run the line."""
        return tuple(m for m in self.mistakes if m.status == "survived")

    @property
    def cannot_fail(self) -> tuple[TestAudit, ...]:
        """The tests that notice nothing of what they run."""
        return tuple(t for t in self.tests if t.verdict == "cannot_fail")

    def new_tests_of(self, file: str, mistakes: Collection[int] | None = None) -> list[NewTest]:
        """The new tests for a file of tests, or those that notice one of `mistakes`, by place."""
        every = [test for test in self.new_tests if test.file == file]
        return [t for t in every if mistakes is None or not {*mistakes}.isdisjoint(t.notices)]

    def new_test_texts(self) -> dict[Mistake, str]:
        """For each mistake that a new test notices, the text of that test."""
        return {self.mistakes[n]: test.text for test in self.new_tests for n in test.notices}

    def doubtful(self) -> Iterator[tuple[TestAudit, Doubt]]:
        """Each place that cannot fail, once for all parameters of a test."""
        seen: set[tuple[str, Doubt]] = set()
        for test in self.tests:
            for doubt in test.doubts:
                if (test.file, doubt) not in seen:
                    seen.add((test.file, doubt))
                    yield test, doubt
