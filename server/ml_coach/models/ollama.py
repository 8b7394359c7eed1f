"""Ollama through its own API, because its OpenAI-compatible one can not set the context size.

There it stays at the server's default, and a longer prompt is cut without a word. The protocol is
in the documentation of Ollama's API: POST /api/chat, one JSON object a line.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import httpx

from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.types import Usage
from ml_coach.models.foreign_json import Json, count_at, object_at, text_at
from ml_coach.models.http import Endpoint, new_client
from ml_coach.models.reply_text import ReplyText, no_finish

# Ours never need more, and a larger cache would push the model out of the graphics card.
_LARGEST_CONTEXT = 16_384


class OllamaModel:
    """`base_url` may end in `/v1`, as for any OpenAI-compatible endpoint."""

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        profile: Profile,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.name = name
        self._model = model
        self.profile = profile
        self._url = base_url.rstrip("/").removesuffix("/v1") + "/api/chat"
        self._endpoint = Endpoint(
            http=http or new_client(base_url),
            who=f"Ollama at {urlsplit(self._url).netloc}",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            secrets=(api_key,),
        )

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        started = time.monotonic()
        reply = ReplyText(self._model, self._endpoint.sentence)
        reason, usage = "", Usage(calls=1)
        events = self._endpoint.events(
            self._url, self._body(call), timeout_seconds=call.timeout_seconds
        )
        async with aclosing(events):
            async for event in events:
                message = object_at(event, "message")
                if message.get("thinking"):
                    reply.thoughts_are_apart()
                if text := reply.feed(text_at(message, "content")):
                    yield text
                if event.get("done"):
                    reason, usage = text_at(event, "done_reason"), _usage(event)
        if reason != "stop" and reason != "length":
            raise no_finish(reason, self._endpoint.sentence)
        if text := reply.close(reason):
            yield text
        yield Ended(reason, usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        await self._endpoint.http.aclose()

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
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.text} for m in call.messages],
            "stream": True,
            "options": options,
        }
        if call.schema is not None:
            body["format"] = dict(call.schema)
        return body


def _usage(event: Json) -> Usage:
    return Usage(
        calls=1,
        prompt_tokens=count_at(event, "prompt_eval_count"),
        completion_tokens=count_at(event, "eval_count"),
    )
