"""Removes the reasoning blocks of a reply while the reply streams."""

from __future__ import annotations

import re

_OPEN = re.compile(r"<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|thought|reasoning)>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)+")
_LONGEST_OPEN = len("<reasoning>")
_LONGEST_CLOSE = len("</reasoning>")
# The chat templates of these models open the block in the prompt; only its end is in the reply.
_OPENED_BY_TEMPLATE = re.compile(r"deepseek-r1|qwq|r1-distill|thinking", re.IGNORECASE)


def starts_inside(model: str) -> bool:
    """Whether this model's replies may begin inside a reasoning block that they only close."""
    return bool(_OPENED_BY_TEMPLATE.search(model))


class ReasoningFilter:
    """`feed` it the pieces of a reply, then `flush` it; both return text outside of reasoning.

    Only blocks at the start of a reply count, because a program may mention `<think>`. With
    `inside` the reply may begin inside a block: its text is held back until the block ends, or
    until the reply does.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self._held = ""
        self._state = "maybe inside" if inside else "before"
        self._had_block = False

    def feed(self, piece: str) -> str:
        """The text that is certain to be outside of reasoning."""
        if self._state == "after":
            return piece
        self._held += piece
        while self._state != "after":
            before = self._state
            self._step()
            if self._state == before:
                return ""
        return self._take()

    def flush(self, *, whole: bool) -> str:
        """The text that was held back and is not reasoning.

        `whole` is false for a reply that was cut, where what may be an unfinished block is dropped.
        """
        inside = self._state == "inside" or (self._state == "maybe inside" and not whole)
        self._state = "after"
        text = self._take()
        return "" if inside else text

    def _take(self) -> str:
        text, self._held = self._held, ""
        # The blank lines between a block and the reply belong to neither.
        blank = _BLANK_LINES.match(text) if self._had_block else None
        return text[blank.end() :] if blank else text

    def _step(self) -> None:
        if self._state == "before":
            start = self._held.lstrip()
            if found := _OPEN.match(start):
                self._held, self._state = start[found.end() :], "inside"
            elif start and not _may_become_open(start):
                self._state = "after"
        elif found := _CLOSE.search(self._held):
            self._held, self._state = self._held[found.end() :], "before"
            self._had_block = True
        elif self._state == "inside":
            self._held = self._held[-_LONGEST_CLOSE:]


def _may_become_open(start: str) -> bool:
    names = ("<think>", "<thinking>", "<thought>", "<reasoning>")
    return len(start) < _LONGEST_OPEN and any(n.startswith(start.lower()) for n in names)
