"""The fenced blocks of a Markdown reply, and the prose between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_coach.core.python.scanning import scanned

_FENCE = re.compile(
    r"^(?P<lead>[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<bar>`{3,}|~{3,})(?P<info>.*)$"
)
_PYTHON_CODE = re.compile(
    r"(?i)(?P<tag>python[\d.]*|py[\d.]*)?[ \t]*"
    r"(?P<code>(?:async )?def \w+\(.*|class \w+.*:|import \w+.*|from [\w.]+ import .*|@\w.*)$"
)
_MARKDOWN = ("md", "markdown")
_HOLDS_FENCES = ("diff", "patch", *_MARKDOWN)
_LONGEST_LABEL = 20  # A longer heading is a sentence, and says more than "Pitfalls" or "Original".
_LONGEST_INFO = 300  # A longer line that begins with a fence is code in one line.
_FILE = r"[\w.@+-]+(?:[/\\][\w.@+-]+)*\.[A-Za-z]\w{0,7}"
_ONLY_FILE = re.compile(
    rf"(?i)(?:[#/;-]+\s*)?(?:file(?:name|path)?\s*[:=]\s*)?[`*\"']*({_FILE})[`*\"':]*"
)
_FILE_OF_TAG = re.compile(rf"(?:[:=\s\"'{{]|^)({_FILE})(?=[\"'}}\s]|$)")
_QUOTED_FILE = re.compile(rf"[`*\"']({_FILE})[`*\"']")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, or the prose between two (`tag` is None). `line` counts from 0.

    `file` stands on the fence or on the line above it. `closed` is false where the end of the
    block is missing: the reply ends, or the next block begins.
    """

    text: str
    tag: str | None = ""
    file: str = ""
    line: int = 0
    intro: str = ""
    closed: bool = True


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks of `text` in order; the last one may be unclosed."""
    return [block for block in split(text) if block.tag is not None]


def split(text: str) -> list[Block]:
    """`text` as blocks and the prose between them, in order.

    A block ends at a fence without a tag, of the same character, not shorter and not further in
    than the one that began it. A fence with a tag begins a block: models forget to close one more
    often than they nest two. Within a string in triple quotes, or behind a diff's sign, a fence
    is content.
    """
    reader = _Reader()
    for number, line in enumerate(text.split("\n")):
        reader.take(line, number)
    reader.close(closed=False)
    return [block for block in reader.blocks if block.tag is not None or block.text.strip()]


class _Reader:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._opening: re.Match[str] | None = None
        self._tag, self._file, self._intro, self._start = "", "", "", 0
        self._lines: list[str] = []
        self._quote = ""  # the triple quotes that the block's code is within
        self._nested = False  # whether a block within a block of Markdown is open

    def take(self, line: str, number: int) -> None:
        mark = _FENCE.match(line) if len(line) <= _LONGEST_INFO else None
        if mark and "`" in mark["info"].strip("`") and mark["bar"][0] == "`":
            mark = None  # inline code, ```like this```
        opening, info = self._opening, mark["info"].strip() if mark else ""
        if opening is None:
            if mark:
                self.close(closed=True)
                self._open(mark, number)
            else:
                self._add(line)
        elif mark and self._tag in _MARKDOWN and (info or self._nested):
            self._nested = bool(info)
            self._add(line)
        elif mark and self._is_of_block(mark, opening):
            self.close(closed=not info)
            self._start = number + 1
            if info:
                self._open(mark, number)
        elif (code := self._code_before_end(line, opening["bar"])) is not None:
            self._add(code)
            self.close(closed=True)
            self._start = number + 1
        else:
            self._add(line)

    def _open(self, mark: re.Match[str], number: int) -> None:
        self._opening = mark
        info = mark["info"].strip()
        above = [line.strip() for line in reversed(self._above()) if line.strip()]
        self._intro = above[0] if above else ""
        heading = next((line for line in above if line.startswith("#")), "")
        heading = heading if len(heading) <= _LONGEST_LABEL else ""
        self._start = number + 1
        code = _PYTHON_CODE.match(info)
        if code:
            self._tag, self._file = (code["tag"] or "").lower(), ""
            self._start = number
            self._add(code["code"])
        else:
            self._tag = re.split(r"[\s:{=,]", info, maxsplit=1)[0].lower()
            named = _FILE_OF_TAG.search(info)
            self._file = named[1] if named else ""
            if self._file.lower() == self._tag:
                self._tag = self._tag.rpartition(".")[2]
        self._file = self._file or file_named(self._intro)
        if heading != self._intro:
            self._intro = f"{heading} {self._intro}".strip()

    def _above(self) -> list[str]:
        last = self.blocks[-1] if self.blocks else None
        return last.text.split("\n") if last and last.tag is None else []

    def _add(self, line: str) -> None:
        self._lines.append(line)
        is_code = self._opening is not None and self._tag not in _HOLDS_FENCES
        if is_code and ('"""' in line or "'''" in line or self._quote):
            self._quote = scanned(line, self._quote)[2]

    def _is_of_block(self, mark: re.Match[str], opening: re.Match[str]) -> bool:
        """Whether a fence ends the open block, or begins another that can only stand beside it."""
        is_same = mark["bar"].startswith(opening["bar"]) and not self._quote
        return is_same and _width(mark["lead"]) <= _width(opening["lead"])

    def _code_before_end(self, line: str, bar: str) -> str | None:
        """The code of a line that ends with the block's own fence, None for any other line."""
        if self._quote or self._tag in _HOLDS_FENCES:
            return None
        line = line.rstrip()
        bare = line.rstrip(bar[0])
        is_text = line[len(bare) :] != bar or bar in bare or bare.count(bar[0]) % 2
        return bare.rstrip() if bare.strip() and not is_text else None

    def close(self, *, closed: bool) -> None:
        """Ends the block or the prose that is open."""
        lines, opening = self._lines, self._opening
        if opening is None:
            if lines:
                self.blocks.append(Block("\n".join(lines), None, line=self._start))
        else:
            inset = _width(opening["lead"])
            if inset and all(not line[:inset].strip() for line in lines):
                lines = [line[inset:] for line in lines]
            text = "".join(f"{line}\n" for line in lines)
            if not closed:
                text = text[: text.find("\n", len(text.rstrip())) + 1] if text.strip() else ""
            self.blocks.append(Block(text, self._tag, self._file, self._start, self._intro, closed))
        self._lines, self._opening, self._quote, self._nested = [], None, "", False


