"""What a prompt's sentences, lists and tables state → tests.

Read are an input that becomes a result, an error for listed or described inputs, lists of valid and
invalid inputs, and the rows of a table. Everything else is left to the model, whose tests
`proposals.py` compares with the prompt.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ml_coach.core.examples import (
    expressions,
    forms,
    interface,
    layout,
    sentences,
    unsettled,
    words,
)
from ml_coach.core.examples.blocks import Found, file_cases, structured_cases
from ml_coach.core.examples.call_arguments import calls_of, fits
from ml_coach.core.examples.coroutines import awaited
from ml_coach.core.examples.corrections import correction_of, corrections
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.forms import Statement
from ml_coach.core.examples.fresh import of_new_objects
from ml_coach.core.examples.functions import Function, functions_of, learn_call
from ml_coach.core.examples.members import Members, members_of, with_setup
from ml_coach.core.examples.scripts import script_tests
from ml_coach.core.examples.steps import classes_of, objects
from ml_coach.core.examples.tables import table_rows
from ml_coach.core.examples.tokens import Token, tokens
from ml_coach.core.examples.unchanged import works_in_place
from ml_coach.core.examples.written import shown_calls
from ml_coach.core.python import syntax
from ml_coach.core.types import StatedTest

MOST = 200
# Results that do not depend on what the other arguments are.
_NOTHING = ("[]", "''", '""', "{}", "()", "None", "0")
# A text file may have any content, one of these may not.
_STRUCTURED = re.compile(
    r"\b(?:csv|json|toml|ini|yaml|xml|zip|binary|pickle|folder|director|ordner|dossier)",
    re.IGNORECASE,
)
_MISSING = "'/no/such/file'"
_EXTENSION = re.compile(r"(?<!\w)\.(?:json|toml|ini|csv|tsv|txt|ya?ml|xml|log|md)\b")
_SENTENCE_END = re.compile(r"[.;!?](?:\s|$)|\n")
# What comes behind "but" is about another result: "for 2 I get 3 but want 4".
_CLAIM_END = re.compile(
    rf"{_SENTENCE_END.pattern}|\b(?:but|yet|while|whereas|aber|mais|pero|ma)\b", re.IGNORECASE
)
_GENERATES = re.compile(r"\b(?:generators?|iterators?|lazily|yields?)\b", re.IGNORECASE)
# A bare result that is a text and no number, date, formula or name: `$5.00`, `a3b2`, `ASAP`.
_TEXT = re.compile(
    r"[$€£]\d[\d.,]*|\d[\d.,]*[%€$£]|(?=\w*[A-Za-z])(?!0[xbo])[A-Z0-9]{2,}|[a-z]+\d\w*"
)
_GENERAL = re.compile(
    r"inputs?|examples?|values?|cases?|ones?|arguments?|strings?|texts?|entries|samples?|calls?"
    r"|eingaben?|beispiele?|entrées?|exemples?|entradas?|ejemplos?"
)
_ALL = re.compile(r"(?i)\b(?:all|both|each|every|alle|beide|toutes?|tous|todas?|todos|ambas)\b")
_ASKED = re.compile(
    r"(?i)\b(?:if|whether|ob|si|se)\s+(?:\w+\s+){1,3}?(?:is|are|ist|est|es|sind|r)\s+([^.,:;\n]{2,40})"
)


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
    if interface.asks_for_script(prompt):
        found = list(script_tests(prompt))
    else:
        functions = functions_of(names, signatures, examples, prompt)
        classes = [members_of(prompt, name, names) for name in classes_of(prompt, names)]
        for known in classes if len(classes) > 1 else ():
            known.methods.clear()  # Whose method one is would have to be guessed.
        reader = _Reader(prompt, functions, classes, names)
        found = [*reader.sentences(), *reader.tables(), *objects(prompt, names)]
        for known in classes if len(classes) == 1 else ():
            found += of_new_objects(prompt, known)
        for function in functions if len(functions) == len(names) == 1 else ():
            found += [*structured_cases(prompt, function), *file_cases(prompt, function)]
    found = [pair for pair in found if _is_settled(prompt, *pair)]
    found.sort(key=lambda pair: pair[0].start)
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


def _is_settled(prompt: str, place: layout.Piece, example: Example) -> bool:
    """Whether the prompt does not ask it, take it back, or say that it differs."""
    return not (
        words.ASKS.match(prompt, place.end)
        or unsettled.is_taken_back(prompt, place.start, place.end)
        or unsettled.differs_by_call(prompt, example.value)
        or unsettled.is_unclear(prompt, example.value)
    )


class _Reader:
    """Reads one prompt that asks for `functions` and `classes`, which are called `names`."""

    def __init__(
        self,
        prompt: str,
        functions: Sequence[Function],
        classes: Sequence[Members],
        names: Sequence[str],
    ) -> None:
        self._prompt = prompt
        self._names = set(names)
        # Where a class is asked for, an input may be one of its methods'.
        self._functions = functions if len(functions) == len(names) else ()
        self._callables = [*functions, *(f for known in classes for f in known.callables())]
        self._parameters = {p for function in self._callables for p in function.parameters}
        self._any_order = words.ANY_ORDER.search(prompt) is not None
        self._in_place = works_in_place(prompt)
        extension = _EXTENSION.search(prompt)
        self._extension = extension[0] if extension else ""
        self._any_file = _STRUCTURED.search(prompt) is None
        self._generates = _GENERATES.search(prompt) is not None
        self._asked = _words(" ".join([*names, *_ASKED.findall(prompt)]))
        self._judged_until = -1  # where a sentence ends that judges inputs
        self._refusal = ""

    def sentences(self) -> Iterator[Found]:
        """One test for each input; none where the prompt reports a fault, which may be stated."""
        reports = words.REPORT.search(self._prompt) is not None
        pieces = [(piece, self._tokens(piece)) for piece in layout.pieces(self._prompt)]
        pieces = forms.with_range(pieces)
        self._refusal = _refusal([token for _, found in pieces for token in found])
        said: list[tuple[Statement, layout.Piece, list[Token]]] = []
        for piece, found in pieces:
            own = [s for s in forms.statements(found) if not reports or self._is_wanted(s)]
            own += corrections(found)
            if not own and piece.lead:
                own = list(forms.statements([*self._tokens(piece.lead), *found]))
            said += [(statement, piece, found) for statement in own]
        # What is said in values shows which other arguments go with an input that is described.
        said += self._below_doctests(pieces)
        said.sort(key=_reading_order)
        for statement, _, _ in said:
            self._learn_conditions(statement)
        for statement, piece, found in said:
            for example in self._examples(statement, piece, found):
                yield statement.place, example

    def _learn_conditions(self, statement: Statement) -> None:
        """An argument that is compared with a number is one; what raises an error is refused."""
        for condition in (token.condition for token in statement.inputs if token.condition):
            for function in self._callables:
                if condition.subject not in function.parameters:
                    continue
                place = function.parameters.index(condition.subject)
                is_number = condition.is_of_number and not function.is_of_items(condition, place)
                if is_number and not function.kind(place):
                    function.kinds[place] = {"num"}
                if statement.result and statement.result.kind in "ER":
                    function.refused.setdefault(place, []).append(condition)

    def _is_wanted(self, statement: Statement) -> bool:
        """Whether the sentence of a statement says that it is how things should be."""
        end = _CLAIM_END.search(self._prompt, statement.place.end)
        said = self._prompt[statement.place.start : end.start() if end else len(self._prompt)]
        return words.WANTS.search(said) is not None

    def _below_doctests(
        self, pieces: Sequence[tuple[layout.Piece, list[Token]]]
    ) -> Iterator[tuple[Statement, layout.Piece, list[Token]]]:
        """What stands below a doctest with a wrong output says what is right."""
        lines = self._prompt.splitlines(keepends=True)
        for number, call in shown_calls(self._prompt):
            start = sum(map(len, lines[:number]))
            below = next((p for p in pieces if p[0].start > start), None)
            token = Token("C", start, start, call)
            if below and (statement := correction_of(token, below[1])):
                yield statement, *below

    def tables(self) -> Iterator[Found]:
        if len(self._functions) != 1:
            return
        for place, call, value in table_rows(self._prompt, self._functions[0]):
            if value in expressions.ERRORS:
                yield place, expressions.raises(call, value, False)
            elif example := self._equal(call, value):
                yield place, example

    def _tokens(self, piece: layout.Piece) -> list[Token]:
        found = tokens(self._prompt, piece.start, piece.end, self._names, self._parameters)
        return [replace(t, kind="M") if self._is_method(t) else t for t in found]

    def _is_method(self, token: Token) -> bool:
        head = self._prompt[token.start : token.end].partition("(")[0]
        return token.kind == "W" and any(f.name == f"obj.{head}" for f in self._callables)

    def _examples(
        self, statement: Statement, piece: layout.Piece, found: Sequence[Token]
    ) -> Iterator[Example]:
        first = statement.inputs[0]
        if first.kind == "C":
            yield from self._of_call(statement, first)
        elif first.kind in "WM":
            yield from self._bare(statement, first)
        else:
            said = [t for t in found if t.start < statement.place.end]
            ends = max((n for n, t in enumerate(said[:-1]) if t.kind == "."), default=0)
            before = [t.code for t in said[ends:] if t.kind == "P"]
            for function in self._meant(statement, piece):
                yield from self._of_inputs(statement, function, before[-1] if before else "")

    def _of_call(self, statement: Statement, call: Token) -> Iterator[Example]:
        """What is stated of a call. With its value right behind it, it is a given example, unless
        the value is no literal."""
        result = statement.result
        if result is None:
            return
        is_text = result.kind == "B" and _TEXT.fullmatch(ast.literal_eval(result.code))
        is_read = sentences.reads(self._prompt[call.end :])
        if is_read and not (statement.corrects or is_text or self._in_place or result.kind in "Z~"):
            return
        for example in self._expect(call.code, result, Function(""), ""):
            learn_call({f.name: f for f in self._functions}, example.call, example.value)
            yield example

    def _of_inputs(
        self, statement: Statement, function: Function, subject: str
    ) -> Iterator[Example]:
        result, named = statement.result, _texts(statement.words)
        if result is not None and named and not _are_alike(named, _words(function.name)):
            return
        # An error or nothing at all may hide nowhere else, a value may depend on what is not said.
        is_fixed = result is not None and (result.kind in "ERZ" or result.code in _NOTHING)
        any_others = statement.opens and (is_fixed or bool(function.shown))
        contents = [t.condition.bound for t in statement.inputs
                    if t.condition and t.condition.op == "file"]  # fmt: skip
        for arguments in calls_of(statement.inputs, function, subject, any_others=any_others):
            call = f"{function.name}({', '.join(arguments)})"
            if result is None:
                yield from self._judged(call, statement, function)
                continue
            for example in self._expect(call, result, function, arguments[0]):
                if _MISSING in arguments and self._extension:
                    named = f"'{_MISSING[1:-1]}{self._extension}'"
                    parts = (example.statement, example.call)
                    test, code = (part.replace(_MISSING, named) for part in parts)
                    yield replace(example, statement=test, call=code)
                elif "path" not in arguments:
                    yield with_setup(example, function.setup)
                elif contents or self._any_file:
                    yield expressions.with_file(example, (contents or ["a\nb\nc\n"])[0])
            if result.kind in "VB" and result.code not in _NOTHING:
                function.shown.append(arguments)

    def _expect(
        self, call: str, result: Token, function: Function, argument: str
    ) -> Iterator[Example]:
        match result.kind:
            case "E" | "R":
                error = result.code if result.kind == "E" else "Exception"
                # A generator raises when its first item is asked for.
                is_lazy = self._generates and call and function in self._functions
                yield expressions.raises(f"list({call})" if is_lazy else call, error, False)
            case "S" if len(function.parameters) <= 1 and call:
                value = self._equal(call, argument)
                yield from [value] if value else []
            case "Z" if self._generates:
                yield expressions.equal(f"list({call})", "[]", False)
            case "~" if self._generates:
                yield expressions.first_items(call, result.code)
            case "w":
                yield expressions.printed(call, result.code)
            case "V" | "B" if fits(result.code, function, -1) and (
                result.kind == "V" or function.kind(-1) in ("str", "")
            ):
                value = self._equal(call, result.code)
                yield from [value] if value else []
            case _:
                pass

    def _bare(self, statement: Statement, first: Token) -> Iterator[Example]:
        """A text without quotes that becomes one of its own letters, or what a function without
        arguments gives one by one."""
        result = statement.result
        if first.kind == "M" and result and self._generates:
            yield expressions.first_items(f"{first.code}()", result.code)
        elif result and len(self._functions) == 1 and self._functions[0].kind(0) in ("", "str"):
            given, made = (set(re.findall(r"[a-z]", t.code.lower())) for t in (first, result))
            is_data = result.kind == "B" or given == made
            if self._functions[0].most in (1, None) and len(made) > 1 and made <= given and is_data:
                call = f"{self._functions[0].name}({first.code})"
                yield expressions.equal(call, result.code, False)

    def _judged(self, call: str, statement: Statement, function: Function) -> Iterator[Example]:
        """What a call answers that is said to be valid or not, or to be what the prompt asks."""
        if not function.kinds.get(-1, {"bool"}) & {"bool", "none"}:
            return  # Its results are said to be of another type.
        words, nouns = _texts(statement.words), _texts(statement.nouns)
        is_asked = _are_alike(words, self._asked)
        if statement.elliptic:
            is_asked = statement.place.start < self._judged_until
        elif not words and all(_is_general(noun, function) for noun in nouns):
            # "Valid: ...", "valid inputs: ..." may be about an error that the prompt names.
            if self._refusal:
                if not statement.truth:
                    yield expressions.raises(call, self._refusal, False)
                    self._judged_until = _sentence_end(self._prompt, statement.place.end)
                return
            is_asked = function.is_boolean
        is_said = function.is_boolean or statement.elliptic
        if is_asked and (is_said or _are_alike(_words(function.name), words, all)):
            self._judged_until = _sentence_end(self._prompt, statement.place.end)
            yield expressions.answers(call, statement.truth)

    def _meant(self, statement: Statement, piece: layout.Piece) -> Sequence[Function]:
        """The functions that are meant: the only one, the only one named before, or all."""
        if len(self._functions) == 1:
            return self._functions
        sentence = re.split(r"[.;!?]\s|\n", self._prompt[piece.start : statement.place.start])[-1]
        sentence += self._prompt[statement.place.start : statement.place.end]
        if _ALL.search(sentence):
            return self._functions
        before = self._prompt[piece.start : statement.place.end]
        meant = [f for f in self._functions if re.search(rf"\b{re.escape(f.name)}\b", before)]
        return meant if len(meant) == 1 else self._owners(statement, sentence)

    def _owners(self, statement: Statement, sentence: str) -> Sequence[Function]:
        """What takes the arguments that an error's conditions are about: a function or constructor
        that alone does, or the methods of that parameter, those named in the sentence first."""
        about = {t.condition.subject for t in statement.inputs if t.condition}
        is_error = statement.result is not None and statement.result.kind in "ER"
        if not (is_error and about) or (len(about) > 1 and "" in about):
            return ()
        owners = [f for f in self._callables if about & set(f.parameters)]
        named = [f for f in owners if f.is_named_in(sentence)]
        found = named or owners
        is_class = all(f.setup for f in found)
        return found if is_class or len(found) == 1 else ()

    def _equal(self, call: str, value: str) -> Example | None:
        if self._generates:
            if not value.startswith("["):
                return None
            call = call if call.startswith("list(") else f"list({call})"
        if self._in_place and (example := expressions.either(call, value)):
            return None if self._any_order else example
        return expressions.compared(call, value, any_order=self._any_order, exact=False)


def _reading_order(said: tuple[Statement, layout.Piece, list[Token]]) -> tuple[bool, int]:
    statement = said[0]
    is_open = any(t.condition or t.kind == "P" for t in statement.inputs)
    return is_open, statement.place.start


_LITTLE = {"ist", "est", "has", "can", "check", "valid", "the"}


def _words(text: str) -> list[str]:
    """The words in a text or a name that say what something is."""
    return [w for w in re.findall(r"[^\W\d_]{3,}", text.lower()) if w not in _LITTLE]


def _texts(tokens: Sequence[Token]) -> list[str]:
    return [token.code.strip("'\"").lower() for token in tokens]


def _are_alike(
    words: Sequence[str], others: Sequence[str], which: Callable[[Iterable[bool]], bool] = any
) -> bool:
    """Whether any word (or all words) of the one are among the others, but for their endings."""
    return bool(words) and which(
        any(w[:5] == o[:5] or w in (f"{o}s", f"{o}e") or o in (f"{w}s", f"{w}e") for o in others)
        for w in words
    )


def _is_general(word: str, function: Function) -> bool:
    """Whether a noun beside "valid" means any input: "valid inputs", "valid codes" of a `code`."""
    return _GENERAL.fullmatch(word) is not None or _are_alike(
        [word], [*function.parameters, *_words(function.name)]
    )


def _sentence_end(text: str, at: int) -> int:
    end = _SENTENCE_END.search(text, at)
    return end.end() if end else len(text)


def _refusal(found: Sequence[Token]) -> str:
    """The error that the prompt wants for what is invalid, empty where it names none."""
    kinds = "".join(token.kind for token in found if token.kind not in "KP")
    said = re.search(r"(?P<a>E)[FI]?[WFI]{0,2}U|U[W]{0,2}[RLlA]{1,2}(?P<b>E)|j,?R(?P<c>E)", kinds)
    if said is None or said.lastgroup is None:
        return ""
    kept = [token for token in found if token.kind not in "KP"]
    return kept[said.start(said.lastgroup)].code
