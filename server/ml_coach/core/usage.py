"""What a run may use, and what it used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use at most; checked before each model call. `seconds` is wall time."""

    calls: int = 40
    tokens: int = 200_000
    seconds: float = 1800.0

    def after(self, used: Usage) -> Limits:
        """What is left of them for another run. Time is each run's own: some waits for the user."""
        return Limits(self.calls - used.calls, self.tokens - used.tokens, self.seconds)

    @property
    def are_spent(self) -> bool:
        """Whether no call is left, or no token."""
        return self.calls <= 0 or self.tokens <= 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls. `cost` is in US dollars, 0 where no price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and reply together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )
