"""The model's replies as `-v` prints them: one after another, although they come at once."""

from __future__ import annotations

from collections.abc import Callable

from ml_coach.core.events import CallFinished, CallStarted, TextArrived


class ReplyText:
    """Prints each line of the reply that came first as it arrives, and the others after it.

    `show` prints whole lines: the live line, and those of other events, come between them.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._replies: dict[int, str] = {}
        self._over: set[int] = set()

    def __call__(self, event: CallStarted | TextArrived | CallFinished) -> None:
        """Takes an event of a call."""
        match event:
            case CallStarted():
                self._replies[event.call_id] = f"[{event.purpose.replace('_', ' ')}]\n"
            case TextArrived():
                self._replies[event.call_id] = self._replies.get(event.call_id, "") + event.text
            case CallFinished():
                self._over.add(event.call_id)
        while self._replies:
            first = next(iter(self._replies))
            is_over = first in self._over
            lines, newline, rest = self._replies[first].rpartition("\n")
            if is_over and rest:
                lines, newline, rest = lines + newline + rest, "\n", ""
            if newline:
                self._show(lines)
            self._replies[first] = rest
            if not is_over:
                break
            del self._replies[first]
