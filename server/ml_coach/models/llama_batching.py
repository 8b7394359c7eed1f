"""Candidates of one prompt travel as one request, so that llama.cpp reads the prompt once.

Slots do not share what they have read: four requests for one prompt cost four times its reading,
which on a CPU takes longer than the replies. As `n` choices of one request the prompt is read once
and its cells are shared. Choice j of a request with seed s draws what a request of its own with
seed s + j draws, so candidates with seeds that follow one another are asked for together.

Replies repeat only as far as rounding does: it depends on what else is in a batch and on how much
of a prompt was cached. The same calls in the same order, from a fresh child, give the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ml_coach.core.errors import BadAnswerError, DeadlineError
from ml_coach.core.ports import Call, Ended
from ml_coach.core.types import Usage
from ml_coach.models.foreign_json import Json, count_at, first_object_at, object_at, text_at
from ml_coach.models.reasoning import ReasoningFilter

# Posts a body and gives the events of its stream, within so many seconds.
Send = Callable[[Json, float], AsyncGenerator[Json, None]]

# Candidates asked for together arrive within this; reading a prompt takes a hundred times longer.
_GATHER_SECONDS = 0.01


@dataclass(eq=False, slots=True)
class _Seat:
    """One call's place in a request, and what has arrived for it."""

    call: Call
    items: asyncio.Queue[str | Ended | Exception] = field(
        default_factory=asyncio.Queue[str | Ended | Exception]
    )
    request: _Request | None = None
    thoughts: ReasoningFilter = field(default_factory=ReasoningFilter)
    said: bool = False
    over: bool = False

    def say(self, text: str) -> None:
        if text:
            self.said = True
            self.items.put_nowait(text)

    def end(self, item: Ended | Exception) -> None:
        if not self.over:
            self.over = True
            self.items.put_nowait(item)


class Candidates:
    """`at_once` is how many choices one request may have: the slots of the server."""

    def __init__(self, send: Send, at_once: int) -> None:
        self._send = send
        self._at_once = at_once
        self._gathering: dict[str, list[_Seat]] = {}

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        deadline = asyncio.get_running_loop().time() + call.timeout_seconds
        seat = _Seat(call)
        try:
            if call.seed is None or call.temperature == 0:
                self._start([seat])
            else:
                await self._gather(seat)
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        item = await seat.items.get()
                except TimeoutError:
                    said = f"The local model took longer than {call.timeout_seconds:.0f} s."
                    raise DeadlineError(said) from None
                if isinstance(item, Exception):
                    raise item
                yield item
                if isinstance(item, Ended):
                    return
        finally:
            if seat.request:
                await seat.request.leave(seat)

    async def _gather(self, seat: _Seat) -> None:
        """Waits for calls that differ from this one in nothing but the seed."""
        prompt = json.dumps(_body(seat.call) | {"seed": None})
        seats = self._gathering.setdefault(prompt, [])
        seats.append(seat)
        try:
            await asyncio.sleep(_GATHER_SECONDS)
        except asyncio.CancelledError:
            seats.remove(seat)
            if not seats:
                self._gathering.pop(prompt, None)
            raise
        if self._gathering.get(prompt) is seats:  # The first to wake up starts them all.
            del self._gathering[prompt]
            for together in _consecutive(seats, self._at_once):
                self._start(together)

    def _start(self, seats: list[_Seat]) -> None:
        request = _Request(seats, self._send)
        for seat in seats:
            seat.request = request


class _Request:
    def __init__(self, seats: list[_Seat], send: Send) -> None:
        self._seats = seats
        self._taken = set(seats)
        self._send = send
        self._task = asyncio.create_task(self._run())

    async def leave(self, seat: _Seat) -> None:
        """Ends the request with its last candidate; a single one can not be ended alone."""
        self._taken.discard(seat)
        if not self._taken:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        calls = [seat.call for seat in self._seats]
        started = time.monotonic()
        body = _body(calls[0]) | ({"n": len(calls)} if len(calls) > 1 else {})
        ended = self._seats[0], ""
        try:
            async with aclosing(self._send(body, max(c.timeout_seconds for c in calls))) as events:
                async for event in events:
                    choice = first_object_at(event, "choices")
                    if choice:
                        seat = self._seats[min(count_at(choice, "index"), len(calls) - 1)]
                        seat.say(seat.thoughts.feed(text_at(object_at(choice, "delta"), "content")))
                        if finish := text_at(choice, "finish_reason"):
                            ended = seat, finish
                    # The usage of a choice follows its end and has no index of its own.
                    if usage := object_at(event, "usage"):
                        shared = ended[0] is not self._seats[0]
                        seconds = time.monotonic() - started
                        _end(*ended, _usage(usage, seconds, shared=shared))
            lost: Exception = BadAnswerError("The local model's reply has no end.")
        except Exception as error:  # noqa: BLE001 - raised where the replies are awaited.
            lost = error
        for seat in self._seats:
            seat.end(lost)


def _end(seat: _Seat, finish: str, usage: Usage) -> None:
    seat.say(seat.thoughts.flush(whole=finish == "stop"))
    match finish:
        case "stop" if not seat.said:
            seat.end(BadAnswerError("The local model's reply is empty."))
        case "stop" | "length":
            seat.end(Ended(finish, usage))
        case _:
            seat.end(BadAnswerError(f"The local model's reply ended with “{finish}”."))


def _consecutive(seats: list[_Seat], at_once: int) -> list[list[_Seat]]:
    """The seats by seed, in runs of at most `at_once` seeds that follow one another."""
    ordered = sorted(seats, key=lambda seat: seat.call.seed or 0)
    runs = groupby(enumerate(ordered), key=lambda item: (item[1].call.seed or 0) - item[0])
    found: list[list[_Seat]] = []
    for _, run in runs:
        together = [seat for _, seat in run]
        found += [together[i : i + at_once] for i in range(0, len(together), at_once)]
    return found


def _body(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.text} for m in call.messages],
        "max_tokens": call.max_tokens,
        "temperature": call.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if call.seed is not None:
        body["seed"] = call.seed
    if call.stop:
        body["stop"] = list(call.stop)
    if call.grammar:
        body["grammar"] = call.grammar
    if call.schema is not None:
        schema = {"name": "reply", "schema": dict(call.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _usage(usage: Json, seconds: float, *, shared: bool) -> Usage:
    """`shared` candidates did not read the prompt: the request's first one did it for them."""
    prompt = count_at(usage, "prompt_tokens")
    cached = count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens")
    return Usage(
        calls=1,
        prompt_tokens=prompt,
        completion_tokens=count_at(usage, "completion_tokens"),
        cached_tokens=prompt if shared else cached,
        seconds=seconds,
    )
