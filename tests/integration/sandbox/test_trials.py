"""Trials of a project's tests on small changes: together in forks of one process, and each apart."""

from __future__ import annotations

import asyncio
import textwrap
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from ml_coach.core.auditing.audit import AuditProgress, audit
from ml_coach.core.project import LineChange, Project, Trial, TrialResult
from ml_coach.execution import trial_runs
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.project_files import open_project

RATES = """from functools import lru_cache, wraps

RATE = 7


def doubled(function):
    @wraps(function)
    def twice(value):
        return 2 * function(value)

    return twice


@doubled
def rate(value):
    return value * RATE


@lru_cache
def cached(value):
    return value + 1


class Item:
    size = len("abc")

    def __init__(self, value):
        self.value = value

    @property
    def price(self):
        return rate(self.value)
"""
CONFTEST = """import pytest
from shop.rates import Item


@pytest.fixture(scope="module")
def shared():
    return Item(1).price


@pytest.fixture
def item():
    return Item(2)
"""
TESTS = """import subprocess
import sys
import unittest
from pathlib import Path

import pytest
from shop import rates


@pytest.mark.parametrize("value", [0, 1])
def test_rate(value):
    assert rates.rate(value) == 14 * value


def test_first_of_shared(shared):
    pass


def test_shared(shared):
    assert shared == 14


class TestItem(unittest.TestCase):
    def test_size(self):
        self.assertEqual(rates.Item.size, 3)


def test_nothing_was_left_behind():
    assert not Path("left-behind").exists()


def test_item(item, tmp_path):
    (tmp_path / "file").write_text("x")
    Path("left-behind").write_text("x")
    assert item.price == 28


def test_cached():
    assert rates.cached(1) == 2


def test_in_another_process():
    said = "from shop.rates import rate; print(rate(1))"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True).stdout == b"14\\n"
"""
FILE = "src/shop/rates.py"
IDS = [
    f"tests/test_rates.py::{name}"
    for name in (
        "test_rate[0]", "test_rate[1]", "test_first_of_shared", "test_shared",
        "TestItem::test_size", "test_cached", "test_in_another_process",
        "test_nothing_was_left_behind", "test_item",
    )
]  # fmt: skip


