"""The pieces of a prompt that can be checked, and those that no test of a suite is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ml_coach.core.examples import layout
from ml_coach.core.types import Requirement, Spec, Suite

LONGEST_PROMPT = 20_000
MOST_REQUIREMENTS = 60
_LONGEST = 400  # characters; what is longer is no sentence
_SENTENCE_ENDS = re.compile(r"(?<=[.!?;])\s+(?=[^a-z(\s]|[a-z]{2,}\s)|(?<=[。！？])")
_SMALL_TALK = re.compile(
    r"(?:hi|hello|hey|hallo|bonjour|hola|thanks?|thank you|danke|merci|gracias|please|pls|cheers"
    r"|good|bad|valid|invalid|examples?|for example|note|write (?:it|the module|this)"
    r"|complete (?:it|this)|fill in the class|args|arguments|parameters|returns?|raises|see also"
    r"|performance|options)\b[^a-z]*$",
    re.IGNORECASE,
)
_ONLY_A_NAME = re.compile(
    r"(?:(?:please|pls|can you|could you|now|bitte)\s+)*(?:write|implement|create|define|build|make"
    r"|code|rewrite|fix|add|provide|complete|refactor|schreibe?|écris|escribe|scrivi|crea)?\s*"
    r"(?:me\s+)?(?:an?|the|eine|die|une|la|una)?\s*(?:python\s+)?(?:async\s+)?(?:def\s+)?(?:function"
    r"|method|class|script|program|generator|funktion|fonction|función|funzione|clase)?\s*"
    r"(?:called|named)?\s*[`'\"]?[\w.]+(?:\([^)]*\))?[`'\"]?\s*(?:in python)?[.:!]*$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]{2,}")
_JAPANESE = re.compile("[぀-ヿ一-鿿]")
_STRINGS = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|[\w.]+\([^)]*\)")


def requirements_of(prompt: str) -> tuple[Requirement, ...]:
    """Sentences and list items that say what the program must do, word for word, in order.

    Left out is what only asks for a name, small talk, questions, examples without words, and what
    stands under a heading that calls it past or wrong.
    """
    prompt = prompt[:LONGEST_PROMPT]
    found: dict[str, None] = {}
    for text in _sentences(prompt):
        if _can_be_checked(text):
            found.setdefault(text, None)
    return tuple(Requirement(text) for text in found)[:MOST_REQUIREMENTS]


def untested(spec: Spec, suite: Suite) -> tuple[Requirement, ...]:
    """The requirements that no stated test was made of and no test of `suite` speaks of.

    A test speaks of a requirement where one of the requirement's literals stands in it, or all the
    words that tell it from the other requirements. Tests without such a sign may still check it, so
    this list can be too long, never an excuse to drop a test.
    """
    quotes = [" ".join(test.quote.split()) for test in spec.stated]
    source = suite.source.replace('"', "'").casefold()
    return tuple(
        requirement
        for requirement in spec.requirements
        if not _is_quoted(requirement, quotes) and not _speaks_of(source, requirement)
    )


def _is_quoted(requirement: Requirement, quotes: list[str]) -> bool:
    text = " ".join(requirement.quote.split())
    return any(quote in text or text in quote for quote in quotes)


def _speaks_of(source: str, requirement: Requirement) -> bool:
    literals = re.findall(r"'[^'\n]+'|(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])|\w+Error", requirement.quote)
    literals += [f"'{text}'" for text in re.findall(r"\"([^\"\n]+)\"", requirement.quote)]
    return any(literal.casefold() in source for literal in literals)


def _sentences(prompt: str) -> Iterator[str]:
    for piece in layout.pieces(prompt):
        for sentence in _SENTENCE_ENDS.split(prompt[piece.start : piece.end]):
            yield sentence.strip().removeprefix('"""').removesuffix('"""').strip("' \t\n")


def _can_be_checked(text: str) -> bool:
    if not text or len(text) > _LONGEST or text.endswith("?"):
        return False
    if _SMALL_TALK.match(text) or _ONLY_A_NAME.match(text):
        return False
    said = _STRINGS.sub(" ", text)
    return len(_WORDS.findall(said)) >= 2 or _JAPANESE.search(said) is not None
