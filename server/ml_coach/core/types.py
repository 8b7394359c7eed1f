"""The nouns of a run. Frozen data: a stage takes some of these and gives another."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from ml_coach.core.changes import Patch
from ml_coach.core.evidence import BINDING, Evidence, Provenance
from ml_coach.core.python import syntax

Outcome = Literal["passed", "unsure", "gave_up", "stopped", "failed"]
Stage = Literal["research", "code", "tests", "filter", "pytest", "debug", "patch"]
AgentName = Literal["researcher", "coder", "test_writer", "debugger"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use at most; checked before each model call. `seconds` is wall time."""

    calls: int = 40
    tokens: int = 200_000
    seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    `generate` writes a program from `prompt`; `implement` fills the stub `function` (a dotted
    name) in `program_file`; `debug` starts from that file as it is; `write_tests` stops once its
    tests are written. Files are relative to the workspace. `examples` are given asserts; None
    takes those of the prompt. A run ends `unsure` whose `precision` is below `min_confidence` (see
    `RunReport`). `guessed` names the tests in the user's file that a model guessed in an earlier
    run. `seed` makes sampled programs repeatable.
    """

    prompt: str
    task: Literal["generate", "implement", "debug", "write_tests"] = "generate"
    program_file: str = "generated_code.py"
    tests_file: str = "test_generated.py"
    function: str = ""
    max_iters: int = 3
    min_confidence: float = 0.9
    run_timeout_seconds: float = 8.0
    auto_patch: bool = False
    examples: tuple[str, ...] | None = None
    guessed: frozenset[str] = frozenset()
    seed: int = 0
    limits: Limits = field(default_factory=lambda: Limits())

    @property
    def changed_files(self) -> tuple[str, ...]:
        """The files that the run may change.

        A debugger with one iteration only tries what is there; the tests it judges by are not its.
        """
        match self.task:
            case "generate" | "implement":
                return self.program_file, self.tests_file
            case "write_tests":
                return (self.tests_file,)
            case "debug":
                return (self.program_file,) if self.max_iters > 1 else ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """A piece of the prompt that can be checked, word for word."""

    quote: str


@dataclass(frozen=True, slots=True)
class StatedTest:
    """A test, as one statement, whose literals all stand in one statement of the prompt.

    `quote` is the piece of the prompt that states it.
    """

    __test__ = False  # pytest collects classes named *Test*

    statement: str
    quote: str


@dataclass(frozen=True, slots=True)
class Spec:
    """What the program must do, as understood from the prompt.

    `examples` are assert statements taken from the prompt word for word. They are *given*: they
    outrank everything a model says. What the prompt says of results in other words is `stated`,
    and `requirements` are all its pieces that can be checked. `stub` is the Python code in the
    prompt (signatures and docstrings), empty where the prompt is prose.
    """

    prompt: str
    stub: str = ""
    signatures: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    stated: tuple[StatedTest, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    behaviours: tuple[str, ...] = ()
    edge_cases: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """One Python file under test. `file` is a path relative to the run's folder."""

    source: str
    file: str = "generated_code.py"

    @property
    def digest(self) -> str:
        """A short hash of the source: equal texts have an equal digest."""
        return sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def module(self) -> str:
        """The name that a test imports it by."""
        return self.file.removesuffix(".py").replace("/", ".")

    @property
    def is_importable(self) -> bool:
        """Whether a test can import it by `module`; it cannot import `my-mod.py` or `class.py`."""
        parts = self.file.removesuffix(".py").split("/")
        return all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Suite:
    """One pytest file. `provenance` says of its test functions where they come from; one that is
    not in it is guessed. With `own` it is a file of the user's, and every test is own."""

    source: str
    file: str = "test_generated.py"
    provenance: Mapping[str, Provenance] = field(default_factory=dict[str, Provenance])
    own: bool = False

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the top-level test functions and classes; none where it does not parse."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        tree = syntax.parse(self.source)
        body = tree.body if tree else ()
        named = (node.name for node in body if isinstance(node, kinds))
        return tuple(name for name in named if name.lower().startswith("test"))

    @property
    def has_binding_tests(self) -> bool:
        """Whether any of its tests binds the program, see `is_binding`."""
        return self.own or any(self.is_binding(test) for test in self.provenance)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of all test functions (`test_x`, `TestA::test_b`)."""
        tree = syntax.parse(self.source)
        return tuple(_functions(tree, "")) if tree else ()

    @property
    def may_skip(self) -> bool:
        """Whether a test may be skipped: only where the user's own file asks for it."""
        return self.own and any(word in self.source for word in ("skip", "xfail"))

    def provenance_of(self, test: str) -> Provenance:
        """Where this test function (`test_x`, `TestA::test_b`) comes from."""
        return "own" if self.own else self.provenance.get(test.split("[", 1)[0], "guessed")

    def is_binding(self, test: str) -> bool:
        """Whether the user or the prompt demands what this test checks.

        No test filter drops such a test, and a program that fails one is wrong.
        """
        return self.provenance_of(test) in BINDING


def _functions(scope: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in scope.body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(node.name):
            yield prefix + node.name


def _is_test(name: str) -> bool:
    return name.lower().startswith("test")


FindingKind = Literal[
    "syntax",  # the file does not compile
    "name",  # a name that nothing defines
    "runtime",  # an exception while the program ran
    "timeout",  # stopped: wall or CPU time
    "input",  # asked for input or arguments, of which there are none
    "limit",  # stopped: memory, processes, disk, output
    "missing_package",  # an import that is not installed
    "test",  # a failing test
    "collection",  # the test file could not be collected
    "tampered",  # the run tried to fake its verdict
]


@dataclass(frozen=True, slots=True)
class Location:
    """A line, from 1, of a file, and what there is to say about it."""

    file: str
    line: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, at a place a user can look at.

    `line` and `end_line` count from 1 in `file`; 0 where no line is known. `detail` holds the
    traceback or pytest's explanation, already limited in length. `related` points into the
    program where the finding itself lies in a test.
    """

    kind: FindingKind
    message: str
    file: str
    line: int = 0
    end_line: int = 0
    detail: str = ""
    test: str = ""
    related: tuple[Location, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One expression's value in a program: its `repr`, or the exception as `Type: message`."""

    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the debugger found: what is to blame, a summary, and a patch where one is possible."""

    blame: Literal["code", "tests"]
    summary: str
    patch: Patch | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls. `cost` is in US dollars, 0 where no price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and reply together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A test that the test filter does not let judge the code, with the reason.

    `source` is what the test checks, `answer` what the program did in it, empty where it passed.
    """

    test: str
    reason: str
    source: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended: what remains, how good it is, and what it cost.

    `confidence` says how likely the program is right, 0 to 1, `precision` which share of recorded
    runs was right that had at least as much confidence; both are None where that was not measured
    for the model.
    """

    outcome: Outcome
    reason: str
    program: Program | None
    suite: Suite | None
    tests: TestReport | None
    iterations: int
    usage: Usage
    seconds: float
    model: str
    sandbox: str
    findings: tuple[Finding, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    pending: Patch | None = None
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    evidence: Evidence | None = None
    confidence: float | None = None
    precision: float | None = None
