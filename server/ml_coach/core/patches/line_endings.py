"""A text as lines without their ends, and how changed lines get them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Text:
    """The bare `lines` of a file, each with its own end in `ends`, and its byte order mark."""

    lines: list[str]
    ends: list[str]
    mark: str

    @classmethod
    def of(cls, text: str) -> Text:
        mark = _MARK if text.startswith(_MARK) else ""
        lines = split_lines(text[len(mark) :])
        ends = ["\r\n" if line.endswith("\r") else "\n" for line in lines]
        if lines and not text.endswith("\n"):
            ends[-1] = "\r" if lines[-1].endswith("\r") else ""
        bare = [line[:-1] if line.endswith("\r") else line for line in lines]
        return cls(bare, ends, mark)

    def with_lines(self, lines: Sequence[str]) -> str:
        """The text with other lines. A line that stays keeps its end; a new one gets that of the
        line which it replaces, or which stands above it. The last line has an end if it had one."""
        ends: list[str] = []
        at = 0
        for a, b, c, d in [
            *changed_blocks(self.lines, lines),
            (len(self.lines),) * 2 + (len(lines),) * 2,
        ]:
            ends += self.ends[at:a]
            for index in range(d - c):
                own = min(a + index, b - 1) if b > a else a - 1
                ends.append(self._end(own) or self._end(0))
            at = b
        ends = [end or self._end(0) for end in ends]
        if ends and self.ends[-1:] == [""]:
            ends[-1] = ""
        return self.mark + "".join(map("".join, zip(lines, ends, strict=True)))

    def _end(self, at: int) -> str:
        return (self.ends[max(0, at)] or self.ends[0]) if self.ends and self.ends[0] else "\n"
