"""What a prompt puts right: "f(1) returns 2 today; it should be 3", "not 2 but 3".

A sentence that says a wrong result states nothing. Where the same sentence or the next one says the
right result, without an input of its own, it is about the same call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml_coach.core.examples.forms import LIST, Statement
from ml_coach.core.examples.layout import Piece
from ml_coach.core.examples.tokens import Token

_CALLS = f"(?P<input>C|{LIST})"
# Between the wrong and the right result: a reason may stand there, and one full stop.
_GAP = r"[^CVBEN.]{0,12}(?:j[^.KCN]{0,12})?(?:\.[^CVBEN.K]{0,6})?"
_RIGHT = r"(?P<right>[VBE]|R)"
_END = r"(?=$|[.;:)(–jQ]|,(?![VB]))"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_CALLS}[lLMDRWaA:]{{0,5}}(?P<wrong>[VBE]R?){_GAP}K[lLK:D]{{0,4}}{_RIGHT}{_END}",
        # "f('') crashes, it should give 0"
        rf"(?P<input>C)[lLMDRWA]{{1,4}}[,.;j]{{1,2}}W?(?P<wrong>K)[lL]{{0,3}}{_RIGHT}{_END}",
        # "f([]) raises IndexError. Write f so that it returns None in that case."
        rf"{_CALLS}[lLMDRWaA:]{{0,5}}(?P<wrong>[VBE]R?){_GAP}[WMjlLR]{{0,6}}{_RIGHT}R?K",
        # "f(1) does not return 2 but 3", "f(1) isn't 2, it's 3"
        rf"{_CALLS}[lLK]{{0,2}}X[lLK]{{0,2}}(?P<wrong>[VB])[,j–;(]{{1,2}}[lLK]{{0,2}}{_RIGHT}{_END}",
    )
)
_ALONE = re.compile(rf"^[,Wj]{{0,2}}K[lLK:]{{0,3}}{_RIGHT}(?=$|[.;:)(–W])")


def corrections(found: Sequence[Token]) -> Iterator[Statement]:
    """The right results in a piece's tokens, each for the inputs of the wrong one."""
    kinds = "".join(token.kind for token in found)
    for form in _FORMS:
        for match in form.finditer(kinds):
            # "of 1.5 with n=2": a part of the inputs
            if re.search("[VBY][,aOF]$", kinds[: match.start()]):
                continue
            wrong, right = found[match.start("wrong")], found[match.start("right")]
            if (wrong.kind, wrong.code) != (right.kind, right.code):
                inputs = found[match.start("input") : match.end("input")]
                place = Piece(found[match.start()].start, found[match.end() - 1].end)
                kept = tuple(token for token in inputs if token.kind in "VBCP")
                yield Statement(kept, right, place, corrects=True)


def correction_of(call: Token, found: Sequence[Token]) -> Statement | None:
    """The right result of `call`, where the tokens below it begin with one: "It should be 3"."""
    match = _ALONE.match("".join(token.kind for token in found))
    if match is None:
        return None
    right = found[match.start("right")]
    return Statement((call,), right, Piece(found[0].start, right.end), corrects=True)
