"""The grammar of statements: which tokens of a sentence state a result of which inputs.

The forms are spelled in kinds of tokens (words.py). A form is anchored at the start of a clause and
ends where the clause does, so that no word is left between an input and its result that could
change their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ml_coach.core.examples.conditions import Condition
from ml_coach.core.examples.layout import Piece
from ml_coach.core.examples.tokens import Token

_START = r"(?:^|(?<=[.;:,(–ja]))"
# A value with "for" behind it is the result for what follows.
_ITEM = "(?:[WXliYF]{1,6}\\(?G,?:?)?(?:(?:P[Al]?)?[VB](?:(?<=V)P(?![VB])|(?!F))|Y)"
_SEPARATOR = "(?:(?:,a|,O|[,aO/])F?|(?<=P)F)"
LIST = f"{_ITEM}(?:{_SEPARATOR}{_ITEM})*"
_EXAMPLES = r"[FI]?[WXPMlOaiF,TUyY]{0,10}\(?G,?:?"
_OPENED = rf"(?:{_EXAMPLES}|(?:M[FI])?[FI]?[PlM]{{0,2}}?)"
# A second value behind a result would make it a part of something else: "returns 3 and 5".
# One of several cases is enough: "n < 1 or no such day", "wrong size or n < 1".
_OR_ELSE = r"(?:,?O[WUXPlVYcCa]{1,7})?(?:\([^().;EA]{1,30}\))?"
_ELSE_OR = r"(?:[WUXPlF]{1,6},?O)?"
_END = rf"(?=$|[.;:)(–jQ]|[,aO]{{1,2}}(?!{_ITEM}(?:$|[.;:),])))"
_IN = f"(?P<input>C|{LIST})"
_LINK = r"(?:\)?,?M?(?=[Ll])[LliP]{1,3}:?|W{0,3}A[Ll]?|lT?A[Ll]?|lT[,a]{1,2}L)"
_FORMS = tuple(
    (name, re.compile(form))
    for name, form in (
        # the gcd of 12 and 18 is 6
        ("named", rf"{_START}(?P<words>[WM]{{1,3}}){_IN}[lL](?P<result>[VB]){_END}"),
        # 'a b' becomes 'a-b'; for 'x' the output is 2; IV -> 4
        ("value", rf"{_START}{_OPENED}{_IN}{_LINK}(?P<result>[VBSZ]){_END}"),
        # 13 to 19 'teen'; Given 5, when I call f, then I get 3; 'ab' is unchanged
        ("value", rf"{_START}{_OPENED}(?P<input>Y)[lLA:]{{0,3}}(?P<result>[VBSZ]){_END}"),
        # With 1 it returns 2, with 3 4
        ("value", rf"(?<=[,a])F(?P<input>V)(?P<result>[VB]){_END}"),
        (
            "value",
            rf"F{_IN},?IW?M(?:F?W)?,?[ja]*W?[lL]{{0,2}}(?P<result>[VBE])(?:l?R)?(?=$|[.;,)])",
        ),
        ("value", rf"{_START}{_OPENED}{_IN}[lL]{{0,3}}(?P<result>S){_END}"),
        # aaabb becomes a3b2: texts without quotes, where one is made of the other's letters
        ("bare", rf"{_START}F?(?P<input>[WB])(?:L|A)(?P<result>[BW])(?=$|[.,;)a])"),
        # f is called with 'a b c' and gives abc; take 'a' and return 1
        ("value", rf"M?F{_IN},?aM?L(?P<result>[VB]){_END}"),
        ("yes", rf"(?P<input>C)(?P<result>V){_END}"),
        ("printed", rf"(?P<input>C)w(?P<result>V){_END}"),
        # evens(): 0, 2, 4 and so on
        ("items", r"(?P<input>[MC])(?:,?W{0,3})[:lLA]{1,2}(?P<result>V(?:,a?V){2,}),?a?~"),
        # ValueError for inputs such as 'a', 'b' or the empty string; ValueError: n is negative
        (
            "error",
            rf"(?P<result>E)R?(?:[iF]M)?,?(?:\(?{_EXAMPLES}|[FI:]?[FI](?:[PW]?l)?:?|:){_IN}"
            rf"(?={_END[3:-1]}|[OLR])",
        ),
        # 'nine' and '' raise a TypeError; '' -> ValueError; n < 0: ValueError
        # reject 'a' and 'b' with a ValueError
        ("error", rf"U(?P<input>(?:{LIST}{_SEPARATOR})?[VB]),?F(?P<result>E){_END}"),
        (
            "error",
            rf"{_START}{_OPENED}{_ELSE_OR}{_IN}(?:(?<=Y)l)?\)?{_OR_ELSE},?"
            r"(?:(?:lU)?[A:(]R?|l?U?\(|[RLlU]{1,3}\(?)(?P<result>E)R?(?=$|[.;:)(–ja,WRLX])",
        ),
        ("error", rf"{_START}(?:[FI]|(?=Y)){_IN},?(?P<result>E)[RL]{{0,2}}(?=$|[.;:)(–ja,])"),
        ("error", rf"{_START}{_OPENED}{_IN}\)?,?(?:[LlA]*)(?P<result>R)(?=$|[.;)–ja])"),
        # raise ValueError if …, behind the "must" that it breaks
        ("error", r"(?P<input>m)[,;(–.]{0,2}(?:[jOIR]|lX)*(?P<result>E)(?=$|[.;:)(–ja,R])"),
        # returns 0 for an empty list; True for 'a', False for 'b' and 'c'
        (
            "first",
            rf"(?:(?<=L)|{_START})(?P<result>[VS])"
            rf"(?:(?:[FI](?:Pl)?|I[PW]?l){_IN}|(?P<near>Y)){_END}",
        ),
        # 'a' is valid, 'b' is not; 7 yes, 9 no; 2000 is a leap year, 1900 isn't
        (
            "truth",
            rf"{_START}[FIMG]{{0,2}}:?{_IN},?[lLARM:]{{0,2}}(?P<not>X)?(?P<truth>[TU])"
            r"(?=$|[.;)(–j,aOQ])",
        ),
        ("truth", rf"{_START}[FIMG]{{0,2}}:?{_IN},?(?P<truth>[lA]?X)(?=$|[.;)(–j,aO])"),
        ("truth", rf"{_START}{_IN}l(?P<not>X)?(?P<words>[WPM]{{1,4}})(?=$|[.;)(–j,aO])"),
        ("truth", rf"{_START}(?P<not>X)?F?(?P<words>[WP]{{1,4}}):G?(?P<input>{LIST}){_END}"),
        ("truth", rf"{_START}{_IN}(?P<truth>l)(?=$|[.;)(–j,aO])"),
        # Valid: 'a', 'b'. Not valid: 'c'
        (
            "truth",
            rf"{_START}(?P<not>X)?(?P<truth>[TU])(?P<noun>W{{0,2}})(?:[lG:][G:]?)?\(?"
            rf"(?P<input>{LIST}){_END}",
        ),
    )
)  # fmt: skip
_NEAR = 80  # tokens
_REDUCED = re.compile(
    r"(?P<must>[PW]Kl?X?l?y)|(?P<two>Pl?cP)|(?P<one>(?:[PW]l|P|(?:(?<=[FIaO,.:;(])|^)W)?X?yP?)"
)


class Statement(NamedTuple):
    """Inputs and what is stated for them: a `result`, or the `truth` of what the function asks.

    `words` are those that say the truth, where they are no known ones, `nouns` those behind a known
    one ("valid codes: ..."). `place` holds its tokens.
    `opens` where nothing stands before it in its clause that could be about the same call,
    `corrects` where it puts another result right, `elliptic` where its verb only makes sense behind
    another statement ("2000 is a leap year, 1900 is not").
    """

    inputs: tuple[Token, ...]
    result: Token | None
    place: Piece
    truth: bool = True
    words: tuple[Token, ...] = ()
    nouns: tuple[Token, ...] = ()
    opens: bool = True
    corrects: bool = False
    elliptic: bool = False


def statements(found: Sequence[Token]) -> Iterator[Statement]:
    """What a piece's tokens state, in one of the forms, in the order of the forms."""
    # "should" and "must" change nothing in what is stated.
    plain = [token for token in reduced(found) if token.kind != "K"]
    kinds = "".join(token.kind for token in plain)
    taken: set[int] = set()
    for name, form in _FORMS:
        for match in form.finditer(kinds):
            inside = range(match.start(), match.end())
            # What goes on another statement ("1 for 'a' and 2 for 'b'") has inputs of its own.
            goes_on = match.start() - 2 in taken
            is_cut = _cuts_a_list(match) and not goes_on
            is_cut |= name == "yes" and plain[match.start("result")].code not in ("True", "False")
            if taken.intersection(inside) or is_cut or _is_doubtful(name, match, goes_on=goes_on):
                continue
            taken.update(inside)
            follows = match.string[match.start() - 1 : match.start()] == "," and goes_on
            yield _statement(name, match, plain, goes_on=follows)


