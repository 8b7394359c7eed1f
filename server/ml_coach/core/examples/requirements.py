"""The pieces of a prompt that can be checked, and those that no test of a suite is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ml_coach.core.examples import layout, words
from ml_coach.core.examples.extract import LONGEST_PROMPT
from ml_coach.core.python import syntax
from ml_coach.core.types import Requirement, Spec, Suite

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
_NAMES_RESULT = re.compile(
    r"\b[A-Z]\w+(?:Error|Exception)\b|\b(?i:returns?|gives?|yields?|becomes?|raises?|throws?)\s+"
    r"(?:(?:an?|the)\s+)?(?:'[^'\n]+'(?!\w)|\"[^\"\n]*\"|empty (?:string|list|dict|tuple))"
)
_WANTED = re.compile(
    r"\b(?:should|must|ought|need|want|expected|has to|soll|muss|doit|debe|deve)\w*\b|\braise",
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

    A test speaks of a requirement where one of the requirement's literals or error types stands in
    it. A test without such a sign may still check it, so this list can be too long.
    """
    quotes = [" ".join(test.quote.split()) for test in spec.stated]
    tree = syntax.parse(suite.source)
    nodes = list(syntax.walk(tree)) if tree else []
    spoken = {repr(node.value) for node in nodes if isinstance(node, ast.Constant)}
    spoken |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return tuple(
        requirement
        for requirement in spec.requirements
        if not _is_quoted(requirement, quotes)
        and not spoken.intersection(_literals(requirement.quote))
    )


def open_requirements(spec: Spec, suite: Suite) -> tuple[Requirement, ...]:
    """Those of `untested` that name their result, an error, a text or an empty value, so that a
    test of them would show it."""
    return tuple(r for r in untested(spec, suite) if _NAMES_RESULT.search(r.quote))


def _is_quoted(requirement: Requirement, quotes: list[str]) -> bool:
    text = " ".join(requirement.quote.split())
    return any(quote in text or text in quote for quote in quotes)


def _literals(text: str) -> list[str]:
    """The quoted texts and numbers as Python writes them, and the error types."""
    found = re.findall(
        r"(?<![\w.'\"-])\d+(?:\.\d+)?(?![\w.'\"])|\b[A-Z]\w*(?:Error|Exception)\b", text
    )
    quoted = re.findall(r"(?<!\w)(?:'([^'\n]+)'|\"([^\"\n]+)\")(?!\w)", text)
    return [*found, *(repr(single or double) for single, double in quoted)]


def _sentences(prompt: str) -> Iterator[str]:
    for piece in layout.pieces(prompt):
        for sentence in _SENTENCE_ENDS.split(prompt[piece.start : piece.end]):
            yield re.sub(r"^(?:\"\"\"|''')|(?:\"\"\"|''')$", "", sentence.strip()).strip()


def _can_be_checked(text: str) -> bool:
    if not text or len(text) > _LONGEST or text.endswith("?"):
        return False
    if _SMALL_TALK.match(text) or _ONLY_A_NAME.match(text):
        return False
    said = _STRINGS.sub(" ", text)
    if words.PAST.search(said) and not _WANTED.search(said):
        return False
    return len(_WORDS.findall(said)) >= 2 or _JAPANESE.search(said) is not None
