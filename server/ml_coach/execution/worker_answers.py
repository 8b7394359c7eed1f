"""What a worker answers for one part of a request: parsed once, here, into typed, bounded values.

Everything in an answer was written inside the sandbox or near it. A message that cannot be read is
an answer with an `error`; no function here raises because of what it reads.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ml_coach.core.wording import harmless
from ml_coach.execution.inside.messages import RECORDS_AT_MOST, TEST_KINDS, JsonObject
from ml_coach.execution.record_reader import (
    SECONDS_AT_MOST,
    read_script_records,
    read_test_records,
    whole_number,
)
from ml_coach.execution.records import Forged, Place, ScriptRecord, TestRecord

Limit = Literal["", "time", "cpu", "memory", "processes", "files", "disk", "output"]
LIMITS: dict[str, Limit] = {
    "": "",
    "time": "time",
    "memory": "memory",
    "processes": "processes",
    "files": "files",
    "disk": "disk",
    "output": "output",
}
ERROR_AT_MOST = 1000
STACK_AT_MOST = 64 << 10
STACK_LINE = re.compile(
    r'File "(?:/[^"]*)?/(?:box|ml-coach-[^/"]+)/work/([^"]+)", line (\d{1,9})\b'
)


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """How one part of a request ended. With an `error` nothing ran, and all else is empty.

    `exit_code` is negative for the signal that ended the run and None where neither is known.
    `limit` is the limit at which the run was stopped. `test_records` are those of a run of tests,
    `script_records` those of any other, and `dropped_records` counts the lines on that channel that
    were none of ours. `stack` is where the run was when it was stopped or crashed. `python` is the
    path of the Python that ran it, and `installs` the command that installs a package for the next
    run; `ran_on` says in words which Python that is and why. Times are in seconds.
    """

    error: str = ""
    exit_code: int | None = None
    limit: Limit = ""
    stdout: str = ""
    stderr: str = ""
    test_records: tuple[TestRecord, ...] | Forged = ()
    script_records: tuple[ScriptRecord, ...] = ()
    dropped_records: int = 0
    stack: Place | None = None
    seconds: float = 0.0
    python: str = ""
    installs: str = ""
    ran_on: str = ""


def read_answers(body: bytes, request: JsonObject) -> tuple[WorkerAnswer, ...]:
    """One answer per part of `request`, in order; `body` is the worker's whole message."""
    parts: Sequence[JsonObject] = request["parts"]
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError):
        message = None
    answer = _object(message)
    listed: object = answer.get("parts")
    if answer.get("error") or not isinstance(listed, list):
        return failed(_short(answer.get("error")), len(parts))
    given = cast("list[object]", listed)[: len(parts)]
    answers = [
        _answer(_object(each), part, request) for each, part in zip(given, parts, strict=False)
    ]
    missing = failed("the part before it could not be ended", len(parts) - len(answers))
    return (*answers, *missing)


def failed(error: str, count: int) -> tuple[WorkerAnswer, ...]:
    """The answers for so many parts of which none was run."""
    return (WorkerAnswer(error),) * count


def failed_start(message: object) -> str:
    """Why a worker could not start, from its first message."""
    return _short(_object(message).get("error"))


def _answer(answer: JsonObject, part: JsonObject, request: JsonObject) -> WorkerAnswer:
    if answer.get("error"):
        return WorkerAnswer(_short(answer["error"]))
    limit: object = answer.get("limit")
    if not isinstance(limit, str) or limit not in LIMITS:
        return WorkerAnswer("the worker's answer cannot be read")
    files = {*request["files"], *part.get("files", {})}
    records = _bytes(answer.get("records"))[: RECORDS_AT_MOST + STACK_AT_MOST]
    is_test = request["kind"] in TEST_KINDS
    key = bytes.fromhex(part["tests"]["key"]) if is_test else b""
    script, dropped = ((), 0) if is_test else read_script_records(records, files)
    return WorkerAnswer(
        "",
        whole_number(answer.get("status")),
        LIMITS[limit],
        _printed(answer.get("stdout")),
        _printed(answer.get("stderr")),
        read_test_records(records, key, files) if is_test else (),
        script,
        dropped,
        _stack(_bytes(answer.get("stack")), files),
        _time(answer.get("seconds")),
    )


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _short(error: object) -> str:
    known = isinstance(error, str) and error
    return harmless(str(error)[:ERROR_AT_MOST]) if known else "the worker's answer cannot be read"


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _printed(value: object) -> str:
    """What the run printed, as text that is safe to show."""
    return harmless(_bytes(value).decode("utf-8", "backslashreplace"))


def _time(value: object) -> float:
    """Seconds; 0 for what is not a time. Every comparison with NaN is false."""
    is_number = isinstance(value, (int, float))
    return float(value) if is_number and 0 <= value <= SECONDS_AT_MOST else 0.0


def _stack(raw: bytes, files: Collection[str]) -> Place | None:
    """The innermost frame in one of the run's own files, from what faulthandler wrote."""
    text = raw[:STACK_AT_MOST].decode("utf-8", "replace")
    for found in STACK_LINE.finditer(text):
        if found[1] in files:
            return Place(found[1], int(found[2]))
    return None