def _width(lead: str) -> int:
    return len(lead.expandtabs(4))


def file_named(line: str) -> str:
    """The file that a line above a block names: all of the line, or the one name that it quotes."""
    plain = line.strip().strip("#*_>- \t").rstrip(":").strip()
    if len(plain) > _LONGEST_INFO:
        return ""
    if whole := _ONLY_FILE.fullmatch(plain):
        return whole[1]
    quoted = _QUOTED_FILE.findall(plain)
    return quoted[0] if len(quoted) == 1 and line.rstrip("*_ ").endswith(":") else ""


def file_in_comment(text: str) -> str:
    """The file that the first line of a block is a comment about."""
    first = text.lstrip("\n").partition("\n")[0].strip()
    match = _ONLY_FILE.fullmatch(first) if first.startswith(("#", "//")) else None
    return match[1] if match else ""


def widest(text: str) -> str:
    """From the first fence to the last, where more than two stand: for code that has fences.

    Of an odd number the last one begins a block, whose end is not in the reply.
    """
    lines = text.split("\n")
    fences = [at for at, line in enumerate(lines) if _FENCE.match(line)]
    is_even = len(fences) > 2 and len(fences) % 2 == 0
    return "\n".join(lines[fences[0] : fences[-1] + 1]) if is_even else ""
