"""What is wrong with a program, at a place a user can look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "syntax",  # the file does not compile
    "name",  # a name that nothing defines
    "runtime",  # an exception while the program ran
    "timeout",  # stopped: wall or CPU time
    "input",  # asked for input or arguments, of which there are none
    "limit",  # stopped: memory, processes, disk, output
    "missing_package",  # an import that is not installed
    "test",  # a failing test
    "collection",  # the test file could not be collected
    "tampered",  # the run tried to fake its verdict
]


@dataclass(frozen=True, slots=True)
class Location:
    """A line, from 1, of a file, and what there is to say about it."""

    file: str
    line: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, at a place a user can look at.

    `line` and `end_line` count from 1 in `file`; 0 where no line is known. `detail` holds the
    traceback or pytest's explanation, already limited in length. `related` points into the
    program where the finding itself lies in a test.
    """

    kind: FindingKind
    message: str
    file: str
    line: int = 0
    end_line: int = 0
    detail: str = ""
    test: str = ""
    related: tuple[Location, ...] = ()
