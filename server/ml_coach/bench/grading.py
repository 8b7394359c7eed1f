"""Whether a program solves its task: the hidden test is run in the sandbox, and must not raise."""

from __future__ import annotations

import re

from ml_coach.bench.tasks import Task
from ml_coach.core.agents.concurrency import all_of
from ml_coach.execution.executor import SandboxedExecutor

# HumanEval's slowest correct solutions take a few seconds.
HIDDEN_SECONDS = 12.0
PROGRAM_FILE = "generated_code.py"
# Such a test imports the program, or runs it as a script.
_NAMES_PROGRAM = re.compile(r"\bgenerated_code\b")


async def solves(executor: SandboxedExecutor, program: str, task: Task) -> tuple[bool, bool]:
    """Whether `program` passes the hidden test, and the extended ones on top of it."""
    extended = "\n".join([task.hidden_test, *task.extended_tests])
    hidden, both = await all_of(
        _passes(executor, program, task.hidden_test), _passes(executor, program, extended)
    )
    return hidden, both


async def _passes(executor: SandboxedExecutor, program: str, test: str) -> bool:
    is_apart = _NAMES_PROGRAM.search(test) is not None
    source = test if is_apart else f"{program}\n{test}"
    # A program that calls `exit()` ends cleanly too, so the last line must be reached.
    files = {"solution.py": f"{source}\nprint('reached the end')\n"}
    if is_apart:
        files[PROGRAM_FILE] = program
    ran = await executor.run("solution.py", files, timeout_seconds=HIDDEN_SECONDS)
    return ran.clean and ran.stdout.rstrip().endswith("reached the end")
