"""A model's whole reply → one `Patch` for all files it names, or one refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import dedent
from typing import assert_never

from ml_coach.core import replies
from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches.alignment import Effort
from ml_coach.core.patches.asking import edits_of
from ml_coach.core.patches.choosing import Chosen, choose
from ml_coach.core.patches.edits import FileEdit, Hunk
from ml_coach.core.patches.exact import like_git, word_for_word
from ml_coach.core.patches.guard import doubled, objection, ruin
from ml_coach.core.patches.line_endings import Text
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import apply, make_patch
from ml_coach.core.patches.merging import NotMerged, merge
from ml_coach.core.patches.outline import bound, definitions, outline
from ml_coach.core.patches.safety import path_problem
from ml_coach.core.replies import Reply, Segment
from ml_coach.core.replies.roles import DEFINES, is_test_file

# A reply has thousands of characters, and one hunk or a few; what is longer by far is a runaway,
# and these keep it under two seconds (tests/unit/test_patches_properties.py).
_LONGEST_REPLY = 2_000_000
_MOST_LINES = 20_000


def read_patch(
    text: str, files: Mapping[str, str], *, default_file: str = ""
) -> Patch | PatchRefused:
    """The change that a model's raw reply asks for, against the texts in `files`.

    Understands every format that `core.replies` tells apart, with prose and fences around it.
    `default_file` is meant where the reply names no file, or one that does not exist. All of the
    reply applies or none of it; what can be read in more than one way, or would lose something
    that it does not name, is refused in a sentence that names the hunk.
    """
    if len(text) > _LONGEST_REPLY or text.count("\n") > _MOST_LINES:
        return PatchRefused("The reply is too long to be a patch.")
    found = list(replies.readings(text))
    refusals: list[PatchRefused] = []
    for exactly in (True, False):
        for reply in found:
            edits = edits_of(reply, exactly=exactly)
            if isinstance(edits, list) and edits:
                edits = _Reading(files, default_file, exactly=exactly).patch(edits)
            if isinstance(edits, Patch):
                return _beside(reply, files, edits, default_file) or edits
            if isinstance(edits, PatchRefused) and not exactly:
                refusals.append(edits)
    return refusals[0] if refusals else PatchRefused(_nothing(text))


def _beside(
    reply: Reply, files: Mapping[str, str], patch: Patch, default_file: str
) -> PatchRefused | None:
    """The refusal of a reply that has more than its patch: code beside a diff, or a block that its
    words seem to reject, which changes the files both without the patch and with it.

    What changes nothing of one of them only shows how it was or will be. A rejected block may also
    be another version of what the patch gives.
    """
    after = apply(patch, files)
    if isinstance(after, PatchRefused):
        return after
    given = {name for s in reply.of("program", "patch") for name in DEFINES.findall(s.text)}
    beside = reply.of("program") if reply.of("patch") else ()
    rejected = [s for s in reply.rejected if not given.intersection(DEFINES.findall(s.text))]
    for segment in (*beside, *rejected):
        edits = edits_of(Reply(reply.answer, (segment,)), exactly=True)
        if isinstance(edits, PatchRefused) or not _defines(segment):
            continue
        asked = [_Reading(texts, default_file, exactly=True) for texts in (files, after)]
        if edits and all(isinstance(reading.patch(edits), Patch) for reading in asked):
            why = f": `{segment.intro[:80]}`" if segment.intro else ""
            return PatchRefused(f"The reply has a block that its change leaves out{why}.")
    return None


def _defines(segment: Segment) -> bool:
    return segment.role == "patch" or bool(DEFINES.search(segment.text))


def _nothing(text: str) -> str:
    reply = replies.read(text)
    if not reply.answer.strip():
        return "The reply has no answer, only the reasoning before it."
    if reply.of("tests", "usage"):
        return "The reply holds only tests or examples, and no change of the program."
    return "The reply holds neither a diff nor code."


class _Reading:
    """The texts as one reply's edits change them, one after another."""

    def __init__(self, files: Mapping[str, str], default_file: str, *, exactly: bool) -> None:
        self._files = files
        self._default = default_file
        self._exactly = exactly
        self._effort = Effort()
        self._after: dict[str, str | None] = {}

    def patch(self, edits: Sequence[FileEdit]) -> Patch | PatchRefused:
        for edit in edits:
            # What stands for a file of the run stays inside, however its folders are written.
            is_known = self._known(edit) in self._files
            for name in (edit.target,) if is_known else (edit.file, edit.alias, edit.target):
                if name and (problem := path_problem(name.removeprefix("./"))):
                    return PatchRefused(problem)
        joined = self._joined(edits)
        if isinstance(joined, PatchRefused):
            return joined
        for edit in joined:
            if refused := self._take(edit):
                return refused
        changed = {
            file: text for file, text in self._after.items() if text != self._files.get(file)
        }
        if not changed:
            return PatchRefused("The reply changes nothing: the file reads so already.")
        return make_patch({file: self._files.get(file) for file in changed}, changed)

    def _joined(self, edits: Sequence[FileEdit]) -> list[FileEdit] | PatchRefused:
        """The edits with all hunks, and all code, for one file together."""
        known = [e for e in edits if e.kind != "code" or not self._is_strange_test(e.file)]
        joined: list[FileEdit] = []
        places: dict[tuple[str, str, bool], int] = {}
        for edit in known or edits:
            edit = replace(edit, file=self._known(edit), alias="")
            key = (edit.file, edit.kind, edit.like_git)
            place = places.get(key)
            if edit.kind == "update" and place is not None:
                hunks = (
                    *joined[place].hunks,
                    *(h for h in edit.hunks if h not in joined[place].hunks),
                )
                joined[place] = replace(joined[place], hunks=hunks)
            elif edit.kind == "code" and place is not None:
                text = _together(joined[place].text, edit.text)
                if isinstance(text, PatchRefused):
                    return text
                joined[place] = replace(joined[place], text=text)
            else:
                places[key] = len(joined)
                joined.append(edit)
        return joined

    def _known(self, edit: FileEdit) -> str:
        """The file that the edit names: by its full path, by an ending that only one file has, or
        as the default file, where the reply's code is for that one under another name."""
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
        if edit.kind == "code" and (not edit.file or self._is_renamed(edit)):
            return self._owner(edit) or edit.file
        return edit.file.removeprefix("./")

    def _is_strange_test(self, file: str) -> bool:
        return is_test_file(file) and file not in self._files

    def _only_file(self) -> str:
        if self._default in self._files:
            return self._default
        return next(iter(self._files)) if len(self._files) == 1 else ""

    def _owner(self, edit: FileEdit) -> str:
        """The file that code without a name is for: the default one, unless others alone define
        what it redefines; empty where there are several."""
        file = self._only_file()
        if not file or self._redefines(edit, file):
            return file
        others = [other for other in self._files if self._redefines(edit, other)]
        return file if not others else others[0] if len(others) == 1 else ""

    def _is_renamed(self, edit: FileEdit) -> bool:
        """Whether code that is named for an unknown file redefines what the default file has."""
        file = self._only_file()
        return bool(file) and not is_test_file(edit.file) and self._redefines(edit, file)

    def _redefines(self, edit: FileEdit, file: str) -> bool:
        given = {name for name, _ in definitions(outline(split_lines(dedent(edit.text))))}
        given.add(edit.file)  # `Cart.total` may look like a file.
        own = {name for name, _ in definitions(outline(split_lines(self._files[file])))}
        return bool(given & own)

    def _take(self, edit: FileEdit) -> PatchRefused | None:
        match edit.kind:
            case "create":
                return self._create(edit)
            case "delete":
                return self._delete(edit)
            case "update":
                return self._update(edit)
            case "code":
                return self._code(edit)
            case _:
                assert_never(edit.kind)

    def _create(self, edit: FileEdit) -> PatchRefused | None:
        if not edit.file:
            return PatchRefused("A new file has no name.")
        if edit.file not in self._files or not self._files[edit.file].strip():
            self._after[edit.file] = edit.text
            return None
        if edit.hunks:
            return PatchRefused(f"{edit.file} exists already, so that it cannot be created.")
        return self._code(edit)

    def _delete(self, edit: FileEdit) -> PatchRefused | None:
        text = self._files.get(edit.file)
        if text is None:
            return PatchRefused(f"{edit.file} does not exist, so it cannot be deleted.")
        removed = [line.text for hunk in edit.hunks for line in hunk.lines]
        if removed and removed != split_lines(text):
            return PatchRefused(f"The diff that deletes {edit.file} does not show its text.")
        self._after[edit.file] = None
        return None

    def _candidates(self, file: str) -> list[str]:
        """The files that an edit may be for: the one it names, the default one, or any."""
        if file in self._files:
            return [file]
        if is_test_file(file):
            return []
        only = self._only_file()
        return [only] if only else list(self._files)

    def _text(self, file: str) -> str:
        """The file as the edits before this one leave it."""
        return self._after.get(file) or self._files[file]

    def _update(self, edit: FileEdit) -> PatchRefused | None:
        if not edit.hunks:
            if edit.file in self._files and edit.target:
                return self._move(edit.file, edit.target, self._text(edit.file))
            return PatchRefused("The patch shows no change of this file.")
        found = {file: self._placed(file, edit) for file in self._candidates(edit.file)}
        chosen = sorted(
            (result[1], file, result[0])
            for file, result in found.items()
            if not isinstance(result, PatchRefused)
        )
        if not chosen:
            refused = next((r for r in found.values() if isinstance(r, PatchRefused)), None)
            reason = f"There is no file {edit.file} to change." if edit.file else "No file fits."
            return refused or PatchRefused(reason)
        if len(chosen) > 1 and chosen[0][0] == chosen[1][0]:
            both = f"{chosen[0][1]} and {chosen[1][1]}"
            return PatchRefused(f"The diff names no file and fits both {both}.")
        _, file, text = chosen[0]
        self._after[file] = text
        return self._move(file, edit.target, text) if edit.target else None

    def _placed(self, file: str, edit: FileEdit) -> tuple[str, float] | PatchRefused:
        """The text of `file` after the hunks, with the cost of their places."""
        before = self._text(file)
        refused = PatchRefused(f"The hunks stand nowhere in {file} word for word.")
        text = Text.of(before)
        if not self._exactly:
            chosen = choose(file, text.lines, edit.hunks, self._effort)
            if not isinstance(chosen, Chosen):
                return chosen
            return text.with_lines(chosen.lines), chosen.cost
        exact = like_git(before, edit.hunks) if edit.like_git else None
        if exact is not None and not ruin(file, before, exact):
            return exact, 0.0
        hunks = [_bare(hunk) for hunk in edit.hunks]
        lines = word_for_word(
            text.lines, hunks, lambda lines: not ruin(file, before, text.with_lines(lines))
        )
        if lines is None:
            return refused
        after = text.with_lines(lines)
        readings = [reading for hunk in hunks for reading in (hunk, *hunk.others)]
        removed = [line.text for h in readings for line in h.lines if line.sign == "-"]
        problem = objection(file, before, after, "\n".join(removed))
        if double := "" if problem else doubled(text.lines, lines):
            problem = f"adds `{double}`, which the file has there already."
        return PatchRefused(f"The edit {problem}") if problem else (after, 0.0)

    def _move(self, file: str, target: str, text: str) -> PatchRefused | None:
        if target in self._files:
            return PatchRefused(f"{file} cannot become {target}, which exists.")
        self._after[file], self._after[target] = None, text
        return None

    def _code(self, edit: FileEdit) -> PatchRefused | None:
        file = edit.file
        if not file:
            return PatchRefused("The reply does not say which file its code is for.")
        if file not in self._files:
            if is_test_file(file) and self._files:
                return PatchRefused(
                    f"The reply's code is for {file}, which is not a file of this run."
                )
            self._after[file] = edit.text
            return None
        before = self._text(file)
        if not file.endswith((".py", ".pyi")):
            self._after[file] = edit.text
            return None
        text = Text.of(before)
        code = edit.text.replace("\r\n", "\n").removeprefix("\ufeff")
        merged = merge(text.lines, code)
        if isinstance(merged, NotMerged):
            return PatchRefused(f"The code in the reply {merged.reason}")
        after = text.with_lines(merged.lines)
        last = edit.text.rpartition("\n")[2].rstrip()
        if edit.cut and any(x.startswith(last) and x != last for x in text.lines if last):
            return PatchRefused(f"The code in the reply ends within `{last.strip()}`.")
        problem = objection(file, before, after, merged.removed, code=True, cut=edit.cut)
        if problem:
            return PatchRefused(f"The code in the reply {problem}")
        self._after[file] = after
        return None


def _bare(hunk: Hunk) -> Hunk:
    """The hunk without carriage returns: the file's own line ends are kept."""
    lines = tuple(replace(line, text=line.text.removesuffix("\r")) for line in hunk.lines)
    return replace(hunk, lines=lines)


def _together(one: str, other: str) -> str | PatchRefused:
    """Two pieces of code for one file as one; refused where they define a name differently."""
    bodies: dict[str, str] = {}
    one, other = dedent(one), dedent(other)
    for text in (one, other):
        lines = split_lines(text)
        for name, node in definitions(outline(lines)):
            body = "\n".join(line.strip() for line in lines[node.first : node.last] if line.strip())
            if bodies.setdefault(name, body) != body:
                return PatchRefused(f"The reply shows {name} twice, in different ways.")
    first, second = (set(bound(outline(split_lines(text)))) for text in (one, other))
    if second <= first or first < second:
        return one if second <= first else other
    return one.rstrip() + "\n\n\n" + other
