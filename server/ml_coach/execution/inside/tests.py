"""Runs pytest on the private copy and reports through the notary what really happened.

The outcome of a test is taken where its function is called, by us, and again from pytest's report:
the judge wants both, and the function to be the very code that pytest compiled from the file.
"""

from __future__ import annotations

import _signal
import contextlib
import functools
import gc
import importlib
import inspect
import io
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_coach.execution.inside.notary import (
    Seal,
    Tell,
    equals_everything,
    known_code,
    notary,
    watcher,
)

if TYPE_CHECKING:
    import pytest

TEXT_AT_MOST = 8000
NOTARY_BROKEN = 70
# Each costs time and none can matter here; faulthandler would replace our own.
UNUSED_PLUGINS = (
    "cacheprovider doctest faulthandler junitxml legacypath nose pastebin setuponly setupplan "
    "stepwise threadexception unraisableexception"
).split()


@dataclass(frozen=True)
class Prepared:
    """Made once in the worker, before any user code. `session` is a pytest session that has
    started and collected nothing yet, for the common case; it needs a folder known ahead."""

    trusted: frozenset[int]
    seal: Seal
    session: pytest.Session | None


def prepare(work: str) -> Prepared:
    """`work` is the folder that every run will have, or empty where each has its own."""
    _keep_compiled_code()
    session = _started_session(work) if work else None
    return Prepared(known_code(gc.get_objects()), Seal(), session)


def _started_session(work: str) -> pytest.Session:
    """The first half of pytest's wrap_session: two thirds of the time of a small suite."""
    import pytest
    from _pytest.config import _prepareconfig

    os.chdir(work)
    config = _prepareconfig(_arguments(work, (), conftest=False))
    session = pytest.Session.from_config(config)
    shown, sys.stdout = sys.stdout, io.StringIO()  # pytest's own account: nobody reads it
    try:
        config._do_configure()
        config.hook.pytest_sessionstart(session=session)
    finally:
        sys.stdout = shown
    return session


# The code objects that pytest compiled from the run's files, by file.
_compiled: dict[str, types.CodeType] = {}


def _keep_compiled_code() -> None:
    from _pytest.assertion import rewrite

    compile_test = rewrite._rewrite_test

    def kept(fn: Any, config: Any) -> Any:
        state, code = compile_test(fn, config)
        _compiled[str(fn)] = code
        return state, code

    rewrite._rewrite_test = kept


def main(request: dict[str, Any], prepared: Prepared, work: str, records: int) -> int:
    import pytest

    spec = request["tests"]
    plugins = [name for name in spec["plugins"] if importlib.util.find_spec(name)]
    for name in plugins:
        importlib.import_module(name)
    trusted = prepared.trusted | known_code(gc.get_objects()) if plugins else prepared.trusted
    channel = notary(records, bytes.fromhex(spec.pop("key")), trusted)
    next(channel)
    tell = _teller(channel.send)
    reporter = _reporter(tell, spec["canary"], prepared.seal, work)
    sys.argv = ["pytest"]
    sys.addaudithook(watcher(channel, tell, trusted))
    tell("start")
    shown, sys.stdout = sys.stdout, io.StringIO()
    try:
        status = _run_pytest(spec, prepared, plugins, reporter, work)
    finally:
        sys.stdout = shown
    if broken := prepared.seal.broken(everything=True):
        tell("tampered", f"replaced {broken}")
    elif name := equals_everything(work):
        tell("tampered", f"objects of {name} equal every value")
    tell("end", str(status))
    return 0


def _run_pytest(
    spec: dict[str, Any], prepared: Prepared, plugins: Sequence[str], reporter: object, work: str
) -> int:
    import pytest
    from _pytest.main import _main

    session = prepared.session
    if session is None or plugins or spec["conftest"]:
        arguments = _arguments(work, plugins, conftest=spec["conftest"])
        return int(pytest.main([*arguments, *spec["targets"]], plugins=[reporter]))
    session.config.args = spec["targets"]
    session.config.pluginmanager.register(reporter)
    try:
        status = int(_main(session.config, session) or 0)
    except session.Failed:
        status = int(pytest.ExitCode.TESTS_FAILED)
    except (KeyboardInterrupt, pytest.exit.Exception):
        status = int(pytest.ExitCode.INTERRUPTED)
    session.exitstatus = status
    session.config.hook.pytest_sessionfinish(session=session, exitstatus=status)
    return status


def _arguments(work: str, plugins: Sequence[str], *, conftest: bool) -> list[str]:
    """No configuration file, no search for a root, no plugin that was not named."""
    chosen = ["-q", "--rootdir", work, "--confcutdir", work, "-c", os.devnull, "-o", "addopts="]
    chosen += ["--tb=short", "--color=no", "--capture=sys", "--import-mode=prepend"]
    for name in UNUSED_PLUGINS:
        chosen += ["-p", f"no:{name}"]
    for name in plugins:
        chosen += ["-p", name]
    if "pytest_asyncio.plugin" in plugins:
        chosen += ["-o", "asyncio_mode=auto"]
    if not conftest:
        chosen.append("--noconftest")
    return chosen


