"""The one place where agents ask a model: budget, retries, truncated replies, usage, events.

Retries are ours alone, so that they are bounded, visible and cancellable. Never another model
than the one chosen. A reply that was cut off is never returned as if it were whole.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from ml_coach.core.errors import (
    BadAnswerError,
    BadRequestError,
    BudgetSpent,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.events import CallFinished, CallRetrying, CallStarted, Emit, TextArrived
from ml_coach.core.ports import Call, Ended, Message, Model
from ml_coach.core.usage import Usage

_CONTINUE = (
    "Your reply was cut off by its length limit. Continue with the very next character. "
    "Do not repeat anything, do not explain, do not open a new code fence."
)
_SHORTER = (
    "Your last reply was cut off by its length limit. Answer again from the start, "
    "much shorter: only what was asked for."
)
_ENDED_SILENTLY = "{} ended its reply without saying so."
_MOST_CONTINUATIONS = 2
# The usual rule of thumb for English and code; only used where a provider counts nothing itself.
_CHARACTERS_PER_TOKEN = 4
# A reply whose last so many characters only repeat themselves would go on to its length limit.
_LOOP_CHARACTERS = 1500
_LEAST_OVERLAP = 12


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer. With `finish == "length"` the text is cut and must not be parsed as whole.

    `usage` includes every request that the answer took.
    """

    text: str
    finish: Literal["stop", "length"]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0
    cached: float = 0.0

    def of(self, usage: Usage) -> float:
        """What `usage` costs, in US dollars; cached tokens are part of the prompt's."""
        fresh = max(0, usage.prompt_tokens - usage.cached_tokens)
        total = (
            fresh * self.prompt
            + usage.cached_tokens * self.cached
            + usage.completion_tokens * self.completion
        )
        return total / 1e6


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how long to wait: `first_seconds` doubled each time, at most `longest_seconds`.

    Half of each delay is random, so that parallel calls do not come back together. A delay that
    the provider names is kept in full.
    """

    attempts: int = 4
    first_seconds: float = 1.0
    longest_seconds: float = 30.0

    def delay_seconds(self, failures: int, wanted: float | None, chance: float) -> float:
        """`failures` counts from 1, `chance` lies between 0 and 1."""
        longest = min(self.longest_seconds, self.first_seconds * 2 ** (failures - 1))
        own = longest * (0.5 + 0.5 * chance)
        return own if wanted is None else max(own, wanted + self.first_seconds * chance)


def _spent(limit: str, setting: str) -> BudgetSpent:
    return BudgetSpent(f"The run's limit of {limit} is used up; the setting “{setting}” raises it.")


class Budget:
    """What one run may spend, and what it has. Shared by every call of the run."""

    def __init__(
        self,
        *,
        max_calls: int,
        max_tokens: int,
        max_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_calls = max_calls
        self._max_tokens = max_tokens
        self._max_seconds = max_seconds
        self._clock = clock
        self._started = clock()
        self.usage = Usage()

    @property
    def seconds_left(self) -> float:
        """Wall time until the run may make no further call; negative once it is over."""
        return self._max_seconds - (self._clock() - self._started)

    @contextmanager
    def paused(self) -> Generator[None]:
        """While the user is asked, the run's time stands still."""
        began = self._clock()
        try:
            yield
        finally:
            self._started += self._clock() - began

    def take_call(self) -> None:
        """Counts one request, or raises `BudgetSpent`. Counted first, for calls run in parallel."""
        if self.usage.calls >= self._max_calls:
            raise _spent(f"{self._max_calls} model calls", "max calls")
        if self.usage.tokens >= self._max_tokens:
            raise _spent(f"{self._max_tokens} tokens", "max tokens")
        if self.seconds_left <= 0:
            raise _spent(f"{self._max_seconds:g} s", "max seconds")
        self.usage += Usage(calls=1)

    def add(self, usage: Usage) -> None:
        """Adds what a request turned out to cost, beside its call, which is counted already."""
        self.usage += replace(usage, calls=0)


@dataclass(slots=True)
class _Request:
    """What has come of a request so far. `ended` is None until its reply is at an end."""

    call_id: int
    text: str = ""
    ended: Ended | None = None
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    failures: int = 0


