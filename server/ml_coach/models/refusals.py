"""Errors that came instead of a reply: what they say, which field they blame, what helps.

Servers word them in many ways; the shapes read here are those of OpenAI, Azure, Mistral, vLLM,
llama.cpp, LM Studio, Groq, Together, text-generation-inference and FastAPI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from ml_coach.models.foreign_json import Json, as_object, count_at, object_at, text_at

# What a message or an error may be called, the most telling first.
_SAID = ("message", "msg", "detail", "error_description", "errors", "error")
_DEEPEST = 5
_MOST_SAID = 3
_OVERFLOW = re.compile(
    r"context[ _](?:length|size|window)|exceed_context|n_ctx|context the overflows"
    r"|prompt is too long|too large for (?:the )?model|inputs? (?:is|are) too long"
    r"|max_new_tokens`? must be <=|reduce the length of",
    re.IGNORECASE,
)
_OVERFLOW_HELP = (
    "Load the model with a larger context, shorten the prompt or the file, or choose another model."
)
_HELP = {
    401: "Check the key.",
    402: "The account has no credit left.",
    403: "Check the key, and whether it may use this model.",
    404: "Check the base URL and the model's name.",
    405: "Check the base URL.",
    413: _OVERFLOW_HELP,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that came instead of a reply.

    `status` is that of HTTP, or the code inside a stream. `body` is the decoded JSON object, empty
    where the answer held none; `text` is what it held then, if that was plain text.
    """

    status: int
    body: Json
    retry_after_seconds: float | None = None
    text: str = ""

    @property
    def message(self) -> str:
        """The provider's words, from the places where providers put them; else empty."""
        return _words(self.body) or self.text

    @property
    def blamed(self) -> frozenset[str]:
        """The names of fields that the refusal gives apart from its words, as `param` or `loc`."""
        return frozenset(_blamed(self.body))

    @property
    def is_overflow(self) -> bool:
        """Whether the prompt, or the prompt and the reply together, are too long for the model."""
        if self.status in (401, 403, 404, 429):
            return False
        kinds = str(_kinds(self.body))
        return self.status == 413 or bool(_OVERFLOW.search(f"{kinds} {self.message}"))

    @property
    def help(self) -> str:
        """What the user can do about it, as a sentence; empty where the words have to suffice."""
        return _OVERFLOW_HELP if self.is_overflow else _HELP.get(self.status, "")


def in_stream(body: Json) -> Refusal | None:
    """The refusal that an event of a stream, or an answer with status 200, is; else None."""
    if not body.get("error") and text_at(body, "object").lower() != "error":
        return None
    error = object_at(body, "error") or body
    said = text_at(error, "code")
    status = int(said) if said.isdecimal() else count_at(error, "code")
    return Refusal(status if 400 <= status < 600 else 500, body)


def _words(found: Any, depth: int = 0) -> str:
    """The text that is nearest to the top; a list's first few, each after its place."""
    if isinstance(found, str):
        return found.strip()
    if depth == _DEEPEST:
        return ""
    if isinstance(found, list):
        items = cast("list[Any]", found)[:_MOST_SAID]
        return "; ".join(filter(None, (_words(item, depth + 1) for item in items)))
    where = as_object(found)
    # OpenAI's own shape comes first: some servers put their log line beside it.
    inner = _words(where.get("error"), depth + 1) if object_at(where, "error") else ""
    said = inner or next((w for key in _SAID if (w := _words(where.get(key), depth + 1))), "")
    place = ".".join(_place(where))
    return f"{place}: {said}" if place and said else said


def _place(where: Json) -> tuple[str, ...]:
    loc = where.get("loc")
    parts = cast("list[Any]", loc) if isinstance(loc, list) else []
    return tuple(str(part) for part in parts if part != "body")


def _blamed(found: Any, depth: int = 0) -> Iterator[str]:
    if depth == _DEEPEST:
        return
    if isinstance(found, list):
        for item in cast("list[Any]", found):
            yield from _blamed(item, depth + 1)
        return
    where = as_object(found)
    yield from re.findall(r"\w+", text_at(where, "param"))
    yield from _place(where)
    for key in _SAID:
        yield from _blamed(where.get(key), depth + 1)


def _kinds(body: Json) -> tuple[str, ...]:
    error = object_at(body, "error") or body
    return text_at(error, "code"), text_at(error, "type")
