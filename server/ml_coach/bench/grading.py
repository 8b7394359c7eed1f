"""Whether a program solves its task: the hidden test is run after it, in the sandbox."""

from __future__ import annotations

from ml_coach.bench.tasks import Task
from ml_coach.core.agents.concurrency import all_of
from ml_coach.execution.executor import SandboxedExecutor

# HumanEval's slowest correct solutions take a few seconds.
HIDDEN_SECONDS = 12.0


async def solves(executor: SandboxedExecutor, program: str, task: Task) -> tuple[bool, bool]:
    """Whether `program` passes the hidden test, and the extended ones on top of it."""
    extended = "\n".join(task.extended_tests)
    hidden, both = await all_of(
        _ends_cleanly(executor, f"{program}\n{task.hidden_test}\n"),
        _ends_cleanly(executor, f"{program}\n{task.hidden_test}\n{extended}\n"),
    )
    return hidden, both


async def _ends_cleanly(executor: SandboxedExecutor, source: str) -> bool:
    # A program that calls `exit()` ends cleanly too, so the last line must be reached.
    marked = f"{source}\nprint('reached the end')\n"
    ran = await executor.run("solution.py", {"solution.py": marked}, timeout_seconds=HIDDEN_SECONDS)
    return ran.clean and ran.stdout.rstrip().endswith("reached the end")
