"""Comments that stand for code that was left out. Such code must never replace real code."""

from __future__ import annotations

import re

from ml_coach.core.python import syntax

# Dots at the begin of a comment, with words behind them at most: an elision in every language.
_DOTTED = re.compile(r"[(\[<]*\s*(?:\.{3,}|…)(?!\s*[\d,;])")
# Without dots only words can tell. All words of the comment are of these, and one of `_LEFT_OUT`.
# None of the 1,630 recorded replies has such a comment, so that no complete program is refused.
_LEFT_OUT = re.compile(
    "rest|remaining|remainder|existing|previous|unchanged|omitted|elided|same", re.IGNORECASE
)
_OF_CODE = re.compile("code|implementation|logic|body|omitted|elided", re.IGNORECASE)
_OTHERS = re.compile(
    "the|of|your|this|our|my|original|other|functions?|methods?|class(?:es)?|file|program|script"
    "|imports|tests|definitions|here|above|below|before|as|is|are|goes|go|remains?|stays?|for"
    "|brevity|in|and|all|everything|else|exactly|from",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"[ \t]*#+[ \t]*(.*?)[ \t]*$")
_LONGEST = 200  # The longest such comment that was seen has 60 characters.
_NEAR = 100  # Lines that are looked at below one: 64,000 characters of such comments take 0.1 s.


def elision(source: str) -> str:
    """The first comment in `source` that stands for missing code, empty where there is none."""
    return next(iter(elisions(source).values()), "")


def elisions(source: str) -> dict[int, str]:
    """The comments in `source` that stand for missing code, by their lines, counted from 1."""
    if "#" not in source:
        return {}
    lines = source.split("\n")
    found = {at: line.strip() for at, line in enumerate(lines, 1) if _is_elision(lines, at - 1)}
    # Only now, as it takes long: what reads like a comment may be a line of a string. What is no
    # Python has no strings in it.
    comments = syntax.comments(source) if found else None
    return {at: text for at, text in found.items() if comments is None or at in comments}


def _is_elision(lines: list[str], at: int) -> bool:
    comment = _COMMENT.fullmatch(lines[at]) if len(lines[at]) < _LONGEST else None
    if not comment or not comment[1]:
        return False
    if _DOTTED.match(comment[1]):
        # Within a longer comment they only go on with it, and dots alone shorten what it says.
        beside = [*lines[max(at - 1, 0) : at], *lines[at + 1 : at + 2]]
        commented = [bool(_COMMENT.fullmatch(line)) for line in beside]
        has_words = bool(re.search(r"\w", comment[1]))
        return not any(commented) or (has_words and not all(commented))
    words = re.findall(r"\w+", comment[1].lower())
    left_out = any(map(_LEFT_OUT.fullmatch, words))
    of_code = any(map(_OF_CODE.fullmatch, words)) or {"same", "before"} <= set(words)
    known = (_LEFT_OUT, _OF_CODE, _OTHERS)
    if not left_out or not all(any(kind.fullmatch(word) for kind in known) for word in words):
        return False
    # Other words may as well speak of the code below them, or of what it works on.
    return of_code or not _is_followed(lines, at)


def _is_followed(lines: list[str], at: int) -> bool:
    """Whether code comes after the comment in its block, other than `pass` and `...`."""
    for line in lines[at + 1 : at + _NEAR]:
        code = line.strip()
        if code and not code.startswith("#") and code not in ("pass", "..."):
            return _indentation(line) >= _indentation(lines[at])
    return False


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
