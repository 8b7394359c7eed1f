"""What a prompt's sentences and tables state → tests; only where one reading alone fits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml_coach.core.examples import expressions, layout, sentences, words
from ml_coach.core.examples.coroutines import awaited
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.functions import Function, functions_of, kind_of
from ml_coach.core.examples.statements import HEADING, ONLY_INPUTS, Statement, statements
from ml_coach.core.examples.tokens import Token, is_literal, tokens
from ml_coach.core.python import syntax
from ml_coach.core.types import StatedTest

_EMPTY_OF = {"str": "''", "list": "[]", "dict": "{}", "tuple": "()", "set": "set()"}
_GENERATES = re.compile(
    r"\b(?:generators?|iterators?|lazily|yields?(?!\s+(?:none|true|false|[\d\[('\"`])))\b",
    re.IGNORECASE,
)
_PREDICATE = re.compile(
    r"\b(?:bool(?:ean)?|whether|checks? (?:if|that)|tells? if|predicate|true|false)\b",
    re.IGNORECASE,
)
_NAMED_LIKE_ONE = re.compile(
    r"(?:is|has|can|ist|est|es|hat|check|valid|validate)(?:_|[A-Z]|$)|valid"
)
_SAYS_BOOL = re.compile(r"\b(?:bool(?:ean)?|true|false)\b", re.IGNORECASE)
_GIVES = re.compile(r"\b(?:raise|throw|return|give|lève|lanza|wirf)", re.IGNORECASE)
# "raise ValueError for bad ones"
_REFUSES = re.compile(
    r"\b(?:raises?|throws?)\s+(?:an?\s+)?`?([A-Z]\w+)`?\s+(?:for|on|if|when)\s+(?:\w+\s+){0,3}?"
    r"(?:bad|invalid|malformed|wrong|other|illegal)\b",
    re.IGNORECASE,
)
MOST = 200


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


def is_named(word: Token, function: Function) -> bool:
    """Whether a word is what the function's name says, as "palindrome" for `is_palindrome`."""
    text = word.code.strip("'\"").casefold()
    parts = [part for part in re.split(r"_|(?<=[a-z])(?=[A-Z])", function.name) if len(part) > 3]
    return any(
        text.startswith(part.casefold()[: max(4, len(part) - 2)]) and len(text) <= len(part) + 3
        for part in parts
    )


Found = tuple[layout.Piece, Example]


