"""Makes the text of one reading parse, losing as little of it as possible."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ml_coach.core.python import repairs, syntax
from ml_coach.core.sanitizer import readings
from ml_coach.core.sanitizer.text import plain

_BEGINS_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_LOOKS_LIKE_CODE = re.compile(
    r"(?:@\w|(?:async )?def \w|class \w+\s*[:(]|import \w|from [\w.]+ import|if .*:|for .* in "
    r"|while .*:|with .*:|try:|\w+(?:\[.*\])? ?[-+*/|&]?= ?|print\(|\w+\()"
)
_CONTINUES = re.compile(r"(?:\s|[)\]}]|else\b|elif\b|except\b|finally\b|$)")
# What the parser says of code that goes on below.
_UNFINISHED = ("never closed", "triple-quoted", "unexpected EOF")
_MOST_PARSED = 100_000  # characters that may be parsed to skim one text


@dataclass(frozen=True)
class Code:
    """Text that parses. `lost` names definitions that were in the text and could not be read.

    `fault` is the parser's word on the first of these. Without slots, for the cached property.
    """

    source: str
    tree: ast.Module
    done: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()
    truncated: bool = False
    fault: str = ""

    @cached_property
    def free_names(self) -> frozenset[str]:
        return syntax.free_names(self.tree)

    @property
    def has_substance(self) -> bool:
        return any(not _is_prose(statement) for statement in self.tree.body)


def read(text: str) -> Code | None:
    """The code in `text`, which holds nothing else if all went well for its author."""
    return as_it_is(text) or _mended(text) or skimmed(text)


def as_it_is(text: str, done: tuple[str, ...] = ()) -> Code | None:
    tree = syntax.parse(text)
    if tree is None:
        return None
    code = Code(text, tree, done)
    return code if code.has_substance else None


def _mended(text: str) -> Code | None:
    for words, mended in _mendings(text):
        if mended != text and (code := as_it_is(mended, (words,))):
            return code
    return None


def _mendings(text: str) -> Iterator[tuple[str, str]]:
    yield from repairs.indentation_readings(text)
    if not text.isascii():
        typed = plain(text)
        yield "replaced typographic characters", typed
        for words, mended in repairs.indentation_readings(typed):
            yield f"replaced typographic characters and {words}", mended
    if ">>>" in text:
        yield "took the input out of an interpreter's output", readings.without_prompts(text)
    if text.lstrip()[:1].isdigit():
        yield "removed line numbers", readings.without_line_numbers(text)


def skimmed(text: str) -> Code | None:
    """Every top-level statement in `text` that parses; prose between them is left out."""
    kept: list[str] = []
    lost: set[str] = set()
    dropped, truncated, fault = 0, False, ""
    pieces = _pieces(text)
    at, budget = 0, _MOST_PARSED
    while at < len(pieces) and budget > 0:
        end, source, spent = _statement(pieces, at, budget)
        budget -= spent
        if source:
            kept.append(source)
            truncated = False
        elif pieces[at].strip():
            dropped += 1
            bare = _without_comments(pieces[at])
            if _LOOKS_LIKE_CODE.match(bare):
                truncated = True
                lost.update(_BEGINS_DEFINITION.findall(bare)[:1])
                fault = fault or syntax.complaint(bare)
            elif bare.strip():
                truncated = False
        at = end
    tree = syntax.parse("\n".join(kept))
    if tree is None or not kept:
        return None
    lost -= syntax.top_level(tree)
    done: list[str] = []
    if truncated and pieces:
        done.append("cut the unfinished end back to the last whole statement")
        dropped -= 1
    if dropped > 0:
        done.append("left out text that is no Python")
    code = Code("\n".join(kept), tree, tuple(done), frozenset(lost), truncated, fault)
    return code if code.has_substance else None


def _pieces(text: str) -> list[str]:
    """`text` cut before every line that may begin a top-level statement."""
    pieces: list[list[str]] = []
    open_piece = False
    for line in text.split("\n"):
        if pieces and (_CONTINUES.match(line) or open_piece):
            pieces[-1].append(line)
        else:
            pieces.append([line])
        # Comments and decorators belong to what follows them.
        if line.strip():
            open_piece = line.startswith(("#", "@"))
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
            if tree.body and all(_is_prose(statement) for statement in tree.body):
                return at + 1, "", spent
            return end, text if tree.body else "", spent
        if end == len(pieces) or spent > budget or not _goes_on(tree, pieces[end]):
            break
        text += "\n" + pieces[end]
        end += 1
    piece = pieces[at]
    mendings = (_without_comments(piece), _without_stray_brackets(piece))
    for mended in (*mendings, *(text for _, text in _mendings(piece))):
        tree = syntax.parse(mended) if mended != piece and mended.strip() else None
        if tree is not None and tree.body and not all(_is_prose(s) for s in tree.body):
            return at + 1, mended, spent + 8 * len(piece)
    return at + 1, "", spent + 8 * len(piece)


def _goes_on(problem: str, following: str) -> bool:
    """Whether the parser's complaint is that the text has not ended yet."""
    if "expected an indented block" in problem:
        return following.startswith("#")  # a comment at column 0 above the block
    return any(words in problem for words in _UNFINISHED)


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


def _is_prose(statement: ast.stmt) -> bool:
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
