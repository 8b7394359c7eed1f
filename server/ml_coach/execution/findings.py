"""Turns how a run ended into findings: what was wrong, where, and which limit was reached."""

from __future__ import annotations

import errno
import json
import re
import shlex
import signal
import sys
from typing import Any

from ml_coach.core.types import Evaluation, Execution, Finding, FindingKind
from ml_coach.core.wording import harmless
from ml_coach.execution.inside.messages import Message
from ml_coach.execution.sandbox.limits import Limits

DETAIL_AT_MOST = 4000
STACK_LINE = re.compile(r'File "(?:/[^"]*)?/(?:box|ml-coach-[^/"]+)/work/([^"]+)", line (\d+)')
NO_SPACE = {errno.ENOSPC: "disk", errno.EDQUOT: "disk", errno.EFBIG: "disk", errno.EMFILE: "files"}
# Where an object happens to lie tells nothing, and makes each run's text another one.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
# A dotted name is not there though its package is.
NO_MODULE = re.compile(r"No module named '([^'.]+)'")
ARGUMENT = re.compile(r"(sys\.)?argv\[")
NOBODY_THERE = "and nobody is there to answer"
# Modules whose package has another name on the index.
OTHERWISE_CALLED = {
    "PIL": "Pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "jwt": "PyJWT", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "PyYAML",
}  # fmt: skip
CRASHES = {
    signal.SIGSEGV: "crashed: segmentation fault (recursion too deep for the C stack?)",
    signal.SIGABRT: "crashed: it aborted",
    signal.SIGSYS: "crashed: a forbidden system call",
    signal.SIGBUS: "crashed: bus error",
    signal.SIGFPE: "crashed: arithmetic error in native code",
}


def limit_message(limit: str, limits: Limits, timeout_seconds: float) -> str:
    match limit:
        case "time":
            return f"stopped: ran longer than {timeout_seconds:g} s"
        case "cpu":
            return f"stopped: used more than {int(timeout_seconds) + 2} s of processor time"
        case "memory":
            return f"stopped: used more than {limits.memory_mb} MB of memory"
        case "processes":
            return f"stopped: started more than {limits.processes} processes and threads"
        case "files":
            return f"stopped: opened more than {limits.open_files} files at once"
        case "disk":
            return f"stopped: wrote more than {limits.disk_mb} MB, or {limits.file_mb} MB to a file"
        case "output":
            return f"stopped: printed more than {limits.output_bytes >> 10} KB"
        case _:
            return ""


def records_of(answer: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in answer["records"].splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)  # pyright: ignore[reportUnknownArgumentType]
    return found


def text_of(raw: str) -> str:
    """What the run printed, as text that is safe to show."""
    return harmless(raw.encode("latin-1").decode("utf-8", "backslashreplace"))


def reached_limit(answer: Message, raised: dict[str, Any] | None) -> str:
    """The limit that ended the run: told by the supervisor, the kernel's signal, or an error that
    the kernel gives only at a limit."""
    if answer["limit"]:
        return answer["limit"]
    if answer.get("status") == -signal.SIGXCPU:
        return "cpu"
    if raised is None:
        return ""
    if raised["exception"] == "MemoryError":
        return "memory"
    if raised.get("errno") == errno.EAGAIN and raised["exception"] == "BlockingIOError":
        return "processes"
    if "can't start new thread" in raised["text"]:
        return "processes"
    return NO_SPACE.get(raised.get("errno", 0), "")


def stack_place(answer: Message) -> tuple[str, int]:
    """(file, line) of the innermost frame in the run's files when it was stopped or crashed."""
    found = STACK_LINE.search(answer["stack"])
    return (found[1], int(found[2])) if found else ("", 0)


