"""A piece of prose as tokens of one-letter kinds (see `words.py`)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace

from ml_coach.core.examples import conditions, expressions, words
from ml_coach.core.examples.conditions import Condition
from ml_coach.core.python import syntax

CALL = re.compile(r"(?:await\s+)?([A-Za-z_][\w.]*)\(")
_ERROR = re.compile(r"[A-Z]\w*(?:Error|Exception|Iteration|Interrupt|Exit)s?\b")
_NUMBER = re.compile(r"[-+−]?(?:\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+)(?![\w%°€$/@-]|[.:]\w)")
_STRING = re.compile(r"[rb]?(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")(?!\w)")
_CURLY = re.compile(
    r"“([^”\n]{0,500})”|„([^“”\n]{0,500})[“”]|‘([^’\n]{0,500})’|«([^»\n]{0,500})»|「([^」\n]{0,500})」"
)
_ARROW = re.compile(r"(?:-{1,2}|={1,2})>|[→➞⇒⟶➜↦]|={1,2}(?![=\w])")
_BARE = re.compile(r"[^\s,;()\[\]{}\"'`|“”«»。、→]+")
_FIRST_WORD = re.compile(r"\s*(?:the\s+|der\s+|die\s+|das\s+|le\s+|la\s+|el\s+)?`?(\w+)")
_NOUN = re.compile(r"\s+`?([a-z]\w+)`?(?![\w(=.])")
_LACKS = re.compile(r"(?:no|keine?n?|aucune?|sans|sin|without any)\s+(\w+)", re.IGNORECASE)
_TESTED = re.compile(r"\s*(?:must|is|ist|es|no es|est|n['’]est|=|<|>)")
_NO = re.compile(r"(?i)(?:no|nein|non)(?=\s*(?:[.,;)\n]|$))")
_MUST = re.compile(r"(?i)\b(?:be|sein|être|ser)\s+$")
_NAMED = re.compile(r"(\w+)\s*(?:=(?!=)|(?=[<>≤≥]))")
_AFTER_ARROW = re.compile(r"(?:->|=>|→|⇒)\s*$")
_ARRAY = re.compile(r"np\.array\(")
_MARKS = {
    "。": ".", "、": ",", "；": ";", "：": ":", "，": ",", "—": "–", "–": "–", "/": "/", "…": "~",
    **{mark: mark for mark in ",;:()"},
}  # fmt: skip
_ACRONYM = re.compile(
    r"(?:JSON|CSV|ASCII|URLs?|HTTPS?|API|UTC|ISO|CSS|HTML|XML|YAML|CLI|ID|IDs|TODO|NOTE|UTF-?8|IBAN"
    r"|ISBN|IPv?[46]?|RGB|SQL|PEP|OK|AND|OR|NOT|README|PDF|POSIX|UUID|LRU|FIFO|LIFO)$"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a prompt. `code` is its Python (value, call, error) or its name (mention).
    `condition` is what it says of an argument."""

    kind: str
    start: int
    end: int
    code: str = ""
    condition: Condition | None = None


def tokens(text: str, start: int, end: int, names: Set[str], parameters: Set[str]) -> list[Token]:
    """The tokens of `text[start:end]`, places counted in `text`; filler words are left out."""
    found: list[Token] = []
    at = start
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        ends = at + 1
        for token in _read(text, at, end, names, parameters):
            ends = max(ends, token.end)
            if token.kind:
                found.append(token)
        at = ends
    return found


def _read(text: str, at: int, end: int, names: Set[str], parameters: Set[str]) -> Iterator[Token]:
    if text[at] == "`":
        yield _ticked(text, at, end, names, parameters)
    elif skipped := _skipped(text, at):
        yield skipped
    elif (string := _STRING.match(text, at, end)) and is_literal(string[0]):
        name = string[0].strip("'\"")
        kind, code = ("P", name) if name in parameters else ("V", string[0])
        yield Token(kind, at, string.end(), code)
    elif curly := _CURLY.match(text, at, end):
        yield Token("V", at, curly.end(), repr(next(g for g in curly.groups() if g is not None)))
    elif error := _ERROR.match(text, at, end):
        kind = "E" if error[0].rstrip("s") in expressions.ERRORS else "W"
        yield Token(kind, at, error.end(), error[0].rstrip("s"))
    elif empties := words.empties_at(text, at):
        yield from (Token("V", at, empties[1], code) for code in empties[0])
    elif said := _condition(text, at, end, parameters):
        yield said
    elif code := _bracketed(text, at, end) or _call(text, at, end, names):
        yield code
    elif (number := _NUMBER.match(text, at, end)) and is_literal(number[0].replace("−", "-")):
        yield Token("V", at, number.end(), number[0].replace("−", "-"))
    else:
        yield _word(text, at, end, names, parameters)


