"""What running a suite costs, contained and judged, against a cold pytest on the same machine.

    python tests/benchmarks/execution.py [--runs 20]

All figures are medians of one run of this script and taken in turns, so that a busy machine slows
all of them alike: read the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ml_coach.core.types import Program, Suite
from ml_coach.execution.executor import SandboxedExecutor

PROGRAM = Program(
    '''\
"""Intervals."""


def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
'''
)
SUITE = Suite(
    """\
import pytest

from generated_code import merge


def test_empty():
    assert merge([]) == []


def test_apart():
    assert merge([(1, 2), (3, 4)]) == [(1, 2), (3, 4)]


@pytest.mark.parametrize("order", [[(1, 3), (2, 4)], [(2, 4), (1, 3)]])
def test_overlap(order):
    assert merge(order) == [(1, 4)]


def test_wrong_type():
    with pytest.raises(TypeError):
        merge(3)
"""
)
SECONDS = 20.0


def cold(folder: str, *, autoload: bool) -> float:
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # cold, but with its modules compiled
    if not autoload:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
    started = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=quiet, stderr=quiet)
    return time.perf_counter() - started


async def timed(work: object) -> float:
    started = time.perf_counter()
    result = await work  # type: ignore[misc]
    elapsed = time.perf_counter() - started
    if isinstance(result, tuple) and result and hasattr(result[0], "verdict"):
        assert all(report.verdict == "passed" for report in result), result[0]
    return elapsed


async def measure(runs: int, folder: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}

    def add(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    executor = SandboxedExecutor()
    add("start of the worker", await timed(executor.prepare()))
    weak = SandboxedExecutor(only_level="weak", allow_weak=True)
    await weak.prepare()
    wasm = SandboxedExecutor(only_level="wasm")
    add("start of wasm", await timed(wasm.prepare()))
    mutants = [Program(f"{PROGRAM.source}\n# {number}\n") for number in range(10)]

    def judged(by: SandboxedExecutor, programs: list[Program]) -> object:
        return by.test(programs, SUITE, timeout_seconds=SECONDS)

    async def both(by: SandboxedExecutor) -> object:
        _, reports = await asyncio.gather(
            by.inspect(PROGRAM, {}, timeout_seconds=SECONDS),
            by.test([PROGRAM], SUITE, timeout_seconds=SECONDS),
        )
        return reports

    for autoload in (True, False):
        cold(folder, autoload=autoload)  # compiles what is not compiled yet
    for _ in range(runs):
        add("cold pytest, autoload on", cold(folder, autoload=True))
        add("cold pytest, autoload off", cold(folder, autoload=False))
        inspect = await timed(executor.inspect(PROGRAM, {}, timeout_seconds=SECONDS))
        one = await timed(judged(executor, [PROGRAM]))
        add("ours, inspect", inspect)
        add("ours, pytest", one)
        add("ours, both at once as the loop does", await timed(both(executor)))
        add("ours, 10 further, each", (await timed(judged(executor, mutants))) / 10)
        add("wasm, inspect", await timed(wasm.inspect(PROGRAM, {}, timeout_seconds=SECONDS)))
        add("wasm, pytest", await timed(judged(wasm, [PROGRAM])))
        add("wasm, 10 further, each", (await timed(judged(wasm, mutants))) / 10)
        bare = "x = 1\n"
        inside = await timed(executor.run("x.py", {"x.py": bare}, timeout_seconds=SECONDS))
        outside = await timed(weak.run("x.py", {"x.py": bare}, timeout_seconds=SECONDS))
        add("an empty script, contained", inside)
        add("an empty script, limits only", outside)
        add("the sandbox's own share", inside - outside)
    fifty = [Program(f"{PROGRAM.source}\n# {number}\n") for number in range(50)]
    seconds = await timed(judged(executor, fifty))
    add("50 candidates", seconds)
    add("50 candidates, each", seconds / 50)
    await executor.aclose()
    await weak.aclose()
    await wasm.aclose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, PROGRAM.file).write_text(PROGRAM.source)
        Path(folder, SUITE.file).write_text(SUITE.source)
        found = asyncio.run(measure(runs, folder))
    base = statistics.median(found["cold pytest, autoload off"])
    print(f"{'':36} {'ms':>8} {'of cold, autoload off':>22}")
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        print(f"{name:36} {middle * 1e3:8.1f} {middle / base:22.3f}")


if __name__ == "__main__":
    main()
