"""Formats with their own markers → edits: SEARCH/REPLACE, `*** Begin Patch`, old and new texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches.edits import FileEdit, Hunk, Line
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.unified import is_elision, read_hunk
from ml_coach.core.replies.fences import file_named
from ml_coach.core.replies.roles import DIVIDER, SEARCH
from ml_coach.core.sanitizer.elisions import elision

_BASE = re.compile(r"^ {0,3}\|{5,9}(?!\|)[^\n]{0,80}$")
_REPLACE = re.compile(r"^ {0,3}(?:>{5,9}(?!>)[ \t]*(\w*)|[>+]{3,9} ?(REPLACE)\b)[^\n]{0,80}$")
_ROO_LINE = re.compile(r"^:(start_line|end_line):[ \t]*(\d+)[ \t]*$")
_FILE_OF_ENVELOPE = r"^\*\*\* (Update|Add|Delete|Move|Rename) File: (.*)$"


def read_search_blocks(
    text: str, *, file: str = "", ended: bool = False
) -> list[FileEdit] | PatchRefused:
    """Edits of SEARCH/REPLACE blocks. A block without a file name is for the one before it.

    `ended` says that the end of `text` is known to be the end of the last block.
    """
    edits: list[FileEdit] = []
    lines = split_lines(text)
    above, at = "", 0
    while at < len(lines):
        opening = SEARCH.match(lines[at])
        if opening is None:
            if lines[at].strip() and not lines[at].lstrip().startswith(("```", "~~~")):
                above = lines[at]
            at += 1
            continue
        file = file_named(above.strip().rsplit(" ", 1)[-1]) or file_named(above) or file
        end = _end_of(lines, at, (opening[1] or opening[2] or "").upper() == "SEARCH")
        body = lines[at + 1 : end]
        if end == len(lines):
            last = next((line for line in reversed(body) if line.strip()), "")
            if not ended and last.strip("`~ \t"):
                return PatchRefused("The last SEARCH block of the reply has no end.")
            while body and not body[-1].strip("`~ \t"):
                body.pop()
        found = _blocks(file, body, len(edits) + 1)
        if not found:
            return PatchRefused("A SEARCH block of the reply has no `=======` line.")
        edits += found
        above, at = "", end + 1
    return edits


def _end_of(lines: Sequence[str], at: int, named: bool) -> int:
    """The line that ends the block which begins at `at`: by its name, where it begins by one."""
    ends: list[int] = []
    for number in range(at + 1, len(lines)):
        begin = SEARCH.match(lines[number]) if named else None
        if begin and (begin[1] or begin[2] or "").upper() == "SEARCH":
            break
        if end := _REPLACE.match(lines[number]):
            if (end[1] or end[2] or "").upper() == "REPLACE" or not named:
                return number
            ends.append(number)
    return ends[0] if ends else len(lines)


def _blocks(file: str, body: list[str], number: int) -> list[FileEdit]:
    """The edit of one block; where its text has the divider too, every way to divide it."""
    dividers = [at for at, line in enumerate(body) if DIVIDER.match(line)]
    longest = max((len(body[at].strip()) for at in dividers), default=0)
    dividers = [at for at in dividers if len(body[at].strip()) == longest]
    base = next((at for at, line in enumerate(body) if _BASE.match(line)), None)
    readings: list[tuple[list[str], list[str], int | None]] = []
    for at in dividers:
        ends = base if base is not None and base < at else at
        search, start = _without_place(body[:ends])
        readings.append((search, _without_place(body[at + 1 :])[0], start))
    if len(readings) == 1 and not any(line.strip() for line in readings[0][0]):
        return [FileEdit("code", file, text="".join(f"{line}\n" for line in readings[0][1]))]
    hunks = [edit_hunk(old, new, number, start) for old, new, start in readings]
    if not hunks:
        return []
    return [FileEdit("update", file, (replace(hunks[0], others=tuple(hunks[1:])),))]


def _without_place(lines: list[str]) -> tuple[list[str], int | None]:
    """The lines without the line number that Roo's blocks begin with."""
    start: int | None = None
    at = 0
    while at < len(lines) and (match := _ROO_LINE.match(lines[at])):
        start = int(match[2]) if match[1] == "start_line" else start
        at += 1
    if at and at < len(lines) and re.fullmatch(r"-{5,9}[ \t]*", lines[at]):
        at += 1
    return lines[at:], start


