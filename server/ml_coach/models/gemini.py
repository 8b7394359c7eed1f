"""Gemini through google-generativeai 0.8.6, whose support has ended; genai.py is the successor.

The SDK's own transports either block, retry by themselves for minutes, or speak gRPC only. So its
public async method is called with a transport of ours: enums as text, server-sent events, one
deadline, and a connection that closes when the call is cancelled.
"""

from __future__ import annotations

import asyncio
import importlib
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ml_coach.core.ports import Call
from ml_coach.models import gemini_protocol as protocol
from ml_coach.models.google_model import GoogleModel
from ml_coach.models.http import Endpoint

# The two notices that an import prints. Users find the first in `ml-coach models` and the README.
_NOTICES = (
    r"\s*All support for the `google.generativeai` package has ended",
    r"You are using a Python version",
)


@dataclass(frozen=True, slots=True)
class _Sdk:
    """The parts of the SDK that are used. Untyped, because its own annotations are wrong."""

    genai: Any
    request: Any
    response: Any
    parse: Any
    to_dict: Any


class GeminiModel(GoogleModel):
    """Gemini through the older SDK. See `GoogleModel`."""

    def _headers(self) -> Mapping[str, str]:
        return {"x-goog-api-key": self._api_key} if self._api_key else {}

    async def _open_sdk(self) -> _Sdk:
        return await asyncio.to_thread(_load_sdk)

    async def _produce(
        self, sdk: Any, call: Call, reply: protocol.GeminiReply, put: Callable[[str], None]
    ) -> None:
        config = protocol.generation_config(call, self.profile)
        transport = _Transport(sdk, self._base_url, self._endpoint, config, reply)
        # The SDK's configuration is global. Nothing is awaited between here and the moment when
        # generate_content_async takes its client, so no model gets the client of another. The SDK
        # gets a key that means nothing: without any it would look for one in the environment.
        sdk.genai.configure(api_key="unused", transport=transport.take)
        model = sdk.genai.GenerativeModel(
            self._model, system_instruction=protocol.system(call) or None
        )
        chunks = await model.generate_content_async(
            protocol.contents(call),
            stream=True,
            request_options={"timeout": call.timeout_seconds, "retry": None},
        )
        async for chunk in chunks:
            if text := chunk.text:
                put(text)


class _Transport:
    """As much of a transport as the SDK's async client needs to stream one reply."""

    kind = "http_asyncio"

    def __init__(
        self,
        sdk: _Sdk,
        base_url: str,
        endpoint: Endpoint,
        config: dict[str, Any],
        reply: protocol.GeminiReply,
    ) -> None:
        self._sdk = sdk
        self._base_url = base_url
        self._endpoint = endpoint
        self._config = config
        self._reply = reply
        # The client looks its methods up here. Ours need no wrapping because they never retry.
        self._wrapped_methods: Any = {self.stream_generate_content: self.stream_generate_content}

    def take(self, **_: Any) -> _Transport:
        """The SDK calls this to make its transport, and gets the one that knows this call."""
        return self

    async def stream_generate_content(
        self, request: Any, *, timeout: float, **_: Any
    ) -> AsyncGenerator[Any, None]:
        """Sends the SDK's protobuf request and yields the SDK's protobuf responses."""
        body = self._sdk.to_dict(self._sdk.request.pb(request))
        # This SDK's request has no field for the seed.
        body["generationConfig"] = self._config
        url = f"{self._base_url}/v1beta/{body.pop('model')}:streamGenerateContent?alt=sse"
        return self._responses(url, body, timeout)

    async def _responses(
        self, url: str, body: dict[str, Any], timeout: float
    ) -> AsyncGenerator[Any, None]:
        events = self._endpoint.events(url, body, timeout_seconds=timeout)
        async with aclosing(events):
            async for event in events:
                # The SDK does not know reasoning parts, so it is given the text alone.
                yield self._response(self._reply.feed(event))
        yield self._response(self._reply.close())

    def _response(self, text: str) -> Any:
        answer = self._sdk.response()
        self._sdk.parse(protocol.text_event(text), self._sdk.response.pb(answer))
        return answer


def _load_sdk() -> _Sdk:
    """Imports the SDK without its notices. The first import takes 1 s, so call it in a thread."""
    for notice in _NOTICES:
        warnings.filterwarnings("ignore", notice, FutureWarning)
    genai: Any = importlib.import_module("google.generativeai")
    json_format: Any = importlib.import_module("google.protobuf.json_format")
    return _Sdk(
        genai,
        genai.protos.GenerateContentRequest,
        genai.protos.GenerateContentResponse,
        json_format.ParseDict,
        json_format.MessageToDict,
    )
