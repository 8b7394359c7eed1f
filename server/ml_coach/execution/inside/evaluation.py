"""Evaluates texts in a program's namespace, and traces one call through its lines."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import select
import signal
import sys
import time
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sized
from itertools import islice
from typing import Any, cast

Record = Callable[[dict[str, Any]], None]
REPR_AT_MOST = 20_000
# Of an endless generator only the first values are taken.
YIELDED_AT_MOST = 1_000
TRACED_LINES = 200
TRACED_REPR = 80
_EQUAL_DICTS = (Counter, OrderedDict, defaultdict)


def values(request: dict[str, Any], module: types.ModuleType, descriptor: int) -> None:
    """Evaluates the request's `expressions` and writes a record for each.

    One fork evaluates them all. Where an expression takes longer than `each_seconds`, the fork is
    killed and another one goes on with the next expression.
    """
    expressions, each_seconds = request["expressions"], request["each_seconds"]
    done = 0
    while done < len(expressions):
        progress, done_end = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(progress)
            _evaluate_from(done, expressions, module, descriptor, done_end)
            os._exit(0)
        os.close(done_end)
        reached, how = _watch(progress, each_seconds)
        os.close(progress)
        done += reached
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        _, status = os.waitpid(worker, 0)
        if done < len(expressions):
            if how == "ended":
                code = os.waitstatus_to_exitcode(status)
                error = f"SystemExit: the process ended with exit code {code}"
            else:
                error = f"Timeout: no value within {each_seconds:g} s"
            write_line(descriptor, {"index": done, "error": error})
            done += 1


def _watch(progress: int, each_seconds: float) -> tuple[int, str]:
    """How many expressions were evaluated, and whether their process "ended" or "hangs"."""
    reached = 0
    waiting = select.poll()
    waiting.register(progress, select.POLLIN)
    deadline = time.monotonic() + each_seconds
    while (left := deadline - time.monotonic()) > 0:
        if waiting.poll(left * 1000):
            word = os.read(progress, 4096)
            if not word:
                return reached, "ended"
            reached += len(word)
            deadline = time.monotonic() + each_seconds
    return reached, "hangs"


def _evaluate_from(
    first: int, expressions: list[str], module: types.ModuleType, descriptor: int, done_end: int
) -> None:
    for index, expression in enumerate(expressions[first:], first):
        record: dict[str, Any] = {"index": index}
        try:
            text = _spelled(_value(expression, module.__dict__))
            record["value"] = text if len(text) <= REPR_AT_MOST else text[:REPR_AT_MOST] + "…"
        except BaseException as error:  # noqa: BLE001 - the program's own errors are answers
            record["error"] = _described(error)
        write_line(descriptor, record)
        os.write(done_end, b".")


def _value(text: str, namespace: dict[str, Any]) -> object:
    """The value of the last expression of `text`, after the statements before it."""
    *before, last = ast.parse(text).body
    exec(compile(ast.Module(before, []), "<probe>", "exec"), namespace)
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "<probe>", "eval"), namespace)


def _spelled(value: object) -> str:
    """The value's `repr`; for an iterator, whose own says nothing, that of what it yields."""
    if not isinstance(value, Iterator):
        return _plainly(value)
    yielded = list(islice(cast("Iterator[object]", value), YIELDED_AT_MOST))
    return f"iter({_plainly(yielded)})"


def _plainly(value: object) -> str:
    try:
        return repr(_plain(value))
    except RecursionError:  # it holds itself, which `repr` can show
        return repr(value)


def _plain(value: Any) -> object:
    """The plain value that a `Counter`, a `defaultdict` or a number of numpy's equals, at any
    depth: no test tells them apart, and nobody should be asked which of them is right."""
    kind = type(cast("object", value))
    if kind in (dict, *_EQUAL_DICTS):
        return {_plain(key): _plain(held) for key, held in value.items()}
    if kind in (list, tuple):
        held = [_plain(item) for item in value]
        return held if kind is list else tuple(held)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.number, numpy.bool_)):
        plain = value.item()
        return plain if type(plain) in (bool, int, float, complex) else value
    return value


def write_line(descriptor: int, record: dict[str, Any]) -> None:
    """Writes one record to a channel, also in a fork of the run."""
    line = (json.dumps(record) + "\n").encode("ascii")
    while line:
        line = line[os.write(descriptor, line) :]


def _described(error: BaseException) -> str:
    text = ""
    with contextlib.suppress(Exception):
        text = str(error)[:1000]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace(expression: str, module: types.ModuleType, file: str, record: Record) -> None:
    """Records one line of text per executed line of `file`: what it changed, returned or raised."""
    tracer = _Tracer(file, record)
    sys.settrace(tracer.on_event)
    try:
        result = f"value: {_short(eval(expression, module.__dict__))}"
    except BaseException as error:  # noqa: BLE001 - the program's own errors are answers
        result = f"error: {_described(error)}"
    finally:
        sys.settrace(None)
    record({"text": result})


class _Tracer:
    """Follows the frames of one file. A line is recorded when the next one begins, with what it
    changed."""

    def __init__(self, file: str, record: Record) -> None:
        self._file = file
        self._record = record
        self._count = 0
        self._before: dict[types.FrameType, tuple[int, dict[str, str]]] = {}

    def on_event(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != self._file:
            return None
        line, seen = frame.f_lineno, _seen(frame)
        match event:
            case "call":
                given = ", ".join(f"{name} = {text}" for name, text in seen.items())
                self._add(line, f"call {frame.f_code.co_name}({given})")
                self._before[frame] = (0, seen)
            case "line":
                self._finish(frame, seen)
                self._before[frame] = (line, seen)
            case "return":
                self._finish(frame, seen, f"returns {_short(argument)}")
                self._before.pop(frame, None)
            case "exception":
                self._add(line, f"raises {_described(argument[1])}")
            case _:
                pass
        return self.on_event

    def _finish(self, frame: types.FrameType, seen: dict[str, str], ending: str = "") -> None:
        line, old = self._before.get(frame, (0, {}))
        changed = [f"{name} = {text}" for name, text in seen.items() if old.get(name) != text]
        if line:
            self._add(line, ", ".join([*changed, ending] if ending else changed))

    def _add(self, line: int, text: str) -> None:
        self._count += 1
        if self._count <= TRACED_LINES:
            self._record({"text": f"line {line}: {text}".rstrip(": ")})
        elif self._count == TRACED_LINES + 1:
            self._record({"text": f"... after {TRACED_LINES} lines the rest is left out"})
            sys.settrace(None)


def _seen(frame: types.FrameType) -> dict[str, str]:
    # A comprehension's iterator has a name that no program can give: `.0`.
    variables = frame.f_locals.items()
    return {name: _short(value) for name, value in variables if name.isidentifier()}


def _short(value: object) -> str:
    if isinstance(value, (types.ModuleType, types.FunctionType, type)):
        return f"<{type(value).__name__} {getattr(value, '__name__', '?')}>"
    try:
        if isinstance(value, Sized) and len(value) > 1000:
            return f"<{type(value).__name__} of {len(value)}>"
        text = repr(value)
    except Exception:  # noqa: BLE001 - its own __repr__ or __len__ may raise anything
        return f"<{type(value).__name__}>"
    return text if len(text) <= TRACED_REPR else text[: TRACED_REPR - 1] + "…"
