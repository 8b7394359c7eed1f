"""How quick the run log is when it is large.

    python tests/benchmarks/run_log.py [--runs 10000]

list     `RunLog.latest(20)`, and `ml-coach runs` as a process beside `ml-coach --version`
prune    a look at all runs that removes none, then one that removes them all
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ml_coach.claims import Claims
from ml_coach.core.events import FilesSaved, RunFinished, RunStarted
from ml_coach.core.request import Request
from ml_coach.core.types import Program, RunReport
from ml_coach.core.usage import Usage
from ml_coach.pruning import prune
from ml_coach.run_log import RunLog

COACH = str(Path(sys.executable).with_name("ml-coach"))
SOURCE = "def f(x):\n    return x\n" * 40


def fill(log: RunLog, number: int) -> None:
    """Runs of forty days ago."""
    report = RunReport(
        "passed", "All tests pass.", Program(SOURCE), None, None, 1, Usage(), 1.0, "m", "s"
    )
    with log.record("20250101-000000-0000") as record:
        for event in (RunStarted("r", Request("p"), "m"), FilesSaved({"a.py": SOURCE}),
                      RunFinished(report)):  # fmt: skip
            record(event)
    template = log.folder("20250101-000000-0000")
    then = time.time() - 40 * 86_400
    for index in range(1, number):
        folder = log.folder_for(f"20250101-{index:06d}-0000")
        shutil.copytree(template, folder)
        os.utime(folder / "events.jsonl", (then, then))
    os.utime(template / "events.jsonl", (then, then))


def milliseconds(work: Callable[[], object], times: int = 5) -> float:
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    number = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        state = Path(home) / "ml-coach"
        log, claims = RunLog(state), Claims(state)
        fill(log, number)
        environment = {**os.environ, "XDG_STATE_HOME": home}

        def command(*words: str) -> None:
            subprocess.run([COACH, *words], env=environment, stdout=subprocess.DEVNULL, check=True)

        print(f"list   {milliseconds(lambda: log.latest(20)):8.1f} ms for 20 of {number} runs")
        print(f"       {milliseconds(lambda: command('runs')):8.1f} ms `ml-coach runs`")
        print(f"       {milliseconds(lambda: command('--version')):8.1f} ms `ml-coach --version`")
        nothing = milliseconds(lambda: prune(log, claims, 365, 10_000), 1)
        print(f"prune  {nothing:8.1f} ms to find nothing")
        everything = milliseconds(lambda: prune(log, claims, 30, 500), 1)
        print(f"       {everything:8.1f} ms to remove all; {len(log.ids())} runs are left")


if __name__ == "__main__":
    main()
