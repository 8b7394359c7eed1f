"""Gemini through google-genai, the successor of the SDK in gemini.py. Extra: `ml-coach[genai]`."""

from __future__ import annotations

import asyncio
import importlib
import time
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx

from ml_coach.core.errors import BadAnswerError, ModelError
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.types import Usage
from ml_coach.models import gemini_replies as protocol
from ml_coach.models.foreign_json import as_object
from ml_coach.models.http import Endpoint, Refusal, new_client, retry_after_seconds
from ml_coach.models.pumping import pumped


class GenaiModel:
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
        self.profile = profile
        self._base_url = (base_url or protocol.GOOGLE).rstrip("/")
        self._api_key = api_key
        self._client: Any = None
        self._endpoint = Endpoint(
            http=http or new_client(self._base_url),
            who="Gemini",
            headers={},
            secrets=(api_key,),
            refine=lambda refusal: protocol.refine(refusal, self._endpoint),
        )

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        protocol.check_key(self.name, self._api_key, self._base_url)
        started = time.monotonic()
        if self._client is None:
            self._client = await asyncio.to_thread(self._open)
        reply = protocol.GeminiReply(self._endpoint, self._model)

        async def fill(put: Callable[[str], None]) -> None:
            async with self._endpoint.faults(call.timeout_seconds):
                try:
                    await self._read(call, reply, put)
                except self._errors as error:
                    raise self._typed(error) from None

        async with aclosing(pumped(fill)) as pieces:
            async for piece in pieces:
                yield piece
        yield Ended(reply.finish, reply.usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        await self._endpoint.http.aclose()

    async def _read(
        self, call: Call, reply: protocol.GeminiReply, put: Callable[[str], None]
    ) -> None:
        stream = await self._client.aio.models.generate_content_stream(
            model=self._model,
            contents=protocol.contents(call),
            config={
                **protocol.generation_config(call, self.profile),
                "systemInstruction": protocol.system(call) or None,
            },
        )
        async for chunk in stream:
            event = chunk.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
            if text := reply.feed(event):
                put(text)
        if text := reply.close():
            put(text)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        sdk: Any = importlib.import_module("google.genai.errors")
        # JSON that is broken or has another shape ends in whatever the SDK trips over.
        return (sdk.APIError, ValueError, TypeError, AttributeError, LookupError)

    def _typed(self, error: Any) -> ModelError:
        status = getattr(error, "code", None)
        if not isinstance(status, int):
            return BadAnswerError(self._endpoint.sentence("the reply is not Gemini's JSON"))
        headers = getattr(error.response, "headers", {})
        wait = retry_after_seconds(headers)
        return self._endpoint.error(Refusal(status, as_object(error.details), wait))

    def _open(self) -> Any:
        """Imports the SDK and opens its client (about 1 s together), for a thread."""
        # A finish reason that is newer than the SDK is judged by us, not announced by it.
        warnings.filterwarnings("ignore", r".+ is not a valid \w+Reason", UserWarning)
        genai: Any = importlib.import_module("google.genai")
        options = {
            "base_url": self._base_url,
            "api_version": "v1beta",  # The `-latest` aliases and gateways know no other.
            "httpx_async_client": self._endpoint.http,
        }
        # An empty key would send the SDK to the environment for one.
        return genai.Client(api_key=self._api_key or "none", vertexai=False, http_options=options)
