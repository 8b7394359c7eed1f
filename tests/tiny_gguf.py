"""Makes GGUF files that hold a header and no weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_STRING, _UINT32, _ARRAY = 8, 4, 9


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _value(value: str | int | Sequence[str]) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + text(value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    items = b"".join(map(text, value))
    return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + items


def tiny_gguf(
    values: Mapping[str, str | int | Sequence[str]], tensors: Sequence[Sequence[int]] = ()
) -> bytes:
    """The bytes of a file with these pairs and tensors of these shapes."""
    pairs = b"".join(text(key) + _value(value) for key, value in values.items())
    infos = b"".join(
        text(f"t{n}") + struct.pack(f"<I{len(s)}QIQ", len(s), *s, 0, 0)
        for n, s in enumerate(tensors)
    )
    return b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + pairs + infos


def qwen(size_label: str = "", tensors: Sequence[Sequence[int]] = ()) -> bytes:
    """A header like that of Qwen2.5-Coder 1.5B."""
    labels = {"general.size_label": size_label} if size_label else {}
    return tiny_gguf(
        {
            "general.architecture": "qwen2",
            **labels,
            "qwen2.block_count": 28,
            "qwen2.context_length": 32768,
            "qwen2.embedding_length": 1536,
            "qwen2.attention.head_count": 12,
            "qwen2.attention.head_count_kv": 2,
            "tokenizer.ggml.tokens": ["!", "a longer one"],
        },
        tensors,
    )
