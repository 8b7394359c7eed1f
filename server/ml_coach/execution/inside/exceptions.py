"""Describes an exception as a record: its type, its text, and where in the run's files it was."""

from __future__ import annotations

import itertools
import linecache
import traceback
import types
from typing import Any

FRAMES_AT_MOST = 30
TEXT_AT_MOST = 4000


def described(error: BaseException, work: str) -> dict[str, Any]:
    """An exception as a record: its type, its text, and the frames in the run's own files."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - its own __str__ may raise anything
        text = "<no text: __str__ raised>"
    record: dict[str, Any] = {
        "exception": type(error).__name__,
        "text": text[:TEXT_AT_MOST],
        "frames": frames(error.__traceback__, work),
    }
    if isinstance(error, OSError):
        record["errno"] = error.errno
    if isinstance(error, SyntaxError):
        record["frames"].append(
            [(error.filename or "").removeprefix(f"{work}/"), error.lineno or 0]
        )
    return record


def frames(trace: types.TracebackType | None, work: str) -> list[list[Any]]:
    """[file, line] of the frames inside the run's folder, outermost first."""
    found: list[list[Any]] = []
    for frame, line in traceback.walk_tb(trace):
        name = frame.f_code.co_filename
        if name.startswith(f"{work}/"):
            found.append([name.removeprefix(f"{work}/"), line])
    return found[-FRAMES_AT_MOST:]


def raised_in(error: BaseException) -> tuple[str, str]:
    """The file whose code raised it, and the text of the expression that did, if on one line."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return "", ""
    code = trace.tb_frame.f_code
    places = itertools.islice(code.co_positions(), trace.tb_lasti // 2, None)
    line, end_line, start, end = next(places, (None, None, None, None))
    if line is None or line != end_line:
        return code.co_filename, ""
    text = linecache.getline(code.co_filename, line).encode()[start:end]
    return code.co_filename, text.decode(errors="replace")
