"""The tests of a user's project in the sandbox: pytest as the user has it, judged from outside."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ml_coach.core.project import Project, ProjectReport, TestProgress
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.project_files import open_project

FILES = {
    "pyproject.toml": """[project]
name = "the-shop"
version = "2.1"
scripts = { shop = "shop.cli:main" }
[tool.pytest.ini_options]
addopts = "--cov=shop -x"
markers = ["slow"]
""",
    "src/shop/__init__.py": "",
    "src/shop/rates.json": "[7]",
    "src/shop/prices.py": """import json
from pathlib import Path


def rate():
    return json.loads((Path(__file__).parent / "rates.json").read_text())[0]


def price(value):
    if value < 0:
        return -value
    return value * rate()


class Item:
    def __repr__(self):
        return f"Item {price(1)}"
""",
    "src/shop/cli.py": "def main():\n    print('the shop')\n",
    "tests/conftest.py": """import pytest


@pytest.fixture
def seven():
    return 7


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.name)
""",
    "tests/test_prices.py": """import importlib.metadata
import subprocess
import unittest

import pytest
from shop.prices import Item, price


@pytest.mark.parametrize("value", [1, -1])
def test_a_price(value, seven):
    assert price(value) == value * seven


def test_b_metadata():
    assert importlib.metadata.version("the-shop") == "2.1"
    assert subprocess.run(["shop"], capture_output=True).stdout == b"the shop\\n"


@pytest.mark.skip
def test_c_skipped():
    pass


@pytest.mark.xfail
def test_d_expected_to_fail():
    assert 1 == 2


class TestParts(unittest.TestCase):
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)


def test_e_shows_an_item():
    assert Item() == 1
""",
    "tests/test_broken.py": "from shop.prices import discount\n",
}


def _project(folder: Path, more: Mapping[str, str] = {}) -> Project:
    for name, text in {**FILES, **more}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return open_project(folder).project


async def _tested(project: Project, **more: object) -> ProjectReport:
    executor = SandboxedExecutor()
    try:
        (report,) = await executor.test_project(
            project,
            timeout_seconds=60,
            test_seconds=10,
            **more,  # type: ignore[arg-type]
        )
    finally:
        await executor.aclose()
    return report


async def test_a_projects_own_tests_run_as_they_do_for_the_user(tmp_path: Path) -> None:
    told: list[TestProgress] = []
    # What happens in a tenth of a second is not told.
    code = "import time\n\ntime.sleep(0.5)\n\n\ndef test_slow():\n    time.sleep(0.5)\n"
    slow = {"tests/test_slow.py": code}
    project = _project(tmp_path).with_texts(slow)
    report = await _tested(project, followed=(), progress=told.append)
    outcomes = {case.name.partition("::")[2]: case.outcome for case in report.tests.cases}
    assert outcomes == {
        "test_a_price[-1]": "failed",
        "test_a_price[1]": "passed",
        "test_b_metadata": "passed",
        "test_c_skipped": "skipped",
        "test_d_expected_to_fail": "skipped",
        "TestParts::test_parts": "failed",
        "test_e_shows_an_item": "failed",
        "test_slow": "passed",
        "": "error",
    }
    assert report.ended
    assert report.doubts == frozenset()
    findings = {finding.test: finding for finding in report.tests.findings}
    assert "cannot import name 'discount'" in findings["tests/test_broken.py"].message
    assert findings["tests/test_prices.py::test_a_price[-1]"].line == 11
    found, last = [at.done for at in told if not at.total], told[-1]
    assert 7 in found
    assert max(found) <= 8
    assert (last.done, last.total, last.test) == (7, 8, "tests/test_slow.py::test_slow")


async def test_coverage_tells_which_lines_each_failing_test_ran(tmp_path: Path) -> None:
    report = await _tested(_project(tmp_path), followed=())
    coverage, file = report.coverage, "src/shop/prices.py"
    test = "tests/test_prices.py::test_a_price[-1]"
    # Before Python 3.12 a function stands for its lines, by its first.
    lines = {10, 11} if sys.version_info >= (3, 12) else {9}
    assert coverage.failed[test][file] == lines
    assert coverage.reached[file][9] == {test, test.replace("-1", "1")}
    # What pytest runs to show a value has nothing to do with the failure.
    assert "tests/test_prices.py::test_e_shows_an_item" not in coverage.failed


async def test_only_the_chosen_tests_run_and_each_change_is_judged_alone(tmp_path: Path) -> None:
    project, file = _project(tmp_path), "src/shop/prices.py"
    right = project.text(file).replace("-value\n", "value * rate()\n")
    only = ["tests/test_prices.py::test_a_price[-1]"]
    executor = SandboxedExecutor()
    try:
        reports = await executor.test_project(
            project, ({}, {file: right}, {}), only=only, timeout_seconds=60, test_seconds=10
        )
    finally:
        await executor.aclose()
    assert [[c.outcome for c in r.tests.cases] for r in reports] == [
        ["failed"],
        ["passed"],
        ["failed"],
    ], [r.tests.why for r in reports]


@pytest.mark.parametrize(
    "forgery",
    [
        "import os\nos._exit(0)\n",
        "import pytest\npytest.Item.runtest = lambda self: None\n",
        "import _pytest.runner as r\nr.check_interactive_exception = lambda *a: False\n",
        'import os\nos.write(4000, b\'x\' * 32 + b\' [0,"trusted","end","0"]\\n\')\n',
        "from _pytest.reports import TestReport as T\n"
        "T.from_item_and_call = classmethod(lambda *a: 1 / 0)\n",
    ],
)
async def test_a_program_that_tampers_with_pytest_is_noticed(tmp_path: Path, forgery: str) -> None:
    project = _project(tmp_path)
    del project.files["tests/test_broken.py"]  # type: ignore[attr-defined]
    honest = await _tested(project)
    file = "src/shop/prices.py"
    forged = await _tested(project.with_texts({file: f"{forgery}\n{project.text(file)}"}))
    assert honest.ended
    assert not honest.doubts
    assert forged.doubts or not forged.ended


async def test_a_test_that_hangs_fails_alone(tmp_path: Path) -> None:
    hangs = "def test_hangs():\n    while True:\n        pass\n\n\ndef test_works():\n    pass\n"
    project = _project(tmp_path, {"tests/test_hangs.py": hangs})
    executor = SandboxedExecutor()
    only = ["tests/test_hangs.py::test_hangs", "tests/test_hangs.py::test_works"]
    try:
        (report,) = await executor.test_project(
            project, only=only, timeout_seconds=60, test_seconds=1
        )
    finally:
        await executor.aclose()
    assert [case.outcome for case in report.tests.cases] == ["failed", "passed"]
    assert "longer than 1 s" in report.tests.cases[0].message


async def test_a_run_is_cancelled_within_a_second(tmp_path: Path) -> None:
    sleeps = "import time\n\n\ndef test_sleeps():\n    time.sleep(60)\n"
    project = _project(tmp_path, {"tests/test_sleeps.py": sleeps})
    began = asyncio.Event()
    executor = SandboxedExecutor()

    def advanced(progress: TestProgress) -> None:
        if "test_sleeps" in progress.test:
            began.set()

    try:
        run = asyncio.ensure_future(
            executor.test_project(project, timeout_seconds=90, test_seconds=80, progress=advanced)
        )
        async with asyncio.timeout(60):
            await began.wait()
        started = time.monotonic()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert time.monotonic() - started < 1
    finally:
        await executor.aclose()
