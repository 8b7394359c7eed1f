"""Kinds of damage to a file of JSON lines: what crashes, disks, editors and other versions leave.

Each takes a path that exists and the lines it holds, and damages it. `KEEPS_ALL` are those after
which every line can still be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, list[bytes]], None]


def _bytes(change: Callable[[list[bytes]], bytes]) -> Damage:
    return lambda path, lines: _write(path, change(lines))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _joined(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _with(line: bytes) -> Damage:
    """A further line in the middle."""
    return _bytes(lambda lines: _joined([*lines[:1], line, *lines[1:]]))


def _folder(path: Path, _: list[bytes]) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path, _: list[bytes]) -> None:
    path.unlink()
    os.mkfifo(path)


def _link_to_itself(path: Path, _: list[bytes]) -> None:
    path.unlink()
    path.symlink_to(path)


def _byte_in_the_middle(lines: list[bytes]) -> bytes:
    middle = lines[len(lines) // 2]
    half = len(middle) // 2
    broken = middle[:half] + b"\xff" + middle[half + 1 :]
    return _joined([*lines[: len(lines) // 2], broken, *lines[len(lines) // 2 + 1 :]])


DAMAGES: dict[str, Damage] = {
    "one bad byte": _bytes(_byte_in_the_middle),
    "a line cut off": _bytes(lambda lines: _joined(lines)[:-7]),
    "a cut line glued to the next": _bytes(
        lambda lines: _joined([*lines[:-2], lines[-2][:-5] + lines[-1]])
    ),
    "empty": _bytes(lambda lines: b""),
    "the first line lost": _bytes(lambda lines: _joined(lines[1:])),
    "random bytes": _bytes(lambda lines: bytes(range(256)) * 40),
    "zeros at the end": _bytes(lambda lines: _joined(lines) + b"\0" * 4096),
    "zeros in place of a block": _bytes(lambda lines: b"\0" * 512 + _joined(lines)[512:]),
    "UTF-16": _bytes(lambda lines: _joined(lines).decode().encode("utf-16")),
    "a mark at the beginning": _bytes(lambda lines: b"\xef\xbb\xbf" + _joined(lines)),
    "line ends of Windows": _bytes(lambda lines: b"\r\n".join([*lines, b""])),
    "empty lines": _bytes(lambda lines: b"\n\n" + b"\n\n".join(lines) + b"\n \n"),
    "a list": _with(b'[{"event": "RunStarted"}]'),
    "a number": _with(b"17"),
    "null": _with(b"null"),
    "nested without end": _with(b'{"event": ' + b"[" * 100_000),
    "a number of 5000 digits": _with(b'{"event": ' + b"9" * 5000 + b"}"),
    "infinity": _with(b'{"turn": 1e999, "call": {"x": NaN}, "event": Infinity}'),
    "wrong types": _with(
        b'{"event": ["RunFinished"], "report": 5, "root": 5, "file": {}, "act": [], "path": 7, '
        b'"call": {"a": 1}, "usage": {"seconds": "x"}, "error": {"type": "ModelError", "odd": 1}}'
    ),
    "half an event": _with(b'{"event": "RunFinished", "report": {"outcome": "won"}}'),
    "an event of another version": _with(b'{"event": "MoonRose", "phase": 3}'),
    "a change of another version": _with(b'{"file": "a.py", "act": "dance", "before": 1}'),
    "a lone surrogate": _with(b'{"event": "MoonRose", "file": "\\ud800", "act": "run"}'),
    "a folder": _folder,
    "a pipe": _pipe,
    "a link to itself": _link_to_itself,
}

KEEPS_ALL = {
    "zeros at the end", "a mark at the beginning", "line ends of Windows", "empty lines", "a list",
    "a number", "null", "nested without end", "a number of 5000 digits", "infinity", "wrong types",
    "half an event", "an event of another version", "a change of another version",
    "a lone surrogate",
}  # fmt: skip


def damage(path: Path, kind: str) -> None:
    """Damages a file of at least three lines."""
    DAMAGES[kind](path, path.read_bytes().splitlines())