@pytest_asyncio.fixture
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    made = SandboxedExecutor()
    yield made
    await made.aclose()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name, text in {
        "src/shop/__init__.py": "", FILE: RATES, "tests/conftest.py": CONFTEST,
        "tests/test_rates.py": TESTS, "pyproject.toml": "[tool.pytest.ini_options]\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return open_project(tmp_path / "tests").project


def _trial(before: str, after: str, *, in_function: bool = True) -> Trial:
    """All tests on the module with one line changed."""
    (number,) = [n for n, line in enumerate(RATES.splitlines(), 1) if line.strip() == before]
    line = RATES.splitlines()[number - 1].replace(before, after)
    change = LineChange(FILE, number, number, f"{line}\n")
    return Trial(tuple(IDS), change, seconds=5, in_function=in_function)


TRIALS = {
    "nothing": Trial(tuple(IDS), seconds=5),
    "in a function": _trial("return value * RATE", "return value + RATE"),
    "in what a decorator made": _trial("return 2 * function(value)", "return 3 * function(value)"),
    "in a cached function": _trial("return value + 1", "return value - 1"),
    "at import": _trial("RATE = 7", "RATE = 8", in_function=False),
    "in a class": _trial('size = len("abc")', 'size = len("abcd")', in_function=False),
    "an import that fails": _trial("RATE = 7", "RATE = 1 / 0", in_function=False),
    "no Python": _trial("return value + 1", "return ("),
}
NOTICED = {
    "nothing": [],
    "in a function": ["test_rate[0]", "test_rate[1]", "test_shared", "test_in_another_process",
                      "test_item"],
    "in what a decorator made": ["test_rate[1]", "test_shared", "test_in_another_process",
                                 "test_item"],
    "in a cached function": ["test_cached"],
    "at import": ["test_rate[1]", "test_shared", "test_in_another_process", "test_item"],
    "in a class": ["TestItem::test_size"],
    "an import that fails": [test.partition("::")[2] for test in IDS],
    "no Python": [test.partition("::")[2] for test in IDS],
}  # fmt: skip


def _failed(results: Sequence[TrialResult]) -> dict[str, list[str]]:
    return {
        name: [test.partition("::")[2] for test in IDS if test in result.failed]
        for name, result in zip(TRIALS, results, strict=True)
    }


async def test_each_change_is_noticed_by_the_tests_that_depend_on_it(
    project: Project, executor: SandboxedExecutor
) -> None:
    told: list[int] = []
    results = await executor.try_changes(
        project, [*TRIALS.values()], timeout_seconds=200, progress=told.append
    )
    assert executor.level == "namespaces"
    assert _failed(results) == NOTICED
    assert [name for name, r in zip(TRIALS, results, strict=True) if r.ended] == [
        "an import that fails", "no Python"
    ]  # fmt: skip
    assert told[-1] == len(TRIALS)


async def test_a_run_of_its_own_for_each_gives_the_same(
    project: Project, executor: SandboxedExecutor
) -> None:
    await executor.prepare()
    runs = trial_runs.TrialRuns(project, 200, executor._limits)
    state = trial_runs.State(runs, executor._workers, [*TRIALS.values()], time.monotonic() + 200)
    await state.try_apart()
    assert _failed([state.done[n] for n in range(len(TRIALS))]) == NOTICED


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        ("while True: pass", "time"),
        ("import os; os._exit(0)", "crash"),
        ("import os; os.kill(os.getpid(), 9)", "crash"),
        ("return 10 ** 10 ** 9", "time"),
        ("import os; os.kill(os.getppid(), 9)", "crash"),
    ],
)
async def test_what_ends_a_trial_ends_no_other(
    project: Project, executor: SandboxedExecutor, body: str, ended: str
) -> None:
    ending = _trial("return value + 1", body)
    trials = [TRIALS["in a function"], ending, *[TRIALS["nothing"]] * 3]
    bounded = [Trial(t.tests, t.change, 1, t.in_function) for t in trials]
    results = await executor.try_changes(project, bounded, timeout_seconds=200)
    assert [r.ended for r in results] == ["", ended, "", "", ""]
    assert "tests/test_rates.py::test_cached" in results[1].failed
    assert len(results[0].failed) == 5
    assert not any(r.failed for r in results[2:])


async def test_trials_are_cancelled_within_a_second_and_leave_no_process(
    project: Project, executor: SandboxedExecutor
) -> None:
    began, sleeping = asyncio.Event(), _trial("return value + 1", "import time; time.sleep(60)")
    trials = [
        TRIALS["nothing"],
        TRIALS["nothing"],
        *[Trial(sleeping.tests, sleeping.change, 50, True)] * 4,
    ]
    run = asyncio.ensure_future(
        executor.try_changes(
            project, trials, timeout_seconds=200, progress=lambda done: done >= 2 and began.set()
        )
    )
    async with asyncio.timeout(100):
        await began.wait()
    started = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert time.monotonic() - started < 1
    await executor.aclose()
    assert psutil.Process().children(recursive=True) == []


async def test_an_audit_says_of_each_test_what_it_notices(
    project: Project, executor: SandboxedExecutor
) -> None:
    more = (
        "\n\ndef test_weak():\n    rates.cached(3)\n\n\n"
        "def test_fails():\n    assert False\n\n\n"
        "seen = []\n\n\ndef test_sets():\n    seen.append(rates.cached(4))\n    assert seen == [5]\n\n\n"
        "def test_needs_the_one_before():\n    assert seen\n"
    )
    text = project.text("tests/test_rates.py") + more
    stages: list[AuditProgress] = []
    report = await audit(
        project.with_texts({"tests/test_rates.py": text}), executor, progress=stages.append
    )
    assert report.problem == ""
    assert report.modules == (FILE,)
    assert report.level == "namespaces"
    verdicts = {test.test.partition("::")[2]: test.verdict for test in report.tests}
    # What is in a shared fixture is run by all that use it, whichever it is made for.
    assert verdicts == {
        "test_rate[0]": "notices",
        "test_rate[1]": "notices",
        "test_first_of_shared": "notices",
        "test_shared": "notices",
        "TestItem::test_size": "notices",
        "test_cached": "notices",
        "test_in_another_process": "notices",
        "test_nothing_was_left_behind": "not_judging",
        "test_item": "notices",
        "test_weak": "cannot_fail",
        "test_fails": "not_judging",
        "test_sets": "notices",
        "test_needs_the_one_before": "not_judging",
    }
    (weak,) = report.cannot_fail
    assert weak.reaches
    assert [doubt.line for doubt in weak.doubts] == [weak.line]
    assert report.score is not None
    assert 0.9 < report.score <= 1
    assert list(dict.fromkeys(progress.stage for progress in stages)) == [
        "runs the tests",
        "looks who runs what",
        "tries mistakes",
        "writes tests",
    ]


