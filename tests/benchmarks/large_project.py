"""A project of many files and tests: how long until its first test, until it ends, to cancel it.

    python tests/benchmarks/large_project.py [--files 2000] [--tests 5000]

Half of the files are modules of a package, the others test one of them each. pytest's own
`--collect-only` and its whole run, started as a person would, are the measure for ours, which is
contained and records each test.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ml_coach.core.project import Project, TestProgress
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.project_files import open_project


def make_project(root: Path, files: int, tests: int) -> None:
    """A package of `files / 2` modules, each with a function and a file of tests."""
    modules = files // 2
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\ntestpaths = ['tests']\n")
    (root / "many").mkdir()
    (root / "tests").mkdir()
    (root / "many/__init__.py").write_text("")
    for number in range(modules):
        share = tests * (number + 1) // modules - tests * number // modules
        body = f"def add_{number}(value):\n    return value + {number}\n"
        (root / f"many/part_{number}.py").write_text(body)
        lines = [f"from many.part_{number} import add_{number}\n"]
        for test in range(share):
            lines.append(
                f"\ndef test_{test}():\n    assert add_{number}({test}) == {test + number}\n"
            )
        (root / f"tests/test_part_{number}.py").write_text("\n".join(lines))


def seconds_of(command: list[str], folder: Path) -> float:
    """How long a command takes that must end well."""
    started = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - started


async def run(
    executor: SandboxedExecutor, project: Project, heard: Callable[[TestProgress], None]
) -> None:
    (report,) = await executor.test_project(
        project, timeout_seconds=900, test_seconds=60, progress=heard
    )
    if not report.passed or report.failing:
        sys.exit(f"The run did not work: {len(report.passed)} tests passed.")


async def measure(root: Path) -> None:
    started = time.monotonic()
    project = open_project(root).project
    opened = time.monotonic() - started
    executor = SandboxedExecutor()
    word: list[float] = []
    first: list[float] = []

    def heard(progress: TestProgress) -> None:
        word.append(time.monotonic() - started)
        if progress.total and not first:
            first.append(word[-1])

    await run(executor, project, heard)
    ended = time.monotonic() - started
    python = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    collected = seconds_of([*python, "--collect-only"], root)
    ran = seconds_of(python, root)
    print(f"open the project     {opened:6.1f} s")
    print(f"until the first word {word[0]:6.1f} s  longest silence {_longest(word):.1f} s")
    print(f"until the first test {first[0]:6.1f} s  pytest --collect-only {collected:6.1f} s  "
          f"ratio {first[0] / collected:.2f}")  # fmt: skip
    print(f"until the end        {ended:6.1f} s  pytest                {ran:6.1f} s  "
          f"ratio {ended / ran:.2f}")  # fmt: skip
    for place, wait in (
        ("in collection", first[0] / 2),
        ("among the tests", (first[0] + ended) / 2),
    ):
        task = asyncio.create_task(run(executor, project, lambda _: None))
        await asyncio.sleep(wait)
        cancelled = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        print(f"cancelled {place:16} {time.monotonic() - cancelled:5.2f} s")
    await executor.aclose()


def _longest(times: list[float]) -> float:
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--tests", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        root.mkdir()
        make_project(root, options.files, options.tests)
        asyncio.run(measure(root))


if __name__ == "__main__":
    main()
