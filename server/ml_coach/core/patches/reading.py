"""A model's whole reply → one `Patch` for all files it names, or one refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from ml_coach.core.patches.choosing import Chosen, choose
from ml_coach.core.patches.definitions import NotMerged, merge_code
from ml_coach.core.patches.edits import FileEdit, Hunk
from ml_coach.core.patches.making import make_patch
from ml_coach.core.patches.markers import (
    has_patch_envelope,
    has_search_blocks,
    read_patch_envelope,
    read_search_blocks,
)
from ml_coach.core.patches.safety import path_problem
from ml_coach.core.patches.target import Effort
from ml_coach.core.patches.unified import looks_like_diff, read_unified
from ml_coach.core.python.bindings import LONGEST, parsed
from ml_coach.core.replies.fences import Block, fenced_blocks
from ml_coach.core.sanitizer import Sanitized, sanitize
from ml_coach.core.types import Patch, PatchRefused

_LONGEST_REPLY = 2_000_000
_MOST_LINES = 20_000
_MOST_HUNKS = 100
_DIFF_TAGS = frozenset({"diff", "patch", "udiff", "git"})


def read_patch(
    text: str, files: Mapping[str, str], *, default_file: str = ""
) -> Patch | PatchRefused:
    """The change that a model's raw reply asks for, against the texts in `files`.

    Understands unified diffs, good or broken, SEARCH/REPLACE blocks, `*** Begin Patch`, whole
    functions and whole files, with prose and fences around them. `default_file` is meant where
    the reply names no file, or one that does not exist. All hunks apply or none does; what can
    be read in more than one way is refused, with the hunk and the nearest text in the file.
    """
    if len(text) > _LONGEST_REPLY or text.count("\n") > _MOST_LINES:
        return PatchRefused("The reply is too long to be a patch.")
    edits = _edits(text.lstrip("\ufeff").replace("\r\n", "\n"))
    if not edits:
        return PatchRefused("The reply holds neither a diff nor code.")
    if sum(len(edit.hunks) for edit in edits) > _MOST_HUNKS:
        return PatchRefused(f"The diff has more than {_MOST_HUNKS} hunks.")
    patch = _Reading(files, default_file).patch(edits)
    if isinstance(patch, PatchRefused) and {edit.kind for edit in edits} == {"code"}:
        # Code in a worse state than a clean fence: the sanitizer knows more ways to find it.
        found = sanitize(text) if len(text) <= LONGEST else None
        if isinstance(found, Sanitized):
            edit = FileEdit("code", edits[-1].file, text=found.source)
            mended = _Reading(files, default_file).patch([edit])
            return mended if isinstance(mended, Patch) else patch
    return patch


def _edits(reply: str) -> list[FileEdit]:
    """What the reply asks for, in the one format that it is written in."""
    if has_patch_envelope(reply):
        return read_patch_envelope(reply)
    if has_search_blocks(reply):
        return read_search_blocks(reply)
    blocks = fenced_blocks(reply)
    diffs = [block for block in blocks if looks_like_diff(block.text)]
    if not diffs and looks_like_diff(reply):
        return read_unified(reply)
    diffs = diffs or [block for block in blocks if block.tag in _DIFF_TAGS]
    if not diffs and not blocks and _signed(reply):
        diffs = [Block(reply, "diff")]
    if diffs:
        edits: list[FileEdit] = []
        for block in diffs:
            number = sum(len(edit.hunks) for edit in edits) + 1
            edits += read_unified(block.text, first_number=number, file=block.file)
        return edits
    codes = blocks or [Block(reply)]
    return [FileEdit("code", block.file, text=block.text) for block in codes if block.text.strip()]


def _signed(reply: str) -> bool:
    """Whether a reply without fences or headers is a diff's bare body and not a program."""
    if not re.search(r"^[+-]", reply, re.MULTILINE):
        return False
    return len(reply) > LONGEST or parsed(reply) is None


