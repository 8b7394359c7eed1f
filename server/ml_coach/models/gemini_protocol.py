"""Gemini's protocol, v1beta, as JSON: the requests and replies of both Gemini providers."""

from __future__ import annotations

import re
from typing import Any, Literal

from ml_coach.core.errors import AuthError, BlockedError, ModelError, QuotaError
from ml_coach.core.ports import Call, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import (
    Json,
    count_at,
    first_object_at,
    object_at,
    objects_at,
    text_at,
)
from ml_coach.models.http import Endpoint
from ml_coach.models.refusals import Refusal
from ml_coach.models.reply_text import ReplyText, no_finish

GOOGLE = "https://generativelanguage.googleapis.com"
# Some gateways send the enum's number instead of its name; this tuple is in that order.
_FINISH_NUMBERS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION")
_BLOCKED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "LANGUAGE",
    }
)


class GeminiReply:
    """One streamed reply: `feed` it the events, then `close` it. Both return text to pass on.

    `usage` is that of the events so far. `finish` holds once the reply is closed.
    """

    finish: Literal["stop", "length"] = "stop"

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._reason = ""
        # A gateway may offer any model, also one that puts its reasoning between tags.
        self._text = ReplyText(model, endpoint.sentence)
        self.usage = Usage(calls=1)

    def feed(self, event: Json) -> str:
        """The event's text, without reasoning. Raises `BlockedError` with the category."""
        self.usage = _usage(event) or self.usage
        feedback = object_at(event, "promptFeedback")
        if reason := text_at(feedback, "blockReason"):
            raise self._blocked("the prompt was blocked", reason, feedback)
        candidate = first_object_at(event, "candidates")
        self._reason = _finish(candidate) or self._reason
        if self._reason in _BLOCKED:
            raise self._blocked("the reply was blocked", self._reason, candidate)
        parts = objects_at(object_at(candidate, "content"), "parts")
        text = "".join(text_at(part, "text") for part in parts if not part.get("thought"))
        return self._text.feed(text)

    def close(self) -> str:
        """The text that was held back. Sets `finish`.

        Raises `BadAnswerError` where the stream ended without a finish reason, or without text.
        """
        if self._reason not in ("STOP", "MAX_TOKENS"):
            raise no_finish(self._reason, self._endpoint.sentence)
        self.finish = "stop" if self._reason == "STOP" else "length"
        return self._text.close(self.finish)

    def _blocked(self, what: str, reason: str, where: Json) -> BlockedError:
        blamed = [
            text_at(rating, "category")
            for rating in objects_at(where, "safetyRatings")
            if rating.get("blocked")
        ]
        category = ", ".join(blamed) or reason
        named = f"{reason}, {category}" if blamed else reason
        return BlockedError(self._endpoint.sentence(f"{what} ({named})"), category)


def text_event(text: str) -> dict[str, Any]:
    """An event that holds this text and nothing else."""
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}


def check_key(name: str, api_key: str, base_url: str) -> None:
    """Raises `AuthError` where Google itself would be asked without a key.

    A gateway may not want one. Whether a key is well-formed is left to Google.
    """
    if not api_key and base_url == GOOGLE:
        raise AuthError(f"{name} needs a key: set GOOGLE_API_KEY, or choose a local: model.")


def refine(refusal: Refusal, endpoint: Endpoint) -> ModelError | None:
    """The error for a refusal that Google details in its body; None where the status suffices."""
    text = endpoint.sentence(refusal.message, refusal.status)
    details = objects_at(object_at(refusal.body, "error"), "details")
    if any(text_at(detail, "reason").startswith("API_KEY_") for detail in details):
        return AuthError(text)  # Google sends status 400 here, not 401.
    if refusal.status == 429:
        delay = _delay_seconds(refusal.body)
        return QuotaError(text, refusal.retry_after_seconds if delay is None else delay)
    return None


def generation_config(call: Call, profile: Profile) -> dict[str, Any]:
    """The `generationConfig` of a call, in the protocol's own names."""
    config: dict[str, Any] = {
        "maxOutputTokens": call.max_tokens + profile.thinking_tokens,
        "temperature": call.temperature,
    }
    if call.seed is not None:
        config["seed"] = call.seed
    if call.stop:
        config["stopSequences"] = list(call.stop)
    return config


def contents(call: Call) -> list[dict[str, Any]]:
    """The turns of a call without its system messages."""
    return [
        {"role": "model" if m.role == "assistant" else "user", "parts": [{"text": m.text}]}
        for m in call.messages
        if m.role != "system"
    ]


def system(call: Call) -> str:
    """The system messages of a call as one text; empty where it has none."""
    return "\n\n".join(m.text for m in call.messages if m.role == "system")


def _delay_seconds(body: Json) -> float | None:
    """The delay in a `google.rpc.RetryInfo` detail of an error, in seconds."""
    for detail in objects_at(object_at(body, "error"), "details"):
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)s", text_at(detail, "retryDelay")):
            return float(found[1])
    return None


def _finish(candidate: Json) -> str:
    number = candidate.get("finishReason")
    if isinstance(number, int):
        return _FINISH_NUMBERS[number] if number < len(_FINISH_NUMBERS) else str(number)
    found = text_at(candidate, "finishReason")
    return "" if found == "FINISH_REASON_UNSPECIFIED" else found


def _usage(event: Json) -> Usage | None:
    usage = object_at(event, "usageMetadata")
    if not usage:
        return None
    return Usage(
        calls=1,
        prompt_tokens=count_at(usage, "promptTokenCount"),
        # Reasoning is charged as output.
        completion_tokens=count_at(usage, "candidatesTokenCount")
        + count_at(usage, "thoughtsTokenCount"),
        cached_tokens=count_at(usage, "cachedContentTokenCount"),
    )