def _skipped(text: str, at: int) -> Token | None:
    """A docstring's quotes, and an apostrophe, which opens no text ("it's")."""
    if text.startswith(('"""', "'''"), at):
        return Token("", at, at + 3)
    if text[at] == "'" and at and text[at - 1].isalpha():
        return Token("", at, at + (2 if text.startswith("'s ", at) else 1))
    return None


def _condition(text: str, at: int, end: int, parameters: Set[str]) -> Token | None:
    """A condition on an argument, or the comparison of two parameters: "lo > hi"."""
    if at and (text[at - 1].isalnum() or text[at - 1] in "_.") and text[at] not in "<>≤≥":
        return None
    if (lacks := _LACKS.match(text, at, end)) and lacks[1] in parameters:
        return Token("y", at, lacks.end(), condition=Condition("empty", subject=lacks[1]))
    if found := conditions.condition_at(text, at, end):
        condition, close = found
        noun = _NOUN.match(text, close)
        # The noun may be one of the condition's own words: "negative amounts".
        for word, ends in (
            (noun[1], noun.end()) if noun else ("", 0),
            (_last_word(text[at:close]), close),
        ):
            if name := _parameter(word, parameters):
                return Token("y", at, ends, condition=replace(condition, subject=name))
        return Token("y", at, close, condition=condition)
    if found := conditions.comparator_at(text, at, end):
        op, close = found
        after = _FIRST_WORD.match(text, close)
        if after and after[1] in parameters:
            return Token("c", at, close, op)
    if _MUST.search(text[max(0, at - 12) : at]) and (
        found := conditions.demanded_at(text, at, end)
    ):
        return Token("y", at, found[1], condition=found[0])
    return None


def _last_word(text: str) -> str:
    return (re.findall(r"\w+", text) or [""])[-1]


def _parameter(word: str, parameters: Set[str]) -> str:
    """The parameter that a noun names, also in its plural; empty where it names none."""
    names = (word, word.removesuffix("s"), word.removesuffix("es"))
    return next((name for name in names if len(word) > 2 and name in parameters), "")


def is_literal(text: str) -> bool:
    """Whether `text` is a plain Python literal; `2024-12-31` is an expression."""
    value = expressions.closed_value(text)
    return value is not None and not any(isinstance(n, ast.BinOp) for n in ast.walk(value))


def _ticked(text: str, at: int, end: int, names: Set[str], parameters: Set[str]) -> Token:
    """What stands in code style; a lone backtick is dropped."""
    close = text.find("`", at + 1, end)
    content = text[at + 1 : close].strip()
    if close < 0 or not content or "\n" in content:
        return Token("", at, at + 1)
    inner = tokens(content, 0, len(content), names, parameters)
    if len(inner) == 1 and inner[0].kind in "VECMP" and inner[0].end == len(content):
        return Token(inner[0].kind, at, close + 1, inner[0].code)
    if content.lower() in words.CONSTANTS:
        return Token("V", at, close + 1, words.CONSTANTS[content.lower()])
    return Token("B", at, close + 1, repr(content))


def _call(text: str, at: int, end: int, names: Set[str]) -> Token | None:
    """A call of an asked function: with its arguments `C`, with its parameters only a mention."""
    match = CALL.match(text, at, end)
    if match is None or (at and (text[at - 1].isalnum() or text[at - 1] in "_.")):
        return None
    close = expressions.call_end(text, match.end() - 1)
    if close is None or close > end:
        return None
    code = text[at:close]
    if match[1] in names and (described := _described(text, match.end(), close - 1)):
        return replace(described, start=at, end=close)
    if not any(name in names for name in expressions.called(code)):
        return Token("x" if _is_of_python(match[1]) else "W", at, close)
    is_closed = expressions.is_example_call(code) and not code.endswith("()")
    return Token("C" if is_closed else "M", at, close, code if is_closed else match[1])


