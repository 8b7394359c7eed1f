"""The fenced blocks of a Markdown reply."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_coach.core.patches.lines import split_lines

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_LONGEST_FENCE = 300
_FILE_NAME = re.compile(r"[\w./\\-]*\w\.\w{1,8}")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `file` is a file name on the fence or on the line above it."""

    tag: str
    text: str
    file: str = ""


def fenced_blocks(reply: str) -> list[Block]:
    """The blocks of `reply` in order; the last one may be unclosed.

    A block ends at a fence with no tag, of the same character, not shorter and not further in
    than the one that began it: a fence inside a diff's context is one column further in.
    """
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    above, file = "", ""
    body: list[str] = []
    for line in split_lines(reply):
        mark = _FENCE.match(line) if len(line) <= _LONGEST_FENCE else None
        if opening is None:
            if mark:
                opening, body = mark, []
                file = _named(mark[3].partition(" ")[2]) or _named(above)
            elif line.strip():
                above = line
        elif (
            mark
            and not mark[3].strip()
            and mark[2].startswith(opening[2])
            and (len(mark[1]) <= len(opening[1]))
        ):
            blocks.append(_block(opening, body, file))
            opening, above = None, ""
        else:
            body.append(line)
    if opening is not None:
        blocks.append(_block(opening, body, file))
    return blocks


def _block(opening: re.Match[str], body: list[str], file: str) -> Block:
    inset = len(opening[1])
    if inset and all(not line[:inset].strip() for line in body):
        body = [line[inset:] for line in body]
    tag = opening[3].strip().partition(" ")[0].lower()
    return Block(tag, "".join(f"{line}\n" for line in body), file)


def _named(line: str) -> str:
    """The file name that a line consists of, but for Markdown around it."""
    plain = line.strip().strip("#*`:\"' ").removeprefix("File: ").removeprefix("file: ").strip("`*")
    return plain if len(plain) < 200 and _FILE_NAME.fullmatch(plain) else ""
