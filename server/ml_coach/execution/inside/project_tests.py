"""Runs the tests of a user's project: with its own configuration, conftest.py files and plugins.

What is guarded, and what is not. The records of outcomes are signed (signing.py): code that came
later than pytest and its installed plugins can neither write one nor stand on the stack while one
is written. Two canaries run last, what was replaced in Python or pytest is named, and so is what
the audit hook sees. But unlike in a run of generated tests (tests.py), a project's conftest.py may
change how its tests run, and a test's outcome is what pytest reports of it: a program that replaces
what a test *compares with* is not noticed. The tests are the user's, so this suffices against
mistakes; against a program that means to deceive, it makes that harder and no more.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shlex
import signal
import sys
import unittest.case
from collections.abc import Callable, Collection, Generator
from typing import Any, Protocol

import pytest
from _pytest import runner
from _pytest.assertion import rewrite
from _pytest.config import ConftestImportFailure, _prepareconfig
from _pytest.main import _main

from ml_coach.execution.inside.exceptions import described
from ml_coach.execution.inside.line_coverage import LineCoverage
from ml_coach.execution.inside.messages import NOT_STARTED, JsonObject
from ml_coach.execution.inside.reporter import explained
from ml_coach.execution.inside.signing import (
    FrozenFunctions,
    identity_of,
    record_signer,
    record_writer,
)
from ml_coach.execution.inside.tampering import Guard, audit_hook, guard

# What tests.py replaces for generated tests, which are compiled ahead.
AS_PYTEST_DOES = (rewrite._rewrite_test, rewrite._read_pyc, runner._update_current_test_var)
# They shuffle the tests, so that no two runs could be compared.
SHUFFLING = ("randomly", "random_order", "random-order")
# What shows values where an assert fails.
SHOWING = (
    (rewrite, "_saferepr"),
    (rewrite, "_call_reprcompare"),
    (rewrite, "_format_explanation"),
    (unittest.case, "safe_repr"),
    (pytest.Function, "repr_failure"),
)
# Of these, pytest itself holds on to what it has loaded.
NEVER_AGAIN = frozenset({"pytest", "_pytest", "pluggy", "iniconfig"})


def run(request: JsonObject, work: str, records: int, known: Guard) -> int:
    """Returns the exit code of the process. The outcome depends on the records alone."""
    spec = request["tests"]
    request["files"].clear()
    like_a_plain_python(spec, work)
    spec["plugins"] = request["plugins"]
    if spec["plugins"]:
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    reporter = ProjectReporter(spec, work, records, known)
    shown, sys.stdout = sys.stdout, io.StringIO()  # Nobody reads what pytest itself prints.
    try:
        status = run_pytest(spec, work, reporter)
    finally:
        sys.stdout = shown
    reporter.finish(status)
    return 0


class Reporter(Protocol):
    """A plugin that learns, too, why pytest does not start."""

    def refused(self, name: str, why: str, places: str = "") -> None:
        """pytest did not start: its configuration or a conftest.py is wrong."""
        ...


class ProjectReporter:
    """Writes a record of each event of a run. Nothing is recorded before `guarded`, which is called
    once pytest and its plugins are there and before any file of the project is imported."""

    def __init__(self, spec: JsonObject, work: str, records: int, known: Guard) -> None:
        self._canary: str = spec["canary"]
        self._only = frozenset(spec["only"]) if spec["only"] is not None else None
        self._test_seconds: float = spec["test_seconds"]
        self._work = work
        self._key = bytes.fromhex(spec.pop("key"))
        self._channel = records
        self._known = known
        self._write: Callable[[tuple[object, ...]], None] | None = None
        self._broken: Callable[[bool], str] = known.broken
        self._end: Callable[[str], None] | None = None
        covered, followed = spec["covered"], spec["followed"]
        self._coverage = (
            LineCoverage(covered, followed, work, each_line=spec["each_line"]) if covered else None
        )
        if self._coverage:
            for module, name in SHOWING:
                setattr(module, name, self._coverage.apart(getattr(module, name)))
        self._found = 0
        self._failed = self._passed = False
        self._setup_took = 0.0
        self._part: tuple[str, str, str] | None = None

    def guarded(self) -> Callable[[tuple[object, ...]], None]:
        """The function that writes records; made when it is first asked for."""
        if self._write is None:
            guarded = guard(self._known.trusted)
            freeze = FrozenFunctions(guarded.known)
            signer = record_signer(self._channel, self._key, guarded.trusted)
            self._key = b""
            next(signer)
            self._write = record_writer(freeze, signer.send)
            nothing: frozenset[str] = frozenset()
            hook = audit_hook(freeze, (signer,), self._write, guarded.user_file, nothing)
            end: Any = freeze(_end, self._write)
            signer.send((frozenset(freeze.known), frozenset({identity_of(end.__code__)})))
            self._broken, self._end = guarded.broken, end
            sys.addaudithook(hook)
            self._write(("start",))
        return self._write

    def finish(self, status: int) -> None:
        """Writes what only the end shows. A run that was interrupted has no end."""
        write = self.guarded()
        if self._coverage and (packed := self._coverage.packed()):
            write(("covered", packed))
        if status != pytest.ExitCode.INTERRUPTED:
            if what := self._broken(True):
                write(("tampered", f"replaced {what}"))
            if self._end:
                self._end(str(status))

    def refused(self, name: str, why: str, places: str = "") -> None:
        """pytest did not start: its configuration or a conftest.py is wrong."""
        self.guarded()(("not_collected", name, why, places, why))

    @pytest.hookimpl
    def pytest_load_initial_conftests(self) -> None:
        """Plugins are loaded and have patched what they patch (pytest's own `legacypath` does, and
        comes first), conftest.py files are not: pytest reads them last."""
        self.guarded()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[pytest.Item]) -> None:
        """Leaves the tests that are wanted, and puts the canaries last."""
        only, canary = self._only, self._canary
        if only is not None:
            left = [i for i in items if i.nodeid not in only and canary not in i.nodeid]
            if left:
                config.hook.pytest_deselected(items=left)
                items[:] = [i for i in items if i.nodeid in only or canary in i.nodeid]
        items.sort(key=lambda item: canary in item.nodeid)
        self.guarded()(("collected", str(len(items))))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Records that a test begins, bounds its time and follows the lines that it runs."""
        self.guarded()(("begin", item.nodeid))
        self._failed = self._passed = False
        seconds = self._test_seconds
        signal.signal(signal.SIGALRM, _too_long(seconds))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if self._coverage:
            self._coverage.begin(item.nodeid)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if part := self._part:
                self._part, self._failed = None, True
                self.guarded()(("report", item.nodeid, "call", "failed", "", "0", *part))
            if self._coverage:
                used: Any = getattr(getattr(item, "_request", None), "_fixture_defs", {})
                self._coverage.end(
                    item.nodeid, failed=self._failed, passed=self._passed, fixtures=used.values()
                )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Tells the lines of a fixture that tests share from those of the test that it is made
        for."""
        if self._coverage is None or fixturedef.scope == "function":
            return (yield)
        with self._coverage.shared(fixturedef):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Records how a phase of a test went, unless it is a setup or teardown that passed."""
        if hasattr(report, "context"):
            # A part of a test, with which the whole fails. The test is on the stack, so that no
            # record can be written now.
            if report.failed:
                self._part = explained(report, self._work)
            return
        self._failed = self._failed or report.failed
        self._passed = self._passed or (report.when == "call" and report.passed)
        if report.when == "setup":
            self._setup_took = report.duration
        if report.when != "call" and report.passed:
            return
        xfail = "xfail" if hasattr(report, "wasxfail") else ""
        # The setup that passed has no record, and its time is a part of the test's.
        took = f"{report.duration + self._setup_took * (report.when == 'call'):.6f}"
        why = explained(report, self._work)
        fields = ("report", report.nodeid, report.when or "", report.outcome, xfail, took, *why)
        self.guarded()(fields)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Records what could not be collected, and how many tests were found so far."""
        if report.failed:
            self.guarded()(("not_collected", report.nodeid, *explained(report, self._work)))
        found = sum(isinstance(each, pytest.Item) for each in report.result)
        if found and self._canary not in report.nodeid:
            self._found += found
            self.guarded()(("found", str(self._found)))


def _end(status: str) -> None:
    """Writes the last record: the only function that may (signing.py)."""
    parts: Any = "<parts>"
    (write,) = parts
    write(("end", status))


def _too_long(seconds: float) -> Callable[..., None]:
    def stop(*_: object) -> None:
        raise pytest.fail.Exception(f"stopped: the test ran longer than {seconds:g} s")

    return stop


def like_a_plain_python(spec: JsonObject, work: str) -> None:
    """Undoes what the worker did for generated tests, and makes the project's modules those that
    are imported, also where the worker has loaded an installed one of that name."""
    rewrite._rewrite_test, rewrite._read_pyc, runner._update_current_test_var = AS_PYTEST_DOES
    is_hook = rewrite.AssertionRewritingHook
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, is_hook)]
    roots = [os.path.join(work, root).rstrip("/") for root in spec["import_roots"]]
    sys.path[:] = [*roots, *(p for p in sys.path if not p.startswith(work))]
    _as_if_installed(spec["metadata"], roots)
    os.environ["PYTHONPATH"] = os.pathsep.join(roots)
    sys.argv = ["pytest"]
    own: Collection[str] = frozenset(spec["modules"]) - NEVER_AGAIN - sys.stdlib_module_names
    for name in [*sys.modules]:
        if name.partition(".")[0] in own:
            del sys.modules[name]


def _as_if_installed(metadata: JsonObject, roots: list[str]) -> None:
    """The project's name, version and commands, as `pip install -e` would leave them. They come
    last, so that those of a project that is installed count."""
    if not metadata["name"]:
        return
    folder = os.path.join(os.environ["TMPDIR"], "installed")
    name = metadata["name"].replace("-", "_")
    inside = os.path.join(folder, f"{name}-{metadata['version']}.dist-info")
    os.makedirs(inside)
    os.makedirs(os.path.join(folder, "bin"))
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {metadata['name']}",
        f"Version: {metadata['version']}",
    ]
    with open(os.path.join(inside, "METADATA"), "w") as file:
        file.write("\n".join(lines) + "\n")
    with open(os.path.join(inside, "entry_points.txt"), "w") as file:
        for group, entries in metadata["entry_points"].items():
            file.write(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))
    for command, place in metadata["entry_points"].get("console_scripts", {}).items():
        module, _, function = place.partition(":")
        path = os.path.join(folder, "bin", command)
        start = f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "
        run = f"import sys, {module} as m; sys.argv[0] = {command!r}; sys.exit(m.{function}())"
        with open(path, "w") as file:
            file.write(f'{start}{shlex.quote(run)} "$@"\n')
        os.chmod(path, 0o755)
    sys.path.append(folder)
    os.environ["PATH"] += os.pathsep + os.path.join(folder, "bin")


def run_pytest(spec: JsonObject, work: str, reporter: Reporter) -> int:
    """Runs pytest as the project configures it, with one more plugin; its exit status."""
    os.chdir(work)
    try:
        config = _prepareconfig(_arguments(spec, work), [reporter])
        session = pytest.Session.from_config(config)
        config._do_configure()
        config.hook.pytest_sessionstart(session=session)
    except ConftestImportFailure as failure:
        raised = described(failure.__cause__ or failure, work)
        places = "\n".join(f"{file}:{line}" for file, line in raised["frames"])
        name = os.path.relpath(failure.path, work)
        reporter.refused(name, f"{raised['exception']}: {raised['text']}", places)
        return int(pytest.ExitCode.USAGE_ERROR)
    except (pytest.UsageError, pytest.exit.Exception) as error:
        reporter.refused(NOT_STARTED, _said(error))
        return int(pytest.ExitCode.USAGE_ERROR)
    try:
        status = int(_main(config, session) or 0)
    except session.Failed:
        status = int(pytest.ExitCode.TESTS_FAILED)
    except pytest.UsageError as error:
        reporter.refused(NOT_STARTED, _said(error))
        return int(pytest.ExitCode.USAGE_ERROR)
    except (KeyboardInterrupt, pytest.exit.Exception):
        return int(pytest.ExitCode.INTERRUPTED)
    session.exitstatus = status
    with contextlib.suppress(Exception):  # A plugin's summary may fail; the tests are over.
        config.hook.pytest_sessionfinish(session=session, exitstatus=status)
    return status


def _said(error: BaseException) -> str:
    """What pytest says is wrong, without how it is called."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    wrong = next((line.partition("error: ")[2] for line in lines if "error: " in line), lines[0])
    return f"pytest does not start: {wrong}"


def _arguments(spec: JsonObject, work: str) -> list[str]:
    """The project's configuration, without its options but for those that decide which tests there
    are: reports, coverage and parallel runs have nothing to do here."""
    config = os.path.join(work, spec["config"]) if spec["config"] else os.devnull
    chosen = ["-q", "--rootdir", work, "-c", config, "-o", "addopts=", "-o", "required_plugins="]
    chosen += ["--tb=short", "--color=no", "--capture=sys", "--continue-on-collection-errors"]
    for name in SHUFFLING:
        chosen += ["-p", f"no:{name}"]
    if spec["plugins"] and importlib.util.find_spec("hypothesis"):
        chosen.append("--hypothesis-seed=0")  # Two runs try the same examples.
    canary = spec["canary"]
    if spec["keyword"]:
        chosen += ["-k", f"({spec['keyword']}) or {canary}" if canary else spec["keyword"]]
    canaries = [f"test_{canary}.py"] if canary else []
    return [*chosen, *spec["arguments"], *spec["targets"], *canaries]
