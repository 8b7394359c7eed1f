"""`ml-coach exec` and `ml-coach pytest`: any file or test folder, in the same sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_coach.core.types import Execution, TestReport
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.execution.private_copy import TooLarge, around, read_folder


@dataclass(frozen=True, slots=True)
class Outcome:
    """`record` is what `--json` writes: verdict, why, level, cases, limit. `passed` decides the
    exit code; `stdout`, `stderr`, `findings` and `ran_on` (which Python) are for the terminal."""

    record: Mapping[str, Any]
    passed: bool
    stdout: str = ""
    stderr: str = ""
    findings: tuple[str, ...] = field(default=())
    ran_on: str = ""


async def exec_file(
    path: Path,
    timeout_seconds: float,
    *,
    python: str | None = None,
    allow_weak: bool = False,
    only_level: str = "",
) -> Outcome:
    """Runs a script. The verdict is `passed` for a clean end."""
    executor = SandboxedExecutor(python, allow_weak=allow_weak, only_level=only_level)
    try:
        file, files = await asyncio.to_thread(_script, path)
        ran = await executor.run(file, files, timeout_seconds=timeout_seconds)
        return _of_execution(ran, executor.level)
    except (SandboxUnavailable, OSError) as error:
        return _failed(str(error), executor.level)
    finally:
        await executor.aclose()


async def pytest_folder(
    path: Path,
    timeout_seconds: float,
    *,
    python: str | None = None,
    allow_weak: bool = False,
    only_level: str = "",
) -> Outcome:
    """Judges the test files of a folder, or one test file with its folder around it."""
    executor = SandboxedExecutor(python, allow_weak=allow_weak, only_level=only_level)
    try:
        only, files = await asyncio.to_thread(_tests, path)
        report = await executor.test_files(files, only=only, timeout_seconds=timeout_seconds)
        return _of_report(report, executor.level)
    except (SandboxUnavailable, TooLarge, OSError) as error:
        return _failed(str(error), executor.level)
    finally:
        await executor.aclose()


def _script(path: Path) -> tuple[str, dict[str, bytes]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    path = path.resolve()
    return path.name, around(path)


def _tests(path: Path) -> tuple[str, dict[str, bytes]]:
    if not path.exists():
        raise FileNotFoundError(f"there is no folder or file {path}")
    path = path.resolve()
    return ("", read_folder(path)) if path.is_dir() else (path.name, read_folder(path.parent))


def _of_execution(ran: Execution, level: str) -> Outcome:
    why = ran.findings[0].message if ran.findings else ""
    verdict = "passed" if ran.clean else "error" if ran.limit else "failed"
    places = tuple(f"{f.file}:{f.line}: {f.message}" for f in ran.findings)
    record = _record(verdict, why, level, [], ran.limit)
    return Outcome(record, ran.clean, ran.stdout, ran.stderr, places, ran.ran_on)


def _of_report(report: TestReport, level: str) -> Outcome:
    cases = [
        {"name": c.name, "outcome": c.outcome, "message": c.message, "line": c.line}
        for c in report.cases
    ]
    lines = tuple(
        f"{f.file}:{f.line}: {f.message}" if f.file else f.message for f in report.findings
    )
    shown = "".join(f"{c.outcome:8} {c.name}\n" for c in report.cases)
    record = _record(report.verdict, report.why, level, cases, report.limit)
    return Outcome(record, report.verdict == "passed", shown, "", lines, report.ran_on)


def _failed(why: str, level: str) -> Outcome:
    return Outcome(_record("error", why, level, [], ""), False, "", "", (why,))


def _record(
    verdict: str, why: str, level: str, cases: list[dict[str, Any]], limit: str
) -> dict[str, Any]:
    return {"verdict": verdict, "why": why, "level": level, "cases": cases, "limit": limit}
