"""The run itself, contained by now: a script, a suite of tests, expressions, or a traced call.

Records go out as JSON lines. Those that are made here count for nothing in a verdict: the records
of tests carry a proof (signing.py), and the verdict is made outside.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import io
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
import types
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ml_coach.execution.inside import evaluation
from ml_coach.execution.inside.context import SHOW_STACK, WorkerContext
from ml_coach.execution.inside.exceptions import described, frames, raised_in
from ml_coach.execution.inside.messages import SOURCE_FOLDERS, TEST_KINDS


class RecordWriter:
    """Writes records, from this process only: a child that the run forks writes none."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._owner = os.getpid()

    def __call__(self, record: dict[str, Any]) -> None:
        if os.getpid() == self._owner:
            line = (json.dumps(record) + "\n").encode("ascii")
            with contextlib.suppress(OSError):
                while line:
                    line = line[os.write(self._descriptor, line) :]


def main(
    request: dict[str, Any],
    context: WorkerContext,
    work: str,
    records: int,
    stack: int,
) -> NoReturn:
    """Runs what `request` asks for and leaves with its exit code. `work` is the run's
    folder, `records` and `stack` are the descriptors of its channels."""
    _standard_streams()
    gc.enable()  # The worker had it off, so as not to touch what forks share.
    faulthandler.enable(stack, all_threads=False)
    faulthandler.register(SHOW_STACK, stack, all_threads=False)
    faulthandler.register(signal.SIGXCPU, stack, all_threads=False, chain=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in context.own_modules:
        del sys.modules[name]
    folders = (f"{work}/{folder}".rstrip("/") for folder in SOURCE_FOLDERS)
    sys.path[:0] = filter(os.path.isdir, folders)
    if request["kind"] not in TEST_KINDS:
        sys.meta_path[:] = [f for f in sys.meta_path if "_pytest" not in type(f).__module__]
    owner = os.getpid()
    status = 1
    try:
        match request["kind"]:
            case "tests":
                status = context.prepared.run(request, work, records)
            case "project":
                status = context.prepared.run_project(request, work, records)
            case "trials":
                writer = partial(RecordWriter, records)
                status = context.prepared.run_trials(request, work, writer)
            case "script":
                status = _script(request, work, RecordWriter(records))
            case _:
                status = _values(request, work, records)
    finally:
        if os.getpid() != owner:
            _leave(1)
    _leave(status)


def _leave(status: int) -> NoReturn:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(status & 0xFF)


def _standard_streams() -> None:
    def stream(descriptor: int) -> io.TextIOWrapper:
        raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
        return io.TextIOWrapper(
            raw,
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,  # type: ignore[arg-type]
        )

    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = stream(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = stream(2)  # type: ignore[misc]


def _main_module(file: str) -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__file__ = file
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    return module


def _script(request: dict[str, Any], work: str, record: RecordWriter) -> int:
    file = f"{work}/{request['file']}"
    sys.argv = [file, *request.get("arguments", ())]
    if given := request.get("input"):
        _read_from(given.encode("latin-1"))
    module = _main_module(file)
    # The workspace's own folder stays on the path: tests import this file from there.
    if request["package"]:
        module.__package__ = request["package"]
        sys.path.append(str(Path(file).parent))
    else:
        sys.path.insert(0, str(Path(file).parent))
    status = 0
    source = Path(file).read_bytes()
    try:
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as leaving:
        status = _status_of(leaving)
        by, _ = raised_in(leaving)
        asks = by.endswith("/argparse.py") or b"sys.argv" in source
        record({"left": True, "asks": asks, "frames": frames(leaving.__traceback__, work)})
    except BaseException as error:  # noqa: BLE001 - every way to fail is a finding
        status = 1
        _, expression = raised_in(error)
        record({**described(error, work), "expression": expression})
        show(error)
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    return status


def _read_from(content: bytes) -> None:
    """Puts the content on standard input, from a file: a pipe would hold too little of it."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        os.dup2(file.fileno(), 0)


def _status_of(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    sys.stderr.write(f"{leaving.code}\n")  # as Python itself does
    return 1


def show(error: BaseException) -> None:
    """The traceback as Python prints it, without our own frames."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        traceback.print_exception(type(error), error, trace)
    except BaseException:  # noqa: BLE001 - printing runs the program's own __str__ and __repr__
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"{type(error).__name__}\n")


def _values(request: dict[str, Any], work: str, records: int) -> int:
    """Loads the program as a module, then evaluates its expressions. What it prints is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    module = _as_module(request, work)
    try:
        _load(module)
    except BaseException as error:  # noqa: BLE001 - a program that cannot be loaded is an answer
        RecordWriter(records)(described(error, work))
        return 1
    if request["kind"] == "trace":
        evaluation.trace(request["expression"], module, str(module.__file__), RecordWriter(records))
    else:
        evaluation.values(request, module, records)
    return 0


def _as_module(request: dict[str, Any], work: str) -> types.ModuleType:
    file = f"{work}/{request['file']}"
    sys.argv = [file]
    module = types.ModuleType(Path(file).stem)
    module.__file__ = file
    sys.modules[module.__name__] = module
    _main_module(file)
    return module


def _load(module: types.ModuleType) -> None:
    file = str(module.__file__)
    exec(compile(Path(file).read_bytes(), file, "exec", dont_inherit=True), module.__dict__)
