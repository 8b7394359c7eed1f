"""Forms of sentences that state what a function gives for which inputs, spelled in kinds of tokens.

A form is anchored at the start of a clause and ends where the clause does, so that no word is left
between an input and its result that could change their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml_coach.core.examples.tokens import Token


@dataclass(frozen=True, slots=True)
class Statement:
    """Inputs, the result that is stated for them, and where its tokens begin and end.

    `result` is None for "unchanged". `is_truth`: the inputs are only called valid or invalid.
    """

    inputs: tuple[Token, ...]
    separators: str  # the kinds between the inputs
    result: Token | None
    first: int
    last: int
    is_truth: bool = False
    is_negated: bool = False
    corrects: bool = False  # it puts a wrong result right


_START = r"(?:^|(?<=[.;:,(–jaDM~]))"
_ITEM = "(?:P[Al]?)?[VB]"
_SEPARATOR = "(?:,a|,O|[,aO])"
_LIST = f"{_ITEM}(?:{_SEPARATOR}{_ITEM})*"
_DESCRIPTION = "[WXPMlOaYZiTF,]{0,10}"
_EXAMPLES = rf"[FI]?{_DESCRIPTION}\(?G,?:?"
# "strings with other letters (like 'xyz')" behind the first inputs
_MORE = rf"(?:{_SEPARATOR}[FI]?[WXPFlYZ]{{1,6}}\(?G,?{_LIST}\)?)?"
_OPENED = rf"(?:{_EXAMPLES}|[FI]?[Pl]{{0,2}}?)"
# A second value behind a result would make it a part of something else: "returns 3 and 5".
_END = rf"(?=$|[.;:)(–jQDX]|[,aO]{{1,2}}(?!{_ITEM}(?:$|[.;:),])))"
_IN = f"(?P<input>C|{_LIST})"
_FORMS = [
    # 'a b' becomes 'a-b'; for 'x' the output is 2; an interval (1, 5) overlaps -> True
    rf"{_START}{_OPENED}{_IN}(?:\)?,?M?(?=[Ll])[LliP]{{1,3}}:?|W{{0,3}}A[Ll]?)(?P<result>[VBn]){_END}",
    # f(1) does not return 3 but 2
    rf"{_START}{_OPENED}{_IN}X[Ll]{{0,2}}[VB],?[jl]?K?(?P<result>V){_END}",
    # 0 to 12 is 'child', 13 to 19 'teen', 20 and older 'adult'
    rf"{_START}F?(?P<input>V(?:[iT–]V|U))[lLA]{{0,2}}(?P<result>V){_END}",
    # Given 'a', when f is called, then it returns 'b'; when f is called with 'a', it gives 'b'
    rf"{_START}(?:F|IW?MW?F)[WP]?{_IN},?(?:[Ia]W?K?l?W?M[lW]{{0,2}})?,?j?(?:[LlM]{{1,3}}"
    rf"(?P<result>[VB])|(?P<returned>V)lL){_END}",
    # 2 and 13 are primes (True)
    rf"{_START}{_OPENED}{_IN}l?X?W{{0,3}}\((?P<truth>V)\)",
    # 'ABC' stays as it is
    rf"{_START}{_OPENED}{_IN}[lL]{{1,2}}(?P<same>S){_END}",
    # it returns True for 'a' and 'b', but False for 'c'
    rf"(?:{_START}|(?<=M))[Ll]{{1,2}}(?P<result>V),?(?:{_EXAMPLES}|[FI]P?l?){_IN}{_END}",
    rf"(?:^|(?<=[ja,:(]))(?P<constant>V)(?:F|F{_EXAMPLES}){_IN}{_END}",
    # turns 'a' into 'b', and 'c' into 'd'; takes 'a' and gives 'b'
    rf"v{_IN}(?:i|aL)(?P<result>[VB]){_END}",
    rf"(?<=[a,]){_IN}i(?P<result>[VB]){_END}",
    # ValueError for inputs such as 'a', 'b' or the empty string
    rf"(?P<error>E)R?,?(?:\(?{_EXAMPLES}|[FI]P?l?)(?P<input>C|{_LIST}{_MORE})(?={_END[3:-1]}|O)",
    # ValueError when the port is 0 or not a number (e.g. 'http')
    rf"(?P<error>E)[^.;jEACKL]*\(G,?(?P<input>{_LIST})\)",
    # strings like 'nine' raise a TypeError; '' -> ValueError
    rf"{_START}{_OPENED}(?P<input>C|{_LIST}{_MORE})(?:W{{0,3}}A|\)?,?[RLlj,]{{0,3}}|[XWl]{{1,4}}\()"
    r"(?P<error>E)"
    r"R?(?=$|[.;:)(–ja,WRL])",
]
_FORMS_OF = [re.compile(form) for form in _FORMS]
# Inputs that are told apart: under a word, behind a verb, before one, or by what they are called.
_TOLD = [
    re.compile(rf"{_START}{form}(?=$|[.;)(–j,]|a[YZVB])")
    for form in (
        rf"X?(?P<word>[YZ])W{{0,2}}:(?P<input>{_LIST})",
        rf"X?(?P<word>W)W?:(?P<input>{_LIST})",
        rf"(?:F?G)?(?P<word>[YZ])(?P<input>{_LIST})",
        rf"(?P<input>{_LIST})l?X?(?P<word>[YZ])",
        rf"(?P<input>{_LIST})l(?P<word>W)W?(?:\(V\))?",
        rf"(?P<input>{_LIST})l?(?P<word>X)",
    )
]
HEADING = re.compile(r"^X?(?P<word>[YZ])W{0,2}:?$")
ONLY_INPUTS = re.compile(rf"^(?P<input>{_LIST})(?:[.,;]|[–(].*)?$")
_CORRECTS = re.compile(rf"K[KLRlij,]{{0,4}}(?P<result>[VBE])(?!{_SEPARATOR}?{_ITEM})")


def statements(found: Sequence[Token]) -> Iterator[Statement]:
    """What a piece's tokens state. A statement of what is past or wrong states nothing, unless what
    follows it puts its result right."""
    plain = [n for n, token in enumerate(found) if token.kind != "K"]
    kinds = "".join(found[n].kind for n in plain)
    every = "".join(token.kind for token in found)
    taken: list[tuple[int, int]] = []
    void: list[Statement] = []
    for form in _FORMS_OF:
        for match in form.finditer(kinds):
            first, last = plain[match.start()], plain[match.end() - 1]
            if any(first < end and start < last for start, end in taken):
                continue
            statement = _statement(found, plain, match)
            if _is_past(every, statement):
                void.append(statement)
            elif not _is_doubtful(every, statement):
                taken.append((first, last + 1))
                yield statement
    yield from _corrected(found, every, void)
    for form in _TOLD:
        for match in form.finditer(kinds):
            statement = _statement(found, plain, match)
            first, last = statement.first, statement.last + 1
            is_read = any(first < end and start < last for start, end in taken)
            if (
                not is_read
                and not _is_past(every, statement)
                and "N" not in re.split("[.;]", every[:first])[-1]
            ):
                taken.append((first, last))
                yield statement


def _statement(found: Sequence[Token], plain: Sequence[int], match: re.Match[str]) -> Statement:
    groups = match.groupdict()
    inside = [plain[n] for n in range(match.start("input"), match.end("input"))]
    name = next(
        (n for n in ("result", "returned", "truth", "constant", "error", "word") if groups.get(n)),
        "",
    )
    last = plain[match.end() - 1]
    negated = name == "word" and re.search("X[YZW]", match[0]) is not None
    return Statement(
        tuple(found[n] for n in inside if found[n].kind in "VBCP"),
        "".join(found[n].kind for n in inside if found[n].kind not in "VBCP"),
        found[plain[match.start(name)]] if name else None,
        plain[match.start()],
        last,
        is_truth=name == "word",
        is_negated=negated,
    )


def _is_past(every: str, statement: Statement) -> bool:
    """Whether its clause speaks of what is past or wrong, and no "should" stands in it."""
    inside = every[statement.first : statement.last + 1]
    if "K" in inside:
        return False
    before = re.split("[.;jK]", every[: statement.first])[-1]
    after = re.split("[.;j,K]", every[statement.last + 1 :])[0]
    return "D" in before + inside + after


def _is_doubtful(every: str, statement: Statement) -> bool:
    before = re.split("[.;j,:]", every[: statement.first])[-1]
    after = re.split("[.;j,]", every[statement.last + 1 :])[0]
    is_error = statement.result is not None and statement.result.kind == "E"
    # "a line without a sign raises ValueError" has its "without" in the description.
    doubt = "N|X[KR]*$" if is_error else "[NX]"
    return bool(re.search(doubt, before)) or "N" in after


def _corrected(
    found: Sequence[Token], every: str, void: Sequence[Statement]
) -> Iterator[Statement]:
    """What is put right: "f(1) gives 6 at present. The right answer is 2."."""
    for wrong in void:
        following = [s.first for s in void if s.first > wrong.last]
        end = min(following, default=len(every))
        # The right result stands in the same sentence or in the next.
        match = _CORRECTS.search(every, wrong.last + 1, end)
        if match and every.count(".", wrong.last, match.start()) <= 1:
            result = found[match.start("result")]
            last = match.end() - 1
            yield Statement(
                wrong.inputs, wrong.separators, result, wrong.first, last, corrects=True
            )
