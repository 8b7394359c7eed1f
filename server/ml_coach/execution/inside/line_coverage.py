"""Which lines of a project's modules each test runs, at little cost.

With `sys.monitoring` (Python 3.12) a line is reported once for each test and then costs nothing.
Before that there is only `sys.settrace`, which makes tests several times slower. Then only tests
that have to be followed tell lines, and of the others as many as take a few seconds tell which
functions they entered, by the first line of each.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import json
import sys
import threading
import time
import types
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable
from typing import Any

from ml_coach.execution.inside.signing import identity_of

PACKED_AT_MOST = 3 << 20  # characters of a record; what is more is left out
SLOW_SECONDS = 8.0  # for tests that need not be followed, where following is slow
MOST_EVENTS = 1000  # lines of one function that are reported one by one, before Python 3.12
TOOL = 4  # of sys.monitoring; 0 to 2 are for debuggers, coverage and profilers

# By the identity of the code: two codes can be equal, and to compare them takes long.
Lines = dict[int, tuple[types.CodeType, set[int]]]


class LineCoverage:
    """Follows the `files` of a project, named relative to the folder `work`, in all tests where
    that is cheap, and in the tests `followed` anyway. With `each_line` it tells which test ran
    which line, where Python can tell lines at little cost."""

    def __init__(
        self, files: Collection[str], followed: Collection[str], work: str, *, each_line: bool
    ) -> None:
        self._followed = frozenset(followed)
        self._left_out = self._paused = False
        self._began, self._spent = 0.0, 0.0
        self._names = {f"{work}/{name}": name for name in files}
        self._lines: Lines = {}
        self._tests: list[str] = []
        self._failed: dict[str, dict[str, list[int]]] = {}
        self._passed: dict[str, Counter[int]] = {}
        self._reached: dict[tuple[str, int], int] = {}
        self._by_line: dict[tuple[str, int], int] = {}
        self._shared: dict[int, Lines] = {}
        self._known: set[int] = set()
        self._events: Counter[int] | None = None  # of the test, where it tells lines
        self._modules = 0
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self._each_line = each_line and self._monitoring is not None
        if self._monitoring:
            self._monitoring.use_tool_id(TOOL, "ml-coach")
            line = self._monitoring.events.LINE
            self._monitoring.register_callback(TOOL, line, self._on_line)

    def begin(self, test: str) -> None:
        """A test begins."""
        self._lines = {}
        self._began = time.monotonic()
        if self._monitoring:
            self._find_code()
            self._monitoring.restart_events()
        elif test in self._followed or self._spent < SLOW_SECONDS:
            self._events = Counter() if test in self._followed else None
            threading.settrace(self._on_call)
            sys.settrace(self._on_call)
        else:
            self._began = 0.0

    def apart(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose lines do not count: a failing assert shows values, and so runs their
        `__repr__`, which has nothing to do with the failure."""

        @functools.wraps(function)
        def not_followed(*arguments: Any, **more: Any) -> Any:
            before, self._paused = self._paused, True
            try:
                return function(*arguments, **more)
            finally:
                self._paused = before

        return not_followed

    @contextlib.contextmanager
    def shared(self, fixture: object) -> Generator[None]:
        """A fixture is made that several tests share: all that use it have run its lines."""
        if not self._each_line:
            yield
            return
        before, self._lines = self._lines, self._shared.setdefault(id(fixture), {})
        self._find_code()
        self._monitoring.restart_events()
        try:
            yield
        finally:
            self._lines = before
            self._monitoring.restart_events()

    def end(
        self, test: str, *, failed: bool, passed: bool, fixtures: Iterable[object] = ()
    ) -> None:
        """The test, which uses these `fixtures`, is over."""
        if not self._began:
            self._left_out = True
            return
        if not self._monitoring:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self._spent += (test not in self._followed) * (time.monotonic() - self._began)
        number = len(self._tests)
        self._tests.append(test)
        for fixture in fixtures:
            for code, lines in list(self._shared.get(id(fixture), {}).values()):
                self._seen(code).update(lines)
        own: dict[str, set[int]] = {}
        for code, lines in list(self._lines.values()):
            name = self._names[code.co_filename]
            own.setdefault(name, set()).update(lines)
            key = (name, code.co_firstlineno)
            self._reached[key] = self._reached.get(key, 0) | 1 << number
        for name, lines in own.items():
            for line in lines if self._each_line else ():
                self._by_line[name, line] = self._by_line.get((name, line), 0) | 1 << number
            if failed:
                self._failed.setdefault(test, {})[name] = sorted(lines)
            elif passed:
                self._passed.setdefault(name, Counter()).update(lines)

    def packed(self) -> str:
        """Everything that was found, as one text; empty where that is too much."""
        reached = [(*key, f"{tests:x}") for key, tests in self._reached.items()]
        lines = [(*key, f"{tests:x}") for key, tests in self._by_line.items()]
        found = {
            "failed": self._failed,
            "passed": self._passed,
            "tests": self._tests,
            "by_function": self._monitoring is None,
        }
        every = found if self._left_out else {**found, "reached": reached}
        for each in ({**every, "lines": lines}, every, found):
            packed = base64.b64encode(zlib.compress(json.dumps(each).encode("ascii"))).decode()
            if len(packed) <= PACKED_AT_MOST:
                return packed
        return ""

    def _find_code(self) -> None:
        """Asks for the lines of code that was loaded since the last test."""
        if self._modules == len(sys.modules):
            return
        self._modules = len(sys.modules)
        events = self._monitoring.events
        gc.unfreeze()  # What the project's conftest.py froze would not be listed.
        functions = (o for o in gc.get_objects() if type(o) is types.FunctionType)
        todo = [f.__code__ for f in functions if f.__code__.co_filename in self._names]
        while todo:
            code = todo.pop()
            if identity_of(code) not in self._known:
                self._known.add(identity_of(code))
                with contextlib.suppress(ValueError):
                    self._monitoring.set_local_events(TOOL, code, events.LINE)
                todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]

    def _on_line(self, code: types.CodeType, line: int) -> Any:
        if self._paused:
            return None
        self._seen(code).add(line)
        return self._monitoring.DISABLE

    def _on_call(self, frame: types.FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if self._paused or code.co_filename not in self._names or code.co_name == "<module>":
            return None
        seen, events = self._seen(code), self._events
        seen.add(code.co_firstlineno)
        if events is None or events[identity_of(code)] >= MOST_EVENTS:
            return None

        def on_event(frame: types.FrameType, event: str, argument: object) -> Any:
            # A loop would make its test many times slower, so each function has only so many
            # events. What is returned here ends nothing, only these two do.
            events[identity_of(code)] += 1
            if events[identity_of(code)] >= MOST_EVENTS:
                frame.f_trace_lines, frame.f_trace = False, None
            elif event == "line" and not self._paused:
                seen.add(frame.f_lineno)
            return None

        return on_event

    def _seen(self, code: types.CodeType) -> set[int]:
        return self._lines.setdefault(identity_of(code), (code, set()))[1]
