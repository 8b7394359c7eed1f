"""Makes the text of one block parse, losing as little of it as possible."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ml_coach.core import replies
from ml_coach.core.python import repairs, syntax

_TYPOGRAPHY = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-",
    "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "：": ":", "，": ",",
    "（": "(", "）": ")", "；": ";", "＝": "=",
})  # fmt: skip
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
# What a statement that does not parse would have bound, had it parsed.
_BINDS = re.compile(
    r"(?:@[^\n]*\n\s*)*(?:async[ \t]+)?(?:(?:def|class)[ \t]+(\w+)|(\w+)[ \t]*(?::[^=\n]+)?=[^=])"
)
_LOOKS_LIKE_CODE = re.compile(
    r"(?:@\w|(?:async )?def \w|class \w+\s*[:(]|import \w|from [\w.]+ import|if .*:|for .* in "
    r"|while .*:|with .*:|try:|\w+(?:\[.*\])? ?[-+*/|&]?= ?|print\(|\w+\()"
)
_CONTINUES = re.compile(r"(?:\s|[)\]}]|else\b|elif\b|except\b|finally\b|$)")
# What the parser says of code that goes on below.
_UNFINISHED = ("never closed", "triple-quoted", "unexpected EOF")
# Characters that may be parsed to find the statements in one text: enough for 64,000 characters of
# code with prose behind it. A text that begins a string on every line ends after 0.2 s.
_MOST_PARSED = 100_000


@dataclass(frozen=True)
class Code:
    """Text that parses. `lost` names what the text binds in statements that cannot be read.

    `fault` is what the parser says of the first of these, and `truncated` tells whether one is
    the end of the text. `file` is the file that the reply names for it. It has no slots because
    of the cached properties.
    """

    source: str
    tree: ast.Module
    lost: frozenset[str] = frozenset()
    truncated: bool = False
    fault: str = ""
    file: str = ""

    @cached_property
    def free_names(self) -> frozenset[str]:
        """What the text reads and does not bind."""
        return syntax.free_names(self.tree)

    @cached_property
    def bound(self) -> frozenset[str]:
        """What importing the text binds, its imports included."""
        return syntax.top_level(self.tree)

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """Each name that the text binds but does not import, with its last statement for it.

        An empty definition gives way to a real one, wherever it stands.
        """
        found: dict[str, ast.stmt] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            for name in syntax.bindings(statement):
                if name not in found or not syntax.is_empty(statement):
                    found[name] = statement
        return found

    @cached_property
    def has_definition(self) -> bool:
        """Whether it holds a function or a class."""
        return any(isinstance(statement, syntax.Definition) for statement in self.tree.body)


def read(text: str) -> Code | None:
    """The code in `text`, None where it holds none. What was left out is in `lost`."""
    if whole := _as_it_is(text):
        return whole
    for mended in _mendings(text):
        if mended != text and (code := _as_it_is(mended)):
            return code
    return _skimmed(text)


def is_prose(statement: ast.stmt) -> bool:
    """Whether a statement is an English word or clause that happens to be Python."""
    match statement:
        case ast.Expr(value=value):
            return not any(isinstance(node, ast.Call | ast.Await) for node in syntax.walk(value))
        case ast.AnnAssign(value=None, simple=1):
            return True
        case ast.Pass() | ast.Break() | ast.Continue() | ast.Return() | ast.Global() | ast.Delete():
            return True
        case _:
            return False


def _as_it_is(text: str) -> Code | None:
    tree = replies.parsed(text)
    return None if tree is None or all(map(is_prose, tree.body)) else Code(text, tree)


def _mendings(text: str) -> Iterator[str]:
    typed = text
    if not text.isascii():
        typed = _INVISIBLE.sub("", _SPACES.sub(" ", text)).translate(_TYPOGRAPHY)
    for version in dict.fromkeys((text, typed)):
        yield version
        yield from (mended for _, mended in repairs.indentation_readings(version))


def _skimmed(text: str) -> Code | None:
    """Every top-level statement in `text` that parses; prose between them is left out."""
    kept: list[str] = []
    lost: set[str] = set()
    truncated, fault = False, ""
    pieces = _pieces(text)
    at, budget = 0, _MOST_PARSED
    while at < len(pieces) and budget > 0:
        end, source, spent = _statement(pieces, at, budget)
        budget -= spent
        bare = _without_comments(pieces[at])
        if source:
            kept.append(source)
            truncated = False
        elif _LOOKS_LIKE_CODE.match(bare):
            truncated = True
            if binds := _BINDS.match(bare):
                lost.add(binds[1] or binds[2])
            fault = fault or syntax.complaint(bare)
        elif bare.strip():
            truncated = False
        at = end
    tree = syntax.parse("\n".join(kept))
    if tree is None or all(map(is_prose, tree.body)):
        return None
    return Code("\n".join(kept), tree, frozenset(lost), truncated, fault)


def _pieces(text: str) -> list[str]:
    """`text` cut before every line that may begin a top-level statement."""
    pieces: list[list[str]] = []
    is_open = False
    for line in text.split("\n"):
        if pieces and (_CONTINUES.match(line) or is_open):
            pieces[-1].append(line)
        else:
            pieces.append([line])
        # Comments and decorators belong to what follows them.
        if line.strip():
            is_open = line.startswith(("#", "@"))
    return ["\n".join(piece) for piece in pieces]


def _statement(pieces: list[str], at: int, budget: int) -> tuple[int, str, int]:
    """The statement that begins at piece `at`, empty where there is none.

    Before it the index of the piece after it, behind it how many characters were parsed.
    """
    text, end, spent = pieces[at], at + 1, 0
    while True:
        spent += len(text) + 20
        tree = syntax.parse_or_fault(text)
        if isinstance(tree, ast.Module):
            if tree.body and all(map(is_prose, tree.body)):
                return at + 1, "", spent
            return end, text if tree.body else "", spent
        if end == len(pieces) or spent > budget or not _goes_on(tree, pieces[end]):
            break
        text += "\n" + pieces[end]
        end += 1
    piece = pieces[at]
    mendings = (_without_comments(piece), _without_stray_brackets(piece))
    for mended in (*mendings, *_mendings(piece)):
        tree = syntax.parse(mended) if mended != piece and mended.strip() else None
        if tree is not None and not all(map(is_prose, tree.body)):
            return at + 1, mended, spent + 8 * len(piece)
    return at + 1, "", spent + 8 * len(piece)


def _goes_on(fault: str, following: str) -> bool:
    """Whether the parser's complaint is that the text has not ended yet."""
    if "expected an indented block" in fault:
        return following.startswith("#")  # a comment at column 0 above the block
    return any(words in fault for words in _UNFINISHED)


def _without_comments(piece: str) -> str:
    lines = piece.split("\n")
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        lines.pop(0)
    return "\n".join(lines)


def _without_stray_brackets(piece: str) -> str:
    """`piece` without last lines that only close what nothing opened."""
    lines = piece.rstrip().split("\n")
    while len(lines) > 1 and not lines[-1].strip("])}`'\", \t"):
        lines.pop()
    return "\n".join(lines)
