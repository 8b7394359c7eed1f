"""Formats with their own markers → edits: SEARCH/REPLACE blocks and `*** Begin Patch`."""

from __future__ import annotations

import re

from ml_coach.core.patches.edits import FileEdit, Hunk, Line
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.unified import is_elision, read_hunk

# Models vary the words after the markers: SEARCH, ORIGINAL, HEAD, REPLACE, UPDATED or nothing.
_SEARCH = re.compile(r"^ {0,3}<{5,9}(?!<).{0,80}$")
_DIVIDER = re.compile(r"^ {0,3}={5,9} {0,9}$")
_REPLACE = re.compile(r"^ {0,3}>{5,9}(?!>).{0,80}$")
_FILE_NAME = re.compile(r"[^\s`*\"'<>|]{0,200}\.\w{1,8}")
_BEGIN = re.compile(r"^\*\*\* (?:Begin Patch|(?:Update|Add|Delete) File: )", re.MULTILINE)


def has_search_blocks(text: str) -> bool:
    lines = split_lines(text)
    return any(map(_SEARCH.match, lines)) and any(map(_DIVIDER.match, lines))


def has_patch_envelope(text: str) -> bool:
    return bool(_BEGIN.search(text))


def read_search_blocks(text: str) -> list[FileEdit]:
    """Edits of SEARCH/REPLACE blocks. A block without a file name is for the one before it."""
    edits: list[FileEdit] = []
    part = ""
    file, above = "", ""
    search: list[str] = []
    replacement: list[str] = []
    for line in split_lines(text):
        if not part and _SEARCH.match(line):
            part, search, replacement = "search", [], []
            file = _named(above) or file
        elif part == "search" and _DIVIDER.match(line):
            part = "replace"
        elif part == "replace" and _REPLACE.match(line):
            edits.append(_block(file, search, replacement, len(edits) + 1))
            part, above = "", ""
        elif part == "search":
            search.append(line)
        elif part == "replace":
            replacement.append(line)
        elif line.strip() and not line.lstrip().startswith(("```", "~~~")):
            above = line
    if part == "replace":
        while replacement and not replacement[-1].strip("`~ \t"):
            replacement.pop()
        edits.append(_block(file, search, replacement, len(edits) + 1))
    return edits


def _named(line: str) -> str:
    words = line.strip().strip("#*`:\"' ").rsplit(" ", 1)
    name = words[-1].strip("`*\"'")
    return name if _FILE_NAME.fullmatch(name) else ""


def _block(file: str, search: list[str], replacement: list[str], number: int) -> FileEdit:
    if not any(line.strip() for line in search):
        return FileEdit("code", file, text="".join(f"{line}\n" for line in replacement))
    lines: list[Line] = []
    at = 0
    for a, b, c, d in changed_blocks(search, replacement):
        lines += [_kept(line) for line in search[at:a]]
        # An elision on one side only says nothing about what it leaves out on the other.
        lines += [_kept(line) if is_elision(line) else Line("-", line) for line in search[a:b]]
        lines += [Line("+", line) for line in replacement[c:d] if not is_elision(line)]
        at = b
    lines += [_kept(line) for line in search[at:]]
    return FileEdit("update", file, (Hunk(tuple(lines), number),))


def _kept(line: str) -> Line:
    return Line("~" if is_elision(line) else " ", line)


def read_patch_envelope(text: str) -> list[FileEdit]:
    """Edits of the `*** Begin Patch` format (OpenAI's apply_patch)."""
    edits: list[FileEdit] = []
    number = 1
    for part in re.split(r"^(?=\*\*\* (?:Update|Add|Delete) File: )", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        action, _, file = head.removeprefix("*** ").partition(" File: ")
        body = re.split(r"^\*\*\* End Patch|^`{3,}\s*$", body, maxsplit=1, flags=re.MULTILINE)[0]
        lines = split_lines(body)
        if action == "Delete":
            edits.append(FileEdit("delete", file.strip()))
        elif action == "Add":
            added = [line.removeprefix("+") for line in lines if line.startswith("+") or line]
            edits.append(FileEdit("create", file.strip(), text="".join(f"{x}\n" for x in added)))
        else:
            target, hunks = _envelope_hunks(lines, number)
            number += len(hunks)
            edits.append(FileEdit("update", file.strip(), tuple(hunks), target=target))
    return edits


def _envelope_hunks(lines: list[str], number: int) -> tuple[str, list[Hunk]]:
    target, heading = "", ""
    hunks: list[Hunk] = []
    body: list[str] = []

    def close() -> None:
        nonlocal body
        if any(line.strip() for line in body):
            hunks.append(read_hunk(body, Hunk((), number + len(hunks), heading=heading)))
        body = []

    for line in lines:
        if line.startswith("*** Move to: "):
            target = line.removeprefix("*** Move to: ").strip()
        elif line.startswith("@@"):
            close()
            heading = line.strip("@ ").strip()
        elif not line.startswith("*** End of File"):
            body.append(line)
    close()
    return target, hunks
