"""Reads the records that a run wrote: once, here, and into bounded values.

A program can write any bytes to the channel that its records come over. The records of a test run
each carry a proof (inside/signing.py); one that does not fit makes the whole channel `Forged`. The
records of scripts and expressions carry none, nothing depends on them but what the user is shown,
and one that does not fit is left out and counted. No public function here raises because of what it
reads.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar, cast

from ml_coach.execution.inside.line_coverage import PACKED_AT_MOST
from ml_coach.execution.inside.messages import PROOF_BYTES
from ml_coach.execution.records import (
    AgreedWithAll,
    Collected,
    Compared,
    Covered,
    Evaluated,
    Exited,
    Forged,
    Found,
    NotCollected,
    Phase,
    PhaseOutcome,
    Place,
    Raised,
    RunBegan,
    RunEnded,
    ScriptRecord,
    Tampered,
    TestBegan,
    TestCalled,
    TestRecord,
    TestReported,
    Traced,
)

NAME_AT_MOST = 20_000  # characters: a parametrized test has its parameters in its name
TEXT_AT_MOST = 24_000  # characters of a value, an explanation or a traced line
PLACES_AT_MOST = 2000  # more than frames fit onto Python's stack
INDEX_AT_MOST = 100_000
DIGITS_AT_MOST = 9
SECONDS_AT_MOST = 1e6

Known = TypeVar("Known")
PHASES: dict[str, Phase] = {"setup": "setup", "call": "call", "teardown": "teardown"}
OUTCOMES: dict[str, PhaseOutcome] = {
    "passed": "passed",
    "failed": "failed",
    "skipped": "skipped",
}


class _Unfit(Exception):
    """A record that is not one of ours."""


def read_test_records(
    raw: bytes, key: bytes, files: Collection[str]
) -> tuple[TestRecord, ...] | Forged:
    """The records of a test run, in the order in which they were written.

    Each line is `proof [number,trust,kind,field,...]` in JSON, every field a string; `trust` says
    whether only code that was there before the user's stood on the stack. `files` are the run's
    own: a place in any other is left out.
    """
    found: list[TestRecord] = []
    keyed = hashlib.blake2b(key=key, digest_size=PROOF_BYTES)
    for number, line in enumerate(_without_cut(raw)):
        proof, _, body = line.partition(b" ")
        expected = keyed.copy()
        expected.update(body)
        if not secrets.compare_digest(expected.hexdigest().encode("ascii"), proof):
            return Forged("something else wrote to the channel of the verdict")
        try:
            written, trust, kind, *fields = _strings(_parsed(body))
            if written != str(number):
                return Forged("records of the verdict are missing")
            # The audit hook runs below the user's code, so what it reports is never trusted code.
            if trust != "trusted" and kind != "tampered":
                return Forged("something else than the tests reported their outcome")
            found.append(_test_record(kind, fields, files))
        except (_Unfit, ValueError):
            return Forged("the program wrote to the channel of the verdict")
    return tuple(found)


def _without_cut(raw: bytes) -> list[bytes]:
    """The lines of a channel but a last one without its line end: the run was killed while it wrote
    that, so it is no record. What comes after the last record was not written by us."""
    *lines, cut = raw.split(b"\n")
    ended = bool(lines) and b'"end"' in lines[-1]
    return [*lines, cut] if cut and ended else lines


def read_script_records(raw: bytes, files: Collection[str]) -> tuple[tuple[ScriptRecord, ...], int]:
    """The records of a script, of expressions or of a trace, and how many lines were none of ours:
    the program wrote those to our channel. `files` are the run's own."""
    found: list[ScriptRecord] = []
    dropped = 0
    *lines, cut = raw.split(b"\n")
    for line in [*lines, cut] if cut else lines:
        try:
            record = _parsed(line)
            if not isinstance(record, dict):
                raise _Unfit
            found.append(_script_record(cast("dict[str, Any]", record), files))
        except _Unfit:
            dropped += line is not cut  # Its writer may have been killed in the middle of it.
    return tuple(found), dropped


