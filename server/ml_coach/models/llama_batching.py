"""Sends calls with the same prompt as one request, so that llama.cpp reads the prompt once.

Slots do not share what they have read: four requests with one prompt cost four times its reading,
which on a CPU takes longer than the replies. As `n` choices of one request the prompt is read once
and its cells are shared. Choice j of a request with seed s draws what a request of its own with
seed s + j draws, so candidates with consecutive seeds are sent together.

Replies repeat only up to rounding, which depends on what else is in a batch and on how much of a
prompt was cached. The same calls in the same order, from a fresh child, give the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from ml_coach.core.errors import BadAnswerError, DeadlineError
from ml_coach.core.ports import Call, Ended
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import Json, count_at, first_object_at, object_at, text_at
from ml_coach.models.openai_protocol import request_body, usage_in
from ml_coach.models.reasoning_stream import ReasoningFilter

# Posts a body and yields the events of its stream, for at most so many seconds.
Send = Callable[[Json, float], AsyncGenerator[Json, None]]

# Candidates of one prompt are asked for within this; reading a prompt takes a hundred times longer.
_GATHER_SECONDS = 0.01


@dataclass(eq=False, slots=True)
class _ReplyStream:
    """What has arrived for one call, and the request that the call is part of."""

    call: Call
    items: asyncio.Queue[str | Ended | Exception] = field(
        default_factory=asyncio.Queue[str | Ended | Exception]
    )
    request: _BatchRequest | None = None
    reasoning: ReasoningFilter = field(default_factory=ReasoningFilter)
    is_empty: bool = True
    has_ended: bool = False

    def add(self, text: str) -> None:
        if text:
            self.is_empty = False
            self.items.put_nowait(text)

    def finish(self, reason: str, usage: Usage) -> None:
        """Ends the reply for llama.cpp's `reason`, with an error unless it is an ordinary one."""
        self.add(self.reasoning.flush(whole=reason == "stop"))
        match reason:
            case "stop" if self.is_empty:
                self.end(BadAnswerError("The local model's reply is empty."))
            case "stop" | "length":
                self.end(Ended(reason, usage))
            case _:
                self.end(BadAnswerError(f"The local model's reply ended with “{reason}”."))

    def end(self, item: Ended | Exception) -> None:
        """Adds the last item; later ones are ignored."""
        if not self.has_ended:
            self.has_ended = True
            self.items.put_nowait(item)


class BatchedCalls:
    """Streams replies to calls, several in one request where they differ in nothing but the seed.

    `batch_size` is how many choices one request may have: the number of the server's slots.
    """

    def __init__(self, send: Send, batch_size: int) -> None:
        self._send = send
        self._batch_size = batch_size
        self._gathering: dict[str, list[_ReplyStream]] = {}

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        deadline = asyncio.get_running_loop().time() + call.timeout_seconds
        reply = _ReplyStream(call)
        try:
            if call.seed is None or call.temperature == 0:
                self._start([reply])
            else:
                await self._gather(reply)
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        item = await reply.items.get()
                except TimeoutError:
                    said = f"The local model took longer than {call.timeout_seconds:.0f} s."
                    raise DeadlineError(said) from None
                if isinstance(item, Exception):
                    raise item
                yield item
                if isinstance(item, Ended):
                    return
        finally:
            if reply.request:
                await reply.request.leave(reply)

    async def _gather(self, reply: _ReplyStream) -> None:
        """Waits for calls that differ from this one in nothing but the seed."""
        prompt = json.dumps(_body(replace(reply.call, seed=None)))
        replies = self._gathering.setdefault(prompt, [])
        replies.append(reply)
        try:
            await asyncio.sleep(_GATHER_SECONDS)
        except asyncio.CancelledError:
            replies.remove(reply)
            if not replies:
                self._gathering.pop(prompt, None)
            raise
        if self._gathering.get(prompt) is replies:  # The first to wake up starts them all.
            del self._gathering[prompt]
            for batch in _batches(replies, self._batch_size):
                self._start(batch)

    def _start(self, replies: list[_ReplyStream]) -> None:
        request = _BatchRequest(replies, self._send)
        for reply in replies:
            reply.request = request


class _BatchRequest:
    """One request in flight, with one choice for each of `replies`, in their order."""

    def __init__(self, replies: list[_ReplyStream], send: Send) -> None:
        self._replies = replies
        self._listened_to = set(replies)
        self._send = send
        self._task = asyncio.create_task(self._run())

    async def leave(self, reply: _ReplyStream) -> None:
        """Ends the request when its last reply is left; llama.cpp cannot end one choice alone."""
        self._listened_to.discard(reply)
        if not self._listened_to:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        calls = [reply.call for reply in self._replies]
        body = _body(calls[0]) | ({"n": len(calls)} if len(calls) > 1 else {})
        try:
            async with aclosing(self._send(body, max(c.timeout_seconds for c in calls))) as events:
                await self._distribute(events)
            failure: Exception = BadAnswerError("The local model's reply has no end.")
        except Exception as error:  # noqa: BLE001 - raised where the replies are awaited.
            failure = error
        for reply in self._replies:
            reply.end(failure)

    async def _distribute(self, events: AsyncGenerator[Json, None]) -> None:
        """Passes each event on to the reply whose choice it is about."""
        started = time.monotonic()
        finished, reason = self._replies[0], ""
        async for event in events:
            choice = first_object_at(event, "choices")
            if choice:
                reply = self._replies[min(count_at(choice, "index"), len(self._replies) - 1)]
                reply.add(reply.reasoning.feed(text_at(object_at(choice, "delta"), "content")))
                if found := text_at(choice, "finish_reason"):
                    finished, reason = reply, found
            # The usage of a choice follows its end and has no index of its own.
            if usage := usage_in(event):
                if finished is not self._replies[0]:
                    # The first choice read the prompt for all the others.
                    usage = replace(usage, cached_tokens=usage.prompt_tokens)
                finished.finish(reason, replace(usage, seconds=time.monotonic() - started))


def _batches(replies: list[_ReplyStream], batch_size: int) -> list[list[_ReplyStream]]:
    """The replies by seed, in groups of at most `batch_size` consecutive seeds."""
    ordered = sorted(replies, key=lambda reply: reply.call.seed or 0)
    # Within consecutive seeds, the difference between a seed and its position is constant.
    runs = groupby(enumerate(ordered), key=lambda item: (item[1].call.seed or 0) - item[0])
    found: list[list[_ReplyStream]] = []
    for _, run in runs:
        batch = [reply for _, reply in run]
        found += [batch[i : i + batch_size] for i in range(0, len(batch), batch_size)]
    return found


def _body(call: Call) -> dict[str, Any]:
    body = request_body(call, max_tokens=call.max_tokens)
    return body | ({"grammar": call.grammar} if call.grammar else {})
