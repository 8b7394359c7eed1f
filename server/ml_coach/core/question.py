"""The one question of a run that is not sure, and the user's answer to it."""

from __future__ import annotations

import builtins
import cmath
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

from ml_coach.core.python import syntax
from ml_coach.core.python.literals import spelled, value_of

# `raises ValueError`, also `it throws a json.JSONDecodeError("no")!` and `ValueError: no`
_RAISES = re.compile(
    r"(?:(?P<said>(?:it\s+)?(?:raises?|throws?))\s+(?:an?\s+)?)?"
    r"(?P<error>[\w.]*\w)(?:\(.*\))?(?:\s*:\s.*|\W*)$",
    re.IGNORECASE | re.DOTALL,
)
# `gives 1`, where `1` alone could be the first choice.
_GIVES = re.compile(r"(?:it\s+)?(?:gives|returns)\s+(?=\S)", re.IGNORECASE)
_OPEN = ("not defined", "undefined", "open", "leave it open")
# Of what was typed, in the sentence that says what can be.
_LONGEST_SHOWN = 60

AnswerKind = Literal["value", "raises", "open", "skip"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of the programs: the `repr` of a value, or with `raises` the name of an error.

    `programs` is how many of them give it.
    """

    text: str
    programs: int
    raises: bool = False

    @property
    def shown(self) -> str:
        """As a person reads it: the value, or `raises ValueError`."""
        return f"raises {self.text}" if self.raises else self.text


@dataclass(frozen=True, slots=True)
class Question:
    """What should `call` give? `choices` are the programs' different answers, most frequent first.

    There is a single one where all programs agree and only the user can say whether they are right.
    With a `doubt` the user answered before: it is the sentence that says what speaks against that.
    """

    call: str
    choices: tuple[Choice, ...]
    doubt: str = ""

    @property
    def text(self) -> str:
        """The question as one line."""
        asked = f"{self.call}: which is right?"
        if len(self.choices) == 1:
            asked = f"{self.call} gives {self.choices[0].shown}: is that right?"
        return f"{self.doubt} {asked}".strip()

    def pick(self, number: int, date: str = "") -> Answer:
        """The answer that the choice at `number`, from 0, is right. Raises `IndexError`."""
        choice = self.choices[number]
        return self._answer("raises" if choice.raises else "value", choice.text, date)

    def _answer(self, kind: AnswerKind, text: str, date: str) -> Answer:
        return Answer(self.call, kind, text, date, self.doubt)

    def is_confirmed_by(self, answer: Answer) -> bool:
        """Whether the user says that what most programs answer is right."""
        return (
            answer.call == self.call
            and bool(self.choices and answer.statement)
            and answer.statement == self.pick(0).statement
        )

    def read(self, text: str, date: str = "") -> Answer | str:
        """What a person typed: a Python literal, also as `gives 3`, `raises X`, `not defined` or
        `skip`.

        Anything else gives a sentence that says what can be typed.
        """
        text = text.strip()
        word = text.lower().rstrip(".!")
        if word == "skip":
            return self._answer("skip", "", date)
        if word in _OPEN:
            return self._answer("open", "", date)
        found = _RAISES.match(text)
        name = found["error"].rpartition(".")[2] if found else ""
        if found and (error := self._error(name, is_said=bool(found["said"]))):
            return self._answer("raises", error, date)
        try:
            value = repr(value_of(text[given.end() if (given := _GIVES.match(text)) else 0 :]))
            value_of(value)  # What cannot be read back, such as an ellipsis, is no expected value.
        except (*syntax.NOT_PYTHON, TypeError):
            return (
                f"{_brief(text) or 'An empty line'} is no Python value. Write one, such as 3, "
                "'abc' or [1, 2]; or: raises ValueError; not defined; skip."
            )
        return self._answer("value", value, date)

    def _error(self, name: str, *, is_said: bool) -> str:
        """The error class that the user means, whatever its case; empty where there is none.

        Where it `is_said` that something is raised it may be a class that nobody knows yet.
        """
        known = [choice.text for choice in self.choices if choice.raises]
        known += [each for each in dir(builtins) if _is_error(each)]
        meant = next((each for each in known if each.lower() == name.lower()), "")
        is_new = name[:1].isupper() and name.isidentifier() and not hasattr(builtins, name)
        return meant or (name if is_said and is_new else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user said of `call`: the `repr` of its value, the error that it `raises`, or that
    it is left `open`; with `skip` they said nothing. `date` is the day, as text. They were told of
    the `doubt` before they said so."""

    call: str
    kind: AnswerKind
    text: str = ""
    date: str = ""
    doubt: str = ""

    @property
    def shown(self) -> str:
        """The answer in words: `f(1) gives 2`, `f(-1) raises ValueError`."""
        match self.kind:
            case "value":
                return f"{self.call} gives {self.text}"
            case "raises":
                return f"{self.call} raises {self.text}"
            case "open":
                return f"{self.call} is not defined"
            case "skip":
                return f"{self.call} was skipped"

    @property
    def statement(self) -> str:
        """The test of it, one statement or more; empty where nothing can be tested."""
        match self.kind:
            case "value":
                return f"assert {self.call} == {_expected(self.text)}"
            case "raises" if _is_error(self.text):
                return f"with pytest.raises({self.text}):\n    {self.call}"
            case "raises":
                # An error class of the program's own, which the tests need not be able to import.
                return (
                    f"with pytest.raises(Exception) as raised:\n    {self.call}\n"
                    f"assert type(raised.value).__name__ == {self.text!r}"
                )
            case _:
                return ""


def _is_error(name: str) -> bool:
    kind = getattr(builtins, name, None) if name.isidentifier() else None
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _expected(text: str) -> str:
    """The value's text; fractions are compared up to rounding where pytest can."""
    value = value_of(text)
    parts: list[Any] = [value]
    match value:
        case {**items}:
            parts = [*items.values()]
        case [*items]:
            parts = items
        case _:
            pass
    if not all(isinstance(part, int | float) for part in parts):
        return _nested(value)
    fractions = [part for part in parts if isinstance(part, float)]
    # An infinite number alone is compared as it is; beside others, pytest compares it so.
    is_close = any(not math.isinf(fraction) for fraction in fractions)
    return _approx(spelled(text), fractions) if is_close else spelled(text)


def _nested(value: Any) -> str:
    """The same for what pytest compares with no approximate value as a whole: each fraction in
    lists, tuples and values of mappings is one of its own."""
    match value:
        case float() | complex() if cmath.isfinite(value) or cmath.isnan(value):
            return _approx(spelled(repr(value)), [value])
        case {**items}:
            pairs = (f"{key!r}: {_nested(each)}" for key, each in items.items())
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(map(_nested, cast('list[Any]', value)))}]"
        case tuple():
            row = [*map(_nested, cast("tuple[Any, ...]", value))]
            return f"({', '.join(row)}{',' if len(row) == 1 else ''})"
        case _:
            return spelled(repr(value))


def _approx(text: str, fractions: Iterable[complex]) -> str:
    """`text`, whose parts are these, compared up to rounding."""
    return f"pytest.approx({text}{', nan_ok=True' if any(map(cmath.isnan, fractions)) else ''})"


def _brief(text: str) -> str:
    """The start of it, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"
