"""The segments of one reading of a reply → the edits that it asks for, or one refusal."""

from __future__ import annotations

from dataclasses import replace

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches.edits import FileEdit
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.markers import (
    edit_hunk,
    left_out,
    read_patch_envelope,
    read_search_blocks,
)
from ml_coach.core.patches.unified import read_unified
from ml_coach.core.replies import Reply, Segment
from ml_coach.core.replies.roles import DEFINES
from ml_coach.core.sanitizer import Sanitized, sanitize

_MOST_HUNKS = 100  # No reply of the measured data has more than 3.


def edits_of(reply: Reply, *, exactly: bool) -> list[FileEdit] | PatchRefused:
    """What a reply asks for: its patches, or else its code. Tests are never the program."""
    wanted = reply.of("patch") or reply.of("program")
    named_tests = [s for s in reply.of("tests") if s.file and not reply.of("patch")]
    unclosed = [segment for segment in wanted if not segment.closed]
    if unclosed and (len(wanted) > 1 or unclosed[0].replaces is not None):
        return PatchRefused("A block of the reply has no end, so that a part of it is missing.")
    edits: list[FileEdit] = []
    for segment in wanted:
        number = sum(len(edit.hunks) for edit in edits) + 1
        if not segment.closed and not reply.answer.endswith("\n"):
            segment = replace(segment, text=segment.text.removesuffix("\n"))
        found = _of_segment(segment, number, exactly)
        if isinstance(found, PatchRefused):
            return found
        if segment.role == "patch" and _is_cut(segment, found, reply.answer):
            return PatchRefused("The last edit of the reply has no end.")
        edits += [edit for edit in found if edit not in edits]
    edits += [FileEdit("code", s.file, text=s.text) for s in named_tests]
    if not edits and not exactly:
        edits = _in_prose(reply)
    for edit in edits:
        marks = [mark for hunk in edit.hunks if (mark := left_out(hunk))]
        if marks:
            return PatchRefused(f"The new text has `{marks[0]}` in the place of lines.")
    if sum(max(1, len(edit.hunks)) for edit in edits) > _MOST_HUNKS:
        return PatchRefused(f"The reply has more than {_MOST_HUNKS} hunks or blocks.")
    return edits


def _is_cut(segment: Segment, edits: list[FileEdit], answer: str) -> bool:
    """Whether the last edit of a text whose end nothing marks shows less than it states."""
    if segment.closed and (segment.fenced or (segment.language, answer[-1:]) == ("diff", "\n")):
        return False
    if segment.language == "envelope":
        return "*** Begin Patch" in segment.text and "*** End Patch" not in segment.text
    last = edits[-1].hunks[-1] if edits and edits[-1].hunks else None
    # Context at the end may be blank lines that are not seen there.
    return bool(last) and last.lines[-1].sign != " " and len(last.new) < (last.new_count or 0)


def _of_segment(segment: Segment, number: int, exactly: bool) -> list[FileEdit] | PatchRefused:
    if segment.role == "program":
        is_python = segment.language == "python" or DEFINES.search(segment.text)
        is_file = not is_python or segment.file.endswith((".py", ".pyi"))  # or it is `Cart.total`
        file = segment.file if is_file else ""
        code = FileEdit("code", file, text=segment.text, cut=not segment.closed)
        return [code] if segment.text.strip() else []
    match segment.language:
        case "envelope":
            return read_patch_envelope(segment.text)
        case "search":
            ended = segment.fenced and segment.closed
            return read_search_blocks(segment.text, file=segment.file, ended=ended)
        case "edit":
            old = (segment.replaces or "").replace("\r\n", "\n")
            new = segment.text.replace("\r\n", "\n")
            if not old.strip():
                return [FileEdit("create", segment.file, text=new)]
            if old.endswith("\n") and new and not new.endswith("\n"):
                new += "\n"
            hunk = edit_hunk(split_lines(old), split_lines(new), number)
            return [FileEdit("update", segment.file, (hunk,))]
        case _:
            return read_unified(
                segment.text, first_number=number, file=segment.file, strict=exactly
            )


def _in_prose(reply: Reply) -> list[FileEdit]:
    """Edits in a reply that sets nothing off: a diff's bare body, or code among sentences."""
    text = "".join(s.text for s in reply.segments if not s.fenced)
    signs = {line[0] for line in split_lines(text) if line.strip()}
    if signs <= set("+- @\\\t") and signs & set("+-"):
        return read_unified(text)
    found = sanitize(reply.answer) if not reply.of("tests", "usage") else None
    return [FileEdit("code", text=found.source)] if isinstance(found, Sanitized) else []
