"""Any endpoint that speaks OpenAI's chat completions: LM Studio, vLLM, llama.cpp, gateways.

None of them takes a context size with a request: all fix it when the model is loaded. Ollama has
an API of its own that does, see ollama.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from ml_coach.core.errors import AuthError, BlockedError, ModelError
from ml_coach.core.ports import Call, Profile
from ml_coach.models.chat_model import ChatEvent, ChatModel, bearer
from ml_coach.models.foreign_json import Json, first_object_at, object_at, text_at
from ml_coach.models.http import Endpoint, Refusal, new_client
from ml_coach.models.openai_protocol import request_body, usage_in
from ml_coach.models.reply_text import no_finish

# Servers differ in what they call an ordinary end; whatever is not listed is a fault.
_WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
_CUT = frozenset({"length", "max_tokens", "model_length"})


class OpenAICompatibleModel(ChatModel):
    """`base_url` is what the endpoint's documentation gives, usually ending in `/v1`.

    `extend` gives fields that only this server knows; a value of None removes a field.
    """

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        profile: Profile,
        extend: Callable[[Call], Mapping[str, Any]] = lambda call: {},
    ) -> None:
        url = chat_url(base_url)
        endpoint = Endpoint(
            http=new_client(base_url),
            who=f"The model server at {urlsplit(url).netloc}",
            headers=bearer(api_key),
            secrets=(api_key,),
            refine=self._refine,
        )
        super().__init__(name, model, profile=profile, url=url, endpoint=endpoint)
        self._extend = extend

    def _body(self, call: Call) -> Json:
        body = request_body(call, max_tokens=call.max_tokens + self.profile.thinking_tokens)
        fields = {"model": self._model, **body, **self._extend(call)}
        return {field: value for field, value in fields.items() if value is not None}

    def _read(self, event: Json) -> ChatEvent:
        # The event that carries the usage has no choices.
        choice = first_object_at(event, "choices")
        delta = object_at(choice, "delta") or object_at(choice, "message")
        return ChatEvent(
            text=text_at(delta, "content"),
            has_reasoning=bool(delta.get("reasoning_content") or delta.get("reasoning")),
            finish=text_at(choice, "finish_reason"),
            usage=usage_in(event),
        )

    def _finish(self, reason: str) -> Literal["stop", "length"]:
        if reason in _WHOLE:
            return "stop"
        if reason in _CUT:
            return "length"
        if reason == "content_filter":
            text = self._endpoint.sentence("its content filter stopped the reply")
            raise BlockedError(text, "content_filter")
        raise no_finish(reason, self._endpoint.sentence)

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


def openai_fields(profile: Profile, call: Call) -> dict[str, Any]:
    """Fields for OpenAI's own endpoint: its newer models refuse `max_tokens` and every temperature
    but their own."""
    most = call.max_tokens + profile.thinking_tokens
    return {"max_tokens": None, "temperature": None, "max_completion_tokens": most}
