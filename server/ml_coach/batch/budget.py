"""What a whole batch may use. A row's share is reserved before it starts and settled when it ends,
so that the limits hold however many rows are at work, and wherever."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from ml_coach.core.agents.model_client import Price
from ml_coach.core.errors import BudgetSpent
from ml_coach.core.ports import Call, Ended, Model
from ml_coach.core.usage import Limits, Usage
from ml_coach.core.wording import amount
from ml_coach.models.wrapped_model import WrappedModel

# What a provider's own marks around a message may add to its text, in tokens.
_MARKS = 16


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What all rows together may use; None: any amount. `cost` is in US dollars."""

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    @property
    def any(self) -> bool:
        """Whether something is limited."""
        return (self.calls, self.tokens, self.cost) != (None, None, None)

    def reached(self, usage: Usage) -> str:
        """The limits that leave no call after `usage`, in words; empty where there is none."""
        words: list[str] = []
        if self.calls is not None and usage.calls >= self.calls:
            words.append(f"{self.calls} calls")
        if self.tokens is not None and usage.tokens >= self.tokens:
            words.append(f"{self.tokens} tokens")
        if self.cost is not None and usage.cost >= self.cost:
            words.append(f"${self.cost:g}")
        return " and ".join(words)


@dataclass(frozen=True, slots=True)
class Grant:
    """A row's share: the `limits` of its run. `most` is what it can cost at worst; `metered` says
    that not one token may be used beyond it, `is_whole` that the row's own limits fit into it."""

    limits: Limits
    most: Usage
    metered: bool
    is_whole: bool


class Budget:
    """The books of one batch. `spent` is what earlier parts of it used."""

    def __init__(self, limits: BatchLimits, spent: Usage) -> None:
        self.limits = limits
        self.spent = spent
        self._reserved: list[Grant] = []

    def reserve(self, wanted: Limits, price: Price) -> Grant | None:
        """A share for one more row; None where there is none before another one ends.

        A smaller share than `wanted` is only given where nothing else is reserved, because what
        others leave over may be enough.
        """
        held = sum((grant.most for grant in self._reserved), self.spent)
        limits, dearest = self.limits, max(price.prompt, price.completion, price.cached) / 1e6
        calls, tokens = wanted.calls, wanted.tokens
        if limits.calls is not None:
            calls = min(calls, limits.calls - held.calls)
        if limits.tokens is not None:
            tokens = min(tokens, limits.tokens - held.tokens)
        if limits.cost is not None and dearest:
            tokens = min(tokens, int((limits.cost - held.cost) / dearest))
        is_whole = (calls, tokens) == (wanted.calls, wanted.tokens)
        if calls <= 0 or tokens <= 0 or (not is_whole and self._reserved):
            return None
        most = Usage(calls=calls, prompt_tokens=tokens, cost=tokens * dearest)
        metered = limits.tokens is not None or limits.cost is not None
        granted = replace(wanted, calls=calls, tokens=tokens)
        grant = Grant(granted, most, metered, is_whole)
        self._reserved.append(grant)
        return grant

    def settle(self, grant: Grant, usage: Usage) -> None:
        """The row with this share used `usage`."""
        self._reserved.remove(grant)
        self.spent += usage


class MeteredModel(WrappedModel):
    """`model` for a row that may use `tokens` and not one more; None: as many as it likes.

    Before a call its longest outcome is set aside: a token has at least one byte. A call that could
    go beyond the rest raises `BudgetSpent`, and `refused` says that one did. `sharing` rows ask one
    local model at the same time, so that a call may take so many times as long.
    """

    def __init__(self, model: Model, tokens: int | None, sharing: int = 1) -> None:
        super().__init__(model)
        self._share = self._left = tokens
        self._sharing = sharing
        self.refused = False

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        most = self._take(call)
        patient = replace(call, timeout_seconds=call.timeout_seconds * self._sharing)
        async with aclosing(self._model.stream(patient)) as stream:
            async for piece in stream:
                if isinstance(piece, Ended) and self._left is not None and piece.usage.tokens:
                    self._left += most - piece.usage.tokens
                yield piece

    def _take(self, call: Call) -> int:
        asked = sum(len(message.text.encode()) + _MARKS for message in call.messages)
        most = asked + call.max_tokens + self.profile.thinking_tokens
        if self._left is None:
            return most
        if most > self._left:
            self.refused = True
            raise BudgetSpent(
                "The next call could go beyond this run's share of the batch's budget, "
                f"{amount(self._share or 0, 'token')}."
            )
        self._left -= most
        return most
