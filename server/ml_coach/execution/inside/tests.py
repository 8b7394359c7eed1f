"""Runs pytest on the private copy. Imported in the worker only: it needs pytest."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest import runner
from _pytest.assertion import rewrite
from _pytest.config import ConftestImportFailure, _prepareconfig
from _pytest.main import _main

from ml_coach.execution.inside import (
    collected,
    comparisons,
    project_tests,
    test_compiler,
    trials,
)
from ml_coach.execution.inside.call_recorder import (
    Watchers,
    call_recorder,
    call_tracker,
    own_code,
)
from ml_coach.execution.inside.messages import CANARY_SOURCE, JsonObject
from ml_coach.execution.inside.reporter import Reporter
from ml_coach.execution.inside.signing import (
    FrozenFunctions,
    identity_of,
    record_signer,
    record_writer,
)
from ml_coach.execution.inside.tampering import Guard, audit_hook, guard

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
    """What is made once in the worker, before any user code, and inherited by every run.

    `session` is a pytest session that has started and collected nothing yet, for the common case;
    it needs a folder known ahead. The `reporter` is one of its plugins, and `hooks` has looked at
    all of them. `compiled` is where pytest looks for the code of test files, by path and with the
    text that it was made of; `canary` is the code of every run's canaries.
    """

    guard: Guard
    comparer: comparisons.Comparer
    session: pytest.Session | None
    reporter: Reporter
    hooks: Generator[Any, Any, Any]
    canary: types.CodeType
    compiled: dict[str, tuple[bytes, types.CodeType]]

    def run(self, request: JsonObject, work: str, records: int) -> int:
        """Returns the exit code of the process. The verdict depends on the records alone."""
        spec = request["tests"]
        plugins = [name for name in spec["plugins"] if _is_installed(name)]
        compare_with = [m for m in map(_imported, spec["compare_with"]) if m]
        guarded, hooks = self.guard, self.hooks
        if plugins or compare_with:
            for name in plugins:
                importlib.import_module(name)
            guarded = guard(guarded.trusted, compare_with)  # Plugins change pytest as well.
            hooks = collected.hook_watcher(guarded.trusted)
            next(hooks)
        compiled = self._codes(spec, work)
        freeze = FrozenFunctions(guarded.known | self.comparer.codes)
        signer = record_signer(records, bytes.fromhex(spec.pop("key")), guarded.trusted)
        tracker, memory = call_tracker(compiled), collected.memory()
        for each in (signer, tracker, memory):
            next(each)
        write, broken = record_writer(freeze, signer.send), guarded.broken
        notes, own = self.comparer.notes.send, own_code(compiled)
        watchers = Watchers(broken, tracker.send, notes, memory.send, hooks.send)
        calls = call_recorder(freeze, write, compiled, watchers, frozenset(spec["rebinds"]))
        replaced = (collected.replaced_function, spec["functions"], work)
        finish = freeze(_finish, write, broken, notes, replaced, (comparisons.ALL, str))
        recording = calls.codes | {identity_of(finish.__code__)}
        for each in self.comparer.secret:
            each.send((own, recording))
        tracker.send((calls.codes, calls.profiler))
        remember = collected.registrar(freeze, write, memory.send)
        own_files = (*spec["targets"], *spec["conftests"])
        names = frozenset(name.rpartition("/")[2] for name in own_files)
        sources = collected.source_keeper(self._hidden(request, work), guarded.trusted)
        next(sources)
        secret = (signer, tracker, memory, sources, hooks, *self.comparer.secret)
        hook = audit_hook(freeze, secret, write, guarded.user_file, names)
        signer.send((frozenset(freeze.known), recording))

        def register(items: list[pytest.Item]) -> None:
            modules = {name: notes(code) for name, code in compiled.items()}
            known, wrong = collected.collected(items, spec["names"], modules, own)
            remember(known, wrong or collected.replaced_function(spec["functions"], work))
            if what := broken(True):
                write(("tampered", f"replaced {what}"))
            gc.freeze()  # The collector shows no program what is frozen.

        self.reporter.begin(write, spec["canary"], calls, work, register, sources.send)
        sys.argv = ["pytest"]
        sys.addaudithook(hook)
        write(("start",))
        shown, sys.stdout = sys.stdout, io.StringIO()  # Nobody reads what pytest itself prints.
        try:
            status = self._run_pytest(spec, plugins, work)
        finally:
            sys.stdout = shown
        if status == pytest.ExitCode.INTERRUPTED:
            return 1  # The run is not at its end, and no record says that it is.
        finish(status)
        return 0

    def run_project(self, request: JsonObject, work: str, records: int) -> int:
        """As `run`, for the tests of a user's project, which pytest itself finds."""
        return project_tests.run(request, work, records, self.guard)

    def run_trials(self, request: JsonObject, work: str, writer: Callable[[], Any]) -> int:
        """Tries changes of a user's project; `writer` makes what writes their records."""
        return trials.run(request, work, writer)

    def compile(self, files: Mapping[str, str], work: str) -> None:
        """Compiles ahead, for runs that share these test files. Texts are bytes as latin-1."""
        for name, text in files.items():
            with contextlib.suppress(Exception):  # pytest will fail on it again and report why.
                self._code(str(Path(work, name)), text.encode("latin-1"))
        gc.freeze()  # As the worker did: forks share these pages.

    def _codes(self, spec: JsonObject, work: str) -> dict[str, types.CodeType]:
        """The code of the test files and what they share, made before any code of the user's
        could rewrite them."""
        made: dict[str, types.CodeType] = {}
        for name in (*spec["targets"], *spec["conftests"]):
            path = str(Path(work, name))
            if spec["canary"] in name:
                self.compiled[path] = b"", _placed(self.canary, path)
                made[name] = self.compiled[path][1]
                continue
            with contextlib.suppress(Exception):
                made[name] = self._code(path, Path(path).read_bytes())
        return made

    def _code(self, path: str, source: bytes) -> types.CodeType:
        """The code of a test file, with its asserts rewritten as pytest does it."""
        known = self.compiled.get(path)
        if known is None or known[0] != source:
            code = self.comparer.insert(*test_compiler.compiled(source, path))
            known = self.compiled[path] = source, code
        return known[1]

    def _hidden(self, request: JsonObject, work: str) -> dict[str, str]:
        """The texts of the test files, which no program has to read: their files are empty from
        now on. Tests that look at their own text keep it."""
        spec = request["tests"]
        texts: dict[str, str] = {}
        for name in () if spec["reads_itself"] else spec["targets"]:
            path = str(Path(work, name))
            if path in self.compiled:
                source, code = self.compiled[path]
                self.compiled[path] = b"", code
                texts[path] = source.decode("utf-8", "replace")
                Path(path).write_bytes(b"")
        request["files"].clear()
        return texts

    def _run_pytest(self, spec: JsonObject, plugins: Sequence[str], work: str) -> int:
        session = self.session
        if session is None or plugins or spec["conftests"]:
            arguments = _arguments(work, plugins, conftest=bool(spec["conftests"]))
            try:
                session = _started_session(work, [*arguments, *spec["targets"]], [self.reporter])
            except (ConftestImportFailure, pytest.UsageError):  # The reporter says which it is.
                return int(pytest.ExitCode.USAGE_ERROR)
        else:
            session.config.args = spec["targets"]
        try:
            status = int(_main(session.config, session) or 0)
        except session.Failed:
            status = int(pytest.ExitCode.TESTS_FAILED)
        except (KeyboardInterrupt, pytest.exit.Exception):
            # pytest would tell its terminal first; without that, finishing fails.
            return int(pytest.ExitCode.INTERRUPTED)
        session.exitstatus = status
        session.config.hook.pytest_sessionfinish(session=session, exitstatus=status)
        return status


