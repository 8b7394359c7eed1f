"""Ends a reply before the first of a call's stop texts, for servers that do not do it."""

from __future__ import annotations


class StopTexts:
    """`feed` it the pieces of a reply; it returns what is certain to come before a stop text.

    `found` is set once there was one: what follows does not belong to the reply.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(filter(None, stops))
        self._held = ""
        self.found = False

    def feed(self, piece: str) -> str:
        """The text to pass on; what may be the start of a stop text is held back."""
        self._held += piece
        starts = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if starts:
            self.found = True
            return self._take(min(starts), keep=False)
        return self._take(len(self._held) - self._begun())

    def flush(self) -> str:
        """The text that was held back, at the end of a reply without a stop text."""
        return "" if self.found else self._take(len(self._held))

    def _take(self, size: int, *, keep: bool = True) -> str:
        text, self._held = self._held[:size], self._held[size:] if keep else ""
        return text

    def _begun(self) -> int:
        """How many of the last characters may be the start of a stop text."""
        starts = (stop[:n] for stop in self._stops for n in range(1, len(stop)))
        return max((len(start) for start in starts if self._held.endswith(start)), default=0)