def _statement(
    name: str, match: re.Match[str], plain: Sequence[Token], *, goes_on: bool
) -> Statement:
    groups = match.groupdict()
    group = "near" if groups.get("near") else "input"
    inputs = tuple(
        t
        for t in plain[match.start(group) : match.end(group)]
        if t.kind in ("VBCPYmGWM" if name in ("bare", "items") else "VBCPYmG")
    )
    inputs = _sharing_subject(inputs)
    place = Piece(plain[match.start()].start, plain[match.end() - 1].end)
    if name == "printed":
        return Statement(inputs, replace(plain[match.start("result")], kind="w"), place)
    if name == "items":
        given = plain[match.start("result") : match.end("result")]
        code = f"[{', '.join(t.code for t in given if t.kind == 'V')}]"
        return Statement(inputs, replace(given[0], kind="~", code=code), place)
    if name != "truth":
        kinds = _before(match, match.start(group))
        # What an error is raised for stands behind it and needs no more words.
        opens = name == "error" and match.start("result") < match.start(group)
        clause = re.split("[.;:(–jAL]", kinds)[-1]
        # "..., n = 0 -> []" says by its arrow that it stands alone behind words.
        others = "[VBYPCFIi]" if clause.endswith(",") and "A" in match[0] else "[WVBYPC]"
        opens = opens or goes_on or not re.search(others, clause)
        words = plain[match.start("words") : match.end("words")] if name == "named" else ()
        return Statement(
            inputs, plain[match.start("result")], place, words=tuple(words), opens=opens
        )
    words, nouns = (
        tuple(plain[match.start(key) : match.end(key)]) if groups.get(key) else ()
        for key in ("words", "noun")
    )
    truth = not (groups.get("not") or (groups.get("truth") or "").endswith(("U", "X")))
    if groups.get("not") and groups.get("truth") == "U":
        truth = True
    elliptic = not groups.get("words") and groups["truth"] in ("l", "X", "lX", "AX")
    return Statement(inputs, None, place, truth, words, nouns=nouns, elliptic=elliptic)


