"""Runs in WebAssembly: prepares the interpreter once, and then runs one program in a copy of it.

Only the parts of inside/ that need neither processes nor a kernel are used. What the platform lacks
of what they import gets a stand-in here.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any, NoReturn

WORK = "/box/work"
TEMPORARY = "/box/tmp"
REQUEST = "/box/request.json"
# All that is not the user's lies below this folder. WebAssembly's own prefix would be `/`, and
# tampering.py takes what lies below the prefix for a library.
LIBRARIES = "/lib"
SHOW_STACK, TOO_SLOW = signal.SIGUSR1, signal.SIGUSR2

# The channels as the host opens them, and where a run has them: beyond what programs count on.
OPENED = (3, 4)
RECORDS, STACK = 4000, 4001
SETTLING = 20_000

_prepared: Any = None
_evaluating = False


class Timeout(BaseException):
    """An expression took longer than one may. The user reads this name."""


def prepare() -> None:
    """Loads all that runs need. The interpreter's memory is copied after this, for each run."""
    global _prepared
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = LIBRARIES
    os.environ.clear()
    os.environ.update(
        HOME=TEMPORARY,
        TMPDIR=TEMPORARY,
        LANG="C.UTF-8",
        USER="coach",
        LOGNAME="coach",
        PYTHONDONTWRITEBYTECODE="1",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    asyncio.events.new_event_loop = asyncio.new_event_loop = _Loop
    # limits.py wants it for what only a kernel can enforce.
    sys.modules["resource"] = types.ModuleType("resource")
    from ml_coach.execution.inside import warm_up

    tests = warm_up.load("")
    importlib.import_module("ml_coach.execution.inside.program")
    _prepared = tests.prepare(WORK)
    del sys.modules["resource"]  # A program that asks for it is told that there is none.
    # As the warm worker does: objects made from now on are the program's.
    gc.collect()
    gc.freeze()
    gc.disable()


def main() -> NoReturn:
    """Runs the request that lies at `REQUEST` and leaves with its exit code."""
    from ml_coach.execution.inside import context, evaluation, program

    evaluation.values = _values
    for descriptor, target in zip(OPENED, (RECORDS, STACK), strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    request = json.loads(Path(REQUEST).read_bytes())
    Path(REQUEST).unlink()
    _write(request["files"])
    os.chdir(WORK)
    _answer_signals(STACK, request.get("each_seconds", 0.0))
    shared = context.WorkerContext(
        level="wasm",
        readable=(),
        prepared=_prepared,
        own_modules={n: m for n, m in sys.modules.items() if n.split(".")[0] == "ml_coach"},
    )
    program.main(request, shared, WORK, RECORDS, STACK)


def _write(files: dict[str, str]) -> None:
    """The private copy. A text is its bytes as latin-1, so every file fits into JSON."""
    work = Path(WORK)
    for name, content in files.items():
        target = work / name
        if work not in target.parents or ".." in target.parts:
            raise ValueError(f"{name} is not inside the run's folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode("latin-1"))


def _answer_signals(stack: int, each_seconds: float) -> None:
    """The host sends these where other levels use a signal of the kernel's or end a fork."""

    def show_stack(*_: object) -> None:
        faulthandler.dump_traceback(stack, all_threads=False)

    def too_slow(*_: object) -> None:
        if _evaluating:
            raise Timeout(f"no value within {each_seconds:g} s")

    signal.signal(SHOW_STACK, show_stack)
    signal.signal(TOO_SLOW, too_slow)


def _values(request: dict[str, Any], module: types.ModuleType, descriptor: int) -> None:
    """Evaluates the request's expressions, as evaluation.py does in a fork. One that takes too long
    is ended by an exception, after `each_seconds` without a line on the channel of the records."""
    global _evaluating
    from ml_coach.execution.inside import evaluation

    os.write(descriptor, b"\n")  # The time of the first one begins here.
    for _ in range(SETTLING):  # A signal that came while the program was loaded is seen by now.
        pass
    expressions = request["expressions"]
    with Path(os.devnull).open("wb") as nowhere:
        for index in range(len(expressions)):
            only = expressions[: index + 1]
            try:
                _evaluating = True
                evaluation._evaluate_from(index, only, module, descriptor, nowhere.fileno())
            except Timeout as error:
                evaluation.write_line(descriptor, {"index": index, "error": f"Timeout: {error}"})
            finally:
                _evaluating = False


class _Sleep(selectors._BaseSelectorImpl):
    """Waits for nothing but time: there are no other processes and no sockets."""

    def select(self, timeout: float | None = None) -> list[Any]:
        time.sleep(timeout or 0)
        return []


class _Loop(asyncio.SelectorEventLoop):
    """An event loop without the pair of sockets by which threads wake it: there are no threads."""

    def __init__(self) -> None:
        super().__init__(_Sleep())

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
