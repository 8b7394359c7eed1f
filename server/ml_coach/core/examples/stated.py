"""What a prompt's sentences and tables state → tests.

Three forms are read: an input that becomes a result, an error for listed inputs, and the rows of a
table. Everything else is left to the model, whose tests `proposals.py` compares with the prompt.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ml_coach.core.examples import expressions, layout, sentences, words
from ml_coach.core.examples.coroutines import awaited
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.functions import Function, functions_of, kind_of
from ml_coach.core.examples.tokens import Token, is_literal, tokens
from ml_coach.core.python import syntax
from ml_coach.core.types import StatedTest

MOST = 200
_GENERATES = re.compile(r"\b(?:generators?|iterators?|lazily|yields?)\b", re.IGNORECASE)
# The forms, spelled in kinds of tokens (words.py). A form is anchored at the start of a clause and
# ends where the clause does, so that no word is left between an input and its result that could
# change their meaning.
_START = r"(?:^|(?<=[.;:,(–ja]))"
_ITEM = "(?:P[Al]?)?[VB]"
_SEPARATOR = "(?:,a|,O|[,aO])"
_LIST = f"{_ITEM}(?:{_SEPARATOR}{_ITEM})*"
_EXAMPLES = r"[FI]?[WXPMlOaiF,]{0,10}\(?G,?:?"
_OPENED = rf"(?:{_EXAMPLES}|[FI]?[Pl]{{0,2}}?)"
# A second value behind a result would make it a part of something else: "returns 3 and 5".
_END = rf"(?=$|[.;:)(–jQ]|[,aO]{{1,2}}(?!{_ITEM}(?:$|[.;:),])))"
_IN = f"(?P<input>C|{_LIST})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        # 'a b' becomes 'a-b'; for 'x' the output is 2; IV -> 4
        rf"{_START}{_OPENED}{_IN}(?:\)?,?M?(?=[Ll])[LliP]{{1,3}}:?|W{{0,3}}A[Ll]?)(?P<result>[VB]){_END}",
        # ValueError for inputs such as 'a', 'b' or the empty string
        rf"(?P<result>E)R?,?(?:\(?{_EXAMPLES}|[FI]P?l?){_IN}(?={_END[3:-1]}|O)",
        # 'nine' and '' raise a TypeError; '' -> ValueError
        rf"{_START}{_OPENED}{_IN}\)?,?(?:A|[RLl]{{1,3}})(?P<result>E)R?(?=$|[.;:)(–ja,WRL])",
    )
)
_NOTE = re.compile(
    r"(?i)#|no\.?|nr\.?|case|id|comments?|notes?|remarks?|why|reason|description|explanation|rule|"
    r"meaning|bemerkung|warum|grund|remarque|nota"
)
_RESULT = re.compile(
    r"(?i)(?:expected|results?|outputs?|returns?|answers?|gives?|value|ergebnis|ausgabe|résultat|"
    r"sortie|resultado|salida|risultato|erwartet|→|->|=|`?\w+\(.*\))"
)
_PAST_TITLE = re.compile(r"(?i)\b(?:now|today|current|actual|old|before|wrong|observed|got)\b")


def stated_tests(
    prompt: str,
    names: Sequence[str],
    signatures: Sequence[str],
    examples: Sequence[Example],
    tree: ast.Module | None,
) -> tuple[StatedTest, ...]:
    """The tests that sentences, list items and tables state, in the prompt's order.

    Left out is what calls what `examples` call already, and what is stated in two ways.
    """
    functions = functions_of(names, signatures, examples)
    reader = _Reader(prompt, functions, names)
    found = sorted([*reader.sentences(), *reader.tables()], key=lambda pair: pair[0].start)
    given = {expressions.normal(example.call) for example in examples}
    values: dict[str, set[str]] = {}
    for _, example in found:
        value = expressions.normal(example.value)
        values.setdefault(expressions.normal(example.call), set()).add(value)
    unique: dict[str, StatedTest] = {}
    for place, example in found:
        call = expressions.normal(example.call)
        plain = awaited(example, prompt, tree) if len(values[call]) == 1 else None
        if plain and call not in given and syntax.compiles(plain.statement):
            quote = prompt[place.start : place.end]
            unique.setdefault(call, StatedTest(plain.statement, quote))
    return tuple(unique.values())[:MOST]


class _Statement(NamedTuple):
    """Inputs and the result that is stated for them. `place` holds its tokens."""

    inputs: tuple[Token, ...]
    result: Token
    place: layout.Piece


Found = tuple[layout.Piece, Example]


class _Reader:
    """Reads one prompt that asks for `functions`; `names` has the classes too."""

    def __init__(self, prompt: str, functions: Sequence[Function], names: Sequence[str]) -> None:
        self._prompt = prompt
        self._names = set(names)
        # Where a class is asked for, an input may be one of its methods'.
        self._functions = functions if len(functions) == len(names) else ()
        self._any_order = words.ANY_ORDER.search(prompt) is not None
        self._generates = _GENERATES.search(prompt) is not None

    def sentences(self) -> Iterator[Found]:
        """One test for each input; none where the prompt reports a fault, which may be stated."""
        if words.REPORT.search(self._prompt):
            return
        parameters = {p for function in self._functions for p in function.parameters}
        for piece in layout.pieces(self._prompt):
            found = tokens(self._prompt, piece.start, piece.end, self._names, parameters)
            for statement in _statements(found):
                for example in self._examples(statement, piece):
                    yield statement.place, example

    def _examples(self, statement: _Statement, piece: layout.Piece) -> Iterator[Example]:
        first, result = statement.inputs[0], statement.result
        is_call = first.kind == "C"
        # A call with its value behind it is read with the given examples.
        if is_call and sentences.reads(self._prompt[first.end :]):
            return
        function = Function("") if is_call else self._function(statement, piece)
        calls = [first.code] if is_call else self._calls(statement, function)
        for call in calls:
            if result.kind == "E":
                yield expressions.raises(call, result.code, False)
            elif _fits(result, function, -1) and (example := self._equal(call, result.code)):
                yield example

    def _function(self, statement: _Statement, piece: layout.Piece) -> Function | None:
        """The function that is meant: the only one, or the only one that is named before."""
        if len(self._functions) == 1:
            return self._functions[0]
        before = self._prompt[piece.start : statement.place.end]
        meant = [f for f in self._functions if re.search(rf"\b{re.escape(f.name)}\b", before)]
        return meant[0] if len(meant) == 1 else None

    def _calls(self, statement: _Statement, function: Function | None) -> list[str]:
        """The calls that the inputs stand for; none where it is not certain."""
        if function is None:
            return []
        inputs = [t for t in statement.inputs if t.kind != "P"]
        named = [t.code for t in statement.inputs if t.kind == "P"]
        least, most = function.least, function.most
        if len(named) > 1 or (named and most != 1):
            if sorted(named) != sorted(function.parameters) or len(named) != len(inputs):
                return []
            groups = [[inputs[named.index(parameter)] for parameter in function.parameters]]
        elif most == 1 or (most is None and len(inputs) == 1):
            groups = [[token] for token in inputs]
        elif least is not None and most is not None and 1 < least <= len(inputs) <= most:
            groups = [inputs]
        else:
            return []
        return [
            f"{function.name}({', '.join(t.code for t in group)})"
            for group in groups
            if all(_fits(t, function, place) for place, t in enumerate(group))
        ]

    def _equal(self, call: str, value: str) -> Example | None:
        if self._generates:
            if not value.startswith("["):
                return None
            call = call if call.startswith("list(") else f"list({call})"
        return expressions.compared(call, value, any_order=self._any_order, exact=False)

    def tables(self) -> Iterator[Found]:
        """One test for each row of a table: a column for each argument, the last for the result."""
        if len(self._functions) != 1:
            return
        function = self._functions[0]
        for table in layout.tables(self._prompt):
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
                call = f"{function.name}({', '.join(arguments)})"
                if value in expressions.ERRORS:
                    yield place, expressions.raises(call, value, False)
                elif all(cells) and (example := self._equal(call, value)):
                    yield place, example


def _statements(found: Sequence[Token]) -> Iterator[_Statement]:
    """What a piece's tokens state, in one of the forms."""
    # "should" and "must" change nothing in what is stated.
    plain = [token for token in found if token.kind != "K"]
    kinds = "".join(token.kind for token in plain)
    taken: set[int] = set()
    for form in _FORMS:
        for match in form.finditer(kinds):
            inside = range(match.start(), match.end())
            if taken.intersection(inside) or _is_doubtful(kinds, match):
                continue
            taken.update(inside)
            inputs = plain[match.start("input") : match.end("input")]
            yield _Statement(
                tuple(t for t in inputs if t.kind in "VBCP"),
                plain[match.start("result")],
                layout.Piece(plain[match.start()].start, plain[match.end() - 1].end),
            )


