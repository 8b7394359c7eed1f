"""The layout of a prompt: its pieces of prose, its tables, and what a heading calls wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ml_coach.core.examples.written import ASSERT, DOCTEST, FENCE

BULLET = re.compile(r"\s*(?:[-*•+]|\d{1,2}[.)]|\(?[a-z]\))[ \t]+")
_HEADING = re.compile(
    r"\s*(?:#{1,6}\s+(?P<marked>.+?)|[-*•]?\s*\**(?P<colon>[^|`'\"()=]{1,80}?):\**"
    r"|\*\*(?P<bold>[^*`()=]{1,60})\*\*)\s*(?:#.*)?$"
)
_UNWANTED = re.compile(
    r"\b(?:bad|misuses?|avoid|don['’]?t|do not|never|wrong|incorrect|known (?:issues?|bugs?)"
    r"|problems?|bugs?|broken|current(?:ly)?|actual(?:ly)?|today|now|old|before|previous(?:ly)?|legacy"
    r"|past|deprecated|anti-?patterns?|not (?:supported|wanted|like this)|unsupported"
    r"|counter-?examples?|mistakes?|observed|got|falsch|bisher|derzeit|aktuell|mauvais|incorrecto"
    r"|unwanted|undesired|symptoms?|limitations?|pitfalls?|existing|present|until|failing|fails"
    r"|unexpected|surprising|gotchas?|traps?|undesirable|history|changelog|non-?goals?|out of scope"
    r"|ugly|poor|naive|mistaken|issues?|reports?|reproduc\w+|traceback|was|were|not this|no good"
    r"|does(?:n['’]t| not) work|what i (?:see|get)|schlecht|fehler|problema?s?|errores)\b|[❌✗✘]",
    re.IGNORECASE,
)
_WANTED = re.compile(
    r"\b(?:expected|should|must|want(?:ed)?|desired|good|new|after|raises?|invalid|inputs?)\b", re.I
)
_FILE = re.compile(r"[\w/-]+\.[a-z]\w*")  # Its name says nothing of what stands below: report.py.
_CODE = re.compile(
    r"\s*(?:(?:def|class|async def)\s+\w+\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*"
    r"(?:->\s*[\w.]+(?:\[.*\])?(?:\s*\|\s*[\w.]+)*)?:?\s*(?:(?:pass|return|\.\.\.|#).*)?$"
    r"|(?:return|import|from \S+ import|@)\b)"
)
_ARROW = re.compile(r"->|=>|→|⇒|➞")
_ERROR_ALONE = re.compile(r"`?[A-Z]\w*(?:Error|Exception|Iteration)`?")
_RULE = re.compile(r"\|?[\s:|-]*-[\s:|-]*$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A list item, a line or a paragraph of prose: its place in the prompt.

    `lead` is the place of the line above it that ends in a colon, or names an error, where that
    line speaks of what is listed below it.
    """

    start: int
    end: int
    lead: Piece | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a table's rows, the head first; each row with its place in the prompt."""

    rows: tuple[tuple[str, ...], ...]
    places: tuple[Piece, ...]


def calls_unwanted(heading: str) -> bool:
    """Whether a heading, or what stands before a colon, calls what follows wrong or past."""
    said = _FILE.sub("", heading)
    return bool(_UNWANTED.search(said)) and not _WANTED.search(said)


def unwanted_lines(prompt: str) -> frozenset[int]:
    """The lines, from 0, under a heading that calls what follows wrong, past or unwanted."""
    found: set[int] = set()
    unwanted = is_marked = blank = False
    has_content = in_fence = False
    for number, raw in enumerate(prompt.splitlines()):
        text = raw.strip()
        if not text:
            blank = True
            continue
        in_fence ^= FENCE.match(text) is not None
        heading = None if DOCTEST.match(text) else _HEADING.match(raw)
        is_inside = raw[:1] in " \t" or in_fence or BULLET.match(raw) is not None
        if heading:
            unwanted = calls_unwanted(
                (heading["marked"] or heading["colon"] or heading["bold"]).split(". ")[-1]
            )
            is_marked, has_content = heading["marked"] is not None, False
        elif text.endswith(":") and not is_inside:
            unwanted = calls_unwanted(re.split(r"[.!?]\s", text)[-1])
            is_marked = has_content = False
        elif not is_marked and has_content and blank and not is_inside:
            unwanted = False
        else:
            has_content = True
        if unwanted and not heading:
            found.add(number)
        blank = False
    return frozenset(found)


