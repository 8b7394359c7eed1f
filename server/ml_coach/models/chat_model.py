"""What a model behind a chat API over plain HTTP has in common with every other one."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import Json
from ml_coach.models.http import DONE, Endpoint
from ml_coach.models.reply_text import ReplyText
from ml_coach.models.stop_texts import StopTexts

# A reply that is longer than any with `max_tokens` comes from a server that does not count.
_MOST_CHARACTERS_PER_TOKEN = 32
_LEAST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One event of a streamed reply, whatever the protocol calls its parts.

    `reasoning` is what the provider sends apart from the text, `model` the one that it says has
    answered. What an event does not hold is empty.
    """

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    usage: Usage | None = None
    model: str = ""


class ChatModel(ABC):
    """A `core.ports.Model` that asks `endpoint` at `url`; a subclass knows the protocol.

    `model` is the name that the server knows; `name` is the one that users write. `note` is told
    once if another model answers. `aclose` also closes the endpoint's HTTP client.
    """

    def __init__(
        self,
        name: str,
        model: str,
        *,
        profile: Profile,
        url: str,
        endpoint: Endpoint,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name = name
        self.profile = profile
        self._model = model
        self._url = url
        self._endpoint = endpoint
        self._note = note
        self._told = False

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        started = time.monotonic()
        reply, stops = ReplyText(self._model, self._endpoint.sentence), StopTexts(call.stop)
        reason, usage, size, is_done = "", Usage(calls=1), 0, False
        events = self._endpoint.events(
            self._url, self._body(call), timeout_seconds=call.timeout_seconds
        )
        most = _MOST_CHARACTERS_PER_TOKEN * call.max_tokens + _LEAST_CHARACTERS
        async with aclosing(events):
            async for item in events:
                event = self._read(item)
                self._compare(event.model)
                is_done = is_done or item is DONE
                usage = event.usage or usage
                reason = event.finish or reason
                if event.reasoning:
                    reply.feed_reasoning(event.reasoning)
                size += len(event.text)
                if text := stops.feed(reply.feed(event.text)):
                    yield text
                if size > most or stops.found:
                    break  # White space and reasoning, which may be held back, must end, too.
        if size > most:
            finish = "length"
        elif stops.found or (is_done and not reason):
            is_full = usage.completion_tokens >= call.max_tokens
            finish = "length" if is_full and not stops.found else "stop"
        else:
            finish = self._finish(reason)
        if text := stops.feed(reply.close(finish)) + stops.flush():
            yield text
        yield Ended(finish, usage + Usage(seconds=time.monotonic() - started))

    async def aclose(self) -> None:
        """See `core.ports.Model.aclose`."""
        await self._endpoint.http.aclose()

    def _compare(self, answering: str) -> None:
        """Tells the user, once, of a server that answers with another model than the one asked."""
        if answering and not self._told and not same_model(self._model, answering):
            self._told = True
            who = self._endpoint.who
            self._note(f"{who} was asked for {self._model} and answers with {answering}")

    @abstractmethod
    def _body(self, call: Call) -> Json:
        """The request for a call."""

    @abstractmethod
    def _read(self, event: Json) -> ChatEvent:
        """What an event of the stream means."""

    @abstractmethod
    def _finish(self, reason: str) -> Literal["stop", "length"]:
        """What the provider's reason for the end means; raises for one that is a fault."""


def same_model(asked: str, answering: str) -> bool:
    """Whether these are names of one model: a file's path, an alias and a dated release are."""
    one, other = _core(asked), _core(answering)
    return not one or not other or one in other or other in one


def _core(name: str) -> str:
    """A name without its folders, its ending and its punctuation."""
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1].lower()
    return re.sub(r"[^a-z0-9]", "", last.removesuffix(".gguf").removesuffix("latest"))


def bearer(api_key: str) -> dict[str, str]:
    """The header that carries a key; no header without a key."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
