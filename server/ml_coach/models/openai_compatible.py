"""Any endpoint that speaks OpenAI's chat completions: LM Studio, vLLM, llama.cpp, gateways.

None of them takes a context size with a request: all fix it when the model is loaded. Ollama has
an API of its own that does, see ollama.py.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from ml_coach.core.errors import AuthError, BlockedError, ModelError
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.types import Usage
from ml_coach.models.foreign_json import Json, count_at, first_object_at, object_at, text_at
from ml_coach.models.http import Endpoint, Refusal, new_client
from ml_coach.models.reply_text import ReplyText, no_finish

# Servers differ in what they call an ordinary end; whatever is not listed is a fault.
_WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
_CUT = frozenset({"length", "max_tokens", "model_length"})


class OpenAICompatibleModel:
    """`base_url` is what the endpoint's documentation gives, usually ending in `/v1`.

    `extend` gives fields that only this server knows; None takes one out. A client passed as
    `http` (for a unix socket, say) is closed by `aclose` as well.
    """

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        profile: Profile,
        http: httpx.AsyncClient | None = None,
        extend: Callable[[Call], Mapping[str, Any]] | None = None,
        who: str = "",
    ) -> None:
        self.name = name
        self._model = model
        self.profile = profile
        self._extend = extend
        self._url = chat_url(base_url)
        self._endpoint = Endpoint(
            http=http or new_client(base_url),
            who=who or f"The model server at {urlsplit(self._url).netloc}",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            secrets=(api_key,),
            refine=self._refine,
        )

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        started = time.monotonic()
        reply = ReplyText(self._model, self._endpoint.sentence)
        finish, usage = "", Usage(calls=1)
        events = self._endpoint.events(
            self._url, self._body(call), timeout_seconds=call.timeout_seconds
        )
        async with aclosing(events):
            async for event in events:
                usage = _usage(event) or usage
                # The event that carries the usage has no choices.
                choice = first_object_at(event, "choices")
                delta = object_at(choice, "delta") or object_at(choice, "message")
                if delta.get("reasoning_content") or delta.get("reasoning"):
                    reply.thoughts_are_apart()
                if text := reply.feed(text_at(delta, "content")):
                    yield text
                finish = text_at(choice, "finish_reason") or finish
        ended = self._ended(finish)
        if text := reply.close(ended):
            yield text
        yield Ended(ended, usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        await self._endpoint.http.aclose()

    def _body(self, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.text} for m in call.messages],
            "max_tokens": call.max_tokens + self.profile.thinking_tokens,
            "temperature": call.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if call.seed is not None:
            body["seed"] = call.seed
        if call.stop:
            body["stop"] = list(call.stop)
        if call.schema is not None:
            schema = {"name": "reply", "schema": dict(call.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        body |= self._extend(call) if self._extend else {}
        return {field: value for field, value in body.items() if value is not None}

    def _ended(self, finish: str) -> Literal["stop", "length"]:
        if finish in _WHOLE:
            return "stop"
        if finish in _CUT:
            return "length"
        if finish == "content_filter":
            text = self._endpoint.sentence("its content filter stopped the reply")
            raise BlockedError(text, "content_filter")
        raise no_finish(finish, self._endpoint.sentence)

    def _refine(self, refusal: Refusal) -> ModelError | None:
        error = object_at(refusal.body, "error")
        kinds = {text_at(error, "code"), text_at(error, "type")}
        text = self._endpoint.sentence(refusal.message, refusal.status)
        if kinds & {"content_filter", "content_policy_violation"}:
            return BlockedError(text, "content_filter")
        # Status 429, but waiting does not help: the account has no credit.
        return AuthError(text) if "insufficient_quota" in kinds else None


def chat_url(base_url: str) -> str:
    """The address of chat completions. A base URL without any path gets the usual `/v1`."""
    base = base_url.rstrip("/")
    if not urlsplit(base).path:
        base += "/v1"
    return base + "/chat/completions"


def _usage(event: Json) -> Usage | None:
    usage = object_at(event, "usage")
    if not usage:
        return None
    return Usage(
        calls=1,
        prompt_tokens=count_at(usage, "prompt_tokens"),
        completion_tokens=count_at(usage, "completion_tokens"),
        cached_tokens=count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens"),
    )


def openai_fields(profile: Profile, call: Call) -> dict[str, Any]:
    """What OpenAI's own endpoint wants otherwise: its newer models refuse `max_tokens`, and any
    temperature but their own."""
    most = call.max_tokens + profile.thinking_tokens
    return {"max_tokens": None, "temperature": None, "max_completion_tokens": most}