def whole_number(value: object) -> int | None:
    """`value` where it is an integer of a usual size, and no truth value; else None."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) < 10**DIGITS_AT_MOST else None


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # also what is not UTF-8, and numbers without an end
        raise _Unfit from None


def _strings(record: object) -> list[str]:
    """The fields of a signed record: its number, then strings only."""
    if not isinstance(record, list) or len(cast("list[object]", record)) < 3:
        raise _Unfit
    number, *fields = cast("list[object]", record)
    return [str(_integer(number)), *(_string(field) for field in fields)]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit
    return value


def _text(value: object, at_most: int = TEXT_AT_MOST) -> str:
    """A string, cut, and without halves of UTF-16 pairs, which no encoding can write."""
    cut = _string(value)[:at_most]
    return cut if cut.isascii() else cut.encode("utf-8", "backslashreplace").decode("utf-8")


def _test_record(  # noqa: C901 - one case per kind
    kind: str, fields: list[str], files: Collection[str]
) -> TestRecord:
    """Raises `_Unfit` for a kind that is unknown, `ValueError` for a wrong number of fields."""
    match kind:
        case "start":
            return RunBegan()
        case "found":
            (number,) = fields
            return Found(_number(number))
        case "collected":
            (number,) = fields
            return Collected(_number(number))
        case "covered":
            (packed,) = fields
            return Covered(_text(packed, PACKED_AT_MOST))
        case "begin":
            (test,) = fields
            return TestBegan(_name(test))
        case "called":
            test, outcome, function, line, whose = fields
            own = _one_of(whose, {"own": True, "other": False})
            return TestCalled(
                _name(test), _one_of(outcome, OUTCOMES), _text(function), _number(line), own
            )
        case "report":
            test, phase, outcome, xfail, took, detail, places, message = fields
            return TestReported(
                _name(test),
                _one_of(phase, PHASES),
                _one_of(outcome, OUTCOMES),
                bool(xfail),
                _seconds(took),
                _text(detail),
                _places_of(places.splitlines()[-PLACES_AT_MOST:], files),
                _text(message),
            )
        case "not_collected":
            name, detail, places, message = fields
            file = name.partition("::")[0]
            return NotCollected(
                _name(name),
                file if file in files else "",
                _text(detail),
                _places_of(places.splitlines()[-PLACES_AT_MOST:], files),
                _text(message),
            )
        case "compared":
            test, place, value = fields
            return Compared(_name(test), _text(place, 100), _text(value))
        case "agreed":
            test, kind, module = fields
            return AgreedWithAll(_name(test), _text(kind, 200), _text(module, 200))
        case "tampered":
            (what,) = fields
            return Tampered(_text(what, 1000))
        case "end":
            (code,) = fields
            return RunEnded(_exit_code(code))
        case _:
            raise _Unfit


def _script_record(record: dict[str, Any], files: Collection[str]) -> ScriptRecord:
    """Raises `_Unfit`."""
    if "exception" in record:
        return Raised(
            _text(record["exception"], 1000),
            _text(record.get("text")),
            _frames(record.get("frames"), files),
            # A program may raise an OSError that it made of anything.
            whole_number(record.get("errno")) or 0,
            _text(record.get("expression", "")),
        )
    if "left" in record:
        return Exited(record.get("asks") is True, _frames(record.get("frames"), files))
    if "index" in record:
        index = _integer(record["index"])
        if not 0 <= index <= INDEX_AT_MOST:
            raise _Unfit
        return Evaluated(index, _text(record.get("value", "")), _text(record.get("error", "")))
    return Traced(_text(record.get("text")))


def _one_of(value: str, known: dict[str, Known]) -> Known:
    if value not in known:
        raise _Unfit
    return known[value]


def _name(test: str) -> str:
    """The id of a test. A longer one than is kept stays different from all others."""
    if len(test) <= NAME_AT_MOST:
        return _text(test, NAME_AT_MOST)
    digest = hashlib.blake2b(test.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{_text(test, NAME_AT_MOST)}…{digest}"


def _number(digits: str) -> int:
    if not _is_number(digits):
        raise _Unfit
    return int(digits)


def _exit_code(code: str) -> int:
    number = _number(code.removeprefix("-"))
    return -number if code.startswith("-") else number


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS_AT_MOST


def _integer(value: object) -> int:
    number = whole_number(value)
    if number is None:
        raise _Unfit
    return number


def _seconds(value: str) -> float:
    """0 for what is not a time: a test may have replaced the clock that pytest looks at."""
    try:
        seconds = float(value)
    except ValueError:
        raise _Unfit from None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= SECONDS_AT_MOST else 0.0


def _places_of(lines: list[str], files: Collection[str]) -> tuple[Place, ...]:
    """Of texts like `file:line`, those that name a file of the run."""
    split = (line.rpartition(":") for line in lines)
    pairs = ((file, digits) for file, _, digits in split if _is_number(digits))
    return tuple(_own_places(((file, int(digits)) for file, digits in pairs), files))


def _frames(value: object, files: Collection[str]) -> tuple[Place, ...]:
    """Of `[file, line]` pairs, those that name a file of the run."""
    if not isinstance(value, list):
        raise _Unfit
    pairs = cast("list[object]", value)[-PLACES_AT_MOST:]
    split = (cast("list[object]", p) for p in pairs if isinstance(p, list))
    return tuple(_own_places(((p[0], p[1]) for p in split if len(p) == 2), files))


def _own_places(pairs: Iterable[tuple[object, object]], files: Collection[str]) -> Iterator[Place]:
    """A place elsewhere, such as `../../.bashrc`, would lead the user's editor to that file."""
    for file, line in pairs:
        number = whole_number(line)
        if number is not None and number >= 0 and isinstance(file, str) and file in files:
            yield Place(file, number)