def _described(text: str, at: int, end: int) -> Token | None:
    """The condition that stands in place of a call's argument: "f(something not callable)"."""
    inner = tokens(text, at, end, set(), set())
    kinds = "".join(token.kind for token in inner)
    return inner[-1] if kinds in ("y", "Wy") else None


def _bracketed(text: str, at: int, end: int) -> Token | None:
    if array := _ARRAY.match(text, at, end):
        close = expressions.bracket_end(text, array.end() - 1)
        is_closed = close is not None and is_literal(text[array.end() - 1 : close])
        return Token("V", at, close, text[at:close]) if close and is_closed else None
    if text[at] not in "[{(":
        return None
    close = expressions.bracket_end(text, at)
    if close is None or close > end or not is_literal(text[at:close]):
        return None
    if text[close : close + 1] in ("(", "["):
        return Token("W", at, close + 1)  # more than a value
    value = expressions.closed_value(text[at:close])
    is_value = text[at] != "(" or isinstance(value, ast.Tuple)
    return Token("V", at, close, text[at:close]) if is_value else None


def _mark(text: str, at: int, end: int) -> Token | None:
    if arrow := _ARROW.match(text, at, end):
        return Token("A", at, arrow.end())
    if text.startswith("...", at):
        return Token("~", at, at + 3)
    if text[at] in ".!?" and not text[at + 1 : at + 2].isalnum():
        return Token(".", at, at + 1)
    return Token(_MARKS[text[at]], at, at + 1) if text[at] in _MARKS else None


def _word(text: str, at: int, end: int, names: Set[str], parameters: Set[str]) -> Token:
    if mark := _mark(text, at, end):
        return mark
    if (named := _NAMED.match(text, at, end)) and named[1] in parameters:
        return Token("P", at, named.end(1), named[1])
    bare = _BARE.match(text, at, end)
    word = bare[0].rstrip(".!?:") if bare else text[at]
    plain = word.strip("*_")
    close = at + max(len(word), 1)
    if plain in names:
        return Token("M", at, close, plain)
    if "." in plain and _is_of_python(plain):
        return Token("x", at, close)
    for name in (plain, plain.lower()) if len(plain) > 2 else (plain,):
        if name in parameters and (
            len(plain) > 1 or plain not in "aiyeo" or _TESTED.match(text, close)
        ):
            return Token("P", at, close, name)
    if plain.lower() in words.CONSTANTS:
        return Token("V", at, close, words.CONSTANTS[plain.lower()])
    # A word alone behind an arrow is a text: "1 -> I".
    is_alone = text[close : close + 1] in ("", ",", ";", "\n") or close >= end
    phrase = words.phrase_at(text, at)
    is_said = phrase is not None and phrase[0] in ("Z", "S", "R")
    if (
        is_alone
        and not is_said
        and plain.isalpha()
        and _AFTER_ARROW.search(text[max(0, at - 5) : at])
    ):
        return Token("B", at, close, repr(plain))
    return _said(text, at, end, word)


def _said(text: str, at: int, end: int, word: str) -> Token:
    """A phrase that is known, else a bare word."""
    close = at + max(len(word), 1)
    if _NO.match(text, at, end):
        return Token("U", at, close)  # "9: no"
    phrase = words.phrase_at(text, at)
    if phrase and not (phrase[1] < close and _looks_like_data(word)):
        return Token(phrase[0], at, min(phrase[1], end))
    if word.startswith("="):
        return Token("A", at, at + 1)
    return Token("B" if _looks_like_data(word) else "W", at, close, repr(word))


def _is_of_python(name: str) -> bool:
    """Whether a name is one of Python's own: `list.pop`, `math.floor`, `sorted`."""
    root, dot, _ = name.partition(".")
    return root in syntax.BUILTINS or (bool(dot) and root in sys.stdlib_module_names)


def _looks_like_data(word: str) -> bool:
    """Whether a bare word is rather an input or a result than a word: `IV`, `a@b.co`."""
    return not _ACRONYM.match(word) and bool(
        re.fullmatch(r"[*•#]{2,}\w+", word)
        or re.search(r"^[^<>=*+^]*(?:\d|[@$/_]|\w[.:]\w|\w-\d)[^<>=*+^]*$", word)
        or re.fullmatch(r"[A-Z]{2,}", word)
    )