class ModelClient:
    """Asks `model` for a run, within `budget`. Tests replace `sleep` and `chance` (0 to 1)."""

    def __init__(
        self,
        model: Model,
        budget: Budget,
        emit: Emit,
        *,
        price: Price = Price(),
        backoff: Backoff = Backoff(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.model = model
        self.budget = budget
        self._emit = emit
        self._price = price
        self._backoff = backoff
        self._sleep = sleep
        self._chance = chance
        self._ids = itertools.count(1)

    async def ask(self, call: Call) -> Reply:
        """The reply, asked for again where the provider fails, and completed where it was cut off.

        Raises `BudgetSpent` before a request that the budget does not cover, and the
        `ModelError` that remains when retrying is over or pointless.
        """
        with self._reported(call) as request:
            while request.ended is None:
                request.text = ""
                try:
                    async with aclosing(self.model.stream(call)) as stream:
                        async for piece in stream:
                            if self._take(request, piece):
                                break
                            # A model may stream faster than pieces are handled; the rest of us
                            # goes on.
                            await asyncio.sleep(0)
                        else:
                            raise BadAnswerError(_ENDED_SILENTLY.format(self.model.name))
                except (QuotaError, UnavailableError, BadAnswerError) as error:
                    await self._wait(request, error)
        reply = Reply(request.text, request.ended.finish, request.usage)
        is_cut = reply.finish == "length" and not call.may_be_cut
        return await self._completed(call, reply) if is_cut else reply

    async def _completed(self, call: Call, reply: Reply) -> Reply:
        """`reply`, which was cut off, with its continuation, or a shorter one in its place."""
        for _ in range(_MOST_CONTINUATIONS):
            again = not reply.text.strip() or _loops(reply.text)
            following = _shorter(call) if again else _continued(call, reply)
            try:
                more = await self.ask(replace(following, may_be_cut=True))
            except BadRequestError:
                break  # What is there already leaves no room: the reply stays cut.
            text = more.text if again else join_continuation(reply.text, more.text)
            reply = Reply(text, more.finish, reply.usage + more.usage)
            if again or reply.finish == "stop":
                break
        return reply

    @contextmanager
    def _reported(self, call: Call) -> Generator[_Request]:
        """One request with its retries, as one started and one finished call."""
        self.budget.take_call()
        request = _Request(next(self._ids))
        self._emit(CallStarted(request.call_id, call.purpose, self.model.name))
        finish = "failed"
        try:
            yield request
            assert request.ended is not None
            finish = request.ended.finish
            counted = self._counted(call, request.text, request.ended.usage)
            self.budget.add(counted)
            request.usage += replace(counted, calls=0)
        except asyncio.CancelledError:
            finish = "cancelled"
            raise
        finally:
            self._emit(CallFinished(request.call_id, call.purpose, request.usage, finish))

    def _take(self, request: _Request, piece: str | Ended) -> bool:
        """Adds the piece to the request's reply; whether that is at its end now."""
        if isinstance(piece, Ended):
            request.ended = piece
        else:
            request.text += piece
            self._emit(TextArrived(request.call_id, piece))
            if _loops(request.text):
                request.ended = Ended("length", Usage(calls=1))
        return request.ended is not None

    async def _wait(self, request: _Request, error: ModelError) -> None:
        """Waits before a further attempt, which costs one call more. Raises `error` after the last
        attempt, and `BudgetSpent`."""
        request.failures += 1
        if request.failures >= self._backoff.attempts:
            raise error
        wanted = getattr(error, "retry_after_seconds", None)
        delay = self._backoff.delay_seconds(request.failures, wanted, self._chance())
        if delay >= self.budget.seconds_left:
            raise BudgetSpent(
                f"The run's time ends before the model may be asked again in {delay:.0f} s: {error}"
            ) from error
        attempt, of = request.failures + 1, self._backoff.attempts
        self._emit(CallRetrying(request.call_id, attempt, of, delay, str(error)))
        await self._sleep(delay)
        self.budget.take_call()
        request.usage += Usage(calls=1)

    def _counted(self, call: Call, text: str, usage: Usage) -> Usage:
        if not usage.tokens:
            asked = sum(len(message.text) for message in call.messages)
            usage = replace(
                usage,
                prompt_tokens=asked // _CHARACTERS_PER_TOKEN,
                completion_tokens=len(text) // _CHARACTERS_PER_TOKEN,
            )
        return replace(usage, cost=self._price.of(usage))


def join_continuation(text: str, more: str) -> str:
    """`text`, which was cut off, with its continuation `more`, without what models repeat.

    They open the fence again, repeat the last lines, or write the cut line from its start.
    """
    if text.count("```") % 2:
        more = re.sub(r"\A\s*```\w+[ \t]*\n", "", more)
    for size in range(min(len(text), len(more)), _LEAST_OVERLAP - 1, -1):
        if text.endswith(more[:size]):
            return text + more[size:]
    whole_lines, newline, line = text.rpartition("\n")
    begun = line.strip()
    if begun and more.lstrip().startswith(begun):
        indent = line[: len(line) - len(line.lstrip())]
        return whole_lines + newline + indent + more.lstrip()
    return text + more


def _continued(call: Call, reply: Reply) -> Call:
    turns = (Message("assistant", reply.text), Message("user", _CONTINUE))
    return replace(call, messages=call.messages + turns)


def _shorter(call: Call) -> Call:
    return replace(call, messages=(*call.messages, Message("user", _SHORTER)))


def _loops(text: str) -> bool:
    """Whether the end of `text` is one piece of it three times over, or more often."""
    end = text[-_LOOP_CHARACTERS:]
    if len(end) < _LOOP_CHARACTERS:
        return False
    last = end[-_LEAST_OVERLAP:]
    period = len(end) - len(last) - end.rfind(last, 0, -1)
    return period <= len(end) // 3 and end[period:] == end[:-period]
