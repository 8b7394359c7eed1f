"""Turns how a run ended into findings: what was wrong, where, and which limit was reached."""

from __future__ import annotations

import errno
import re
import shlex
import sys

from ml_coach.core.finding import Finding, FindingKind
from ml_coach.core.results import Evaluation, Execution
from ml_coach.execution.records import Evaluated, Exited, Place, Raised, Traced
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import Limit, WorkerAnswer

DETAIL_AT_MOST = 4000
TRACED_LINES_AT_MOST = 300
NO_SPACE: dict[int, Limit] = {
    errno.ENOSPC: "disk",
    122: "disk",  # EDQUOT, of which Windows has no name
    errno.EFBIG: "disk",
    errno.EMFILE: "files",
    errno.ENOMEM: "memory",
}
# The address of an object says nothing, and would make the text of each run different.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
# Not a dotted name: its package may be installed though this module of it does not exist.
NO_MODULE = re.compile(r"No module named '([^'.]+)'")
# What WebAssembly has not, by the error that says so.
NO_THREADS = "can't start new thread"
NOT_AS_WEBASSEMBLY = ((NO_THREADS, "threads"), ("does not support processes", "processes"))
LACKING = ("ModuleNotFoundError", "RuntimeError", "OSError")
ARGUMENT = re.compile(r"(sys\.)?argv\[")
NO_USER = "and nobody is there to answer"
# Modules whose package has another name in the index.
OTHERWISE_CALLED = {
    "PIL": "Pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "jwt": "PyJWT", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "PyYAML",
}  # fmt: skip
# By number, since Windows has no names for most of them.
CRASHES: dict[int, str] = {
    11: "crashed: segmentation fault (recursion too deep for the C stack?)",
    6: "crashed: it aborted",
    31: "crashed: a forbidden system call",
    7: "crashed: bus error",
    8: "crashed: arithmetic error in native code",
}
OUT_OF_PROCESSOR_TIME = 24


def limit_message(limit: Limit, limits: ResourceLimits, timeout_seconds: float) -> str:
    """The sentence that names the limit at which a run was stopped, empty where there is none."""
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
        case "":
            return ""


def crash_message(signal_number: int) -> str:
    """What a signal that ended a run means. Real-time signals have no name."""
    return CRASHES.get(signal_number, f"ended by signal {signal_number}")


def reached_limit(answer: WorkerAnswer, raised: Raised | None = None) -> Limit:
    """The limit that ended the run: the supervisor says so, or the kernel's signal does, or an
    error that the kernel gives only at a limit."""
    if answer.limit:
        return answer.limit
    if answer.exit_code == -OUT_OF_PROCESSOR_TIME:
        return "cpu"
    if raised is None:
        return ""
    if raised.name == "MemoryError":
        return "memory"
    if raised.errno == errno.EAGAIN and raised.name == "BlockingIOError":
        return "processes"
    if NO_THREADS in raised.text and answer.python:
        return "processes"
    return NO_SPACE.get(raised.errno, "")


def execution(
    answer: WorkerAnswer,
    file: str,
    limits: ResourceLimits,
    timeout_seconds: float,
    *,
    has_arguments: bool = False,
    has_input: bool = False,
) -> Execution:
    """How the run of the script `file` ended, with a finding unless it ended well.

    It is said to want arguments or input only where it was given none.
    """
    if answer.error:
        why = f"the sandbox could not run it: {answer.error}"
        return Execution(False, None, "", "", 0.0, "", (Finding("runtime", why, file),))
    raised = _raised_in(answer)
    limit = reached_limit(answer, raised)
    if limit:
        finding = _stopped(
            answer, raised, limit, file, limit_message(limit, limits, timeout_seconds)
        )
    elif raised:
        finding = _uncaught(raised, file, answer, (has_arguments, has_input))
    else:
        finding = _bad_exit(answer, file, has_arguments)
    found = tuple(filter(None, (finding, _written_to_our_channel(answer, file))))
    return Execution(
        clean=not found,
        exit_code=answer.exit_code,
        stdout=answer.stdout,
        stderr=answer.stderr,
        seconds=answer.seconds,
        limit=limit,
        findings=found,
        ran_on=answer.ran_on,
    )


def missing_package(name: str, answer: WorkerAnswer) -> str:
    """Says what is missing and how to install it. The user decides: models invent packages. An
    answer without a Python is that of the level wasm, where nothing can be installed."""
    if not answer.python:
        return f"Python as WebAssembly has no package {name} at this level (wasm)"
    if name in sys.stdlib_module_names:
        return f"the module {name} is not part of {answer.python}"
    package = OTHERWISE_CALLED.get(name, name)
    installs = answer.installs or f"{shlex.quote(answer.python)} -m pip install"
    return f"the package {name} is not installed; if you trust it: {installs} {package}"


