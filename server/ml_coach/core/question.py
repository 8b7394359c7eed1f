"""The one question of a run that is not sure, and the user's answer to it."""

from __future__ import annotations

import builtins
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from ml_coach.core.python import syntax
from ml_coach.core.python.literals import spelled, value_of

# `raises ValueError`, also `it throws a json.JSONDecodeError("no")!`
_RAISES = re.compile(
    r"(?:it\s+)?(?:raises?|throws?)\s+(?:an?\s+)?([\w.]*\w)(?:\(.*\))?\W*$",
    re.IGNORECASE | re.DOTALL,
)
_OPEN = ("not defined", "undefined", "open", "leave it open")
# Of what was typed, in the sentence that says what can be.
_LONGEST_SHOWN = 60


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
    """

    call: str
    choices: tuple[Choice, ...]

    @property
    def text(self) -> str:
        """The question as one line."""
        if len(self.choices) == 1:
            return f"{self.call} gives {self.choices[0].shown}: is that right?"
        return f"{self.call}: which is right?"

    def pick(self, number: int, date: str = "") -> Answer:
        """The answer that the choice at `number`, from 0, is right. Raises `IndexError`."""
        choice = self.choices[number]
        return Answer(self.call, "raises" if choice.raises else "value", choice.text, date)

    def is_confirmed_by(self, answer: Answer) -> bool:
        """Whether the user says that what most programs answer is right."""
        return (
            answer.call == self.call
            and bool(answer.statement)
            and answer.statement == self.pick(0).statement
        )

    def read(self, text: str, date: str = "") -> Answer | str:
        """What a person typed: a Python literal, `raises X`, `not defined` or `skip`.

        Anything else gives a sentence that says what can be typed.
        """
        text = text.strip()
        word = text.lower().rstrip(".!")
        if word == "skip":
            return Answer(self.call, "skip", date=date)
        if word in _OPEN:
            return Answer(self.call, "open", date=date)
        found = _RAISES.match(text)
        if error := self._error(found[1].rpartition(".")[2], is_said=True) if found else "":
            return Answer(self.call, "raises", error, date)
        if error := self._error(text, is_said=False):
            return Answer(self.call, "raises", error, date)
        try:
            value = repr(value_of(text))
            value_of(value)  # What cannot be read back, such as an ellipsis, is no expected value.
        except (*syntax.NOT_PYTHON, TypeError):
            return (
                f"{_brief(text) or 'An empty line'} is no Python value. Write one, such as 3, "
                "'abc' or [1, 2]; or: raises ValueError; not defined; skip."
            )
        return Answer(self.call, "value", value, date)

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
    it is left `open`; with `skip` they said nothing. `date` is the day, as text."""

    call: str
    kind: Literal["value", "raises", "open", "skip"]
    text: str = ""
    date: str = ""

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
    match value_of(text):
        case float() as value:
            numbers: list[Any] = [value]
        case {**items}:
            numbers = [*items.values()]
        case [*items]:
            numbers = items
        case _:
            numbers = []
    plain = all(isinstance(n, int | float) for n in numbers)
    fractions = [n for n in numbers if isinstance(n, float)]
    text = spelled(text)
    if plain and any(map(math.isnan, fractions)):
        return f"pytest.approx({text}, nan_ok=True)"
    return f"pytest.approx({text})" if plain and any(map(math.isfinite, fractions)) else text


def _brief(text: str) -> str:
    """The start of it, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"