class _Reader:
    """Reads one prompt; what its sentences show of arguments' types decides about bare words."""

    def __init__(self, prompt: str, functions: Sequence[Function], names: Sequence[str]) -> None:
        self._prompt = prompt
        self._names = set(names)
        # Where a class is asked for, an input may be one of its methods'.
        self._functions = functions if len(functions) == len(names) else ()
        self._reports = words.REPORT.search(prompt) is not None
        self._any_order = words.ANY_ORDER.search(prompt) is not None
        self._generates = _GENERATES.search(prompt) is not None

    def sentences(self) -> Iterator[Found]:
        parameters = {p for function in self._functions for p in function.parameters}
        read: list[tuple[Statement, list[Token]]] = []
        heading: Token | None = None
        for piece in layout.pieces(self._prompt):
            found = tokens(self._prompt, piece.start, piece.end, self._names, parameters)
            kinds = "".join(token.kind for token in found)
            if match := HEADING.match(kinds):
                heading = found[match.start("word")] if "X" not in kinds else None
            elif heading and (match := ONLY_INPUTS.match(kinds)):
                inputs = tuple(t for t in found[: match.end("input")] if t.kind in "VB")
                read.append((Statement(inputs, "O", heading, 0, len(inputs) - 1, True), found))
            else:
                heading = None
                read += [(statement, found) for statement in statements(found)]
        # What is quoted shows the type that a bare number or word has.
        for statement, found in read:
            self._learn(statement, found)
        for statement, found in read:
            place = layout.Piece(found[statement.first].start, found[statement.last].end)
            for example in self._examples(statement, found):
                yield place, example

    def _learn(self, statement: Statement, found: Sequence[Token]) -> None:
        function = self._function(statement, found)
        inputs = [t for t in statement.inputs if t.kind == "V"]
        if function is None or function.most not in (1, None) or statement.result is None:
            return
        for token in inputs if statement.result.kind != "E" else ():
            if (value := expressions.closed_value(token.code)) and token.code[0] in "'\"[{(":
                function.kinds.setdefault(0, set()).add(kind_of(value))

    def _function(self, statement: Statement, found: Sequence[Token]) -> Function | None:
        """The function that is meant: the only one, or the last one that is named before."""
        if len(self._functions) == 1:
            return self._functions[0]
        piece = self._prompt[found[0].start : found[statement.last].end]
        inside = self._prompt[found[statement.first].start : found[statement.last].end]
        for text in (inside, piece):
            meant = [
                f for f in self._functions
                if re.search(rf"(?<!\w){re.escape(f.name)}(?:e?s)?(?!\w)", text)
            ]  # fmt: skip
            if len(meant) == 1:
                return meant[0]
            if meant:
                return None
        return None

    def _examples(self, statement: Statement, found: Sequence[Token]) -> Iterator[Example]:
        is_call = statement.inputs[0].kind == "C"
        function = Function("") if is_call else self._function(statement, found)
        if function is None or (is_call and self._is_given(statement, found)):
            return
        if self._reports and not self._is_wanted(statement, found):
            return
        if statement.is_truth:
            yield from self._truths(statement, function, found)
            return
        error = statement.result.code if statement.result and statement.result.kind == "E" else ""
        for arguments in self._arguments(statement, function, error):
            call = arguments[0] if is_call else f"{function.name}({', '.join(arguments)})"
            if error:
                yield expressions.raises(call, error, False)
            elif (value := self._result(statement, function, arguments)) and (
                example := self._equal(call, value, is_call=is_call)
            ):
                yield example

    def _is_wanted(self, statement: Statement, found: Sequence[Token]) -> bool:
        """Whether its sentence says "should", as it must where the prompt reports a fault."""
        first = next((n for n in range(statement.first, 0, -1) if found[n - 1].kind in ".;"), 0)
        return any(token.kind == "K" for token in found[first : statement.last + 1])

    def _is_given(self, statement: Statement, found: Sequence[Token]) -> bool:
        """Whether it is a call with its value behind it, which the given examples read."""
        kinds = "".join(t.kind for t in found[statement.first : statement.last + 1])
        is_direct = not statement.corrects and re.search("C[^XB]*[VE]$", kinds) is not None
        return is_direct and sentences.reads(self._prompt[statement.inputs[0].end :])

    def _result(
        self, statement: Statement, function: Function, arguments: Sequence[str]
    ) -> str | None:
        token = statement.result
        if token is None:
            return arguments[0] if len(arguments) == 1 else None
        if token.kind == "n":
            return "[]" if self._generates else None
        value = expressions.closed_value(token.code)
        known = function.kinds.get(-1, set())
        if value is None or (token.kind == "B" and known - {"str"}):
            return None
        fits = not known or kind_of(value) in known | {"none"}
        return token.code if fits else None

    def _equal(self, call: str, value: str, *, is_call: bool = False) -> Example | None:
        if self._generates and not (is_call and call.startswith("list(")):
            if not value.startswith("["):
                return None
            call = f"list({call})"
        return expressions.compared(call, value, any_order=self._any_order, exact=False)

    def _holds(
        self, statement: Statement, function: Function, found: Sequence[Token]
    ) -> bool | None:
        """Whether the inputs are of the kind that the function tells apart, None if not said."""
        word = statement.result
        if word is None:
            return None
        if word.kind in "YZ":
            return (word.kind == "Y") != statement.is_negated
        before = found[: statement.last + 1]
        if word.kind == "X" and any(t.kind == "Y" for t in before):
            return False
        said = [t for t in before if t.kind == "W" and is_named(t, function)]
        if not said or (not _NAMED_LIKE_ONE.match(function.name) and not self._is_predicate()):
            return None
        holds = word.kind == "W" and not statement.is_negated
        return holds if word.kind == "X" or word in said else None

    def _is_predicate(self) -> bool:
        return _PREDICATE.search(self._prompt) is not None

    def _truths(
        self, statement: Statement, function: Function, found: Sequence[Token]
    ) -> Iterator[Example]:
        """Inputs under "valid" and "invalid", of a function that tells them apart."""
        if statement.result is None:
            return
        holds = self._holds(statement, function, found)
        if holds is None:
            return
        refuses = _REFUSES.search(self._prompt)
        is_predicate = self._is_predicate() or (
            _NAMED_LIKE_ONE.match(function.name) and not _GIVES.search(self._prompt)
        )
        for arguments in self._arguments(statement, function, ""):
            call = f"{function.name}({', '.join(arguments)})"
            if refuses and not holds and refuses[1] in expressions.ERRORS:
                yield expressions.raises(call, refuses[1], False)
            if refuses or not is_predicate:
                continue
            truth = expressions.equal(call, str(holds), False)
            if not _SAYS_BOOL.search(self._prompt):
                # It may as well be a match or None.
                truth = replace(truth, statement=f"assert {'' if holds else 'not '}{call}")
            yield truth

    def _arguments(
        self, statement: Statement, function: Function, error: str
    ) -> Iterator[list[str]]:
        """The arguments of each call that the inputs stand for; none where it is not certain."""
        inputs = [t for t in statement.inputs if t.kind != "P"]
        named = [t.code for t in statement.inputs if t.kind == "P"]
        if inputs[0].kind == "C":
            yield [inputs[0].code]
        elif len(named) > 1 or (named and function.most != 1):
            pairs = dict(zip(named, inputs, strict=False))
            if len(pairs) == len(inputs) and sorted(pairs) == sorted(function.parameters):
                ordered = [pairs[parameter] for parameter in function.parameters]
                yield from self._checked(ordered, function, error)
        elif self._is_one_call(inputs, function):
            yield from self._checked(inputs, function, error)
        elif self._is_one_each(statement, function):
            for token in inputs:
                yield from self._checked([token], function, error)

    def _is_one_call(self, inputs: Sequence[Token], function: Function) -> bool:
        least, most = function.least, function.most
        if least is None or most is None or most == 1 or not least <= len(inputs) <= most:
            return False
        return len(inputs) == 1 or least > 1

    def _is_one_each(self, statement: Statement, function: Function) -> bool:
        """Whether each input is an argument of its own call."""
        if function.most == 1 or (function.most is None and len(statement.inputs) == 1):
            return True
        is_choice = "a" not in statement.separators and "O" in statement.separators
        return (is_choice or statement.is_truth) and function.least in (None, 0, 1)

    def _checked(
        self, inputs: Sequence[Token], function: Function, error: str
    ) -> Iterator[list[str]]:
        codes: list[str] = []
        for place, token in enumerate(inputs):
            known = function.kinds.get(place, set())
            value = expressions.closed_value(token.code)
            if token.code == "?" and len(known) == 1:
                codes.append(_EMPTY_OF.get(min(known), ""))
                continue
            if value is None:
                return
            kind = kind_of(value)
            if kind == "num" and known == {"str"} and error != "TypeError":
                # A text that looks like a number may be written without its quotes.
                codes.append(repr(token.code))
                continue
            fits = not known or kind in known or (error and token.kind == "V")
            if not fits or (token.kind == "B" and known - {"str"}):
                return
            codes.append(token.code)
        if all(codes):
            yield codes

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
            width = len(kept)
            count = function.most if function.most is not None else width - 1
            titles = tuple(_bare(head[n]) for n in kept)
            fits = titles[:-1] == function.parameters or width == 2 or _RESULT.match(titles[-1])
            least = function.least if function.least is not None else count
            if (
                not max(least, 1) <= width - 1 <= count
                or not fits
                or _PAST_TITLE.search(titles[-1])
            ):
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


_NOTE = re.compile(
    r"(?i)#|no\.?|nr\.?|case|id|comments?|notes?|remarks?|why|reason|description|explanation|rule|"
    r"meaning|bemerkung|warum|grund|remarque|nota"
)
_RESULT = re.compile(
    r"(?i)(?:expected|results?|outputs?|returns?|answers?|gives?|value|ergebnis|ausgabe|résultat|"
    r"sortie|resultado|salida|risultato|erwartet|→|->|=|`?\w+\(.*\))"
)
_PAST_TITLE = re.compile(r"(?i)\b(?:now|today|current|actual|old|before|wrong|observed|got)\b")


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
