"""Characters: what a terminal, an editor or JSON has done to code on its way."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from ml_coach.core.python import syntax

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_TYPOGRAPHY = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-",
    "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "：": ":", "，": ",",
    "（": "(", "）": ")", "；": ";", "＝": "=",
})  # fmt: skip
# Tags count only where a line begins or ends: inside a line they are somebody's string.
_TAG = r"(?:think|thinking|thought|reasoning|reflection)"
_FLAGS = re.DOTALL | re.IGNORECASE | re.MULTILINE
_THOUGHT = re.compile(rf"^[ \t]*<({_TAG})>.*?</\1>", _FLAGS)
_THOUGHT_END = re.compile(rf"^[ \t]*</{_TAG}>|</{_TAG}>[ \t]*$", _FLAGS)
_THOUGHT_BEGIN = re.compile(rf"^[ \t]*<{_TAG}>", _FLAGS)
_TOKEN = r"(?:<\|[a-z_]{2,30}\|>|</?s>|<｜[^｜\n]{2,40}｜>)"
_SPECIAL_TOKEN = re.compile(rf"\A\s*{_TOKEN}|{_TOKEN}\s*\Z|^{_TOKEN}$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(n|t|r|\"|'|\\|u[0-9a-fA-F]{4})")
_ESCAPES = {"n": "\n", "t": "\t", "r": "", '"': '"', "'": "'", "\\": "\\"}


def clean(reply: str) -> tuple[str, tuple[str, ...]]:
    """`reply` without what can never be part of a Python file, and what was removed."""
    done: list[str] = []

    def replace(pattern: re.Pattern[str], by: str, text: str, words: str) -> str:
        new = pattern.sub(by, text)
        if new != text:
            done.append(words)
        return new

    text = reply.removeprefix("\ufeff")
    if text != reply:
        done.append("removed the byte order mark")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        done.append("turned line ends into LF")
    if not text.isprintable():
        text = replace(_ANSI, "", text, "removed terminal codes")
        text = replace(_CONTROL, "", text, "removed control characters")
        text = replace(_SURROGATE, "\ufffd", text, "replaced broken characters")
    return text, tuple(done)


def plain(text: str) -> str:
    """Typographic quotes, dashes and spaces as Python's own; only for text that does not parse."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", _SPACES.sub(" ", text)).translate(_TYPOGRAPHY)


def without_thoughts(text: str) -> str:
    """The reply without the model's reasoning parts and without its special tokens."""
    if "<" not in text:
        return text
    text = _THOUGHT.sub("", text)
    if ends := list(_THOUGHT_END.finditer(text)):
        # Some templates open the part in the prompt, so that the reply holds only its end.
        text = text[ends[-1].end() :]
    text = _THOUGHT_BEGIN.sub("", text)
    return _SPECIAL_TOKEN.sub("", text)


def quoted(text: str) -> Iterator[str]:
    """The code inside text that as a whole is JSON or a Python literal."""
    text = text.strip()
    if text[:1] in ('"', "{", "["):
        with suppress(ValueError, RecursionError):
            yield from _code_strings(json.loads(text, strict=False))
    if text[:1] in "\"'([{rbuf":
        with suppress(*syntax.NOT_PYTHON, TypeError):
            yield from _code_strings(ast.literal_eval(text))


def unescaped(text: str) -> Iterator[str]:
    """The code inside JSON, a string literal or text whose line ends are written as `\\n`."""
    yield from quoted(text)
    text = text.strip()
    if r"\n" in text and text.count(r"\n") > text.count("\n"):
        yield _ESCAPE.sub(_unescape, text.strip("\"'"))


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return _ESCAPES[code] if code in _ESCAPES else chr(int(code[1:], 16))


def _code_strings(value: object) -> Iterator[str]:
    """The strings anywhere in `value` that may be code, the shallow ones first."""
    pending = [value]
    for item in pending:
        if len(pending) > 1000:
            return
        if isinstance(item, str):
            if "\n" in item or "def " in item or "=" in item:
                yield item
        elif isinstance(item, dict):
            pending.extend(cast("dict[object, object]", item).values())
        elif isinstance(item, list | tuple):
            pending.extend(cast("list[object]", item))