async def test_a_mistake_that_nobody_seems_to_run_is_shown_to_the_others(
    tmp_path: Path, executor: SandboxedExecutor
) -> None:
    files = {
        "table.py": "made = {}\n\n\ndef table():\n    if not made:\n        made['a'] = 1\n"
        "    return made\n\n\ndef apart():\n    print(2)\n",
        "test_table.py": "import subprocess, sys, table\n\n\ndef test_makes():\n    table.table()\n\n\n"
        "def test_reads():\n    assert table.made == {'a': 1}\n\n\n"
        "def test_apart():\n    said = 'import table; table.apart()'\n"
        "    ran = subprocess.run([sys.executable, '-c', said], capture_output=True)\n"
        "    assert ran.stdout == b'2\\n'\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    report = await audit(open_project(tmp_path / "test_table.py").project, executor)
    noticed = {m.what: m.noticed_by for m in report.mistakes if m.status == "noticed"}
    assert noticed["`2` becomes `3`"] == ("test_table.py::test_apart",)


UNSEEN = {
    "unseen.py": """
        import functools


        def apart(n):
            note = "nobody"
            more = "notices"
            return n * 2


        def at_import(n):
            note = "nobody"
            more = "notices"
            return n + 5


        MADE = at_import(1)


        def at_the_end(n):
            return n - 1


        @functools.lru_cache
        def slow(n):
            return sum(range(n))


        def quick(n):
            more = 3
            return slow(n) > 0
        """,
    "test_a.py": """
        import os, subprocess, sys
        import pytest, unseen


        @pytest.fixture(scope="module")
        def shared():
            yield
            assert unseen.at_the_end(9) == 8


        def test_apart():
            said = "import unseen; print(unseen.apart(4))"
            ran = subprocess.run([sys.executable, "-c", said], capture_output=True)
            assert ran.stdout == b"8\\n"


        def test_made():
            assert unseen.MADE == 6


        def test_uses_what_is_shared(shared):
            assert "PYTEST_CURRENT_TEST" in os.environ


        def test_fills_the_cache():
            unseen.slow(30_000_000)


        def test_finds_it_filled():
            unseen.quick(30_000_000)


        def test_last():
            assert "PYTEST_CURRENT_TEST" in os.environ
        """,
    "test_b.py": """
        import pytest, unseen


        @pytest.fixture(scope="module")
        def shared():
            return unseen.MADE


        def test_other(shared):
            assert shared
        """,
}


async def test_what_only_others_run_is_judged_as_a_run_of_all_tests_would(
    tmp_path: Path, executor: SandboxedExecutor
) -> None:
    for name, text in UNSEEN.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    report = await audit(
        open_project(tmp_path).project, executor, modules=["unseen.py"], writes_tests=False
    )
    assert {test.test: test.why for test in report.tests if test.verdict == "not_judging"} == {}
    assert not any(mistake.ended for mistake in report.mistakes)
    noticed = {m.what for m in report.mistakes if m.status == "noticed"}
    assert noticed >= {
        "`*` becomes `//`", "`2` becomes `3`", "`return n * 2` returns `None`",
        "`+` becomes `-`", "`5` becomes `6`", "`return n + 5` returns `None`",
        "`-` becomes `+`", "`return n - 1` returns `None`",
    }  # fmt: skip
    (weak,) = [m for m in report.mistakes if m.what == "`3` becomes `4`"]
    assert weak.status == "survived"
    assert {m.status for m in report.mistakes if m.function in ("apart", "at_import")} == {
        "noticed", "survived"
    }  # fmt: skip