def _finish(status: int) -> None:
    parts: Any = "<parts>"
    write, broken, notes, (replaced, functions, work), (every, text) = parts
    if what := broken(True) or replaced(functions, work):
        write(("tampered", f"replaced {what}"))
    for kind, module, test in notes(every):
        write(("agreed", test, kind, module))
    write(("end", text(status)))


def prepare(work: str) -> Prepared:
    """Makes what all runs share: a pytest that tells no program that it is being tested. `work` is
    the folder that every run will have, or empty where each has its own."""
    compiled: dict[str, tuple[bytes, types.CodeType]] = {}
    _keep_compiled_code(compiled)
    runner._update_current_test_var = _tell_nobody
    reporter, session = Reporter(), None
    if work:
        session = _started_session(work, _arguments(work, (), conftest=False), [reporter])
        _tell_no_terminal(session.config.pluginmanager)
    comparer = comparisons.comparer()
    canary = comparer.insert(*test_compiler.compiled(CANARY_SOURCE.encode(), "canary.py"))
    guarded = guard()
    hooks = collected.hook_watcher(guarded.trusted)
    next(hooks)
    if session:
        hooks.send(session.config)
    return Prepared(guarded, comparer, session, reporter, hooks, canary, compiled)


def _tell_no_terminal(plugins: pytest.PytestPluginManager) -> None:
    """Nobody reads what pytest shows, and it costs time. pytest's explanations of failures ask the
    plugin for how to write."""
    shows: Any = plugins.unregister(name="terminalreporter")
    plugins.register(types.SimpleNamespace(_tw=shows._tw), "terminalreporter")


def _placed(code: types.CodeType, path: str) -> types.CodeType:
    """The same code, as if compiled from `path`."""
    inner = (_placed(c, path) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(inner))


def _tell_nobody(item: pytest.Item, when: str | None) -> None:
    """In place of the environment variable that says which test is running."""


def _keep_compiled_code(compiled: dict[str, tuple[bytes, types.CodeType]]) -> None:
    compile_test, read_compiled = rewrite._rewrite_test, rewrite._read_pyc

    def kept(fn: Any, config: Any) -> Any:
        if known := compiled.get(str(fn)):
            return os.stat(fn), known[1]
        if fn.name == "conftest.py":
            raise ImportError("it was made while the tests were loaded")
        return compile_test(fn, config)

    def read(source: Any, *more: Any) -> Any:
        # A conftest.py may import the program, which could leave compiled code for the next one.
        return None if source.name == "conftest.py" else read_compiled(source, *more)

    rewrite._rewrite_test, rewrite._read_pyc = kept, read


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # The package that it would be a part of is missing as well.
        return False


def _imported(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _started_session(work: str, arguments: list[str], plugins: Sequence[object]) -> pytest.Session:
    """The first half of pytest's wrap_session: two thirds of the time of a small suite. pytest's
    own `main` would also close, at the end, files that the program may have closed."""
    os.chdir(work)
    config = _prepareconfig(arguments, plugins)
    session = pytest.Session.from_config(config)
    shown, sys.stdout = sys.stdout, io.StringIO()
    try:
        config._do_configure()
        config.hook.pytest_sessionstart(session=session)
    finally:
        sys.stdout = shown
    return session


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
