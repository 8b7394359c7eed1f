"""The text of a reply as it streams: without reasoning, and refused where a whole one is empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ml_coach.core.errors import BadAnswerError
from ml_coach.models.reasoning_stream import ReasoningFilter, starts_inside


class ReplyText:
    """`feed` it the pieces of a reply of `model`, then `close` it; both return text to pass on.

    `sentence` turns a short statement into the provider's error text.
    """

    def __init__(self, model: str, sentence: Callable[[str], str]) -> None:
        self._reasoning = ReasoningFilter(inside=starts_inside(model))
        self._sentence = sentence
        self._is_empty = True

    def feed(self, piece: str) -> str:
        """The text that can be passed on now; empty while it may be reasoning."""
        return self._counted(self._reasoning.feed(piece))

    def expect_no_reasoning(self) -> None:
        """The provider sends reasoning apart from the text, so nothing has to be held back."""
        self._reasoning = ReasoningFilter()

    def close(self, finish: Literal["stop", "length"]) -> str:
        """The text that was held back. Raises `BadAnswerError` for a whole reply without text."""
        text = self._counted(self._reasoning.flush(whole=finish == "stop"))
        if finish == "stop" and self._is_empty:
            raise BadAnswerError(self._sentence("the reply is empty"))
        return text

    def _counted(self, text: str) -> str:
        self._is_empty = self._is_empty and not text
        return text


def no_finish(reason: str, sentence: Callable[[str], str]) -> BadAnswerError:
    """The error for a reply whose end does not say that it is whole. `reason` may be empty."""
    why = f"with “{reason}”" if reason else "without a finish reason"
    return BadAnswerError(sentence(f"the reply ended {why}"))
