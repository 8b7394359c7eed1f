"""Runs pytest on the private copy. Imported in the worker only: it needs pytest."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import gc
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from _pytest.assertion import rewrite
from _pytest.config import _prepareconfig
from _pytest.main import _main

from ml_coach.execution.inside.notary import known_code, notary, teller
from ml_coach.execution.inside.reporter import Reporter
from ml_coach.execution.inside.tampering import Seal, Watcher, equals_everything

# Each costs time and none can matter here; faulthandler would replace our own.
UNUSED_PLUGINS = frozenset(
    {
        "cacheprovider",
        "doctest",
        "faulthandler",
        "junitxml",
        "legacypath",
        "nose",
        "pastebin",
        "setuponly",
        "setupplan",
        "stepwise",
        "threadexception",
        "unraisableexception",
    }
)


@dataclass(frozen=True)
class Prepared:
    """Made once in the worker, before any user code, and inherited by every run.

    `session` is a pytest session that has started and collected nothing yet, for the common case;
    it needs a folder known ahead. `compiled` fills with the code of a run's test files.
    """

    trusted: frozenset[int]
    seal: Seal
    session: pytest.Session | None
    compiled: dict[str, types.CodeType]

    def run(self, request: dict[str, Any], work: str, records: int) -> int:
        """Returns the exit code of the process. The verdict lies in the records alone."""
        spec = request["tests"]
        plugins = [name for name in spec["plugins"] if importlib.util.find_spec(name)]
        trusted = self.trusted | _trusted_plugins(plugins)
        channel = notary(records, bytes.fromhex(spec.pop("key")), trusted)
        next(channel)
        tell = teller(channel.send)
        reporter = Reporter(tell, spec["canary"], self.seal, work, self.compiled)
        sys.argv = ["pytest"]
        sys.addaudithook(Watcher(channel, tell, trusted))
        tell("start")
        shown, sys.stdout = sys.stdout, io.StringIO()  # pytest's own account: nobody reads it
        try:
            status = self._run_pytest(spec, plugins, reporter, work)
        finally:
            sys.stdout = shown
        if broken := self.seal.broken(everything=True):
            tell("tampered", f"replaced {broken}")
        elif name := equals_everything(work):
            tell("tampered", f"made objects of {name}, which equal every value")
        tell("end", str(status))
        return 0

    def _run_pytest(
        self, spec: dict[str, Any], plugins: Sequence[str], reporter: Reporter, work: str
    ) -> int:
        session = self.session
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


def prepare(work: str) -> Prepared:
    """`work` is the folder that every run will have, or empty where each has its own."""
    compiled: dict[str, types.CodeType] = {}
    _keep_compiled_code(compiled)
    session = _started_session(work) if work else None
    return Prepared(known_code(gc.get_objects()), Seal(), session, compiled)


def _keep_compiled_code(compiled: dict[str, types.CodeType]) -> None:
    compile_test = rewrite._rewrite_test

    def kept(fn: Any, config: pytest.Config) -> Any:
        state, code = compile_test(fn, config)
        compiled[str(fn)] = code
        return state, code

    rewrite._rewrite_test = kept


def _started_session(work: str) -> pytest.Session:
    """The first half of pytest's wrap_session: two thirds of the time of a small suite."""
    os.chdir(work)
    config = _prepareconfig(_arguments(work, (), conftest=False))
    session = pytest.Session.from_config(config)
    shown, sys.stdout = sys.stdout, io.StringIO()
    try:
        config._do_configure()
        config.hook.pytest_sessionstart(session=session)
    finally:
        sys.stdout = shown
    return session


def _trusted_plugins(plugins: Sequence[str]) -> frozenset[int]:
    for name in plugins:
        importlib.import_module(name)
    return known_code(gc.get_objects()) if plugins else frozenset()


def _arguments(work: str, plugins: Sequence[str], *, conftest: bool) -> list[str]:
    """No configuration file, no search for a root, no plugin that was not named."""
    chosen = ["-q", "--rootdir", work, "--confcutdir", work, "-c", os.devnull, "-o", "addopts="]
    chosen += ["--tb=short", "--color=no", "--capture=sys", "--import-mode=prepend"]
    for name in sorted(UNUSED_PLUGINS):
        chosen += ["-p", f"no:{name}"]
    for name in plugins:
        chosen += ["-p", name]
    if "pytest_asyncio.plugin" in plugins:
        chosen += ["-o", "asyncio_mode=auto"]
    if not conftest:
        chosen.append("--noconftest")
    return chosen
