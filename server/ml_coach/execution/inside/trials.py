"""Tries many small changes of a project, each in a fork of one process that has imported the
project and collected its tests.

What a change needs decides the stage in which it is forked; each stage is a request of its own,
and leaves to the next one what it cannot try.

- `collected`: the project is imported and its tests are collected. A change in the body of a
  function that nothing called meanwhile is put into the function objects that are there: they are
  what an import of the changed file would have made, but for their code.
- `configured`: pytest has its plugins, and no conftest.py is imported yet. So the fork imports the
  changed file, unless a plugin has imported it.
- `started`: nothing is there but Python and the packages of others.

The changed file is written in any case, for what reads it again.

Outcomes are not guarded against a project that means to deceive (project_tests.py says what guards
a run of tests): a test that wants to look as if it noticed mistakes can compare files anyway.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import math
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, NoReturn

import pytest
from _pytest.assertion import util

from ml_coach.execution.inside import project_tests
from ml_coach.execution.inside.code_changes import CodeChanges
from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.inside.plain_tests import fails, plain_call, takes_part
from ml_coach.execution.inside.pristine import Pristine
from ml_coach.execution.inside.started_code import StartedCode

# Seconds of the clock that a trial may take for each of the processor's, and in any case.
PATIENCE, LEAST_PATIENCE = 5.0, 10.0
NAMES_AT_MOST = 20_000  # characters of one record

Write = Callable[[dict[str, Any]], None]


def run(request: JsonObject, work: str, writer: Callable[[], Write]) -> int:
    """Runs the trials of a request. `writer` makes a function that writes the records of the
    process that asks for it. Returns the exit code of the process."""
    if os.getppid() != 1:
        raise RuntimeError("trials need processes of their own: they end all that there are")
    spec = request["tests"]
    files = request["files"]
    project_tests.like_a_plain_python(spec, work)
    spec["plugins"] = request["plugins"]
    if spec["plugins"]:
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    os.chdir(work)
    trials = Trials(spec, work, files, writer)
    sys.stdout = io.StringIO()  # Nobody reads what pytest prints.
    try:
        if spec["stage"] != "collected":
            _import(spec["preload"])
        if spec["stage"] == "started":
            trials.try_now(lambda number: True)
        project_tests.run_pytest(spec, work, trials)
    except _AllTried:
        return 0
    finally:
        if trials.is_fork:
            os._exit(0)
    return 0


class _AllTried(BaseException):
    """All trials of the request have ended, or are left to the next stage."""


class Trials:
    """A plugin of pytest that runs the trials in place of the tests."""

    def __init__(
        self, spec: JsonObject, work: str, files: dict[str, str], writer: Callable[[], Write]
    ) -> None:
        self._trials: list[JsonObject] = spec["trials"]
        self._tests: list[str] = spec["ids"]
        self._seconds: list[float] = spec["test_seconds"]
        self._stage: str = spec["stage"]
        self._work = work
        self._files = files
        self._writer = writer
        self._write = writer()
        self._pristine: Pristine | None = None
        self._before = frozenset(sys.modules)
        self._number = 0
        self._failed = self._calls_plainly = False
        self._started: StartedCode | None = None
        self._imported_before: frozenset[str] = frozenset()
        self.is_fork = False

    def refused(self, name: str, why: str, places: str = "") -> None:
        """pytest did not start: the trial ends, or all do, and no record says that one is done."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self) -> Generator[None]:
        """From here on the project is imported, but for plugins of its own."""
        self._imported_before = _imported()
        if self._stage == "configured":
            self.try_now(lambda number: self._changed_file(number) not in self._imported_before)
        elif self._stage == "collected":
            self._started = StartedCode(f"{self._work}/{name}" for name in self._files)
        yield

    def try_now(self, can_be_tried: Callable[[int], bool]) -> None:
        """Tries each trial in a fork that goes on from here. Returns in the forks only; at the end
        `_AllTried` is raised."""
        _share_pages()
        for number in range(len(self._trials)):
            if not can_be_tried(number):
                self._leave(number)
            elif self._fork(number):
                return
        raise _AllTried

    def _changed_file(self, number: int) -> str:
        change = self._trials[number]["change"]
        return os.path.join(self._work, change["file"]) if change else ""

    def _leave(self, number: int) -> None:
        self._write({"index": number, "value": "later"})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tries one change where this process is a fork for it, else all."""
        items = {item.nodeid: item for item in session.items}
        _explain_nothing(session.config)
        self._calls_plainly = not takes_part(session.config, self)
        if self.is_fork:
            self._run_tests(items)
        assert self._started is not None
        self._started.stop()
        self._tell_modules(session)
        changes = CodeChanges(self._work, self._files, self._started.found)
        _share_pages()
        for number, trial in enumerate(self._trials):
            replaced = changes.for_trial(trial)
            if replaced is None or (trial["change"] and self._is_too_late(number)):
                self._leave(number)
            elif self._fork(number):
                for function, code in replaced:
                    function.__code__ = code
                self._run_tests(items)
        raise _AllTried

    def _is_too_late(self, number: int) -> bool:
        """Whether the changed file was imported before its functions were watched."""
        return self._changed_file(number) in self._imported_before

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes that a phase or a part of a test failed."""
        self._failed = self._failed or report.failed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What cannot be collected fails as a whole."""
        if self.is_fork and report.failed:
            self._write({"index": self._number, "value": "broken"})

    def _fork(self, number: int) -> bool:
        """True in a process of its own with the changed file, which ends when its caller is done;
        False once nothing is left of that."""
        trial = self._trials[number]
        if self._pristine is None:
            self._pristine = Pristine(os.path.dirname(self._work))
        process = os.fork()
        if process == 0:
            self._begin(number, trial)
            return True
        how = _ended(process, PATIENCE * trial["seconds"] + LEAST_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # What the tests left: all but ourselves and process 1.
        self._pristine.restore(self._contents)
        self._write({"index": number, "value": how})
        return False

    def _contents(self, path: str) -> bytes | None:
        text = self._files.get(path.removeprefix(f"{self._work}/"))
        return None if text is None else text.encode("latin-1")

    def _begin(self, number: int, trial: JsonObject) -> None:
        self.is_fork = True
        self._number, self._write = number, self._writer()
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        self._bound(math.inf)
        if trial["change"]:
            self._write_changed(**trial["change"])

    def _bound(self, seconds: float) -> None:
        """Ends this process after so many more of a processor, or after those of its trial."""
        left = self._trials[self._number]["seconds"] - time.process_time()
        signal.setitimer(signal.ITIMER_PROF, max(0.001, min(left, seconds)))

    def _write_changed(self, file: str, first: int, last: int, text: str) -> None:
        path = os.path.join(self._work, file)
        lines = self._files[file].split("\n")
        lines[first - 1 : last] = [text.removesuffix("\n")]
        with open(path, "wb") as changed:
            changed.write("\n".join(lines).encode("latin-1"))

    def _run_tests(self, items: dict[str, pytest.Item]) -> NoReturn:
        """Ends this process, which is a fork for one trial."""
        trial = self._trials[self._number]
        if not self._run_some(trial["tests"], items):
            self._run_some(trial["then"], items)
        self._write({"index": self._number, "value": "done"})
        os._exit(0)

    def _run_some(self, numbers: list[int], items: dict[str, pytest.Item]) -> bool:
        """Whether one of these tests fails."""
        wanted = [number for number in numbers if self._tests[number] in items]
        alone, any_failed = self._trials[self._number]["alone"], False
        for at, number in enumerate(wanted):
            self._write({"index": self._number, "value": f"on {number}"})
            item, self._failed = items[self._tests[number]], False
            self._bound(self._seconds[number])
            is_last = alone or at + 1 == len(wanted)
            following = None if is_last else items[self._tests[wanted[at + 1]]]
            if self._calls_plainly and (call := plain_call(item)):
                self._failed = fails(item, call, following)
            else:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                any_failed = True
                self._write({"index": self._number, "value": f"failed {number}"})
        return any_failed

    def _tell_modules(self, session: pytest.Session) -> None:
        """The modules that are not the project's, which an early request may import before it
        forks. pytest wants to import its plugins' packages itself."""
        plugins = {name for name, _ in session.config.pluginmanager.list_name_plugin()}
        plugins |= {getattr(p, "__name__", "") for p in session.config.pluginmanager.get_plugins()}
        own = {str(name).partition(".")[0] for name in plugins}
        names = ""
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None) or ""
            is_theirs = name in self._before or file.startswith(self._work) or not file
            if not is_theirs and name.partition(".")[0] not in own and len(names) < NAMES_AT_MOST:
                names += f"{name} "
        self._write({"index": 0, "value": f"modules {names}"})


def _ended(process: int, seconds: float) -> str:
    """Waits for the process, not longer than so many seconds, and says how it ended."""
    waiting = select.poll()
    ended = os.pidfd_open(process)
    waiting.register(ended, select.POLLIN)
    deadline = time.monotonic() + seconds
    in_time = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
    os.close(ended)
    if not in_time:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    too_long = not in_time or os.waitstatus_to_exitcode(status) == -signal.SIGPROF
    return "time" if too_long else "ended"


def _explain_nothing(config: pytest.Config) -> None:
    """Nobody reads why a test failed, and to say it takes longer than most tests."""
    config.option.tbstyle = "line"
    pytest.Function.repr_failure = _failed  # type: ignore[method-assign]
    util.assertrepr_compare = _no_explanation


def _failed(*_: object, **__: object) -> str:
    return "failed"


def _no_explanation(*_: object, **__: object) -> None:
    return None


def _imported() -> frozenset[str]:
    """The files of all modules that are loaded."""
    files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
    return frozenset(file for file in files if isinstance(file, str))


def _import(names: Iterable[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            with contextlib.suppress(BaseException):  # Then the project's tests import it.
                importlib.import_module(name)


def _share_pages() -> None:
    gc.collect()
    gc.freeze()