class _Reading:
    """The texts as one reply's edits change them, one after another."""

    def __init__(self, files: Mapping[str, str], default_file: str) -> None:
        self._files = files
        self._default = default_file
        self._effort = Effort()
        self._after: dict[str, str | None] = {}

    def patch(self, edits: list[FileEdit]) -> Patch | PatchRefused:
        for edit in edits:
            for name in (edit.file, edit.alias, edit.target):
                if name and (problem := path_problem(name.removeprefix("./"))):
                    return PatchRefused(problem, name)
        refusals: list[PatchRefused] = []
        for edit in self._joined(edits):
            refused = self._take(edit)
            if refused and edit.kind == "code" and len(edits) > 1:
                refusals.append(refused)
            elif refused:
                return refused
        changed = {
            file: text for file, text in self._after.items() if text != self._files.get(file)
        }
        if not changed:
            return refusals[0] if refusals else PatchRefused("The reply changes nothing.")
        return make_patch({file: self._files.get(file) for file in changed}, changed)

    def _joined(self, edits: list[FileEdit]) -> list[FileEdit]:
        """The edits with all hunks for one file together: they refer to the same text."""
        joined: list[FileEdit] = []
        places: dict[str, int] = {}
        for edit in edits:
            edit = replace(edit, file=self._known(edit), alias="")
            place = places.get(edit.file)
            if edit.kind == "update" and place is not None:
                hunks = (*joined[place].hunks, *edit.hunks)
                joined[place] = replace(joined[place], hunks=hunks)
                continue
            if edit.kind == "update":
                places[edit.file] = len(joined)
            joined.append(edit)
        return joined

    def _known(self, edit: FileEdit) -> str:
        """The file that the edit names, by its full path or by an ending that only one file has."""
        for name in (edit.file.removeprefix("./"), edit.alias.removeprefix("./")):
            if name in self._files:
                return name
        for name in (edit.file, edit.alias):
            like = [
                file
                for file in self._files
                if name and (f"/{name}".endswith(f"/{file}") or f"/{file}".endswith(f"/{name}"))
            ]
            if len(like) == 1 and edit.kind != "create":
                return like[0]
        return edit.file.removeprefix("./")

    def _take(self, edit: FileEdit) -> PatchRefused | None:
        match edit.kind:
            case "create":
                return self._create(edit)
            case "delete":
                if edit.file not in self._files:
                    return PatchRefused(f"{edit.file} does not exist, so it can not be deleted.")
                self._after[edit.file] = None
                return None
            case "update":
                return self._update(edit)
            case "code":
                return self._code(edit)
            case _:
                assert_never(edit.kind)

    def _create(self, edit: FileEdit) -> PatchRefused | None:
        if edit.file in self._files:
            return self._code(edit)
        if not edit.file:
            return PatchRefused("A new file has no name.")
        self._after[edit.file] = edit.text
        return None

    def _candidates(self, file: str) -> list[str]:
        """The files that an edit may be for: the one it names, the default one, or any."""
        if file in self._files:
            return [file]
        if self._default in self._files:
            return [self._default]
        return list(self._files)

    def _text(self, file: str) -> str:
        """The file as the edits before this one leave it."""
        return self._after.get(file) or self._files[file]

    def _update(self, edit: FileEdit) -> PatchRefused | None:
        if not edit.hunks:
            known = edit.file in self._files
            if known and edit.target:
                return self._move(edit.file, edit.target, self._text(edit.file))
            return PatchRefused("The patch shows no change of this file.", edit.file)
        code = _only_added(edit.hunks)
        if code is not None:
            return self._insert(edit, code)
        found = {
            file: choose(file, self._text(file), edit.hunks, self._effort)
            for file in self._candidates(edit.file)
        }
        chosen = sorted(
            (result.cost, file, result.text)
            for file, result in found.items()
            if isinstance(result, Chosen)
        )
        if not chosen:
            refused = next((r for r in found.values() if isinstance(r, PatchRefused)), None)
            return refused or PatchRefused("There is no file to change.", edit.file, 1)
        if len(chosen) > 1 and chosen[0][0] == chosen[1][0]:
            both = f"{chosen[0][1]} and {chosen[1][1]}"
            return PatchRefused(f"The diff names no file and fits both {both}.", hunk=1)
        _, file, text = chosen[0]
        self._after[file] = text
        return self._move(file, edit.target, text) if edit.target else None

    def _move(self, file: str, target: str, text: str) -> PatchRefused | None:
        if target in self._files:
            return PatchRefused(f"{file} can not become {target}, which exists.", file)
        self._after[file], self._after[target] = None, text
        return None

    def _insert(self, edit: FileEdit, code: str) -> PatchRefused | None:
        """A hunk of added lines alone: a new file, or definitions for one that exists."""
        file = edit.file or self._default
        if file and file not in self._files and edit.file and len(self._candidates(file)) != 1:
            self._after[file] = code
            return None
        refused = self._code(FileEdit("code", file, text=code))
        return refused and replace(refused, hunk=edit.hunks[0].number)

    def _code(self, edit: FileEdit) -> PatchRefused | None:
        candidates = self._candidates(edit.file)
        if len(candidates) != 1:
            if edit.file and not self._files:
                self._after[edit.file] = edit.text
                return None
            return PatchRefused("The reply does not say which file its code is for.", edit.file)
        file = candidates[0]
        text = self._text(file)
        if not file.endswith((".py", ".pyi")):
            if edit.file != file:
                return PatchRefused("The reply does not say which file its text is for.", file)
            self._after[file] = edit.text
            return None
        merged = merge_code(text, edit.text)
        if isinstance(merged, NotMerged):
            return PatchRefused(f"The code in the reply {merged.reason}", file)
        self._after[file] = merged
        return None


def _only_added(hunks: tuple[Hunk, ...]) -> str | None:
    """The code in hunks that show no line of the file at all, None where any shows one."""
    lines = [line for hunk in hunks for line in hunk.lines if line.sign != "~"]
    if not lines or any(line.sign != "+" and line.text.strip() for line in lines):
        return None
    return "".join(f"{line.text}\n" for line in lines if line.sign == "+")
