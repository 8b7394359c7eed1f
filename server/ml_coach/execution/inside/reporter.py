"""The pytest plugin inside: tells the notary what really happened.

The outcome of a test is taken where its function is called, by us, and again from pytest's report:
the judge wants both, and the function to be the very code that pytest compiled from the file.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction

from ml_coach.execution.inside.notary import Tell
from ml_coach.execution.inside.tampering import Seal

TEXT_AT_MOST = 8000
PRINTED_AT_MOST = 1000


class Reporter:
    """`compiled` maps a file to the code that pytest compiled from it; it fills while pytest
    collects. All that is called here was bound before user code was imported."""

    def __init__(
        self,
        tell: Tell,
        canary: str,
        seal: Seal,
        work: str,
        compiled: Mapping[str, types.CodeType],
    ) -> None:
        self._tell = tell
        self._canary = canary
        self._seal = seal
        self._work = work
        self._compiled = compiled
        self._skipped = pytest.skip.Exception
        self._anything = BaseException
        self._tracers = (sys.gettrace, sys.getprofile)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._canary in item.nodeid)  # the canaries come last

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._tell("begin", item.nodeid)
        if self._canary in item.nodeid:  # Nobody reads why it failed.
            item.config.option.tbstyle = "line"

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        if _is_async(pyfuncitem.obj):
            return None
        arguments = pyfuncitem._fixtureinfo.argnames
        values = {argument: pyfuncitem.funcargs[argument] for argument in arguments}
        self._call(pyfuncitem, pyfuncitem.obj, values)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """unittest calls its tests itself, by way of the item's object."""
        if isinstance(item, TestCaseFunction) and not _is_async(item.obj):
            test = item.obj
            item.obj = functools.wraps(test)(lambda: self._call(item, test, {}))

    def _call(
        self, item: pytest.Function, test: Callable[..., object], values: dict[str, Any]
    ) -> None:
        """Calls the test and tells how that went, before anything else can learn of it."""
        tell, name, whose = self._tell, item.nodeid, self._whose(item)
        try:
            test(**values)
        except self._skipped:
            tell("called", name, "skipped", *whose)
            raise
        except self._anything:
            tell("called", name, "failed", *whose)
            raise
        if broken := self._seal.broken(everything=False):
            tell("tampered", f"replaced {broken}")
        if any(tracer() for tracer in self._tracers):
            tell("tampered", "traced the tests")
        tell("called", name, "passed", *whose)

    def _whose(self, item: pytest.Function) -> tuple[str, str, str]:
        """(name, first line, "own" for the file's own code in the file's own module)."""
        function = inspect.unwrap(item.obj)
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", None)
        if not isinstance(code, types.CodeType):
            return "", "0", "other"
        whose = "other"
        todo = [whole for whole in (self._compiled.get(code.co_filename),) if whole]
        while todo:
            outer = todo.pop()
            if outer is code and function.__globals__ is vars(item.module):
                whose = "own"
            todo += [const for const in outer.co_consts if isinstance(const, types.CodeType)]
        return code.co_name, str(code.co_firstlineno), whose

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "context"):
            return  # a subtest: the test that it is part of fails as well
        if report.when != "call" and report.passed:
            return
        xfail = "xfail" if hasattr(report, "wasxfail") else ""
        took = f"{report.duration:.6f}"
        why = self._explained(report)
        self._tell("report", report.nodeid, report.when or "", report.outcome, xfail, took, *why)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell("not_collected", report.nodeid, *self._explained(report))

    def _explained(self, report: Any) -> tuple[str, str, str]:
        """(pytest's explanation with what the test printed, its places `file:line`, one line)."""
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
                path = os.path.join(self._work, entry.reprfileloc.path)
                if path.startswith(f"{self._work}/"):
                    path = path.removeprefix(f"{self._work}/")
                    places.append(f"{path}:{entry.reprfileloc.lineno}")
        text = text[:TEXT_AT_MOST] + (f"\n--- printed ---\n{printed}" if printed else "")
        return text, "\n".join(places), message[:1000]


def _is_async(test: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(test) or inspect.isasyncgenfunction(test)
