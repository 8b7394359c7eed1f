"""`ml-coach exec FILE` and `ml-coach pytest DIR` at a terminal."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ml_coach.cli.sandbox_runs import Outcome, exec_file, pytest_folder
from ml_coach.core.wording import harmless
from ml_coach.execution.levels import LevelName


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 only for a clean end or a passed verdict."""
    parser = argparse.ArgumentParser(prog="ml-coach", description="Run what you do not trust.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("exec", "a Python file"), ("pytest", "a folder of tests, or one file")):
        command = commands.add_parser(name, help=f"run {what} in the sandbox")
        command.add_argument("path", type=Path, help=what)
        command.add_argument("--timeout", type=float, default=8.0, help="seconds")
        command.add_argument("--json", type=Path, help="where to write the verdict")
        command.add_argument(
            "--python",
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
            help="try this level of containment only",
        )
    chosen = parser.parse_args(arguments)
    run = exec_file if chosen.command == "exec" else pytest_folder
    outcome = asyncio.run(
        run(
            chosen.path,
            chosen.timeout,
            python=chosen.python,
            allow_weak=chosen.allow_weak_sandbox,
            only_level=chosen.level,
        )
    )
    return show(outcome, chosen.json)


def show(outcome: Outcome, json_file: Path | None) -> int:
    """Passes the program's own output through, then says in one line how it went."""
    sys.stdout.write(harmless(outcome.stdout))
    sys.stdout.flush()
    sys.stderr.write(harmless(outcome.stderr))
    record = outcome.record
    where = ", ".join(part for part in (record["level"], outcome.ran_on) if part)
    verdict = f"{record['verdict']} ({where}){': ' if record['why'] else ''}{record['why']}"
    for line in (*outcome.findings, verdict):
        sys.stderr.write(f"{harmless(line)}\n")
    if json_file:
        try:
            json_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"The verdict cannot be written: {error}\n")
            return 2
    return 0 if outcome.passed else 1