def execution(answer: Message, file: str, limits: Limits, timeout_seconds: float) -> Execution:
    """What a script's run left behind, in words."""
    records = records_of(answer)
    raised = next((r for r in records if "exception" in r), None)
    left = next((r for r in records if "left" in r), None)
    status = answer.get("status")
    limit = reached_limit(answer, raised)
    stdout, stderr = text_of(answer["stdout"]), text_of(answer["stderr"])
    finding: Finding | None = None
    if limit:
        place = _place(raised, file) if raised and not answer["limit"] else stack_place(answer)
        kind: FindingKind = "timeout" if limit in ("time", "cpu") else "limit"
        message = limit_message(limit, limits, timeout_seconds)
        finding = Finding(
            kind, message, place[0] or file, place[1], detail=stderr[-DETAIL_AT_MOST:]
        )
    elif raised:
        finding = _raised(raised, file, stderr, answer["python"])
    elif status is not None and status < 0:
        place = stack_place(answer)
        message = CRASHES.get(signal.Signals(-status), f"ended by signal {-status}")
        finding = Finding("runtime", message, place[0] or file, place[1], detail=stderr[-4000:])
    elif status != 0:
        where = _place(left, file) if left else (file, 0)
        message = f"ended with exit code {status}" if status is not None else "ended without a word"
        kind = "runtime"
        if left and left.get("asks"):
            kind, message = "input", f"{message}: the program wants arguments, {NOBODY_THERE}"
        finding = Finding(kind, message, *where, detail=stderr[-DETAIL_AT_MOST:])
    return Execution(
        clean=finding is None,
        exit_code=status,
        stdout=stdout,
        stderr=stderr,
        seconds=answer["seconds"],
        limit=limit,
        findings=(finding,) if finding else (),
        ran_on=answer["ran_on"],
    )


def missing_package(name: str, python: str) -> str:
    """What lacks, and how to get it. Whether to is the user's to say: models make up packages."""
    if name in sys.stdlib_module_names:
        return f"the module {name} is not part of {python}"
    package = OTHERWISE_CALLED.get(name, name)
    install = f"{shlex.quote(python)} -m pip install {package}"
    return f"the package {name} is not installed; if you trust it: {install}"


def _raised(raised: dict[str, Any], file: str, stderr: str, python: str) -> Finding:
    place = _place(raised, file)
    name, text = str(raised["exception"]), str(raised["text"])
    detail = stderr[-DETAIL_AT_MOST:]
    if name == "EOFError" and "EOF when reading" in text:
        message = f"EOFError: the program calls input(), {NOBODY_THERE}"
        return Finding("input", message, *place, detail=detail)
    if name == "IndexError" and ARGUMENT.match(str(raised.get("expression"))):
        message = f"IndexError: the program wants arguments in sys.argv, {NOBODY_THERE}"
        return Finding("input", message, *place, detail=detail)
    if name == "ModuleNotFoundError" and (missing := NO_MODULE.search(text)):
        message = missing_package(missing[1], python)
        return Finding("missing_package", message, *place, detail=detail)
    first = text.splitlines()[0] if text else ""
    return Finding("runtime", f"{name}: {first}" if first else name, *place, detail=detail)


def _place(record: dict[str, Any], file: str) -> tuple[str, int]:
    """The last frame in the file itself, else in any file of the run."""
    frames = record.get("frames") or [[file, 0]]
    own = [frame for frame in frames if frame[0] == file]
    name, line = (own or frames)[-1]
    return str(name), int(line)


def evaluations(answer: Message, count: int) -> tuple[Evaluation, ...]:
    """One per expression, in order; those that were never reached say why."""
    records = records_of(answer)
    raised = next((r for r in records if "exception" in r), None)
    if raised:
        whole = f"{raised['exception']}: {raised['text']}"
    elif answer["limit"] == "time":
        whole = "Timeout: the run's time was used up"
    else:
        whole = f"Stopped: {answer['limit'] or 'the run ended early'}"
    found = {r["index"]: r for r in records if isinstance(r.get("index"), int)}
    return tuple(
        Evaluation(ADDRESS.sub("", str(found[i].get("value", ""))), str(found[i].get("error", "")))
        if i in found
        else Evaluation(error=whole)
        for i in range(count)
    )


def traced(answer: Message) -> str:
    lines = [str(r["text"]) for r in records_of(answer) if "text" in r and "exception" not in r]
    raised = next((r for r in records_of(answer) if "exception" in r), None)
    if raised:
        lines.append(f"error: {raised['exception']}: {raised['text']}")
    if answer["limit"]:
        lines.append(f"stopped: the {answer['limit']} limit was reached")
    return ADDRESS.sub("", "\n".join(lines))
