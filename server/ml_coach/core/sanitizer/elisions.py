"""Comments that stand for code that was left out. Such code must never replace real code."""

from __future__ import annotations

import re

from ml_coach.core.python import syntax

_DOTS = r"(?:\.{3,}|…)"
_WHAT = (
    r"(?:code|functions?|methods?|class(?:es)?|file|program|implementations?|script|logic|body"
    r"|imports?|tests?|definitions?)"
)
_STAYS = (
    r"(?:,? (?:here|above|below|as before|goes here|go here|follows|continues?(?: here)?"
    r"|(?:(?:is|are|remains?|stays?) )?(?:the same|same|unchanged|as is|intact|untouched|as before)"
    r"|omitted|elided|for brevity|from before))"
)
_REST = (
    r"(?:the )?(?:rest|remainder) of (?:the |your |this |that |my |our |existing |original )*"
    rf"(?:\w+ )?{_WHAT}"
)
_OTHER = (
    rf"(?:the |your )?(?:existing|previous|unchanged|remaining|original|other) (?:\w+ )?{_WHAT}"
)
_SENTENCES = (
    rf"{_REST}{_STAYS}*",
    rf"{_OTHER}{_STAYS}+",
    r"(?:the |your )?(?:existing|previous|unchanged|remaining) code",
    rf"(?:the )?(?:rest|everything else){_STAYS}+",
    r"(?:same|exactly) as (?:before|above|in the original(?: code)?)",
    rf"your code{_STAYS}?",
    rf"{_WHAT} (?:omitted|elided|unchanged|remains? (?:the same|unchanged)){_STAYS}*",
    r"(?:unchanged|omitted|snip(?:ped)?)(?: for brevity)?",
)
_SENTENCE = re.compile(
    rf"[(\[<]?\s*{_DOTS}?\s*(?:{'|'.join(_SENTENCES)})\s*{_DOTS}?\s*[)\]>]?\s*{_DOTS}?[.!]?",
    re.IGNORECASE,
)
# These may as well speak of what a program works on, so they count only where no code follows.
_WEAK = re.compile(
    rf"(?:(?:same|exactly) as above|unchanged|(?:the )?rest of the file|your code{_STAYS}?)[.!]?",
    re.IGNORECASE,
)
# With dots around it, less is enough: `# ... other methods ...`.
_DOTTED = re.compile(
    rf"[(\[<]?\s*{_DOTS}\s*(?:{_OTHER}{_STAYS}*|{_REST}{_STAYS}*)?\s*{_DOTS}?\s*[)\]>]?"
    rf"|[(\[<]?\s*(?:{_OTHER}{_STAYS}*)\s*{_DOTS}\s*[)\]>]?"
    rf"|{_DOTS}\s*[a-z]{{2,}}[a-z ,'-]*{_DOTS}",
    re.IGNORECASE,
)
_NEAR = 100  # lines that are looked at, as a runaway reply may have thousands of such comments
_COMMENT = re.compile(r"[ \t]*#+[ \t]*(.*?)[ \t]*$")


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
    comment = _COMMENT.fullmatch(lines[at]) if len(lines[at]) < 200 else None
    if not comment or not comment[1]:
        return False
    text = comment[1]
    if _SENTENCE.fullmatch(text):
        return not (_WEAK.fullmatch(text) and _is_followed(lines, at))
    # Dots alone inside a longer comment only shorten what that comment says.
    neighbours = (lines[at - 1 : at] or [""]) + (lines[at + 1 : at + 2] or [""])
    if not _DOTTED.fullmatch(text) or all(_COMMENT.fullmatch(n) for n in neighbours):
        return False
    is_alone = not any(_COMMENT.fullmatch(n) for n in neighbours)
    return is_alone or bool(re.search(r"\w", text))


def _is_followed(lines: list[str], at: int) -> bool:
    """Whether code comes after the comment in its block, other than `pass` and `...`."""
    for line in lines[at + 1 : at + _NEAR]:
        code = line.strip()
        if code and not code.startswith("#") and code not in ("pass", "..."):
            return _indentation(line) >= _indentation(lines[at])
    return False


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
