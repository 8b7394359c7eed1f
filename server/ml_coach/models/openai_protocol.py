"""OpenAI's chat completions as JSON: the part that its endpoints and llama.cpp have in common."""

from __future__ import annotations

from typing import Any

from ml_coach.core.ports import Call
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import Json, count_at, object_at


def messages(call: Call) -> list[dict[str, str]]:
    """The conversation of a call, in the shape that Ollama's own API takes as well."""
    return [{"role": m.role, "content": m.text} for m in call.messages]


def request_body(call: Call, *, max_tokens: int) -> dict[str, Any]:
    """The body of a streamed request, without the model's name."""
    body: dict[str, Any] = {
        "messages": messages(call),
        "max_tokens": max_tokens,
        "temperature": call.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if call.seed is not None:
        body["seed"] = call.seed
    if call.stop:
        body["stop"] = list(call.stop)
    return body


def usage_in(event: Json) -> Usage | None:
    """The tokens that an event reports, as the usage of one call; None where it reports none."""
    usage = object_at(event, "usage")
    if not usage:
        return None
    return Usage(
        calls=1,
        prompt_tokens=count_at(usage, "prompt_tokens"),
        completion_tokens=count_at(usage, "completion_tokens"),
        cached_tokens=count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens"),
    )
