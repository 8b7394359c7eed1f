"""Tests that need nothing of pytest but its asserts: a plain call runs them as pytest would.
Those of unittest need no more where their class and module prepare nothing for all of them.

pytest's own way around a call of a function takes longer than most tests do. It matters where
somebody takes part in it: a fixture, a mark, a plugin, a setting. Where nobody does, the outcome is
whether the call raises.
"""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
from __future__ import annotations

import inspect
import os
import sys
import unittest
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from _pytest import python
from _pytest.unittest import TestCaseFunction

_HOOKS = (
    "pytest_runtest_protocol", "pytest_runtest_setup", "pytest_runtest_call",
    "pytest_runtest_teardown", "pytest_runtest_makereport", "pytest_pyfunc_call",
    "pytest_assertrepr_compare", "pytest_assertion_pass",
)  # fmt: skip
# Their hooks only act on tests that are left to pytest anyway: coroutines, and those of hypothesis.
_IDLE = frozenset({"anyio.pytest_plugin", "_hypothesis_pytestplugin"})
_LEFT_OUT = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)

# What pytest makes of unittest's own `setUpClass`.
_DEFAULT = "_unittest_setUpClass_fixture_"
_RUNS = (unittest.TestCase.run, unittest.IsolatedAsyncioTestCase.run)

Call = Callable[[], object]


def takes_part(config: pytest.Config, own: object) -> bool:
    """Whether a plugin but `own`, or a setting of the project, takes part in how a test is run."""
    for name in _HOOKS:
        for each in getattr(config.hook, name).get_hookimpls():
            module = getattr(each.plugin, "__name__", type(each.plugin).__module__)
            if each.plugin is not own and not module.startswith("_pytest.") | (module in _IDLE):
                return True
    settings = [config.getini("filterwarnings"), config.getini("usefixtures"), sys.warnoptions]
    return any(settings) or config.pluginmanager.has_plugin("nose")


def plain_call(item: pytest.Item) -> Call | None:
    """How to call a test; None where pytest has to run it."""
    if any(mark.name != "parametrize" for mark in item.iter_markers()):
        return None
    if type(item) is TestCaseFunction:
        return _unittest_call(item)
    if type(item) is not pytest.Function:  # A subclass has ways of its own.
        return None
    function = item.obj
    is_plain = inspect.isfunction(function) or inspect.ismethod(function)
    if not is_plain or inspect.isgeneratorfunction(function) or hasattr(function, "hypothesis"):
        return None
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return None
    given: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    if not all(_is_written_out(item, name, given) for name in item.fixturenames):
        return None
    taken = {name: given[name] for name in item._fixtureinfo.argnames}
    return lambda: function(**taken)


def _unittest_call(item: TestCaseFunction) -> Call | None:
    case: Any = item.cls
    is_usual = (
        case.run in _RUNS
        and all(_is_inherited(case, name) for name in ("setUpClass", "tearDownClass"))
        and all(name == "request" or name.startswith(_DEFAULT) for name in item.fixturenames)
    )
    return partial(_run_unittest, case, item.name) if is_usual else None


def _is_inherited(case: Any, name: str) -> bool:
    own, usual = getattr(case, name), getattr(unittest.TestCase, name)
    return getattr(own, "__func__", None) is usual.__func__


def _run_unittest(case: Any, name: str) -> None:
    result = _Result()
    case(name).run(result)
    assert not result.is_failed


class _Result(unittest.TestResult):
    """Only whether the test fails: to format why takes longer than most tests."""

    is_failed = False

    def addError(self, test: object, err: Any) -> None:
        self.is_failed = self.is_failed or not issubclass(err[0], _LEFT_OUT)

    addFailure = addError

    def addSubTest(self, test: object, subtest: object, err: Any) -> None:
        if err is not None:
            self.addError(test, err)

    def addUnexpectedSuccess(self, test: object) -> None:
        self.is_failed = True


def _is_written_out(item: pytest.Function, name: str, given: dict[str, Any]) -> bool:
    """Whether an argument is a value of `parametrize`, and no fixture makes something of it."""
    makers = item._fixtureinfo.name2fixturedefs.get(name, ())
    direct = getattr(python, "get_direct_param_fixture_func", None)
    return name in given and all(maker.func is direct for maker in makers)


def fails(item: pytest.Item, call: Call, following: pytest.Item | None) -> bool:
    """Whether a test fails that is called so, or the end of what it shared with those before it and
    not with the `following` one."""
    os.environ["PYTEST_CURRENT_TEST"] = f"{item.nodeid} (call)"  # Programs look whether it is set.
    shared = item.session._setupstate
    failed = _raises(call)
    ends_wrong = bool(shared.stack) and _raises(partial(shared.teardown_exact, following))
    return failed or ends_wrong


def _raises(call: Call) -> bool:
    try:
        with warnings.catch_warnings(record=True):  # As pytest does for each test.
            warnings.filterwarnings("always", category=DeprecationWarning)
            warnings.filterwarnings("always", category=PendingDeprecationWarning)
            call()
    except _LEFT_OUT:
        return False
    except BaseException:  # noqa: BLE001 - SystemExit fails a test, too.
        return True
    return False
