"""How many raw model replies each sanitizer turns into a program that passes its hidden test.

    python tests/benchmarks/replies.py [--data FILE] [--tasks FILE] [--limit N] [--misses]

FILE holds JSON lines with `task_id` and `raw`. The EvalPlus row needs `pip install evalplus`.
Seconds are processor time for sanitizing alone, within this one run on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import repair
from ml_coach.core.sanitizer import Sanitized, sanitize

sys.path.insert(0, str(Path(__file__).parent))
from grading import grade

Row = dict[str, Any]
Extract = Callable[[Row, Row], str]

_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)


def ml_coach(row: Row, task: Row) -> str:
    found = sanitize(row["raw"], names=(task["entry_point"],), stub=task["prompt"])
    return found.source if isinstance(found, Sanitized) else ""


def ml_coach_with_repairs(row: Row, task: Row) -> str:
    """What a run does with a reply: the sanitizer, then the repairs that need no model."""
    return repair(ml_coach(row, task))[0]


def first_fence(row: Row, task: Row) -> str:
    match = _FENCE.search(row["raw"])
    return _with_stub(match[1] if match else row["raw"], task)


def _with_stub(source: str, task: Row) -> str:
    """The data's own rule: the stub goes before a reply that is only a body."""
    return source if "def " in source else task["prompt"] + source


def evalplus() -> Extract | None:
    # Its package reads and creates folders on import; what it prints is not ours.
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from evalplus.sanitize import sanitize as theirs
    except ImportError:
        return None

    def extract(row: Row, task: Row) -> str:
        try:
            return _with_stub(theirs(row["raw"], task["entry_point"]), task)
        except Exception:  # noqa: BLE001 - a crash is a miss
            return ""

    return extract


def main() -> None:
    folder = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2].parent / "shared/data"))
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=folder / "raw_responses.jsonl")
    options.add_argument("--tasks", type=Path, default=None, help="beside --data, else the default")
    options.add_argument("--limit", type=int, default=None)
    options.add_argument("--misses", action="store_true", help="list rows that others pass")
    chosen = options.parse_args()
    tasks_file = chosen.tasks or chosen.data.with_name("tasks.jsonl")
    if not tasks_file.exists():
        tasks_file = folder / "tasks.jsonl"
    tasks = {task["task_id"]: task for task in map(json.loads, tasks_file.open())}
    rows = [row for row in map(json.loads, chosen.data.open()) if row["task_id"] in tasks]
    rows = rows[: chosen.limit]

    peers: dict[str, Extract | None] = {
        "ml-coach": ml_coach,
        "ml-coach and its repairs": ml_coach_with_repairs,
        "first fenced block": first_fence,
        "EvalPlus sanitize": evalplus(),
    }
    print(f"{len(rows)} replies to {len({row['task_id'] for row in rows})} tasks\n")
    print(f"| {'':26} | pass | refused | does not parse | seconds |")
    print(f"|{'-' * 28}|-----:|--------:|---------------:|--------:|")
    passed: dict[str, list[bool]] = {}
    for name, extract in peers.items():
        if extract is None:
            print(f"| {name:26} | not installed (pip install evalplus) ||||")
            continue
        begin = time.process_time()
        programs = [extract(row, tasks[row["task_id"]]) for row in rows]
        seconds = time.process_time() - begin
        refused = sum(not program for program in programs)
        broken = sum(syntax.parse(program) is None for program in programs)
        passed[name] = grade(
            [(p, tasks[r["task_id"]]["hidden_test"]) for p, r in zip(programs, rows, strict=True)]
        )
        counts = f"{sum(passed[name]):4} | {refused:7} | {broken:14}"
        print(f"| {name:26} | {counts} | {seconds:7.2f} |", flush=True)
    if chosen.misses:
        for index, row in enumerate(rows):
            others = [
                name for name in passed if not name.startswith("ml-coach") and passed[name][index]
            ]
            if others and not passed["ml-coach"][index]:
                print(
                    f"missed: {index} {row.get('source', '')} {row['task_id']} passed by {others}"
                )


if __name__ == "__main__":
    main()
