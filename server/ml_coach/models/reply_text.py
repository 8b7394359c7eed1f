"""The text of a reply as it streams: no thoughts, and not empty where it claims to be whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ml_coach.core.errors import BadAnswerError
from ml_coach.models.reasoning import ReasoningFilter, starts_inside


class ReplyText:
    """`feed` it pieces of the reply of `model`, then `close` it; both give what may be shown.

    `sentence` makes the provider's error texts.
    """

    def __init__(self, model: str, sentence: Callable[[str], str]) -> None:
        self._thoughts = ReasoningFilter(inside=starts_inside(model))
        self._sentence = sentence
        self._said = False

    def feed(self, piece: str) -> str:
        return self._heard(self._thoughts.feed(piece))

    def thoughts_are_apart(self) -> None:
        """The provider sends them apart from the text, which then needs no holding back."""
        self._thoughts = ReasoningFilter()

    def close(self, finish: Literal["stop", "length"]) -> str:
        """What was held back. Raises `BadAnswerError` where a whole reply says nothing."""
        text = self._heard(self._thoughts.flush(whole=finish == "stop"))
        if finish == "stop" and not self._said:
            raise BadAnswerError(self._sentence("the reply is empty"))
        return text

    def _heard(self, text: str) -> str:
        self._said = self._said or bool(text)
        return text


def no_finish(reason: str, sentence: Callable[[str], str]) -> BadAnswerError:
    """The error for a reply that ended in a way that does not say it is whole."""
    why = f"with “{reason}”" if reason else "without a finish reason"
    return BadAnswerError(sentence(f"the reply ended {why}"))
