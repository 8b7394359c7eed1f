"""The pytest plugin that records what happened in a run of tests.

The outcome of a test is recorded where its function is called, by us (call_recorder.py), and again
from pytest's report. The judge wants both, and the function to be the very code of the file.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import contextlib
import functools
import inspect
import linecache
import os
from collections.abc import Callable, Generator
from typing import Any

import pytest
from _pytest.config import ConftestImportFailure
from _pytest.unittest import TestCaseFunction

from ml_coach.execution.inside.call_recorder import CallRecorder
from ml_coach.execution.inside.exceptions import described
from ml_coach.execution.inside.signing import WriteRecord

TEXT_AT_MOST = 8000
PRINTED_AT_MOST = 1000


class Reporter:
    """Writes a record of each event of a run, once it has begun."""

    def begin(
        self,
        write: WriteRecord,
        canary: str,
        calls: CallRecorder,
        work: str,
        register: Callable[[list[pytest.Item]], None],
        source_of: Callable[[str], list[str] | None],
    ) -> None:
        """Called before user code is imported, so that what the functions here lead to was bound
        by then. `work` is the folder that places are relative to."""
        self._source_of = source_of
        self._write = write
        self._register = register
        self._canary = canary
        self._calls = calls
        self._work = work
        self._awaited: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, Any, None]:
        """Records what is wrong with a conftest.py: pytest itself only prints it."""
        outcome = yield
        failure = outcome.excinfo[1] if outcome.excinfo else None
        if isinstance(failure, ConftestImportFailure) and failure.__cause__:
            raised = described(failure.__cause__, self._work)
            name = os.path.relpath(failure.path, self._work)
            why = f"{raised['exception']}: {raised['text']}"
            places = "\n".join(f"{file}:{line}" for file, line in raised["frames"])
            self._write(("not_collected", name, why, places, why))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Puts the canaries last, so that they meet every change that the tests have made."""
        items.sort(key=lambda item: self._canary in item.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remembers what the tests are, before one of them runs."""
        self._register(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Records that a test begins."""
        self._write(("begin", item.nodeid))
        if self._canary in item.nodeid:  # Nobody reads why it failed.
            item.config.option.tbstyle = "line"

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Calls a plain test in pytest's place."""
        if pyfuncitem.nodeid in self._awaited or _is_async(pyfuncitem.obj):
            return None
        arguments = pyfuncitem._fixtureinfo.argnames
        values = {argument: pyfuncitem.funcargs[argument] for argument in arguments}
        self._call(pyfuncitem, pyfuncitem.obj, values)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Wraps the tests that unittest and plugins for async tests call themselves: they do so by
        way of the item's object."""
        if not isinstance(item, pytest.Function):
            return
        test, call = item.obj, self._calls.call_async
        if _is_async(test) and not inspect.isasyncgenfunction(test):
            self._awaited.add(item.nodeid)
            about = _function(item), item.config

            @functools.wraps(test)
            async def awaited(*_: object, **values: object) -> None:
                await call(item.nodeid, test, values, *about)

            item.obj = awaited
            if isinstance(item, TestCaseFunction):  # unittest looks at its own instance
                setattr(item.instance, item.name, awaited)
        elif isinstance(item, TestCaseFunction):
            item.obj = functools.wraps(test)(lambda: self._call(item, test, {}))

    def _call(
        self, item: pytest.Function, test: Callable[..., object], values: dict[str, Any]
    ) -> None:
        call = self._calls.call(item.nodeid, test, values, _function(item), item.config)
        with contextlib.suppress(StopIteration):
            call.send(None)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Shows pytest the text of the tests while it writes its explanation, and no longer."""
        path = str(item.path)
        lines = self._source_of(path)
        if lines is not None:
            linecache.cache[path] = (1, None, lines, path)
        yield
        if lines is not None:
            linecache.cache.pop(path, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Records how a phase of a test went, unless it is a setup or teardown that passed."""
        if hasattr(report, "context"):
            return  # A subtest: the test that it belongs to fails as well.
        if report.when != "call" and report.passed:
            return
        xfail = "xfail" if hasattr(report, "wasxfail") else ""
        took = f"{report.duration:.6f}"
        why = explained(report, self._work)
        self._write(("report", report.nodeid, report.when or "", report.outcome, xfail, took, *why))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Records what could not be collected."""
        if report.failed:
            self._write(("not_collected", report.nodeid, *explained(report, self._work)))


def explained(report: Any, work: str) -> tuple[str, str, str]:
    """(pytest's explanation with what the test printed, its places `file:line`, one line). Places
    are those in the folder `work`."""
    if report.passed:
        return "", "", ""
    text = message = printed = ""
    places: list[str] = []
    with contextlib.suppress(Exception):
        text = report.longreprtext if report.failed else str(report.longrepr)
    with contextlib.suppress(Exception):
        message = report.longrepr.reprcrash.message
    with contextlib.suppress(Exception):
        printed = report.capstdout[-PRINTED_AT_MOST:]
    with contextlib.suppress(Exception):
        for entry in report.longrepr.reprtraceback.reprentries:
            path = os.path.join(work, entry.reprfileloc.path)
            if path.startswith(f"{work}/"):
                path = path.removeprefix(f"{work}/")
                places.append(f"{path}:{entry.reprfileloc.lineno}")
    text = text[:TEXT_AT_MOST] + (f"\n--- printed ---\n{printed}" if printed else "")
    return text, "\n".join(places), message[:1000]


def _function(item: pytest.Function) -> str:
    return item.originalname or item.name.partition("[")[0]


def _is_async(test: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(test) or inspect.isasyncgenfunction(test)
