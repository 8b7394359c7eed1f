"""Makes GGUF files: headers without weights, and a whole model of random weights that llama.cpp
loads in no time. What that one writes means nothing, but it is a model behind a real server."""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Mapping, Sequence
from math import prod

_UINT16, _UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 2, 4, 5, 6, 8, 9
_ALIGNMENT = 32


class Short(int):
    """A number that is written with 16 bits."""


class Signed(int):
    """A number that is written with 32 bits, one of them the sign."""


Value = str | int | float | Sequence[str] | Sequence[int]


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _value(value: Value) -> bytes:
    match value:
        case str():
            return struct.pack("<I", _STRING) + text(value)
        case Short():
            return struct.pack("<IH", _UINT16, value)
        case Signed():
            return struct.pack("<Ii", _INT32, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case _ if isinstance(value[0], int):
            items = array("i", value).tobytes()  # type: ignore[arg-type]
            return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + items
        case _:
            items = b"".join(text(str(item)) for item in value)
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + items


def tiny_gguf(
    values: Mapping[str, Value],
    tensors: Sequence[Sequence[int]] | Mapping[str, Sequence[int]] = (),
) -> bytes:
    """The bytes of a file with these pairs and tensors of these shapes, which are not in it."""
    if not isinstance(tensors, Mapping):
        tensors = {f"t{n}": shape for n, shape in enumerate(tensors)}
    pairs = b"".join(text(key) + _value(value) for key, value in values.items())
    infos, place = b"", 0
    for name, shape in tensors.items():
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, place)
        place += -(-4 * prod(shape) // _ALIGNMENT) * _ALIGNMENT
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


def tiny_model() -> bytes:
    """A model of the architecture qwen2 with 2 layers and a token for each byte."""
    return tiny_model_in_parts(1)[0]


def tiny_model_in_parts(count: int) -> list[bytes]:
    """The same in so many files, as `gguf-split` writes them."""
    width, heads, key_heads, inner, layers = 64, 4, 2, 128, 2
    narrow = width * key_heads // heads
    tokens = [*_byte_characters(), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (width, len(tokens)),
        "output.weight": (width, len(tokens)),
        "output_norm.weight": (width,),
    }
    for n in range(layers):
        shapes |= {f"blk.{n}.{name}.weight": (width,) for name in ("attn_norm", "ffn_norm")}
        for name, size in (("q", width), ("k", narrow), ("v", narrow)):
            shapes[f"blk.{n}.attn_{name}.weight"] = (width, size)
            shapes[f"blk.{n}.attn_{name}.bias"] = (size,)
        shapes[f"blk.{n}.attn_output.weight"] = (width, width)
        shapes[f"blk.{n}.ffn_gate.weight"] = shapes[f"blk.{n}.ffn_up.weight"] = (width, inner)
        shapes[f"blk.{n}.ffn_down.weight"] = (inner, width)
    values: dict[str, Value] = {
        "general.architecture": "qwen2",
        "qwen2.block_count": layers,
        "qwen2.context_length": 2048,
        "qwen2.embedding_length": width,
        "qwen2.feed_forward_length": inner,
        "qwen2.attention.head_count": heads,
        "qwen2.attention.head_count_kv": key_heads,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 10_000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3] * 3,
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.ggml.eos_token_id": 258,
        "tokenizer.chat_template": "{% for m in messages %}<|im_start|>{{m.role}}\n"
        "{{m.content}}<|im_end|>\n{% endfor %}<|im_start|>assistant\n",
    }
    chance, parts = random.Random(0), list[bytes]()
    for number in range(count):
        split = {
            "split.no": Short(number),
            "split.count": Short(count),
            "split.tensors.count": Signed(len(shapes)),
        }
        first, end = (n * len(shapes) // count for n in (number, number + 1))
        pairs = (values if number == 0 else {}) | (split if count > 1 else {})
        parts.append(_file(pairs, dict(list(shapes.items())[first:end]), chance))
    return parts


def _file(
    pairs: Mapping[str, Value], shapes: Mapping[str, Sequence[int]], chance: random.Random
) -> bytes:
    content = bytearray(tiny_gguf(pairs, shapes))
    for name, shape in shapes.items():
        content += bytes(-len(content) % _ALIGNMENT)
        if name.endswith(("norm.weight", "bias")):
            numbers = array("f", [float(name.endswith("weight"))]) * prod(shape)
        else:
            numbers = array("f", (chance.gauss(0, 0.3) for _ in range(prod(shape))))
        content += numbers.tobytes()
    return bytes(content + bytes(-len(content) % _ALIGNMENT))


def _byte_characters() -> list[str]:
    """The characters that GPT-2's tokenizer writes for the bytes 0 to 255."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (chr(256 + n) for n in range(256))
    return [chr(byte) if byte in shown else next(others) for byte in range(256)]
