"""Where in a reply the code may be: fences, marks, escaped strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_FENCE = re.compile(
    r"^(?P<lead>[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<bar>`{3,}|~{3,})(?P<info>.*)$"
)
_FENCE_AT_END = re.compile(r"(?:`{3,}|~{3,})$")
_PYTHON = re.compile(r"(?i)(?:python[\d.]*|py[\d.]*|pycon|ipython[\d]*|sage|starlark)\b")
_TAG = re.compile(r"[\w+#.-]*[ \t]*(?:\{[^}]*\}|\w+=\S*[ \t]*|:[ \t]*\S+|\S+\.py)*[ \t]*$")
_MARKS = (
    ("[BEGIN]", "[DONE]"),
    ("[PYTHON]", "[/PYTHON]"),
    ("[CODE]", "[/CODE]"),
    ("<code>", "</code>"),
    ("<python>", "</python>"),
    ("\\begin{code}", "\\end{code}"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a reply that its author set off as code.

    `python` says whether its tag names Python; a block without a tag counts as half.
    """

    text: str
    python: bool
    tagged: bool


def fenced_blocks(text: str) -> list[Block]:
    """Every fenced block in order, the unclosed last one included.

    A fence with a tag always begins a block: models forget to close the one before more often
    than they nest them.
    """
    blocks: list[Block] = []
    opened, tag, lines = "", "", list[str]()  # `opened` is the fence that began the block.
    for bar, line in _fences_and_lines(text):
        if not bar:
            lines.append(line)
        elif opened and not bar.startswith(opened):
            lines.append(bar + line)  # a shorter fence, or one of another kind, is content
        else:
            if opened:
                blocks.append(_block(lines, tag))
            opened = "" if opened and not line else bar
            tag, lines = line, []
    if opened:
        blocks.append(_block(lines, tag))
    return [block for block in blocks if block.text.strip()]


def _fences_and_lines(text: str) -> Iterator[tuple[str, str]]:
    """Each fence with its tag, and each other line with an empty fence.

    Code on the fence's own line, and a fence at the end of a line of code, count as lines apart.
    """
    for line in text.split("\n"):
        if match := _FENCE.match(line):
            tag, line = _split_info(match["info"].strip())
            yield match["bar"], tag
            if not line:
                continue
        end = _FENCE_AT_END.search(line) if line.endswith(("```", "~~~")) else None
        if end and line.count(end[0]) == 1:
            yield "", line[: end.start()]
            yield end[0], ""
        else:
            yield "", line


def _block(lines: list[str], tag: str) -> Block:
    return Block("\n".join(lines), bool(_PYTHON.match(tag)), bool(tag))


def _split_info(info: str) -> tuple[str, str]:
    """A fence's tag, and the code that begins on the fence's own line."""
    if _TAG.match(info):
        return (info.split() or [""])[0], ""
    if match := _PYTHON.match(info):
        return match[0], info[match.end() :].strip()
    return "", info


def widest_block(text: str) -> str:
    """From the first fence to the last: for code that itself has fences in its strings."""
    lines = text.split("\n")
    fences = [at for at, line in enumerate(lines) if _FENCE.match(line)]
    return "\n".join(lines[fences[0] + 1 : fences[-1]]) if len(fences) > 2 else ""


def marked_blocks(text: str) -> Iterator[str]:
    """Code between `[BEGIN]` and `[DONE]` and the like; the mark may stand in a comment."""
    for begin, end in _MARKS:
        at = text.find(begin)
        if at < 0:
            continue
        at += len(begin)
        stop = text.find(end, at)
        part = text[at : stop if stop >= 0 else len(text)]
        yield "\n".join(line for line in part.split("\n") if not _is_mark(line))


def without_fences(text: str) -> str:
    """The whole reply without its fence lines."""
    return "\n".join(line for line in text.split("\n") if not _FENCE.match(line))


def _is_mark(line: str) -> bool:
    bare = line.strip().lstrip("#").strip()
    return any(bare in pair for pair in _MARKS) or bare in ("[CODE]", "[END]", "[DONE]")


def without_prompts(text: str) -> str:
    """An interpreter's session as a file: the lines after `>>>` and `...`, without their output."""
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(line[4:] for line in lines if re.match(r"(?:>>>|\.\.\.)(?:\s|$)", line))


def without_line_numbers(text: str) -> str:
    """`12: code`, `12 | code` or `12  code` as `code`, where every line has one."""
    lines = [line for line in text.split("\n") if line.strip()]
    number = re.compile(r"^\s*(\d+)(?:[:|.)]\s?|\t|\s\|\s?|\s{1,2})(.*)$")
    found = [number.match(line) for line in lines]
    if len(lines) < 2 or not all(found):
        return text
    numbers = [int(match[1][:9]) for match in found if match]
    if any(b <= a for a, b in pairwise(numbers)):
        return text
    return "\n".join(match[2] for match in found if match)