def edit_hunk(
    old: Sequence[str], new: Sequence[str], number: int, start: int | None = None
) -> Hunk:
    """The hunk that puts the lines `new` in the place of `old`."""
    lines: list[Line] = []
    at = 0
    for a, b, c, d in changed_blocks(old, new):
        lines += [_kept(line) for line in old[at:a]]
        # An elision on one side only says nothing about what it leaves out on the other.
        lines += [_kept(line) if _elided(line, new) else Line("-", line) for line in old[a:b]]
        lines += [Line("+", line) for line in new[c:d] if not _elided(line, old)]
        at = b
    lines += [_kept(line) for line in old[at:]]
    return Hunk(tuple(lines), number, start)


def left_out(hunk: Hunk) -> str:
    """The mark in a new text that stands for lines of the old one; empty where there is none."""
    removed = [line.text.strip() for line in hunk.lines if line.sign == "-" and line.text.strip()]
    added = [line.text for line in hunk.lines if line.sign == "+"]
    if hunk.like_diff or not removed:
        return ""
    marks = [line.strip() for line in added if is_elision(line) and line.strip() not in removed]
    marks = [mark for mark in marks if not mark.startswith((".", "…")) or len(removed) > 1]
    return marks[0] if marks else elision("\n".join(added))


def _elided(line: str, others: Sequence[str]) -> bool:
    return is_elision(line) and len(others) > 0 and any(is_elision(other) for other in others)


def _kept(line: str) -> Line:
    return Line("~" if is_elision(line) else " ", line)


def read_patch_envelope(text: str) -> list[FileEdit]:
    """Edits of the `*** Begin Patch` format (OpenAI's apply_patch)."""
    edits: list[FileEdit] = []
    number = 1
    parts = re.split(_FILE_OF_ENVELOPE, text, flags=re.MULTILINE)[1:]
    for action, name, rest in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        body = re.split(r"^\*\*\* End Patch|^`{3,}\s*$", rest, maxsplit=1, flags=re.MULTILINE)[0]
        lines = split_lines(body.removeprefix("\n"))
        file, _, target = (part.strip() for part in name.partition(" -> "))
        if action == "Delete":
            edits.append(FileEdit("delete", file))
        elif action == "Add":
            plus = all(line.startswith("+") for line in lines if line)
            added = [line[1:] if plus else line for line in lines]
            edits.append(FileEdit("create", file, text="".join(f"{x}\n" for x in added)))
        else:
            moved, hunks = _envelope_hunks(lines, number)
            number += len(hunks)
            edits.append(FileEdit("update", file, tuple(hunks), target=target or moved))
    return edits


def _envelope_hunks(lines: list[str], number: int) -> tuple[str, list[Hunk]]:
    target, at_end = "", False
    headings: list[str] = []
    hunks: list[Hunk] = []
    body: list[str] = []

    def close() -> None:
        nonlocal body, headings, at_end
        if any(line.strip() for line in body):
            header = Hunk(
                (), number + len(hunks), headings=tuple(headings), at_end=at_end, like_diff=True
            )
            hunks.append(read_hunk(body, header, strict=True))
            headings = []
        body, at_end = [], False

    for line in lines:
        if line.startswith(("*** Move to: ", "*** Move File to: ")):
            target = line.partition(": ")[2].strip()
        elif line.startswith("@@"):
            close()
            numbers = re.sub(r"-\d+(,\d+)? \+\d+(,\d+)?", "", line)
            headings += [part.strip() for part in numbers.split("@@") if part.strip()]
        elif line.startswith("*** End of File"):
            at_end = True
        else:
            body.append(line)
    close()
    return target, hunks
