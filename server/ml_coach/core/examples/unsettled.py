"""What a prompt says of results that no program can be held to: what it takes back itself, and what
differs from call to call."""

from __future__ import annotations

import re
from functools import lru_cache

from ml_coach.core.examples import expressions
from ml_coach.core.examples.layout import Piece

_SENTENCE_END = re.compile(r"[.;!?…]+[\"'”»)]*(?:\s|$)|[。；！？]|\n\s*\n")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
# "f(1) gives 2. No wait, it gives 3.", "gives 2 (sorry, 3)": these take back what is before them.
_SECOND_THOUGHT = re.compile(
    r"(?:(?<=[.;!?…,(–—-] )|(?<=[\n(]))(?:(?:oh|ah|hm+),? )?"
    r"(?:no,? wait|wait,? no|wait,|scratch that|strike that|forget (?:that|it),|ignore that"
    r"|never ?mind|on second thoughts?|correction:|sorry,|oops|my bad|i meant?\b|make that\b"
    r"|quatsch|moment,|korrektur:|ich meine?\b|pardon,|je veux dire|attends,|correction :"
    r"|perdón,|espera,|mejor dicho|corrección:|digo,|quer dizer|aliás,|anzi\b)"
    r"|(?:(?<=[.;!?…] )|(?<=\n))(?:actually\b|(?:(?:hm+|oh|ah),? )?(?:no|nein|nee|non|não"
    r"|en fait|en realidad|na verdade|ach nein|doch nicht)[,:])|いや|訂正|やっぱり|不对|更正|等等",
    re.IGNORECASE,
)
# "He is wrong", "that is outdated": so do these, at the start of a sentence.
_DISCLAIMED = re.compile(
    r"(?:(?<=[.;!?…\"'”»] )|(?<=\n))"
    r"(?:(?:but|which|and|aber|mais|pero) )?(?:he|she|they|that|this|it|both|all|das|dies|er|sie"
    r"|c['’]|il|elle|eso|esto|isso)"
    r"(?:['’](?:s|re)| is| are| was| were|ist|est| ist| sind| war| est| es| era| é)? ?"
    r"(?:(?:all|just|simply|of course|actually|leider|natürlich) )?"
    r"(?:wrong|incorrect|outdated|not (?:right|true|correct|what)|no longer (?:true|the case|right)"
    r"|false|nonsense|a (?:bug|mistake|typo)|obsolete|isn['’]t (?:right|true|correct)"
    r"|falsch|veraltet|ein fehler|faux|fausse|une erreur|incorrecto|falso|un error|errado)\b",
    re.IGNORECASE,
)
# "the first example is wrong"
_ABOVE = re.compile(
    r"\b(?:the )?(?:first|previous|above|last|other|old) (?:examples?|ones?|lines?|values?|cases?)"
    r" (?:above )?(?:is|are|was|were) (?:now )?"
    r"(?:wrong|incorrect|outdated|obsolete|not right|off)\b",
    re.IGNORECASE,
)
_RANDOM = re.compile(
    r"\brandom(?:ly|i[sz]e[sd]?)?\b|\bshuffl|\buuid4?\b|\bat chance\b"
    r"|\b(?:zufällig|aléatoire|aleatori|casual)\w*\b|随机|ランダム"
    r"|\b(?:will|may|can|might) (?:differ|vary)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\btoday['’]s\b|\b(?:until|from|since|to|before|after|as of) (?:today|now)\b"
    r"|\btime of (?:the )?day\b|\bdepend\w* on the (?:time|date|day|hour|weekday)\b"
    r"|\bcurrent (?:date|time|day|year|month|timestamp|hour)|\bheutige\w*|\b(?:bis|seit) heute\b"
    r"|\bdate du jour\b|\b(?:fecha|data|hora) (?:actual|atual|de hoy|de hoje)\b"
    r"|今日|今天|現在|当前时间",
    re.IGNORECASE,
)
_ALWAYS = re.compile(r"raises \w+|None|0|''|\"\"|\[\]|\{\}|\(\)")


@lru_cache(maxsize=4)
def taken_back(prompt: str) -> tuple[Piece, ...]:
    """The stretches of the prompt that its next words take back: of the sentence in which such
    words stand what is before them, else the sentence before."""
    found: list[Piece] = []
    for match in (*_SECOND_THOUGHT.finditer(prompt), *_DISCLAIMED.finditer(prompt)):
        begun = [0, *(end.end() for end in _SENTENCE_END.finditer(prompt, 0, match.start()))]
        paragraph = max(
            (e.end() for e in _PARAGRAPH_END.finditer(prompt, 0, match.start())), default=0
        )
        starts = [at for at in begun if prompt[at : match.start()].strip("\"'”»)( \n")]
        found.append(Piece(max([*starts[-1:], paragraph]), match.start()))
    found += [Piece(0, match.start()) for match in _ABOVE.finditer(prompt)]
    return tuple(found)


def is_taken_back(prompt: str, start: int, end: int) -> bool:
    return any(piece.start < end and start < piece.end for piece in taken_back(prompt))


def is_unclear(prompt: str, value: str) -> bool:
    """Whether a value may be meant as another one than Python reads: `{}` among sets, and `""`
    where the prompt writes its texts in single quotes, so that both quotes may be its characters.
    """
    if value == "{}":
        return re.search(r"\bset\b(?!\s+(?:to|of|up|the|it)\b)", prompt) is not None
    return value == '""' and re.search(r"'[^'\"\n]*\"[^'\n]*'", prompt) is not None


def differs_by_call(prompt: str, value: str) -> bool:
    """Whether a result is only one of many, by chance or by the clock. Errors and what is empty are
    the same each time."""
    is_fixed = _ALWAYS.fullmatch(expressions.normal(value)) is not None
    return not is_fixed and bool(_RANDOM.search(prompt) or _CLOCK.search(prompt))
