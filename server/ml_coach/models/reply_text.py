"""The text of a reply as it streams: without reasoning, and refused where a whole one is empty.

Some servers send all of a reply as reasoning: vLLM with the wrong parser, LM Studio. Where nothing
else comes, that is the reply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ml_coach.core.errors import BadAnswerError
from ml_coach.models.reasoning_stream import ReasoningFilter, starts_inside

# In characters. More reasoning than this is no answer.
_MOST_REASONING = 1_000_000


class ReplyText:
    """`feed` it the pieces of a reply of `model`, then `close` it; both return text to pass on.

    `sentence` turns a short statement into the provider's error text.
    """

    def __init__(self, model: str, sentence: Callable[[str], str]) -> None:
        self._reasoning = ReasoningFilter(inside=starts_inside(model))
        self._sentence = sentence
        self._is_empty = True
        self._thoughts = list[str]()

    def feed(self, piece: str) -> str:
        """The text that can be passed on now; empty while it may be reasoning."""
        return self._counted(self._reasoning.feed(piece))

    def feed_reasoning(self, piece: str) -> None:
        """Takes reasoning that the provider sends apart from the text, which then holds none."""
        if not self._thoughts:
            self._reasoning = ReasoningFilter()
        self._thoughts.append(piece)

    def close(self, finish: Literal["stop", "length"]) -> str:
        """The text that was held back. Raises `BadAnswerError` for a whole reply without text."""
        whole = finish == "stop"
        text = self._counted(self._reasoning.flush(whole=whole))
        if whole and self._is_empty and self._thoughts:
            inside = ReasoningFilter(inside=True)
            text = inside.feed("".join(self._thoughts)[:_MOST_REASONING])
            text = self._counted(text + inside.flush(whole=True))
        if whole and self._is_empty:
            raise BadAnswerError(self._sentence("the reply is empty"))
        return text

    def _counted(self, text: str) -> str:
        self._is_empty = self._is_empty and not text
        return text


def no_finish(reason: str, sentence: Callable[[str], str]) -> BadAnswerError:
    """The error for a reply whose end does not say that it is whole. `reason` may be empty."""
    why = f"with “{reason}”" if reason else "without a finish reason"
    return BadAnswerError(sentence(f"the reply ended {why}"))
