"""What a reply asks for, before anything is known about where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sign = Literal[" ", "-", "+", "~"]
"""Kept, removed, added; `~` stands for any lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk. `raw` is the line as it stood in the reply, sign and all.

    `unsigned` marks a line that began with no sign, so it may be context or stray prose;
    `unended` one that a `\\ No newline` mark follows.
    """

    sign: Sign
    text: str
    raw: str = ""
    unsigned: bool = False
    unended: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place to change. `number` counts from 1 through the whole reply.

    What the header states, None where it does not: `start`, the first line, from 1; `old_count`
    and `new_count`; `new_start`, the first line of the new text. `headings` are the texts after
    `@@`: lines of the file above the place, the outer one first. `at_end` says that the place is
    the end of the file. `others` are further readings of the same part of a reply. A hunk that is
    not `like_diff` may begin within a line.
    """

    lines: tuple[Line, ...]
    number: int = 1
    start: int | None = None
    old_count: int | None = None
    new_count: int | None = None
    headings: tuple[str, ...] = ()
    at_end: bool = False
    others: tuple[Hunk, ...] = ()
    new_start: int | None = None
    like_diff: bool = False

    @property
    def old(self) -> list[str]:
        """The lines that the file has before the edit."""
        return [line.text for line in self.lines if line.sign != "+"]

    @property
    def new(self) -> list[str]:
        """The lines that the file has after it."""
        return [line.text for line in self.lines if line.sign not in "-~"]

    @property
    def heading(self) -> str:
        return self.headings[-1] if self.headings else ""


@dataclass(frozen=True, slots=True)
class FileEdit:
    """What a reply asks of one file. `file` is empty where the reply names none.

    `update` has hunks, `code` has whole functions or a whole file in `text`, `create` has the
    new file's `text`. `alias` is a second name that the reply gives the same file; `target` is
    the new name of a file that moves. `like_git` says that hunks are placed as `git apply` does,
    `cut` that the end of the code may be missing.
    """

    kind: Literal["update", "code", "create", "delete"]
    file: str = ""
    hunks: tuple[Hunk, ...] = ()
    text: str = ""
    alias: str = ""
    target: str = ""
    like_git: bool = False
    cut: bool = False
