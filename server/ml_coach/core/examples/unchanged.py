"""A prompt that says a function leaves its arguments as they are → tests of that.

"Returns a new list" is what people write, and a program that sorts in place passes every comparison
of results. The calls are those of the other tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from ml_coach.core.examples.shape import parameters
from ml_coach.core.python import syntax
from ml_coach.core.types import Spec

MOST_CALLS = 2  # that are watched: each mutant runs them too
_CHANGED = r"(?:modified|changed|mutated|altered)"
_SAME = r"un(?:changed|touched|modified)\b"
# ARG is a word for an argument, or the name of a parameter.
_STAYS = rf"""
    \b(?:returns?|returning|gives?(?:\ back)?|gibt|liefert|renvoie|retourne|devuelve|retorna)
        \ (?:an?|eine?n?|une?)\ (?:brand\ )?(?:new|neue[sn]?|nouve(?:au|lle)|nuev[oa])\b
    | \b(?:returns?|gives?)\ (?:an?|the)\ (?:\w+\ )?copy\b
    | (?:\b(?:without|never|not)|n['’]t)
        \ (?:modif(?:y|ies|ying)|(?:chang|mutat|alter)(?:e?s?|ing))
        \ (?:the\ |its\ |your\ |any\ )?(?:given|original|passed|ARG)\b
    | \bleav(?:es?|ing)\ (?:the\ |its\ )?(?:original\ )?ARG\ (?:alone\b|as\ |{_SAME})
    | \bARG\ (?:must|should|may|is|are)\ ?(?:not|n['’]t|never)\ (?:be\ )?{_CHANGED}\b
    | \bARG\ (?:stays?|remains?|is|are)\ {_SAME}
    | \bnot\ in[ -]place\b
"""
_ARGUMENTS = ("inputs?", "arguments?", "operands?", "lists?", "dicts?", "arrays?")
# What takes such words back, or makes a condition of them.
_UNLESS = re.compile(
    r"(?:\b(?:not|never|instead of|rather than|until|while|if|when|unless)\b|n['’]t\b)"
    r"[^.;:\n]{0,12}$",
    re.IGNORECASE,
)
# A function that returns nothing can only change what it is given.
_IN_PLACE = re.compile(
    r"(?<![a-z])(?:in[ _-]?place|sur place|an ort und stelle|en el (?:mismo )?lugar|in situ"
    r"|returns? (?:nothing|`?None`?(?=\s*(?:$|[.;,)\n]))(?!,? (?:if|when|for|on|unless)))"
    r"|gibt nichts zurück|ne (?:renvoie|retourne) rien|no devuelve nada|não devolve nada)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_NO_VALUE = object()


def unchanged_arguments(spec: Spec, tests: str) -> tuple[str, ...]:
    """The bodies of tests that a function leaves its lists, dicts and sets alone, where the prompt
    says so, on calls in its examples and in the text `tests`. A call that fails says nothing of it,
    so the test skips itself."""
    if not _says_so(spec):
        return ()
    calls = {ast.unparse(call): call for call in _calls(spec, tests)}
    # What sorts leaves a list alone that is in order, so the others come first.
    chosen = sorted(calls.values(), key=lambda call: all(map(_is_in_order, call.args)))
    return tuple(map(_watched, chosen[:MOST_CALLS]))


def works_in_place(prompt: str) -> bool:
    """Whether a prompt wants an argument changed, so that what it "becomes" may be no result."""
    found = _IN_PLACE.finditer(prompt)
    return any(not _UNLESS.search(prompt[: match.start()]) for match in found)


def _says_so(spec: Spec) -> bool:
    if works_in_place(spec.prompt):
        return False
    words = "|".join([*_ARGUMENTS, *parameters(spec)])
    said = re.finditer(_STAYS.replace("ARG", f"(?:{words})"), spec.prompt, re.I | re.VERBOSE)
    return any(not _UNLESS.search(spec.prompt[: match.start()]) for match in said)


def _calls(spec: Spec, tests: str) -> Iterator[ast.Call]:
    """Calls of what is asked for with literal arguments, of which one could change."""
    for node in syntax.walk(syntax.module("\n".join([*spec.examples, tests]))):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[_, *_] as given, keywords=[]):
                values = [_value(argument) for argument in given]
                could = any(map(_can_change, given)) and any(values)
                if name in spec.names and _NO_VALUE not in values and could:
                    yield node
            case _:
                continue


def _value(argument: ast.expr) -> Any:
    try:
        return ast.literal_eval(argument)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NO_VALUE


def _can_change(argument: ast.expr) -> bool:
    return isinstance(argument, ast.List | ast.Dict | ast.Set)


def _is_in_order(argument: ast.expr) -> bool:
    value = _value(argument)
    try:
        return not isinstance(argument, ast.List) or value == sorted(value)
    except TypeError:
        return True


def _watched(call: ast.Call) -> str:
    before = {f"given_{n}": a for n, a in enumerate(call.args, 1) if _can_change(a)}
    names = iter(before)
    arguments = [next(names) if _can_change(a) else ast.unparse(a) for a in call.args]
    said = f"{ast.unparse(call)} changes its argument, which has to stay as it is: work on a copy"
    lines = [
        *(f"{name} = {ast.unparse(value)}" for name, value in before.items()),
        "try:",
        f"    {ast.unparse(call.func)}({', '.join(arguments)})",
        "except Exception:",
        '    pytest.skip("The call fails, so it says nothing of its arguments.")',
        *(f"assert {name} == {ast.unparse(value)}, {said!r}" for name, value in before.items()),
    ]
    return "\n".join(lines)
