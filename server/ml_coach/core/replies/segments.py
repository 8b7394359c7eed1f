"""What a reply consists of, once it is read."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ml_coach.core.python import syntax

Role = Literal["program", "tests", "usage", "patch", "shell", "output", "prose"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of an answer.

    `language` is the tag on the fence in lower case; of a patch it is the format (see the
    package's docstring). `file` is empty where the reply names none. `closed` is false for a block
    whose end is not in the reply. `line` is the first line in the answer, from 0, and `intro` the
    last line of prose above. `fenced` says that the author set it off as a block. `replaces` is the
    old text of an edit that consists of an old and a new one.
    """

    text: str
    role: Role
    language: str = ""
    file: str = ""
    closed: bool = True
    line: int = 0
    intro: str = ""
    fenced: bool = True
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reading of a reply. `answer` is its text without reasoning.

    `rejected` are the blocks that the reply itself speaks against, by words that may mean another
    thing: for a caller who knows what is asked for and finds it nowhere else.
    """

    answer: str
    segments: tuple[Segment, ...] = ()
    rejected: tuple[Segment, ...] = ()

    def of(self, *roles: Role) -> tuple[Segment, ...]:
        """The segments with one of `roles`."""
        return tuple(segment for segment in self.segments if segment.role in roles)


@lru_cache(maxsize=8)
def parsed(text: str) -> ast.Module | None:
    """The tree of a segment's text, None where it does not parse; for those who only read it.

    Parsing is most of the work on a reply, and several steps ask for the same few texts.
    """
    return syntax.parse(text)
