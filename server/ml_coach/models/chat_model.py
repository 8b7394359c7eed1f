"""What a model behind a chat API over plain HTTP has in common with every other one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import Json
from ml_coach.models.http import Endpoint
from ml_coach.models.reply_text import ReplyText

# A reply that is longer than any with `max_tokens` comes from a server that does not count.
_MOST_CHARACTERS_PER_TOKEN = 32
_LEAST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One event of a streamed reply, whatever the protocol calls its parts.

    `has_reasoning` says that the provider sends reasoning apart from the text. `finish` and
    `usage` are empty in events that do not hold them.
    """

    text: str = ""
    has_reasoning: bool = False
    finish: str = ""
    usage: Usage | None = None


class ChatModel(ABC):
    """A `core.ports.Model` that asks `endpoint` at `url`; a subclass knows the protocol.

    `model` is the name that the server knows; `name` is the one that users write. `aclose` also
    closes the endpoint's HTTP client.
    """

    def __init__(
        self, name: str, model: str, *, profile: Profile, url: str, endpoint: Endpoint
    ) -> None:
        self.name = name
        self.profile = profile
        self._model = model
        self._url = url
        self._endpoint = endpoint

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        started = time.monotonic()
        reply = ReplyText(self._model, self._endpoint.sentence)
        reason, usage, size = "", Usage(calls=1), 0
        events = self._endpoint.events(
            self._url, self._body(call), timeout_seconds=call.timeout_seconds
        )
        most = _MOST_CHARACTERS_PER_TOKEN * call.max_tokens + _LEAST_CHARACTERS
        async with aclosing(events):
            async for item in events:
                event = self._read(item)
                usage = event.usage or usage
                reason = event.finish or reason
                if event.has_reasoning:
                    reply.expect_no_reasoning()
                size += len(event.text)
                if text := reply.feed(event.text):
                    yield text
                if size > most:
                    break  # White space and reasoning, which may be held back, must end, too.
        finish = "length" if size > most else self._finish(reason)
        if text := reply.close(finish):
            yield text
        yield Ended(finish, usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        """See `core.ports.Model.aclose`."""
        await self._endpoint.http.aclose()

    @abstractmethod
    def _body(self, call: Call) -> Json:
        """The request for a call."""

    @abstractmethod
    def _read(self, event: Json) -> ChatEvent:
        """What an event of the stream means."""

    @abstractmethod
    def _finish(self, reason: str) -> Literal["stop", "length"]:
        """What the provider's reason for the end means; raises for one that is a fault."""


def bearer(api_key: str) -> dict[str, str]:
    """The header that carries a key; no header without a key."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
