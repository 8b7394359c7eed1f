"""`ml-coach exec FILE` and `ml-coach pytest DIR`: any file or test folder, in the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from ml_coach.cli.sandbox_progress import starting_sandbox
from ml_coach.core.errors import os_error_text
from ml_coach.core.finding import Finding
from ml_coach.core.results import Case, Execution, TestReport
from ml_coach.core.wording import harmless
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import LevelName, SandboxUnavailable
from ml_coach.execution.private_copy import TooLarge, around, read_folder

USAGE_ERROR = 2


@dataclass(frozen=True, slots=True)
class SandboxOutcome:
    """How a command ended. `verdict` is `passed`, `failed`, `error` or `tampered`; `ran_on` says
    which Python it was; `stdout`, `stderr` and `findings` are shown and not written to a file."""

    verdict: str
    why: str = ""
    cases: tuple[Case, ...] = ()
    limit: str = ""
    stdout: str = ""
    stderr: str = ""
    findings: tuple[Finding, ...] = ()
    ran_on: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 only for a clean end or a passed verdict."""
    chosen = _parser().parse_args(arguments)
    executor = SandboxedExecutor(
        chosen.python, allow_weak=chosen.allow_weak_sandbox, only_level=chosen.level
    )
    if chosen.command == "exec":
        run = partial(_exec_file, executor, chosen, _given_input(chosen.path))
    else:
        run = partial(_pytest_folder, executor, chosen.path, chosen.timeout)
    outcome = asyncio.run(_closing(executor, run))
    return _show(outcome, executor.level, chosen.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ml-coach", description="Run what you do not trust.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, word, what in (
        ("exec", "FILE", "a Python file"),
        ("pytest", "FOLDER", "a folder of tests, or one file"),
    ):
        command = commands.add_parser(name, help=f"run {what} in the sandbox")
        command.add_argument("path", type=Path, metavar=word, help=what)
        if name == "exec":
            command.add_argument(
                "arguments",
                nargs="*",
                default=[],  # else argparse tells that they are missing
                metavar="-- ARG",
                help="what the program finds in sys.argv",
            )
        command.add_argument(
            "--timeout", type=float, default=8.0, metavar="SECONDS", help="the default is 8"
        )
        command.add_argument("--json", type=Path, metavar="FILE", help="where to write the verdict")
        command.add_argument(
            "--python",
            metavar="FILE",
            default=os.environ.get("ML_COACH_PYTHON"),
            help="the interpreter to run with; without it ML Coach's own: no program of a folder "
            "that you do not trust is started outside of the sandbox",
        )
        command.add_argument(
            "--allow-weak-sandbox",
            "--allow-weak",
            action="store_true",
            help="run even where nothing but limits contains",
        )
        command.add_argument(
            "--level",
            default="",
            choices=get_args(LevelName),
            metavar="LEVEL",  # All of them would be one word that is wider than a terminal.
            help=f"try this level of containment only: {', '.join(get_args(LevelName))}",
        )
    return parser


async def _closing(
    executor: SandboxedExecutor, run: Callable[[], Awaitable[SandboxOutcome]]
) -> SandboxOutcome:
    """The outcome of `run`; the executor is closed whatever happens."""
    try:
        with starting_sandbox() as fetched:
            await executor.prepare(fetched)
        return await run()
    except (SandboxUnavailable, TooLarge, OSError) as error:
        why = os_error_text(error) if isinstance(error, OSError) else str(error)
        return SandboxOutcome("error", why, findings=(Finding("runtime", why, ""),))
    finally:
        await executor.aclose()


async def _exec_file(
    executor: SandboxedExecutor, chosen: argparse.Namespace, standard_input: bytes
) -> SandboxOutcome:
    """Runs a script, with its folder around it. The verdict is `passed` for a clean end."""
    file, files = await asyncio.to_thread(_script, chosen.path)
    ran = await executor.run(
        file, files, timeout_seconds=chosen.timeout,
        arguments=chosen.arguments, standard_input=standard_input,
    )  # fmt: skip
    return _of_execution(ran)


async def _pytest_folder(
    executor: SandboxedExecutor, path: Path, timeout_seconds: float
) -> SandboxOutcome:
    """Judges the test files of a folder, or one test file with its folder around it."""
    only, files = await asyncio.to_thread(_tests, path)
    report = await executor.test_files(files, only=only, timeout_seconds=timeout_seconds)
    return _of_report(report)


def _given_input(script: Path) -> bytes:
    """What stands on standard input for the script; nothing where a user could still type.

    It is read only where the script, or a module beside it, speaks of input: what nobody reads may
    never end.
    """
    if sys.stdin.isatty():
        return b""
    texts = (file.read_bytes() for file in script.parent.glob("*.py") if file.is_file())
    asks = any(word in text for text in texts for word in (b"stdin", b"input", b"open(0"))
    return sys.stdin.buffer.read() if asks else b""


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


def _of_execution(ran: Execution) -> SandboxOutcome:
    return SandboxOutcome(
        verdict="passed" if ran.clean else "error" if ran.limit else "failed",
        why=ran.findings[0].message if ran.findings else "",
        limit=ran.limit,
        stdout=ran.stdout,
        stderr=ran.stderr,
        findings=ran.findings,
        ran_on=ran.ran_on,
    )


def _of_report(report: TestReport) -> SandboxOutcome:
    return SandboxOutcome(
        verdict=report.verdict,
        why=report.why,
        cases=report.cases,
        limit=report.limit,
        stdout="".join(f"{case.outcome:8} {case.name}\n" for case in report.cases),
        findings=report.findings,
        ran_on=report.ran_on,
    )


def _show(outcome: SandboxOutcome, level: str, json_file: Path | None) -> int:
    """Passes the program's own output on, then says in one line how it went; the exit code."""
    sys.stdout.write(harmless(outcome.stdout))
    sys.stdout.flush()
    sys.stderr.write(harmless(outcome.stderr))
    where = ", ".join(part for part in (level, outcome.ran_on) if part)
    verdict = f"{outcome.verdict} ({where}){': ' if outcome.why else ''}{outcome.why}"
    told = [f for f in outcome.findings if f.file or f.message != outcome.why]
    for line in (*map(_in_one_line, told), verdict):
        sys.stderr.write(f"{harmless(line)}\n")
    if json_file:
        try:
            json_file.write_text(_as_json(outcome, level), encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"The verdict cannot be written: {os_error_text(error)}\n")
            return USAGE_ERROR
    return 0 if outcome.verdict == "passed" else 1


def _in_one_line(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}: {finding.message}" if finding.file else finding.message


def _as_json(outcome: SandboxOutcome, level: str) -> str:
    cases = [asdict(case) for case in outcome.cases]
    for case in cases:
        del case["seconds"]
    record = {
        "verdict": outcome.verdict,
        "why": outcome.why,
        "level": level,
        "cases": cases,
        "limit": outcome.limit,
    }
    return json.dumps(record, indent=1) + "\n"
