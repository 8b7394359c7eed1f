"""Files of JSON lines that ML Coach keeps for itself: appended whole, read as if others wrote them.

A crash cuts lines off, disks and users damage files, and other versions write other shapes. So
what cannot be read is skipped and counted, and a new line always begins on a line of its own.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

logger = logging.getLogger(__name__)

# The longest reply and the longest user's file fit many times; a damaged file is not held whole.
LONGEST_LINE_BYTES = 64_000_000


def append(path: Path, *lines: Mapping[str, Any]) -> None:
    """Adds lines to the file, and makes the file where it is missing. Raises `OSError`.

    A process that is killed meanwhile has added all of them or none.
    """
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_for_append(path) as file:
        file.write(b"".join(map(encoded, lines)))


def open_for_append(path: Path) -> IO[bytes]:
    """The file, unbuffered, so that one write is one line; on a fresh line after a torn one.

    Raises `OSError`, also for what is no regular file: a pipe would block.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no file, so nothing can be noted there.")
    file = path.open("ab+", buffering=0)
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def encoded(line: Mapping[str, Any]) -> bytes:
    """One line as bytes. It is ASCII, so that any text is read back unchanged."""
    return json.dumps(line).encode("ascii") + b"\n"


@dataclass(slots=True)
class JsonLines:
    """The objects in a file, in order; none where it cannot be opened.

    After the last object, `read` counts the objects, `torn` the lines that a crash cut off, and
    `damaged` all others that hold no JSON object.
    """

    path: Path
    read: int = field(default=0, init=False)
    torn: int = field(default=0, init=False)
    damaged: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.read = self.torn = self.damaged = 0
        try:
            yield from self._objects()
        except OSError as error:
            logger.warning("%s cannot be read: %s.", self.path, error)
            self.damaged += 1
        if self.torn or self.damaged:
            logger.warning("%s: lines skipped: %d.", self.path, self.torn + self.damaged)

    def _objects(self) -> Iterator[dict[str, Any]]:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise OSError("it is no file")
        except (FileNotFoundError, NotADirectoryError):
            return
        with self.path.open("rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES):
                if not line.strip():
                    continue
                found = parsed(line)
                if found is not None:
                    self.read += 1
                    yield found
                elif line.startswith(b"{") and not line.rstrip().endswith(b"}"):
                    self.torn += 1
                else:
                    self.damaged += 1


def parsed(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line, None where there is none."""
    try:
        # A mark at the beginning comes from an editor that somebody opened the file in.
        value = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # Not UTF-8, not JSON, a number or a nesting too large.
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
