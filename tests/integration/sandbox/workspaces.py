"""Workspaces on disk, for tests of what a run sees of them."""

from __future__ import annotations

from pathlib import Path

from ml_coach.core.types import Program, Suite
from ml_coach.execution.executor import SandboxedExecutor

ADD = "def add(a, b):\n    return a + b\n"
SUITE = Suite("from generated_code import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")


def written(workspace: Path, files: dict[str, str]) -> SandboxedExecutor:
    """An executor of a workspace that holds these files."""
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    return SandboxedExecutor(workspace=workspace)


async def verdicts(
    executor: SandboxedExecutor, programs: list[Program], suite: Suite
) -> list[tuple[str, str]]:
    """How each of the programs was judged, and why so. The executor is closed."""
    try:
        reports = await executor.test(programs, suite, timeout_seconds=8)
    finally:
        await executor.aclose()
    return [(report.verdict, report.why) for report in reports]
