"""The rows of a prompt's tables → calls and their results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml_coach.core.examples import expressions, layout
from ml_coach.core.examples.functions import Function
from ml_coach.core.examples.tokens import is_literal

_NOTE = re.compile(
    r"(?i)#|no\.?|nr\.?|case|id|comments?|notes?|remarks?|why|reason|description|explanation|rule|"
    r"meaning|bemerkung|warum|grund|remarque|nota"
)
_RESULT = re.compile(
    r"(?i)(?:expected|results?|outputs?|returns?|answers?|gives?|value|ergebnis|ausgabe|résultat|"
    r"sortie|resultado|salida|risultato|erwartet|→|->|=|`?\w+\(.*\))"
)
_BLANK = re.compile(r"[-–—?…/]*|\.{2,}|(?i:n/?a|none|tbd|todo)")
# "25 (was 20)"
_NOTED = re.compile(r"(?<=[\w'\"`\])}])\s+\(.*\)$")
_PAST_TITLE = re.compile(r"(?i)\b(?:now|today|current|actual|old|before|wrong|observed|got)\b")


def table_rows(prompt: str, function: Function) -> Iterator[tuple[layout.Piece, str, str]]:
    """Of each row its place, the call and the result: a column for each argument, the last for the
    result, which may be an error."""
    for table in layout.tables(prompt):
        head, *rows = table.rows
        kept = [
            n for n, cell in enumerate(head)
            if not _NOTE.fullmatch(_bare(cell)) and not _PAST_TITLE.search(cell)
        ]  # fmt: skip
        if not _is_of(function, [_bare(head[n]) for n in kept]):
            continue
        columns = [[row[n] if n < len(row) else "" for row in rows] for n in kept]
        coded = list(zip(*(_column(column) for column in columns), strict=True))
        for place, cells in zip(table.places[1:], coded, strict=True):
            *arguments, value = cells
            if value in expressions.ERRORS or all(cells):
                yield place, f"{function.name}({', '.join(arguments)})", value


def _is_of(function: Function, titles: Sequence[str]) -> bool:
    """Whether a table's columns are the function's arguments and, last, its result."""
    count = len(titles) - 1
    most = function.most if function.most is not None else count
    least = function.least if function.least is not None else count
    if count < 1 or not least <= count <= most or _PAST_TITLE.search(titles[-1]):
        return False
    is_named = tuple(titles[:-1]) == function.parameters
    return is_named or count == 1 or _RESULT.match(titles[-1]) is not None


def _bare(cell: str) -> str:
    return cell.strip("`*_ ")


def _column(cells: Sequence[str]) -> list[str]:
    """The cells as Python: literals where all are (but for errors), else texts; empty for one that
    may be either, because the others are of both kinds."""
    plain = [_NOTED.sub("", cell.strip("`* ")) for cell in cells]
    literal = [is_literal(cell) for cell in plain]
    texts = [
        not ok and cell not in expressions.ERRORS for ok, cell in zip(literal, plain, strict=True)
    ]
    if not any(texts):
        return plain
    is_mixed = any(
        ok and not re.match(r"['\"]", cell) for ok, cell in zip(literal, plain, strict=True)
    )
    return [
        cell
        if cell in expressions.ERRORS or re.match(r"['\"]", cell)
        else ""
        if is_mixed or _BLANK.fullmatch(cell)
        else repr(cell)
        for cell in plain
    ]
