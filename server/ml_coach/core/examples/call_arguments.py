"""Inputs as a statement has them → the calls of a function that they stand for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from ml_coach.core.examples import conditions, expressions
from ml_coach.core.examples.conditions import Condition
from ml_coach.core.examples.functions import Function, kind_of
from ml_coach.core.examples.tokens import Token

# What an argument may be that nothing is said of, the first that the prompt does not refuse.
_SOME = {
    "str": ("'abc'", "'abcdefgh'", "'a'"),
    "list": ("[1, 2, 3]", "[1]"),
    "num": ("2", "1", "10", "0.5", "100"),
    "dict": ("{'a': 1}",),
    "func": ("lambda *args: None",),
    "coros": ("[asyncio.sleep(0)]",),
    "path": ("path",),
}

_EMPTY = {"[]": ("list", "coros"), "''": ("str",), "{}": ("dict",)}


def calls_of(
    inputs: Sequence[Token], function: Function, subject: str, *, any_others: bool
) -> Iterator[list[str]]:
    """The arguments of each call that `inputs` stand for; none where it is not certain.

    `subject` is the parameter that the sentence spoke of before, which an input that names none is
    for. With `any_others` arguments that are not said may be any of their kind; without, there are
    none such.
    """
    if not any_others and not _is_complete(inputs, function):
        return
    values = _values(inputs, function)
    if file := next(
        (t.condition for t in inputs if t.condition and "file" in t.condition.op), None
    ):
        yield from _with_file(file, values, function)
        return
    described = [token for token in inputs if token.condition is not None]
    for group in _groups(values, function, subject):
        if group and all(fits(code, function, at) for at, code in enumerate(group)):
            yield group
    is_explained = any(token.kind == "G" for token in inputs)
    for token in described if not is_explained else ():
        if token.condition is not None:
            yield from _described(token.condition, function)


def _is_complete(inputs: Sequence[Token], function: Function) -> bool:
    """Whether the inputs leave no argument open."""
    if function.most in (1, None):
        return True
    named = {token.code for token in inputs if token.kind == "P"}
    for token in inputs:
        if token.condition is not None and "file" in token.condition.op:
            named |= {p for at, p in enumerate(function.parameters) if function.kind(at) == "path"}
        elif token.condition is not None:
            named |= {token.condition.subject, token.condition.than}
    count = sum(token.kind in "VB" for token in inputs)
    return set(function.parameters) <= named or (not named and count >= (function.least or 1))


def _values(inputs: Sequence[Token], function: Function) -> list[tuple[str, Token]]:
    """Each value with the parameter that is named beside it, or an empty name."""
    found: list[tuple[str, Token]] = []
    name = ""
    for number, token in enumerate(inputs):
        before = inputs[number - 1].kind if number else ""
        if token.kind == "P":
            if (
                before == "V"
                and found
                and not found[-1][0]
                and not _is_name_of_next(inputs, number)
            ):
                found[-1] = (token.code, found[-1][1])
            else:
                name = token.code
        elif token.kind in "VB":
            found.append((name, token))
            name = ""
    return found


def _is_name_of_next(inputs: Sequence[Token], number: int) -> bool:
    """Whether the parameter at `number` names the value behind it: "a 3, b 4", not "3 a, 4 b"."""
    return inputs[0].kind == "P" and number + 1 < len(inputs) and inputs[number + 1].kind in "VB"


def _groups(
    values: Sequence[tuple[str, Token]], function: Function, subject: str
) -> Iterator[list[str]]:
    named = [name for name, _ in values if name]
    least, most = function.least, function.most
    codes = [token.code for _, token in values]
    pairs = [re.findall(r"[^/\s]+", ast.literal_eval(t.code)) for _, t in values if t.kind == "B"]
    if not values:
        return
    if named and most != 1:
        given = dict(zip(named, codes, strict=False))
        if len(named) == len(values) and set(named) <= set(function.parameters):
            yield with_others(function, given) or []
    elif most != 1 and len(pairs) == len(values) and all(len(pair) == 2 for pair in pairs):
        yield from (list(map(repr, pair)) for pair in pairs)
    elif most == 1 or (len(values) == 1 and least in (1, None)) or (most is None and least == 1):
        yield from ([_as_text(code, function)] for code in codes)
    elif least is not None and most is not None and 1 < least <= len(values) <= most:
        yield codes
    elif least is not None and least > 1 and least % len(values) != 0 and len(values) % least == 0:
        yield from (codes[at : at + least] for at in range(0, len(codes), least))
    elif subject in function.parameters:
        yield from (with_others(function, {subject: code}) or [] for code in codes)
    elif len(codes) == 1 and codes[0] in _EMPTY:
        yield _empty(codes[0], function)


def _empty(code: str, function: Function) -> list[str]:
    """The arguments where something empty is given for the only one of its kind, or for all."""
    places = [n for n, _ in enumerate(function.parameters) if function.kind(n) in _EMPTY[code]]
    if len(places) == 1 or places == list(range(function.least or 0)):
        return with_others(function, {function.parameters[place]: code for place in places}) or []
    return []


def _as_text(code: str, function: Function) -> str:
    """A number as a text, where the function is known to take a text."""
    is_number = re.fullmatch(r"[-+]?\d[\d.]*", code) is not None
    return repr(code) if is_number and function.kind(0) == "str" else code


def with_others(function: Function, given: dict[str, str]) -> list[str] | None:
    """All arguments: those given, and for the others what an example has, or any of their kind.

    None where nothing is known of an argument. Those with a default behind the last given one are
    left out.
    """
    required = function.least if function.least is not None else len(function.parameters)
    last = max((function.parameters.index(name) for name in given), default=-1) + 1
    shown = next((args for args in function.shown if len(args) >= required), list[str]())
    found: list[str] = []
    for place, name in enumerate(function.parameters[: max(required, last)]):
        code = given.get(name) or (shown[place] if place < len(shown) else "")
        if not code and place >= required:
            return [*found, *(f"{other}={value}" for other, value in given.items())]
        code = code or _some(function, place)
        if not code:
            return None
        if name in given and place >= required and place >= len(shown):
            code = f"{name}={code}"
        found.append(code)
    return found


def _some(function: Function, place: int) -> str:
    kind = _kind_beside(function, place)
    if kind in ("func", "coros", "path"):
        return _SOME[kind][0]
    refused = function.refused.get(place, ())
    fair = (
        code
        for code in _SOME.get(kind, ())
        if not any(conditions.holds(condition, code) for condition in refused)
    )
    return next(fair, "")


def _kind_beside(function: Function, place: int) -> str:
    """The kind of an argument: its own; of one that is only a letter a number, where all others are
    numbers."""
    kinds = [function.kind(at) for at in range(len(function.parameters))]
    others = {kind for at, kind in enumerate(kinds) if at != place}
    is_letter = len(function.parameters[place]) == 1
    return kinds[place] or ("num" if is_letter and others == {"num"} else "")


def _with_file(
    file: Condition, values: Sequence[tuple[str, Token]], function: Function
) -> Iterator[list[str]]:
    """The arguments with a path for the file; `path` stands for one that has the content."""
    paths = [n for at, n in enumerate(function.parameters) if function.kind(at) == "path"]
    given = {name: token.code for name, token in values}
    if len(paths) == 1 and set(given) <= set(function.parameters):
        given[paths[0]] = "path" if file.op == "file" else "'/no/such/file'"
        if made := with_others(function, given):
            yield made


def _described(condition: Condition, function: Function) -> Iterator[list[str]]:
    """The arguments of calls whose input fulfils the condition."""
    parameters = function.parameters or (("x",) if function.most in (1, None) else ())
    if condition.than:
        yield from _compared(condition, function)
        return
    place = _place(condition, function, parameters)
    if place is None or (condition.op == "mismatch" and not function.name.startswith("parse")):
        return
    kind = function.kind(place)
    if function.parameters and function.is_of_items(condition, place):
        return
    for code in conditions.instances(condition, kind):
        if not function.parameters:
            yield [code]
        elif made := with_others(function, {parameters[place]: code}):
            yield made


def _place(condition: Condition, function: Function, parameters: Sequence[str]) -> int | None:
    """The argument that a condition is about, None where it is not certain."""
    subject = condition.subject.lower()
    if condition.last:
        return len(parameters) - 1
    for place, name in enumerate(parameters):
        if subject and _is_like(subject, name.lower()):
            return place
    if len(parameters) == 1:
        return 0
    kinds = [function.kind(place) for place in range(len(parameters))]
    wanted = ("str", "list") if condition.of_length or condition.op == "empty" else ("num",)
    if condition.op == "type":
        return None
    if set(kinds) == {"num"} and wanted == ("num",):
        return 0
    fitting = [place for place, kind in enumerate(kinds) if kind in wanted]
    return fitting[0] if len(fitting) == 1 and subject == "" else None


def _is_like(noun: str, name: str) -> bool:
    """Whether a noun names a parameter: "temperatures" for `temp`, "names" for `name`."""
    return noun in (name, f"{name}s", f"{name}es") or (
        len(name) > 3 and (noun.startswith(name) or name.startswith(noun.removesuffix("s")))
    )


def _compared(condition: Condition, function: Function) -> Iterator[list[str]]:
    """Arguments of which one is as the condition says compared with another one."""
    names = function.parameters
    if condition.subject not in names or condition.than not in names:
        return
    # "wider than the text" compares lengths.
    if {function.kind(names.index(name)) for name in (condition.subject, condition.than)} - {
        "num",
        "",
    }:
        return
    low, high = {"<": ("1", "3"), "<=": ("1", "3"), "=": ("2", "2")}.get(condition.op, ("3", "1"))
    places = [names.index(condition.subject), names.index(condition.than)]
    shown = next((args for args in function.shown if len(args) > max(places)), list[str]())
    if shown and all(re.fullmatch(r"-?\d+", shown[place]) for place in places):
        numbers = sorted(int(shown[place]) for place in places)
        if numbers[0] == numbers[1]:
            numbers[1] += 1
        small, large = map(str, numbers)
        low, high = (
            {"1": small, "3": large, "2": large}[low],
            {"1": small, "3": large, "2": large}[high],
        )
    if made := with_others(function, {condition.subject: low, condition.than: high}):
        yield made


def fits(code: str, function: Function, place: int) -> bool:
    """Whether `code` may be this argument, or for -1 the result, by what is known of its type."""
    if code == "path" or code.startswith(("np.array(", "lambda ", "[asyncio.")):
        return True
    if keyword := re.match(r"([A-Za-z_]\w*)=(?!=)", code):
        code = code[keyword.end() :]
        if keyword[1] in function.parameters:
            place = function.parameters.index(keyword[1])
    value = expressions.closed_value(code)
    if value is None:
        return False
    known = function.kinds.get(place, set[str]())
    return not known or kind_of(value) in known or kind_of(value) == "none"