def _sharing_subject(inputs: tuple[Token, ...]) -> tuple[Token, ...]:
    """Conditions in one list are about the only argument that they name: "negative or zero n"."""
    subjects = {token.condition.subject for token in inputs if token.condition} - {""}
    if len(subjects) != 1:
        return inputs
    subject = subjects.pop()
    return tuple(
        replace(t, condition=replace(t.condition, subject=subject)) if t.condition else t
        for t in inputs
    )


def _cuts_a_list(match: re.Match[str]) -> bool:
    """Whether a value stands in front that belongs to the same inputs: "12 and 18 is 6"."""
    is_cut = re.search("[VBY][,aO]$", _before(match, match.start())) is not None
    return is_cut and match[0][0] in "VBY"


def _before(match: re.Match[str], end: int) -> str:
    """The kinds before a place; a clause has fewer tokens than are looked at."""
    return match.string[max(0, end - _NEAR) : end]


def _is_doubtful(name: str, match: re.Match[str], *, goes_on: bool) -> bool:
    """Whether the clause denies, doubts, or speaks of the past."""
    before = re.split("[.;j]", _before(match, match.start()))[-1]
    inside = re.sub(r"\([^()]*\)", "", match[0])
    if "A" in inside:
        # The clause before may only say what is asked for: "f(x): joins without blanks, 0 -> []".
        before = re.sub(r"M[^,]*,$", "", re.sub(r"\([^()]*\)", "", before))
    # "str.title gives 'A' for 'a'": another function is spoken of.
    if re.search("x[^.;,]{0,3}[LRl][^.;,]*$", _before(match, match.start()) + inside):
        return True
    after = re.split("[.;j,]", match.string[match.end() : match.end() + _NEAR])[0]
    if name == "first" and not goes_on and re.search("[VBYC]", re.split("[,:]", before)[-1]):
        return True
    # What an error is for may hold a "not": "a line without a sign raises ValueError".
    doubt = "[ND]|X[LR]*$" if name == "error" else "[ND]" if name == "truth" else "[NXD]"
    if name == "bare":
        return re.search("[NXD]", before + after) is not None
    return re.search(doubt, before) is not None or re.search("[ND]", inside + after) is not None


def with_range(
    pieces: Sequence[tuple[Piece, list[Token]]],
) -> list[tuple[Piece, list[Token]]]:
    """The pieces, where "outside this range" stands for the only range that they speak of."""
    said = [t.condition for _, found in pieces for t in found if t.condition]
    ranges = {(c.bound, c.top) for c in said if c.op == "range" and not c.of_length}
    low, high = ranges.pop() if len(ranges) == 1 else ("", "")

    def resolved(token: Token) -> Token:
        if token.condition is None or token.condition.op != "outside" or token.condition.top:
            return token
        known = replace(token.condition, bound=low, top=high)
        return replace(token, condition=known) if high else replace(token, kind="W", condition=None)

    return [(piece, [resolved(token) for token in found]) for piece, found in pieces]


def reduced(found: Sequence[Token]) -> list[Token]:
    """The tokens with each condition and what it is said of as one: `Y`, or `m` where it is what
    an argument must not be."""
    kinds = "".join(token.kind for token in found)
    made: list[Token] = []
    at = 0
    for match in _REDUCED.finditer(kinds):
        part = found[match.start() : match.end()]
        condition = _condition(match.lastgroup or "", part)
        if condition is None:
            continue
        made += found[at : match.start()]
        kind = "m" if match.lastgroup == "must" else "Y"
        made.append(Token(kind, part[0].start, part[-1].end, condition=condition))
        at = match.end()
    return [*made, *found[at:]]


def _condition(form: str, part: Sequence[Token]) -> Condition | None:
    if form == "two":
        return Condition(part[-2].code, subject=part[0].code, than=part[-1].code)
    said = next(token.condition for token in part if token.kind == "y")
    if said is None:
        return None
    subject = next((token.code for token in part if token.kind in "PW"), said.subject)
    is_denied = any(token.kind == "X" for token in part) != (form == "must")
    condition = said.denied() if is_denied else said
    return replace(condition, subject=subject.strip("'\"")) if condition else None
