"""What both Gemini providers have in common: set-up, and the end of a streamed reply."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.gemini_protocol import GOOGLE, GeminiReply, check_key, refine
from ml_coach.models.http import Endpoint, new_client
from ml_coach.models.task_stream import stream_from_task


class GoogleModel(ABC):
    """A `core.ports.Model` that asks Gemini; a subclass drives one of Google's SDKs.

    `base_url` is Google's, or that of a gateway that speaks the same protocol.
    """

    def __init__(
        self, name: str, model: str, *, api_key: str, profile: Profile, base_url: str = ""
    ) -> None:
        self.name = name
        self.profile = profile
        self._model = model
        self._api_key = api_key
        self._base_url = (base_url or GOOGLE).rstrip("/")
        self._endpoint = Endpoint(
            http=new_client(self._base_url),
            who="Gemini",
            headers=self._headers(),
            secrets=(api_key,),
            refine=lambda refusal: refine(refusal, self._endpoint),
        )

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        check_key(self.name, self._api_key, self._base_url)
        started = time.monotonic()
        sdk = await self._open_sdk()
        reply = GeminiReply(self._endpoint, self._model)
        produce = partial(self._produce, sdk, call, reply)
        async with aclosing(stream_from_task(produce)) as pieces:
            async for piece in pieces:
                yield piece
        yield Ended(reply.finish, reply.usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        """See `core.ports.Model.aclose`."""
        await self._endpoint.http.aclose()

    def _headers(self) -> Mapping[str, str]:
        """The headers of requests that the SDK leaves to us."""
        return {}

    @abstractmethod
    async def _open_sdk(self) -> Any:
        """The SDK, imported without blocking the event loop. Called before each request."""

    @abstractmethod
    async def _produce(
        self, sdk: Any, call: Call, reply: GeminiReply, put: Callable[[str], None]
    ) -> None:
        """Makes the request, feeds its events to `reply` and its texts to `put`."""