def lacking(error: str, answer: WorkerAnswer) -> str:
    """What its Python does not have, where the text of an error says that; else empty. It says
    nothing of the program."""
    if missing := NO_MODULE.search(error):
        return missing_package(missing[1], answer)
    absent = () if answer.python else NOT_AS_WEBASSEMBLY
    lacks = [what for text, what in absent if text in error]
    return f"Python as WebAssembly has no {lacks[0]} at this level (wasm)" if lacks else ""


def evaluations(answer: WorkerAnswer, count: int) -> tuple[Evaluation, ...]:
    """One per expression, in order; those that were never reached say why."""
    if answer.error:
        return (Evaluation(error=f"SandboxError: {answer.error}"),) * count
    if raised := _raised_in(answer):
        whole = f"{raised.name}: {raised.text}"
    elif answer.limit == "time":
        whole = "Timeout: the run's time was used up"
    else:
        whole = f"Stopped: {answer.limit or 'the run ended early'}"
    found = {r.index: r for r in answer.script_records if isinstance(r, Evaluated)}
    return tuple(
        Evaluation(ADDRESS.sub("", found[index].value), found[index].error)
        if index in found
        else Evaluation(error=whole)
        for index in range(count)
    )


def traced(answer: WorkerAnswer) -> str:
    """What each executed line did, a line of text for each, then how the trace ended."""
    if answer.error:
        return answer.error
    lines = [record.text for record in answer.script_records if isinstance(record, Traced)]
    lines = lines[:TRACED_LINES_AT_MOST]
    if raised := _raised_in(answer):
        lines.append(f"error: {raised.name}: {raised.text}")
    if answer.limit:
        lines.append(f"stopped: the {answer.limit} limit was reached")
    return ADDRESS.sub("", "\n".join(lines))


def _raised_in(answer: WorkerAnswer) -> Raised | None:
    return next((r for r in answer.script_records if isinstance(r, Raised)), None)


def _stopped(
    answer: WorkerAnswer, raised: Raised | None, limit: Limit, file: str, message: str
) -> Finding:
    """The finding for a run that a limit ended."""
    if raised and not answer.limit:
        place = _last_place(raised.places, file)
    else:
        place = answer.stack or Place(file, 0)
    kind: FindingKind = "timeout" if limit in ("time", "cpu") else "limit"
    return Finding(kind, message, place.file, place.line, detail=answer.stderr[-DETAIL_AT_MOST:])


def _uncaught(raised: Raised, file: str, answer: WorkerAnswer, given: tuple[bool, bool]) -> Finding:
    """The finding for an exception that nothing caught; `given` are arguments and input."""
    has_arguments, has_input = given
    place = _last_place(raised.places, file)
    kind: FindingKind = "runtime"
    first = raised.text.splitlines()[0] if raised.text else ""
    message = f"{raised.name}: {first}" if first else raised.name
    if raised.name == "EOFError" and "EOF when reading" in raised.text and not has_input:
        kind, message = "input", f"EOFError: the program calls input(), {NO_USER}"
    elif raised.name == "IndexError" and ARGUMENT.match(raised.expression) and not has_arguments:
        kind = "input"
        message = f"IndexError: the program wants arguments in sys.argv, {NO_USER}"
    elif raised.name in LACKING and (lacks := lacking(raised.text, answer)):
        kind, message = "missing_package", lacks
    return Finding(kind, message, place.file, place.line, detail=answer.stderr[-DETAIL_AT_MOST:])


def _bad_exit(answer: WorkerAnswer, file: str, has_arguments: bool) -> Finding | None:
    """The finding for a run that a signal ended, or that ended itself with another code than 0."""
    code = answer.exit_code
    kind: FindingKind = "runtime"
    if code == 0:
        return None
    if code is not None and code < 0:
        place, message = answer.stack or Place(file, 0), crash_message(-code)
    else:
        exited = next((r for r in answer.script_records if isinstance(r, Exited)), None)
        place = _last_place(exited.places, file) if exited else Place(file, 0)
        message = f"ended with exit code {code}" if code is not None else "ended without a word"
        if exited and exited.wants_arguments and not has_arguments:
            kind, message = "input", f"{message}: the program wants arguments, {NO_USER}"
    return Finding(kind, message, place.file, place.line, detail=answer.stderr[-DETAIL_AT_MOST:])


def _written_to_our_channel(answer: WorkerAnswer, file: str) -> Finding | None:
    """The finding for a program that wrote lines of its own to the channel of our records."""
    count = answer.dropped_records
    if not count:
        return None
    lines = "a line was" if count == 1 else f"{count} lines were"
    return Finding("runtime", f"the program wrote to our channel: {lines} dropped", file)


def _last_place(places: tuple[Place, ...], file: str) -> Place:
    """The last one in the file itself, else in any file of the run."""
    own = [place for place in places if place.file == file]
    return (own or places or (Place(file, 0),))[-1]
