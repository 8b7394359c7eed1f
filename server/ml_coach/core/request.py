"""What the user asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ml_coach.core.evidence import Provenance
from ml_coach.core.question import Answer
from ml_coach.core.usage import Limits

_EXPLAIN = re.compile(
    r"(?:^|[.!?;:]\s+|\b(?:and|also|please|pls|und|bitte|et|y|e)\s+)"
    r"(?:explain|an explanation|erkläre?|explique[rz]?|explica|spiega)\b(?!\()",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    `generate` writes a program from `prompt`; `implement` fills the stub `function` (a dotted
    name) in `program_file`; `debug` starts from that file as it is; `write_tests` stops once its
    tests are written; `refine` changes that file so that it does the `follow_up` too, which is the
    end of `prompt`, while the tests that stand there stay; `fix` mends the project whose tests are
    in `targets`, those that `keyword` selects where there is one. Files are relative to the
    workspace; `source_folder` is what the program's import name lacks of its file, such as `src`.
    `modules` says as code what the modules of the project offer that the prompt names.
    `examples` are given asserts; None takes those of the prompt. A run ends `unsure` whose
    `confidence` is below `min_confidence` (see `RunReport`). `provenance` says of the tests in the
    user's file where they come from, as far as earlier runs wrote them (see `Suite`). At most
    `max_questions` are asked of the user; the first of them are answered by `answers`, where the
    run goes on from an earlier one. `seed` makes sampled programs repeatable.
    """

    prompt: str
    task: Literal["generate", "implement", "debug", "write_tests", "refine", "fix"] = "generate"
    program_file: str = "generated_code.py"
    tests_file: str = "test_generated.py"
    source_folder: str = ""
    function: str = ""
    follow_up: str = ""
    modules: str = ""
    targets: tuple[str, ...] = ()
    keyword: str = ""
    max_iters: int = 3
    min_confidence: float = 0.85
    run_timeout_seconds: float = 8.0
    auto_patch: bool = False
    examples: tuple[str, ...] | None = None
    provenance: Mapping[str, Provenance] = field(default_factory=dict[str, Provenance])
    max_questions: int = 3
    answers: tuple[Answer, ...] = ()
    seed: int = 0
    limits: Limits = field(default_factory=lambda: Limits())

    @property
    def module(self) -> str:
        """The name that the tests import the program by."""
        file = self.program_file.removesuffix(".py")
        if self.source_folder:
            file = file.removeprefix(f"{self.source_folder}/")
        return file.replace("/", ".")

    @property
    def subject(self) -> str:
        """What the run works on: its program's file, or where the tests are that it mends."""
        return " ".join(self.targets) if self.task == "fix" else self.program_file

    @property
    def changed_files(self) -> tuple[str, ...]:
        """The files that the run may change.

        A debugger with one iteration only tries what is there; the tests it judges by are not its.
        """
        match self.task:
            case "generate" | "implement" | "refine":
                explained = (self.explanation_file,) if self.explanation_file else ()
                return self.program_file, self.tests_file, *explained
            case "write_tests":
                return (self.tests_file,)
            case "fix":  # Which files those are only shows in the run.
                return ()
            case "debug":
                return (self.program_file,) if self.max_iters > 1 else ()

    @property
    def earlier_prompt(self) -> str:
        """What the program was written for before the follow-up; empty where that is not known."""
        return self.prompt.removesuffix(self.follow_up).strip()

    @property
    def explanation_file(self) -> str:
        """Where the explanation stands that the prompt asks for; empty where it asks for none."""
        if self.task != "generate" or not _EXPLAIN.search(self.prompt):
            return ""
        return f"{self.program_file.removesuffix('.py')}.md"
