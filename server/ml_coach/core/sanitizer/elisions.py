"""Comments that stand for code that was left out. Such code must never replace real code."""

from __future__ import annotations

import re

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
    rf"{_WHAT} (?:omitted|elided|unchanged|remains? (?:the same|unchanged)){_STAYS}*",
    r"(?:unchanged|omitted|snip(?:ped)?)(?: for brevity)?",
)
_SENTENCE = re.compile(
    rf"[(\[<]?\s*{_DOTS}?\s*(?:{'|'.join(_SENTENCES)})\s*{_DOTS}?\s*[)\]>]?\s*{_DOTS}?[.!]?",
    re.IGNORECASE,
)
# With dots around it, less is enough: `# ... other methods ...`.
_DOTTED = re.compile(
    rf"[(\[<]?\s*{_DOTS}\s*(?:{_OTHER}{_STAYS}*|{_REST}{_STAYS}*)?\s*{_DOTS}?\s*[)\]>]?"
    rf"|[(\[<]?\s*(?:{_OTHER}{_STAYS}*)\s*{_DOTS}\s*[)\]>]?",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"[ \t]*#+[ \t]*(.*?)[ \t]*$")


def elision(source: str) -> str:
    """The first comment in `source` that stands for missing code, empty where there is none."""
    if "#" not in source:
        return ""
    lines = source.split("\n")
    for at, line in enumerate(lines):
        comment = _COMMENT.fullmatch(line) if len(line) < 200 else None
        if not comment or not comment[1]:
            continue
        text = comment[1]
        if _SENTENCE.fullmatch(text):
            return line.strip()
        # Dots alone inside a longer comment only shorten what that comment says.
        neighbours = (lines[at - 1 : at] or [""]) + (lines[at + 1 : at + 2] or [""])
        if _DOTTED.fullmatch(text) and not all(_COMMENT.fullmatch(n) for n in neighbours):
            is_alone = not any(_COMMENT.fullmatch(n) for n in neighbours)
            if is_alone or re.search(r"\w", text):
                return line.strip()
    return ""
