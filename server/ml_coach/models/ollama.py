"""Ollama through its own API, because its OpenAI-compatible one cannot set the context size.

Through that one the size stays at the server's default, and a longer prompt is cut silently. The
protocol is in the documentation of Ollama's API: POST /api/chat, one JSON object a line.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from ml_coach.core.ports import Call, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.chat_model import ChatEvent, ChatModel, bearer
from ml_coach.models.foreign_json import Json, count_at, object_at, text_at
from ml_coach.models.http import Endpoint, new_client
from ml_coach.models.openai_protocol import messages
from ml_coach.models.reply_text import no_finish

# Our prompts never need more, and a larger cache would push the model out of the graphics card.
_LARGEST_CONTEXT = 16_384


class OllamaModel(ChatModel):
    """`base_url` may end in `/v1`, as for any OpenAI-compatible endpoint."""

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        profile: Profile,
    ) -> None:
        url = base_url.rstrip("/").removesuffix("/v1") + "/api/chat"
        endpoint = Endpoint(
            http=new_client(base_url),
            who=f"Ollama at {urlsplit(url).netloc}",
            headers=bearer(api_key),
            secrets=(api_key,),
        )
        super().__init__(name, model, profile=profile, url=url, endpoint=endpoint)

    def _body(self, call: Call) -> Json:
        options: dict[str, Any] = {
            # The same for every call: Ollama loads the model anew when it changes.
            "num_ctx": min(self.profile.context, _LARGEST_CONTEXT),
            "num_predict": call.max_tokens + self.profile.thinking_tokens,
            "temperature": call.temperature,
        }
        if call.seed is not None:
            options["seed"] = call.seed
        if call.stop:
            options["stop"] = list(call.stop)
        return {
            "model": self._model,
            "messages": messages(call),
            "stream": True,
            "options": options,
        }

    def _read(self, event: Json) -> ChatEvent:
        message = object_at(event, "message")
        text, thoughts = text_at(message, "content"), text_at(message, "thinking")
        if not event.get("done"):
            return ChatEvent(text, thoughts)
        usage = Usage(
            calls=1,
            prompt_tokens=count_at(event, "prompt_eval_count"),
            completion_tokens=count_at(event, "eval_count"),
        )
        return ChatEvent(text, thoughts, text_at(event, "done_reason"), usage)

    def _finish(self, reason: str) -> Literal["stop", "length"]:
        if reason != "stop" and reason != "length":
            raise no_finish(reason, self._endpoint.sentence)
        return reason
