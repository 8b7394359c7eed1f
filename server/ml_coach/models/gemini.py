"""Gemini through google-generativeai 0.8.6, whose support has ended; genai.py is the successor.

The SDK's own transports either block, retry by themselves for minutes, or speak gRPC only. It is
called through its public async method, and gets a transport of ours: string enums, server-sent
events, one deadline, and a connection that closes when the call is cancelled.
"""

from __future__ import annotations

import asyncio
import importlib
import time
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.types import Usage
from ml_coach.models import gemini_replies as protocol
from ml_coach.models.http import Endpoint, new_client
from ml_coach.models.pumping import pumped

# The two notices that an import prints; users read the same, once, in `doctor` and the README.
_NOTICES = (
    r"\s*All support for the `google.generativeai` package has ended",
    r"You are using a Python version",
)


@dataclass(frozen=True, slots=True)
class _Sdk:
    """The parts of the SDK that are used. Untyped: its own annotations do not hold."""

    genai: Any
    request: Any
    response: Any
    parse: Any
    to_dict: Any


class GeminiModel:
    """`base_url` is Google's, or that of a gateway that speaks the same protocol."""

    def __init__(
        self,
        name: str,
        model: str,
        *,
        api_key: str,
        profile: Profile,
        base_url: str = "",
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.name = name
        self._model = model
        self._api_key = api_key
        self.profile = profile
        self._base_url = (base_url or protocol.GOOGLE).rstrip("/")
        self._endpoint = Endpoint(
            http=http or new_client(self._base_url),
            who="Gemini",
            headers={"x-goog-api-key": api_key} if api_key else {},
            secrets=(api_key,),
            refine=lambda refusal: protocol.refine(refusal, self._endpoint),
        )

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        protocol.check_key(self.name, self._api_key, self._base_url)
        started = time.monotonic()
        sdk = await asyncio.to_thread(_load_sdk)
        reply = protocol.GeminiReply(self._endpoint, self._model)

        async def fill(put: Callable[[str], None]) -> None:
            async for chunk in await self._ask(sdk, call, reply):
                if text := chunk.text:
                    put(text)

        async with aclosing(pumped(fill)) as pieces:
            async for piece in pieces:
                yield piece
        yield Ended(reply.finish, reply.usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        await self._endpoint.http.aclose()

    async def _ask(self, sdk: _Sdk, call: Call, reply: protocol.GeminiReply) -> Any:
        config = protocol.generation_config(call, self.profile)
        transport = _Transport(sdk, self._base_url, self._endpoint, config, reply)
        # The SDK's configuration is global. Nothing is awaited between here and the moment when
        # generate_content_async takes its client, so that models do not get each other's. It gets
        # no key: without one here it would look for one in the environment.
        sdk.genai.configure(api_key="unused", transport=transport.take)
        model = sdk.genai.GenerativeModel(
            self._model, system_instruction=protocol.system(call) or None
        )
        return await model.generate_content_async(
            protocol.contents(call),
            stream=True,
            request_options={"timeout": call.timeout_seconds, "retry": None},
        )


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
        # Where the client looks its methods up; ours need no wrapping, they never retry.
        self._wrapped_methods: Any = {self.stream_generate_content: self.stream_generate_content}

    def take(self, **_: Any) -> _Transport:
        """What the SDK calls to make its transport: the one that knows this call."""
        return self

    async def stream_generate_content(
        self, request: Any, *, timeout: float, **_: Any
    ) -> AsyncGenerator[Any, None]:
        """The SDK's protobuf request in, its responses out."""
        body = self._sdk.to_dict(self._sdk.request.pb(request))
        # What this SDK's request has no fields for: the seed and a JSON schema.
        body["generationConfig"] = self._config
        url = f"{self._base_url}/v1beta/{body.pop('model')}:streamGenerateContent?alt=sse"
        return self._responses(url, body, timeout)

    async def _responses(
        self, url: str, body: dict[str, Any], timeout: float
    ) -> AsyncGenerator[Any, None]:
        events = self._endpoint.events(url, body, timeout_seconds=timeout)
        async with aclosing(events):
            async for event in events:
                # The SDK knows no thought parts: it only gets to see what is said.
                yield self._response(self._reply.feed(event))
        yield self._response(self._reply.close())

    def _response(self, text: str) -> Any:
        answer = self._sdk.response()
        self._sdk.parse(protocol.saying(text), self._sdk.response.pb(answer))
        return answer


def _load_sdk() -> _Sdk:
    """Imports the SDK (about 1 s), without its notices. For a thread; quick when done before."""
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
