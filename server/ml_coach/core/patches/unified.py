"""Unified diffs as tools and models write them → edits. Nothing is looked up in the files here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from ml_coach.core.patches.edits import FileEdit, Hunk, Line, Sign
from ml_coach.core.patches.lines import split_lines

_HUNK = re.compile(
    r"^@@+[ \t]*(?:-(\d{1,9})(?:,(\d{1,9}))?[ \t]+\+(\d{1,9})(?:,(\d{1,9}))?)?[ \t]*(?:@@+)?(.*)$"
)
_NO_HEADING = re.compile(r"^[\s.,?@+\-\d…XxNn]*$")
_GIT = re.compile(r'^diff --git "?(?:a/)?(.+?)"? "?b/(.+?)"?$')
_EXTENDED = re.compile(
    r"^(index [0-9a-fA-F]+\.\.|new file mode|deleted file mode|old mode|new mode|similarity index"
    r"|dissimilarity index|rename from |rename to |copy from |copy to |Binary files )"
)
_ELISION = re.compile(r"(?:#|//)?[ \t]?(?:\.{3}|…)(?:[^\"'()\[\]]*(?:\.{3}|…))?")
_LONGEST_MARK = 120  # A longer line with dots at its ends is a sentence.
_NUMBERED = re.compile(r"^([ +-]?)\s*L?\d{1,6}(?:\s*[|│:→]|\t)(.*)$", re.DOTALL)
_WORDS = re.compile(r"\[-(.*?)-\]|\{\+(.*?)\+\}")
_SIGNED = ("+", "-", " ", "\\")


def is_elision(line: str) -> bool:
    """Whether the line stands for lines left out: `...`, `# ...`, `# ... existing code ...`."""
    plain = line.strip()
    return len(plain) <= _LONGEST_MARK and bool(_ELISION.fullmatch(plain))


def read_unified(
    text: str, *, first_number: int = 1, file: str = "", strict: bool = False
) -> list[FileEdit]:
    """The edits in a unified diff with or without headers, counts and signs.

    `file` is used until a header names another one. A `strict` reading trusts the counts, so that
    lines which look like headers are content, and takes no line for anything but its text.
    """
    reader = _Reader(first_number, file, strict)
    lines = split_lines(text)
    headed = any(line.startswith(("@@", "diff --git ", "--- ", "+++ ")) for line in lines)
    if not headed:
        reader.open_hunk(None)
    for index, line in enumerate(lines):
        reader.take(line, lines[index + 1] if index + 1 < len(lines) else "")
    reader.close_file()
    return reader.edits


@dataclass(slots=True)
class _Reader:
    number: int
    file: str
    strict: bool
    edits: list[FileEdit] = field(default_factory=list[FileEdit])
    alias: str = ""
    target: str = ""
    kind: Literal["update", "create", "delete"] = "update"
    hunks: list[Hunk] = field(default_factory=list[Hunk])
    header: Hunk | None = None
    lines: list[str] = field(default_factory=list[str])
    old_left: int = 0
    new_left: int = 0

    def take(self, line: str, following: str) -> None:
        if self.header is not None and self.strict and (self.old_left > 0 or self.new_left > 0):
            self.count(line)
        elif git := _GIT.match(line):
            self.close_file()
            self.alias, self.file = git[1], git[2]
        elif line.startswith("--- ") and (following.startswith("+++ ") or self.header is None):
            if self.hunks or self.header:
                self.close_file()
            self.name(line[4:], old=True)
        elif line.startswith("+++ ") and self.header is None:
            self.name(line[4:], old=False)
            self.open_hunk(None)
        elif line.startswith("@@"):
            self.open_hunk(_HUNK.match(line))
        elif self.header is not None:
            self.lines.append(line)
        elif _EXTENDED.match(line):
            self.extended(line)

    def count(self, line: str) -> None:
        self.lines.append(line)
        self.old_left -= not line.startswith(("+", "\\"))
        self.new_left -= not line.startswith(("-", "\\"))

    def extended(self, line: str) -> None:
        if line.startswith("new file mode"):
            self.kind = "create"
        elif line.startswith("deleted file mode"):
            self.kind = "delete"
        elif line.startswith("rename to "):
            self.target = line.removeprefix("rename to ").strip()
        elif line.startswith("rename from "):
            self.alias = self.file = line.removeprefix("rename from ").strip()

    def name(self, text: str, *, old: bool) -> None:
        name = text.split("\t")[0].strip().strip('"').replace("\\", "/")
        if name == "/dev/null":
            self.kind = "create" if old else "delete"
            return
        name = re.sub(r"^[ab]/", "", name)
        if old:
            self.alias = name
            self.file = self.file if self.target else name
        elif not self.target:
            self.file = name

    def open_hunk(self, match: re.Match[str] | None) -> None:
        self.close_hunk()
        start, old, begin, new = match.groups()[:4] if match else (None,) * 4
        heading = match[5].strip().removesuffix("@@").strip() if match else ""
        self.header = Hunk(
            (),
            self.number,
            int(start) if start else None,
            (int(old) if old else 1) if start else None,
            (int(new) if new else 1) if start else None,
            () if _NO_HEADING.match(heading) else (heading,),
            new_start=int(begin) if begin else None,
            like_diff=True,
        )
        self.old_left, self.new_left = self.header.old_count or 0, self.header.new_count or 0

    def close_hunk(self) -> None:
        if self.header is not None and any(line.strip() for line in self.lines):
            self.hunks.append(read_hunk(self.lines, self.header, strict=self.strict))
            self.number += 1
        self.header, self.lines = None, []

    def close_file(self) -> None:
        self.close_hunk()
        hunks = tuple(self.hunks)
        if self.kind == "create":
            text = "".join(f"{x.text}\n" for h in hunks for x in h.lines if x.sign != "-")
            if any(x.unended and x.sign == "+" for h in hunks for x in h.lines):
                text = text.removesuffix("\n")
            self.edits.append(FileEdit("create", self.file, hunks, text=text))
        elif self.kind == "delete":
            self.edits.append(FileEdit("delete", self.alias or self.file, hunks))
        elif hunks or self.target:
            like_git = self.strict and all(h.start is not None for h in hunks)
            edit = FileEdit("update", self.file, hunks, "", self.alias, self.target, like_git)
            self.edits.append(edit)
        self.hunks, self.kind, self.target, self.alias = [], "update", "", ""


def read_hunk(raw_lines: list[str], header: Hunk, *, strict: bool = False) -> Hunk:
    """The hunk whose body is `raw_lines`, with signs, elisions and line numbers understood."""
    raw_lines = _body(raw_lines, header, strict=strict)
    first = 0 if strict else next((at for at, raw in enumerate(raw_lines) if raw), 0)
    if header.start:
        header = replace(header, start=header.start + first)
    lines: list[Line] = []
    for raw in raw_lines[first:]:
        if raw.startswith("\\ ") or raw == "\\":
            lines[-1:] = [replace(line, unended=True) for line in lines[-1:]]
        elif strict:
            plain = raw if raw.startswith(_SIGNED) else f" {raw}"
            lines.append(Line(cast("Sign", plain[0]), plain[1:], raw, plain != raw and bool(raw)))
        else:
            lines.append(_line(raw))
    lines = lines if strict else _by_words(_unnumbered(lines))
    hunk = replace(header, lines=tuple(lines))
    signed = [line for line in lines if line.sign in "+-"]
    if strict and signed and all(line.text.startswith(line.sign) for line in signed):
        # Each sign may be there twice: whether it is, only the file can tell.
        once = [replace(x, text=x.text[1:]) if x.sign in "+-" else x for x in lines]
        hunk = replace(hunk, others=(replace(hunk, lines=tuple(once)),))
    return hunk


def _body(raw_lines: list[str], header: Hunk, *, strict: bool) -> list[str]:
    """The lines without what separates them from what follows."""
    lines = list(raw_lines)
    while lines and not lines[-1] and not (strict and header.old_count):
        lines.pop()
    # The signature that `git format-patch` ends with.
    return lines[:-2] if "-- " in lines[-2:-1] else lines


def _line(raw: str) -> Line:
    sign = raw[:1]
    if sign not in ("+", "-", " "):
        is_unsigned = bool(raw) and sign != "\t"
        return Line("~", raw, raw) if is_elision(raw) else Line(" ", raw, raw, is_unsigned)
    if sign != "+" and is_elision(raw[1:]):
        return Line("~", raw[1:], raw)
    return Line(cast("Sign", sign), raw[1:], raw)


def _by_words(lines: list[Line]) -> list[Line]:
    """A diff by words, `[-old-]{+new+}`, as one by lines."""
    if any(line.sign in "+-" for line in lines):
        return lines
    result: list[Line] = []
    for line in lines:
        if not _WORDS.search(line.raw):
            result.append(line)
            continue
        old = _WORDS.sub(lambda m: m[1] or "", line.raw)
        new = _WORDS.sub(lambda m: m[2] or "", line.raw)
        result += [Line("-", text, text) for text in [old] if text.strip()]
        result += [Line("+", text, text) for text in [new] if text.strip()]
    return result


def _unnumbered(lines: list[Line]) -> list[Line]:
    """The lines without the line numbers that a listing put before them."""
    old = [line for line in lines if line.sign != "+" and line.raw.strip()]
    matches = [_NUMBERED.match(line.raw) for line in old]
    if not old or sum(match is not None for match in matches) * 3 < len(old) * 2:
        return lines
    spaced = all(match[2][:1] in ("", " ") for match in matches if match)
    spaced = spaced and not any(match[0].endswith(f"\t{match[2]}") for match in matches if match)
    result: list[Line] = []
    for line in lines:
        match = _NUMBERED.match(line.raw)
        if match is None:
            result.append(line)
            continue
        sign = match[1] if match[1] in ("+", "-") else " "
        text = match[2].removeprefix(" ") if spaced else match[2]
        result.append(
            Line("~", text, text) if is_elision(text) else Line(cast("Sign", sign), text, text)
        )
    return result
