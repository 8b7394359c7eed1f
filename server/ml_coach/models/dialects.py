"""What servers that call themselves OpenAI-compatible refuse, and what they are sent instead.

A request holds fields that not every server knows. Where a refusal blames one of them, the request
is sent again without it, and the next ones to this server lack it from the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from ml_coach.models.foreign_json import Json
from ml_coach.models.refusals import Refusal

# A server that refuses a request as it is says so with one of these. llama.cpp and servers of
# Jinja templates answer 500 where a template does not know a role.
_STATUSES = frozenset({400, 415, 422, 500, 501})
_REFUSES = re.compile(
    r"un(?:supported|known|recogni[sz]ed|expected)|not (?:supported|permitted|allowed|enabled"
    r"|available|implemented|valid)|does ?n[o']t support|extra|additional|invalid|forbidden"
    r"|deprecated|must|only|instead|should",
    re.IGNORECASE,
)
_ROLES = re.compile(
    r"\bsystem\b|developer (?:instruction|role|message)|\broles?\b|alternat", re.IGNORECASE
)
_OF_THE_REPLY = re.compile(r"completion|max_(?:new_|completion_)?tokens|output", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Change:
    """One way to change a request. `blamed` says whether a refusal asks for it; `lasting`, whether
    the next requests are changed as well."""

    blamed: Callable[[Refusal], bool]
    make: Callable[[Json], Json]
    lasting: bool = True


def _names(field_name: str) -> Callable[[Refusal], bool]:
    word = re.compile(rf"\b{field_name}\b")

    def blamed(refusal: Refusal) -> bool:
        said = refusal.message
        in_words = bool(word.search(said) and _REFUSES.search(said))
        return not refusal.is_overflow and (field_name in refusal.blamed or in_words)

    return blamed


def _without(*names: str) -> Callable[[Json], Json]:
    return lambda body: {name: value for name, value in body.items() if name not in names}


def _renamed(old: str, new: str) -> Callable[[Json], Json]:
    return lambda body: {new if name == old else name: value for name, value in body.items()}


def _folded(body: Json) -> Json:
    """The system text becomes the start of the user's first turn, and turns alternate."""
    turns = list[dict[str, str]]()
    for message in cast("list[dict[str, str]]", body["messages"]):
        role = "user" if message["role"] == "system" else message["role"]
        if turns and turns[-1]["role"] == role:
            text = f"{turns[-1]['content']}\n\n{message['content']}"
            turns[-1] = {"role": role, "content": text}
        else:
            turns.append({"role": role, "content": message["content"]})
    return {**body, "messages": turns}


_NEWER_LIMIT = Change(
    lambda refusal: "max_completion_tokens" in refusal.message and not refusal.is_overflow,
    _renamed("max_tokens", "max_completion_tokens"),
)
# In the order in which they are tried: one that loses nothing comes before one that does.
CHANGES: tuple[Change, ...] = (
    _NEWER_LIMIT,
    Change(
        lambda refusal: bool(_ROLES.search(refusal.message) and _REFUSES.search(refusal.message)),
        _folded,
    ),
    Change(_names("stream_options"), _without("stream_options")),
    Change(_names("seed"), _without("seed")),
    Change(_names("temperature"), _without("temperature")),
    # The reply is then cut here, see `stop_texts.py`.
    Change(_names("stop"), _without("stop")),
    # Prompt and limit together are too long: most servers then take what room there is.
    Change(
        lambda refusal: refusal.is_overflow and bool(_OF_THE_REPLY.search(refusal.message)),
        _without("max_tokens", "max_completion_tokens"),
        lasting=False,
    ),
    Change(_names("max_tokens"), _without("max_tokens")),
    Change(_names("max_completion_tokens"), _without("max_completion_tokens")),
    # A reply in one piece is read as well, though a cancel then reaches the server late.
    Change(_names("stream"), _without("stream", "stream_options")),
)


@dataclass(slots=True)
class Dialect:
    """What one server, asked for one model, is known to refuse."""

    changes: list[Change] = field(default_factory=list[Change])

    def speak(self, body: dict[str, Any]) -> Json:
        """The request as this server takes it."""
        spoken: Json = body
        for change in self.changes:
            spoken = change.make(spoken)
        return spoken

    def mend(self, refusal: Refusal, body: Json) -> Json | None:
        """The request to send instead of `body`, which was refused; None where nothing is known
        that helps. The change is kept for the next requests."""
        if refusal.status not in _STATUSES:
            return None
        for change in CHANGES:
            if change.blamed(refusal) and (mended := change.make(body)) != body:
                if change.lasting and change not in self.changes:
                    self.changes.append(change)
                return mended
        return None


def dialect_of(host: str) -> Dialect:
    """What is known of a server before it was asked. OpenAI's own newer models take no
    `max_tokens`, and its older ones the other name as well."""
    return Dialect([_NEWER_LIMIT] if host == "api.openai.com" else [])