def _is_doubtful(kinds: str, match: re.Match[str]) -> bool:
    """Whether the clause denies, doubts, or speaks of the past."""
    before = re.split("[.;j]", kinds[: match.start()])[-1]
    after = re.split("[.;j,]", kinds[match.end() :])[0]
    # What an error is for may hold a "not": "a line without a sign raises ValueError".
    doubt = "[ND]|X[LR]*$" if "E" in match[0] else "[NXD]"
    return re.search(doubt, before) is not None or re.search("[ND]", match[0] + after) is not None


def _fits(token: Token, function: Function | None, place: int) -> bool:
    """Whether a token may be this argument, or for -1 the result, by what is known of its type."""
    value = expressions.closed_value(token.code)
    known = function.kinds.get(place, set[str]()) if function else set[str]()
    if value is None or (token.kind == "B" and known - {"str"}):
        return False
    return not known or kind_of(value) in known or (place == -1 and kind_of(value) == "none")


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
    """The cells as Python: literals where all are (but for errors), else texts."""
    plain = [cell.strip("`* ") for cell in cells]
    if all(is_literal(cell) or cell in expressions.ERRORS for cell in plain):
        return plain
    return [
        cell if cell in expressions.ERRORS or re.match(r"['\"]", cell) else repr(cell)
        for cell in plain
    ]
