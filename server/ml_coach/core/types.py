"""The nouns of a run. Frozen data: a stage takes some of these and gives another."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from ml_coach.core.changes import Patch
from ml_coach.core.evidence import BINDING, Evidence, Provenance
from ml_coach.core.finding import Finding
from ml_coach.core.python import syntax
from ml_coach.core.question import Answer, Question
from ml_coach.core.results import TestReport
from ml_coach.core.usage import Usage

Outcome = Literal["passed", "unsure", "gave_up", "stopped", "failed"]
Stage = Literal["research", "code", "tests", "filter", "pytest", "debug", "patch"]
AgentName = Literal["researcher", "coder", "test_writer", "debugger"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A piece of the prompt that can be checked, word for word."""

    quote: str


@dataclass(frozen=True, slots=True)
class StatedTest:
    """A test whose literals all stand in one statement of the prompt, or are instances of the
    inputs that it describes. It is one statement, or steps that end in one.

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
    prompt (signatures and docstrings), empty where the prompt is prose. `confirmed` is what the
    user said when they were asked, such as `f(1) gives 2`.
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
    confirmed: tuple[str, ...] = ()


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
    """One pytest file. `provenance` says of its test functions where they come from.

    One that is not in it is guessed. With `own` the file stood there before the run: a test that
    is not in `provenance` is the user's own, and none is dropped but a guessed one. `kept` are
    further tests that are not dropped, and so are `demanded`, which ask for what the prompt says in
    words.
    """

    source: str
    file: str = "test_generated.py"
    provenance: Mapping[str, Provenance] = field(default_factory=dict[str, Provenance])
    own: bool = False
    kept: frozenset[str] = frozenset()
    demanded: frozenset[str] = frozenset()

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the top-level test functions and classes; none where it does not parse."""
        return tuple(node.name for node in syntax.tests(self.source))

    @property
    def has_binding_tests(self) -> bool:
        """Whether any of its tests binds the program, see `is_binding`."""
        return self.is_kept_whole or any(self.is_binding(test) for test in self.functions)

    @property
    def is_kept_whole(self) -> bool:
        """Whether it stood there before the run and holds no guessed test, so that it is judged
        as it is."""
        return self.own and "guessed" not in self.provenance.values()

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of all test functions (`test_x`, `TestA::test_b`)."""
        return tuple(name for name, _ in syntax.test_functions(self.source))

    @property
    def may_skip(self) -> bool:
        """Whether a test may be skipped: only where the user's own file asks for it."""
        is_theirs = self.is_kept_whole or "own" in self.provenance.values()
        return is_theirs and any(word in self.source for word in ("skip", "xfail"))

    def provenance_of(self, test: str) -> Provenance:
        """Where this test function (`test_x`, `TestA::test_b`) comes from."""
        return self.provenance.get(test.split("[", 1)[0], "own" if self.own else "guessed")

    def is_binding(self, test: str) -> bool:
        """Whether the user or the prompt demands what this test checks.

        No test filter drops such a test, and a program that fails one is wrong.
        """
        provenance, function = self.provenance_of(test), test.split("[", 1)[0]
        if provenance in BINDING or function in self.kept | self.demanded:
            return True
        return self.own and provenance != "guessed"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the debugger found: what is to blame, a summary, and a patch where one is possible."""

    blame: Literal["code", "tests"]
    summary: str
    patch: Patch | None = None


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

    `confidence` is the share of recorded runs with such evidence that were right, 0 to 1; None
    where that was not measured for the model. `answers` are what the user said when they were
    asked; `question` is the one that is still to be answered. `explanation` is the text that the
    prompt asked for beside the program.
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
    question: Question | None = None
    answers: tuple[Answer, ...] = ()
    confidence: float | None = None
    explanation: str = ""
