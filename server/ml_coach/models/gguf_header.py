"""Reads what a GGUF file says of itself, without loading it.

The format is documented in ggml's repository, on its page on GGUF: after the magic come the
version, the number of tensors and of key-value pairs, the pairs, then each tensor's name, shape,
type and place.
"""

from __future__ import annotations

import glob
import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
            12: "d"}  # fmt: skip
_MOST_PAIRS = 4096
_MOST_TENSORS = 65_536
_MOST_TOKENS = 4_000_000
_LONGEST_KEPT = 1024
_MOST_DIMENSIONS = 8
# "7B" or "30B-A3B"; of "8x7B" all experts count.
_SIZE_LABEL = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([BM])", re.IGNORECASE)

_FIRST_PART = re.compile(r"-00001-of-\d{5}\.gguf$", re.IGNORECASE)

Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What weights are: how many `parameters` (0: unknown), the longest context they were trained
    with, and the bytes that one token of context takes in memory with 16 bits a number."""

    architecture: str
    parameters: int
    context: int
    bytes_per_context_token: int


def read_header(path: Path) -> GgufHeader | None:
    """The header of a file; None where it is no GGUF file or a broken one. Kept while the file
    does not change."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> GgufHeader | None:
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            reader = _Reader(content)
            values, tensors = reader.pairs()
            counted = 0 if "split.count" in values else reader.parameters(tensors)
        return _header(values, counted)
    except (OSError, ValueError, OverflowError, struct.error, IndexError):
        return None


def parts_of(path: Path) -> list[Path]:
    """All files of weights, of which `path` is the only or the first one."""
    stem = _FIRST_PART.sub("", path.name)
    pattern = f"{glob.escape(stem)}-*-of-*.gguf"
    return [path] if stem == path.name else sorted(path.parent.glob(pattern))


def _header(values: Mapping[str, Value], counted: int) -> GgufHeader:
    architecture = str(values.get("general.architecture", ""))

    def number(key: str) -> int:
        found = values.get(f"{architecture}.{key}", 0)
        return int(found) if isinstance(found, int | float) else 0

    heads = number("attention.head_count") or 1
    width = number("embedding_length") // heads
    keys = number("attention.key_length") or width
    contents = number("attention.value_length") or width
    kv_heads = number("attention.head_count_kv") or heads
    stated = values.get("general.parameter_count", 0)
    parameters = int(stated) if isinstance(stated, int | float) else 0
    return GgufHeader(
        architecture,
        parameters or counted or _labelled(str(values.get("general.size_label", ""))),
        number("context_length"),
        2 * number("block_count") * kv_heads * (keys + contents),
    )


def _labelled(label: str) -> int:
    found = _SIZE_LABEL.match(label)
    if not found:
        return 0
    unit = 1e9 if found[3].upper() == "B" else 1e6
    return int(int(found[1] or 1) * float(found[2]) * unit)


class _Reader:
    """Reads little-endian values one after another; raises `ValueError` or `struct.error`."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def pairs(self) -> tuple[dict[str, Value], int]:
        """The pairs with short values, and the number of tensors that follow them."""
        if self._bytes(4) != MAGIC or self._number("I") not in _VERSIONS:
            raise ValueError("not a GGUF file of a known version")
        tensors, pairs = int(self._number("Q")), int(self._number("Q"))
        if tensors > _MOST_TENSORS or pairs > _MOST_PAIRS:
            raise ValueError("no model has so many")
        found: dict[str, Value] = {}
        for _ in range(pairs):
            key = self._text()
            value = self._value(int(self._number("I")))
            if value is not None:
                found[key] = value
        return found, tensors

    def parameters(self, tensors: int) -> int:
        """How many numbers the tensors hold together."""
        total = 0
        for _ in range(tensors):
            self._skip(int(self._number("Q")))
            dimensions = int(self._number("I"))
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError("no tensor has so many dimensions")
            total += prod(int(self._number("Q")) for _ in range(dimensions))
            self._skip(4 + 8)  # Its type and its place.
        return total

    def _value(self, kind: int) -> Value | None:
        """A value; None for an array and for a long text."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(_FORMATS.get(kind, "?"))
        kind, count = int(self._number("I")), int(self._number("Q"))
        if kind == _ARRAY:
            raise ValueError("arrays of arrays are not read")
        if kind == _STRING:
            self._skip_texts(count)
        else:
            self._skip(count * struct.calcsize(_FORMATS.get(kind, "?")))
        return None

    def _skip_texts(self, count: int) -> None:
        if count > _MOST_TOKENS:
            raise ValueError("no vocabulary is so large")
        # A vocabulary has some 300,000 texts, so this loop calls nothing else.
        size_at, content, at = struct.Struct("<Q").unpack_from, self._content, self._at
        for _ in range(count):
            at += 8 + size_at(content, at)[0]
        self._skip(at - self._at)

    def _text(self) -> str:
        size = int(self._number("Q"))
        kept = self._bytes(min(size, _LONGEST_KEPT))
        self._skip(size - len(kept))
        return kept.decode("utf-8", "replace")

    def _number(self, kind: str) -> Value:
        (found,) = struct.unpack_from("<" + kind, self._content, self._at)
        self._at += struct.calcsize(kind)
        return found

    def _bytes(self, size: int) -> bytes:
        start = self._at
        self._skip(size)
        return self._content[start : self._at]

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._content):
            raise ValueError("the file ends in its header")
