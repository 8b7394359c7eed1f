"""Gemini through google-genai, the successor of the SDK in gemini.py. Extra: `ml-coach[genai]`."""

from __future__ import annotations

import asyncio
import importlib
import warnings
from collections.abc import Callable
from typing import Any

from ml_coach.core.errors import BadAnswerError, ModelError
from ml_coach.core.ports import Call
from ml_coach.models import gemini_protocol as protocol
from ml_coach.models.foreign_json import as_object
from ml_coach.models.google_model import GoogleModel
from ml_coach.models.http import retry_after_seconds
from ml_coach.models.refusals import Refusal


class GenaiModel(GoogleModel):
    """Gemini through the newer SDK. See `GoogleModel`."""

    _client: Any = None

    async def _open_sdk(self) -> Any:
        if self._client is None:
            self._client = await asyncio.to_thread(self._new_client)
        return self._client

    async def _produce(
        self, sdk: Any, call: Call, reply: protocol.GeminiReply, put: Callable[[str], None]
    ) -> None:
        async with self._endpoint.faults(call.timeout_seconds):
            try:
                await self._read(sdk, call, reply, put)
            except self._errors as error:
                raise self._typed(error) from None

    async def _read(
        self, client: Any, call: Call, reply: protocol.GeminiReply, put: Callable[[str], None]
    ) -> None:
        stream = await client.aio.models.generate_content_stream(
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
        # For JSON that is broken or has another shape the SDK raises any of the others.
        return (sdk.APIError, ValueError, TypeError, AttributeError, LookupError)

    def _typed(self, error: Any) -> ModelError:
        status = getattr(error, "code", None)
        if not isinstance(status, int):
            return BadAnswerError(self._endpoint.sentence("the reply is not Gemini's JSON"))
        headers = getattr(error.response, "headers", {})
        wait = retry_after_seconds(headers)
        return self._endpoint.error(Refusal(status, as_object(error.details), wait))

    def _new_client(self) -> Any:
        """Imports the SDK and opens its client, which takes 1 s, so call it in a thread."""
        # The SDK warns of a finish reason that is newer than itself; we judge the reason ourselves.
        warnings.filterwarnings("ignore", r".+ is not a valid \w+Reason", UserWarning)
        genai: Any = importlib.import_module("google.genai")
        options = {
            "base_url": self._base_url,
            "api_version": "v1beta",  # The `-latest` aliases and gateways know no other.
            "httpx_async_client": self._endpoint.http,
        }
        # With an empty key the SDK would look for one in the environment.
        return genai.Client(api_key=self._api_key or "none", vertexai=False, http_options=options)
