"""The user's project as a value, and what a run of its tests tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from ml_coach.core.results import TestReport

_TEST_FOLDERS = frozenset({"tests", "test"})
_TEST_FILE = re.compile(r"(?:test_.*|.*_tests?|tests?|conftest)\.py")


def is_test_file(file: str) -> bool:
    """Whether a file belongs to a project's tests, which no patch changes: by its name, or because
    it lies in a folder of tests."""
    path = PurePosixPath(file)
    return bool(_TEST_FILE.fullmatch(path.name)) or not _TEST_FOLDERS.isdisjoint(path.parts[:-1])


def is_tests(file: str) -> bool:
    """Whether a file holds tests, by its name as pytest sees it."""
    name = PurePosixPath(file).name
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


@dataclass(frozen=True, slots=True)
class Project:
    """All that the sandbox sees of a project.

    `files` are contents by path, relative to the project's root. `import_roots` are the folders
    that its modules are imported from, the first one first; empty is the root itself. `config` is
    the file with pytest's settings, empty for none, and `arguments` are the options in it that
    decide which tests there are. Tests are collected from `targets`, by `keyword` where there is
    one (pytest's `-k`); `every` names where all of them are. `name`, `version` and `entry_points`
    (by group) are those that an installed project would have.
    """

    files: Mapping[str, bytes]
    import_roots: tuple[str, ...] = ("",)
    config: str = ""
    arguments: tuple[str, ...] = ()
    targets: tuple[str, ...] = (".",)
    every: tuple[str, ...] = (".",)
    keyword: str = ""
    name: str = ""
    version: str = "0"
    entry_points: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )

    @property
    def modules(self) -> tuple[str, ...]:
        """The Python files that a patch may change: all but those of the tests."""
        return tuple(f for f in sorted(self.files) if f.endswith(".py") and not is_test_file(f))

    def text(self, file: str) -> str:
        """The text of a file, empty where there is none or it is not UTF-8."""
        try:
            return self.files.get(file, b"").decode("utf-8-sig")
        except UnicodeDecodeError:
            return ""

    def with_texts(self, texts: Mapping[str, str]) -> Project:
        """The project with these files changed."""
        changed = {name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()}
        return replace(self, files={**self.files, **changed})


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which lines of a project's modules its tests ran; the lines that run at import are not among
    them.

    `failed` maps each failing test to the lines it ran, by file. `passed` counts for each file and
    line the passing tests that ran it. `reached` maps each file and first line of a function to
    all tests that entered it; it is empty where not all tests were followed. `lines` maps each file
    and line to all tests that ran it, those included that use a fixture that did; it is empty where
    nobody asked for it, or Python cannot tell it at little cost (before 3.12). There `passed` is
    `by_function`: it counts the first line of each function that was entered.
    """

    failed: Mapping[str, Mapping[str, frozenset[int]]] = field(
        default_factory=dict[str, Mapping[str, frozenset[int]]]
    )
    passed: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])
    reached: Mapping[str, Mapping[int, frozenset[str]]] = field(
        default_factory=dict[str, Mapping[int, frozenset[str]]]
    )
    lines: Mapping[str, Mapping[int, frozenset[str]]] = field(
        default_factory=dict[str, Mapping[int, frozenset[str]]]
    )
    by_function: bool = False


@dataclass(frozen=True, slots=True)
class LineChange:
    """Lines `first` to `last` of a file, from 1, become `text`, whole lines too."""

    file: str
    first: int
    last: int
    text: str

    def applied(self, source: str) -> str:
        """`source` with the change."""
        lines = source.split("\n")
        head, tail = lines[: self.first - 1], lines[self.last :]
        return "\n".join([*head, self.text.removesuffix("\n"), *tail])


@dataclass(frozen=True, slots=True)
class Trial:
    """Some tests of a project, by their ids, to be run on it with one change, or as it is. They run
    in this order, and all may use `seconds` of a processor together. `in_function` says that the
    change is in the body of a function, so that it changes nothing that runs at import.

    `then` follows where none of them fails. `alone` says that each test ends what it would share
    with the next ones, so that what fails there is its own.
    """

    tests: tuple[str, ...]
    change: LineChange | None = None
    seconds: float = 10.0
    in_function: bool = False
    then: tuple[str, ...] = ()
    alone: bool = False


TrialEnd = Literal["", "time", "crash", "untried"]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How a trial went: the tests that ran and those of them that failed. `ended` says what ended
    it before all had run; the test that it ended in is among the failed ones."""

    ran: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    ended: TrialEnd = ""


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """How one run of a project's tests went.

    A case is named by pytest's id. The finding of a test that did not pass lies in the test, and
    its `related` places are the frames in the project's files, the outermost first. `doubts` say
    what in the run could have changed its own outcome; many projects do some of that on purpose, so
    only those count that a patch brings. `ended` is whether the run came to its end.
    """

    tests: TestReport
    coverage: Coverage = field(default_factory=Coverage)
    doubts: frozenset[str] = frozenset()
    ended: bool = True

    @property
    def passed(self) -> frozenset[str]:
        """The ids of the tests that passed."""
        return self.tests.passed

    @property
    def failing(self) -> tuple[str, ...]:
        """The ids of the tests that failed, in their order."""
        return tuple(c.name for c in self.tests.cases if c.outcome in ("failed", "error"))


@dataclass(frozen=True, slots=True)
class TestProgress:
    """How far a run of tests is: `done` of `total`, and `test` begins. While the tests are being
    collected `total` is 0 and `done` is how many were found so far."""

    __test__ = False  # pytest collects classes named Test*

    done: int
    total: int
    test: str
