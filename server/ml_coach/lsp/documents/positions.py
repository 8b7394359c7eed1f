"""Text and the protocol's positions. Columns are counted as the client chose (UTF-8, 16 or 32)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol import types as lsp
from pygls.workspace import PositionCodec

from ml_coach.core.patches.making import changed_blocks

# Exactly the protocol's line ends. `str.splitlines` also splits at form feeds and others, which
# would put every later line one off.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class Text:
    """A document's text with its lines, each with its end, and the client's way of counting."""

    lines: tuple[str, ...]
    codec: PositionCodec

    @classmethod
    def of(cls, text: str, codec: PositionCodec) -> Text:
        """`text` taken apart into its lines."""
        return cls(tuple(split(text)), codec)

    def line(self, index: int) -> str:
        """The line without its end, empty where there is none. `index` counts from 0."""
        return self.lines[index].rstrip("\r\n") if 0 <= index < len(self.lines) else ""

    def units(self, text: str) -> int:
        """How many columns `text` takes in the client's counting."""
        return self.codec.client_num_units(text)

    def start_of(self, index: int) -> lsp.Position:
        """Where line `index` begins; after the last line it is the end of the text."""
        if index < len(self.lines):
            return lsp.Position(index, 0)
        if self.lines and not self.lines[-1].endswith(("\n", "\r")):
            return lsp.Position(len(self.lines) - 1, self.units(self.lines[-1]))
        return lsp.Position(len(self.lines), 0)

    def whole(self) -> lsp.Range:
        """The range of the whole text."""
        return lsp.Range(lsp.Position(0, 0), self.start_of(len(self.lines)))

    def stretch(self, first: int, last: int) -> lsp.Range:
        """The range of the lines `first` to `last`, without indentation and line end."""
        line, end = self.line(first), self.line(last)
        indent = len(line) - len(line.lstrip())
        return lsp.Range(
            lsp.Position(first, self.units(line[:indent])),
            lsp.Position(last, self.units(end.rstrip())),
        )

    def between(self, selection: lsp.Range) -> str:
        """The text in `selection`, which is in the client's units."""
        start, end = self._offset(selection.start), self._offset(selection.end)
        return "".join(self.lines)[start:end]

    def _offset(self, position: lsp.Position) -> int:
        before = sum(len(line) for line in self.lines[: position.line])
        line, column = self.line(position.line), 0
        while column < len(line) and self.units(line[:column]) < position.character:
            column += 1
        return before + column


def split(text: str) -> list[str]:
    """The lines of `text` as the protocol counts them, each with its end."""
    return _LINE.findall(text)


def edits_between(before: str, after: str, codec: PositionCodec) -> list[lsp.TextEdit]:
    """The fewest whole lines to replace so that `before` reads `after`."""
    old, new = Text.of(before, codec), split(after)
    return [
        lsp.TextEdit(lsp.Range(old.start_of(a), old.start_of(b)), "".join(new[c:d]))
        for a, b, c, d in changed_blocks(old.lines, new)
    ]


def overlaps(one: lsp.Range, other: lsp.Range) -> bool:
    """Whether two ranges share a line."""
    return one.start.line <= other.end.line and other.start.line <= one.end.line