def _teller(send: Callable[[tuple[str, ...]], None]) -> Tell:
    """No signal handler and no finalizer of the user's may run while the notary does."""
    mask, block, restore = _signal.pthread_sigmask, _signal.SIG_BLOCK, _signal.SIG_SETMASK
    every = frozenset(int(number) for number in _signal.valid_signals())
    stop_collecting, collect_again, collecting = gc.disable, gc.enable, gc.isenabled
    text, anything, leave = str, BaseException, os._exit

    def tell(kind: str, *values: object) -> None:
        fields = (kind, *[value if type(value) is text else text(value) for value in values])
        collects = collecting()
        stop_collecting()
        before = mask(block, every)
        try:
            send(fields)
        except anything:
            leave(NOTARY_BROKEN)  # Its frame must not travel with an exception: no end, no pass.
        finally:
            mask(restore, before)
            if collects:
                collect_again()

    return tell


def _reporter(tell: Tell, canary: str, seal: Seal, work: str) -> object:
    import pytest
    from _pytest.unittest import TestCaseFunction

    skipped, anything = pytest.skip.Exception, BaseException
    tracer, profiler = sys.gettrace, sys.getprofile
    is_async = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)

    def same_code(item: pytest.Function) -> tuple[str, str, str]:
        """(name, first line, whether the function is the file's own code in the file's module)."""
        function = inspect.unwrap(item.obj)
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", None)
        if code is None:
            return "", "0", "other"
        todo = [c for c in (_compiled.get(code.co_filename),) if c is not None]
        while todo:
            outer = todo.pop()
            if outer is code:
                own = function.__globals__ is vars(item.module)
                return code.co_name, str(code.co_firstlineno), "own" if own else "other"
            todo += [c for c in outer.co_consts if isinstance(c, types.CodeType)]
        return code.co_name, str(code.co_firstlineno), "other"

    def called(item: pytest.Function, test: Callable[..., object], values: dict[str, Any]) -> None:
        """Calls the test and tells how that went, before anything else can learn of it."""
        name, identity = item.nodeid, same_code(item)
        try:
            test(**values)
        except skipped:
            tell("called", name, "skipped", *identity)
            raise
        except anything as error:
            tell("called", name, "failed", *identity, type(error).__name__)
            raise
        if broken := seal.broken(everything=False):
            tell("tampered", f"replaced {broken}")
        if tracer() or profiler():
            tell("tampered", "traced the tests")
        tell("called", name, "passed", *identity)

    class Reporter:
        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
            if any(check(pyfuncitem.obj) for check in is_async):
                return None
            arguments = pyfuncitem._fixtureinfo.argnames
            values = {argument: pyfuncitem.funcargs[argument] for argument in arguments}
            called(pyfuncitem, pyfuncitem.obj, values)
            return True

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_call(self, item: pytest.Item) -> None:
            """unittest calls its tests itself, by way of the item's object."""
            if isinstance(item, TestCaseFunction) and not any(c(item.obj) for c in is_async):
                test = item.obj
                item.obj = functools.wraps(test)(lambda: called(item, test, {}))

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> None:
            tell("begin", item.nodeid)
            if canary in item.nodeid:  # Nobody reads why it failed.
                item.config.option.tbstyle = "line"

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if hasattr(report, "context"):
                return  # a subtest: the test that it is part of fails as well
            if report.when != "call" and report.passed:
                return
            tell(
                "report",
                report.nodeid,
                report.when or "",
                report.outcome,
                "xfail" if hasattr(report, "wasxfail") else "",
                f"{report.duration:.6f}",
                *_explained(report, work),
            )

        def pytest_collectreport(self, report: pytest.CollectReport) -> None:
            if report.failed:
                tell("not_collected", report.nodeid, *_explained(report, work))

        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items.sort(key=lambda item: canary in item.nodeid)  # the canaries come last

    return Reporter()


def _explained(report: Any, work: str) -> tuple[str, str, str]:
    """(pytest's explanation with what the test printed, frames as JSON, the exception's type)."""
    if report.passed:
        return "", "", ""
    text = ""
    with contextlib.suppress(Exception):
        text = report.longreprtext if report.failed else str(report.longrepr)
    lines: list[str] = []
    with contextlib.suppress(Exception):
        for entry in report.longrepr.reprtraceback.reprentries:
            place = entry.reprfileloc
            path = os.path.join(work, place.path) if not os.path.isabs(place.path) else place.path
            if path.startswith(f"{work}/"):
                lines.append(f"{path.removeprefix(work + '/')}:{place.lineno}")
    printed = ""
    with contextlib.suppress(Exception):
        printed = report.capstdout[-1000:]
    if printed:
        text = f"{text[:TEXT_AT_MOST]}\n--- printed ---\n{printed}"
    message = ""
    with contextlib.suppress(Exception):
        message = report.longrepr.reprcrash.message
    return text[: TEXT_AT_MOST + 1200], "\n".join(lines), message[:1000]
