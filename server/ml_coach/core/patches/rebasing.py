"""A patch made for one text, moved onto another: a three-way merge by lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ml_coach.core.changes import FileChange, Patch, PatchRefused
from ml_coach.core.patches.lines import kept_lines
from ml_coach.core.patches.making import ChangedBlock, changed_blocks, make_patch
from ml_coach.core.python.compiling import LONGEST, parsed


def rebase(patch: Patch, files: Mapping[str, str]) -> Patch | PatchRefused:
    """The same change on texts that changed since, keeping what changed there.

    A part that the texts hold already is left out. Lines changed on both sides in different
    ways, or side by side, are a conflict: refused, with the text that stands there now.
    """
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    for change in patch.changes:
        current = files.get(change.file)
        if current == change.after:
            continue
        merged = _merged(change, current)
        if isinstance(merged, PatchRefused):
            return merged
        before[change.file], after[change.file] = current, merged.after
    return make_patch(before, after)


def _merged(change: FileChange, current: str | None) -> FileChange | PatchRefused:
    if current == change.before:
        return change
    file = change.file
    if current is None:
        return PatchRefused(f"{file} does not exist any more.")
    if change.before is None:
        return PatchRefused(f"{file} exists already, with another text.")
    if change.after is None:
        reason = f"{file} has changed since the patch that deletes it was made."
        return PatchRefused(reason)
    return _three_way(file, change.before, change.after, current)


def _three_way(file: str, before: str, after: str, current: str) -> FileChange | PatchRefused:
    base, ours, theirs = kept_lines(before), kept_lines(after), kept_lines(current)
    changed_there = changed_blocks(base, theirs)
    merged: list[str] = []
    at = shift = done = 0
    for number, (a, b, c, d) in enumerate(changed_blocks(base, ours), 1):
        while done < len(changed_there) and changed_there[done][1] < a:
            shift = changed_there[done][3] - changed_there[done][1]
            done += 1
        if done < len(changed_there) and changed_there[done][0] <= b:
            other = changed_there[done]
            if _same(ours, theirs, (a, b, c, d), other):
                continue
            return PatchRefused(f"Change {number} touches lines of {file} that have changed since.")
        merged += theirs[at : a + shift]
        merged += ours[c:d]
        at = b + shift
    merged += theirs[at:]
    text = "".join(merged)
    if file.endswith(".py") and not _compiles_like(text, after, current):
        reason = f"Together with what has changed in {file} it would not compile."
        return PatchRefused(reason)
    return FileChange(file, current, text)


def _same(
    ours: Sequence[str], theirs: Sequence[str], mine: ChangedBlock, other: ChangedBlock
) -> bool:
    return mine[:2] == other[:2] and ours[mine[2] : mine[3]] == theirs[other[2] : other[3]]


def _compiles_like(text: str, after: str, current: str) -> bool:
    """Whether the merged text compiles if both texts it comes from do."""
    if len(text) > LONGEST or parsed(text):
        return True
    return parsed(after) is None or parsed(current) is None
