"""Any endpoint that speaks OpenAI's chat completions: LM Studio, vLLM, llama.cpp, gateways.

None of them takes a context size with a request: all fix it when the model is loaded. Ollama has
an API of its own that does, see ollama.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from ml_coach.core.errors import AuthError, BlockedError, ModelError
from ml_coach.core.ports import Call, Profile
from ml_coach.models.chat_model import ChatEvent, ChatModel, bearer
from ml_coach.models.dialects import Dialect, dialect_of
from ml_coach.models.foreign_json import Json, first_object_at, object_at, plain_text_at, text_at
from ml_coach.models.http import Endpoint, new_client
from ml_coach.models.openai_protocol import request_body, usage_in
from ml_coach.models.refusals import Refusal
from ml_coach.models.reply_text import no_finish

# Servers differ in what they call an ordinary end; whatever is not listed is a fault.
_WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
_CUT = frozenset({"length", "max_tokens", "model_length"})


class OpenAICompatibleModel(ChatModel):
    """`base_url` is what the endpoint's documentation gives, usually ending in `/v1`.

    `dialect` is what the server is known to refuse; it learns more. For `note` see `ChatModel`.
    """

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        profile: Profile,
        dialect: Dialect | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        url = chat_url(base_url)
        self._dialect = dialect or dialect_of(urlsplit(url).hostname or "")
        endpoint = Endpoint(
            http=new_client(base_url),
            who=f"The model server at {urlsplit(url).netloc}",
            headers=bearer(api_key),
            secrets=(api_key,),
            refine=self._refine,
            mend=self._dialect.mend,
            is_reply=lambda event: bool(self._read(event).text or self._read(event).reasoning),
        )
        super().__init__(name, model, profile=profile, url=url, endpoint=endpoint, note=note)

    def _body(self, call: Call) -> Json:
        body = request_body(call, max_tokens=call.max_tokens + self.profile.thinking_tokens)
        return self._dialect.speak({"model": self._model, **body})

    def _read(self, event: Json) -> ChatEvent:
        # The event that carries the usage has no choices.
        choice = first_object_at(event, "choices")
        delta = object_at(choice, "delta") or object_at(choice, "message")
        return ChatEvent(
            text=plain_text_at(delta, "content"),
            reasoning=plain_text_at(delta, "reasoning_content") or text_at(delta, "reasoning"),
            finish=text_at(choice, "finish_reason"),
            usage=usage_in(event),
            model=text_at(event, "model"),
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