def pieces(prompt: str) -> Iterator[Piece]:
    """The prompt's prose: no code, no doctest, no table, and nothing that a heading calls wrong."""
    yield from _with_leads(prompt, _prose(prompt))


def _prose(prompt: str) -> Iterator[Piece]:
    unwanted = unwanted_lines(prompt)
    start = end = -1
    before = ""
    at, in_doctest = 0, False
    for number, raw in enumerate(prompt.splitlines(keepends=True)):
        text, line_start = raw.strip(), at
        at += len(raw)
        in_doctest = bool(text) and (in_doctest or bool(DOCTEST.match(text)))
        in_doctest = in_doctest and not FENCE.match(text)
        is_prose = bool(text) and not (
            in_doctest or number in unwanted or text.startswith("|") or _is_code(text)
        )
        bullet = BULLET.match(raw)
        if start >= 0 and (not is_prose or bullet or _is_apart(before, text)):
            yield Piece(start, end)
            start = -1
        before = text if is_prose else ""
        if is_prose:
            if start < 0:
                start = line_start + (bullet.end() if bullet else len(raw) - len(raw.lstrip()))
            end = line_start + len(raw.rstrip())
    if start >= 0:
        yield Piece(start, end)


def _with_leads(prompt: str, found: Iterable[Piece]) -> Iterator[Piece]:
    lead: Piece | None = None
    depth = 0
    for piece in found:
        text = prompt[piece.start : piece.end]
        line = prompt[prompt.rfind("\n", 0, piece.start) + 1 : piece.end]
        indented = len(line) - len(line.lstrip())
        is_below = indented > depth or BULLET.match(line) is not None
        if text.endswith(":") or _ERROR_ALONE.fullmatch(text):
            lead, depth = piece, indented
            yield piece
        else:
            lead = lead if is_below else None
            yield replace(piece, lead=lead)


def _is_code(text: str) -> bool:
    return bool(
        FENCE.match(text) or ASSERT.match(text) or (_CODE.match(text) and not text.endswith("."))
    )


def _is_apart(before: str, text: str) -> bool:
    """Whether a line does not go on the sentence of the line before it."""
    if re.match(r"(?:when|then|and)\b", text, re.I) and re.match(r"(?:given|when)\b", before, re.I):
        return False
    if before.endswith((".", ":", ";", "!", "?", '"""', "'''")) or len(before) < 45:
        return True
    return bool(_ARROW.search(before) or _ARROW.search(text))


def tables(prompt: str) -> Iterator[Table]:
    """The Markdown tables that stand under no heading that calls them wrong."""
    unwanted = unwanted_lines(prompt)
    rows: list[tuple[str, ...]] = []
    places: list[Piece] = []
    has_rule = False
    at = 0
    for number, raw in enumerate([*prompt.splitlines(keepends=True), ""]):
        text, line_start = raw.strip(), at
        at += len(raw)
        if text.count("|") > (2 if text.startswith("|") else 0) and number not in unwanted:
            if _RULE.match(text):
                has_rule = True
            else:
                rows.append(tuple(c.strip() for c in re.split(r"(?<!\\)\|", text.strip("|"))))
                places.append(Piece(line_start, line_start + len(raw.rstrip())))
        elif rows:
            if has_rule:
                yield Table(tuple(rows), tuple(places))
            rows, places, has_rule = [], [], False
