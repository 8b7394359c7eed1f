"""Asks an object about a value and about others close by, in an order that nobody knows.

Which question is the test's own stands in a suspended generator: the audit hook reports who looks
into that one. No frame that the object could look at holds more than the question at hand.
"""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from typing import Any

from ml_coach.execution.inside.close_values import close_values
from ml_coach.execution.inside.signing import FrozenFunctions, identity_of

OPPOSITE = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
# How many of the first close values are really close.
CLOSE = 7


def examiner(
    freeze: FrozenFunctions,
    operators: dict[str, Callable[[Any, Any], Any]],
    met_in: Callable[..., Any],
    shape: Callable[[Any], Any],
) -> tuple[Callable[..., Any], Generator[Any, Any, Any]]:
    """(A function that compares objects, the generator that nobody may look into). The function
    takes (operator, [left, right], whether the truth of the answer is enough) and returns (result,
    types of objects that say yes to most, types that were seen to say no)."""
    questions = _questions()
    next(questions)
    answered = freeze(_answered, bool, Exception)
    examined = freeze(_examined, questions.send, answered, type, list)
    judged = freeze(_judged, enumerate, zip, len)
    near = close_values(freeze, shape)
    language = (enumerate, Exception, len, type, tuple, CLOSE)
    todo = freeze(_todo, operators, OPPOSITE, met_in, near, *language)
    mixed = freeze(_mixed, os.urandom, int.from_bytes, len)
    questions.send((identity_of(examined.__code__), todo, mixed, judged))
    return examined, questions


def _questions() -> Generator[Any, Any, Any]:
    """What to ask for one comparison, one question at a time.

    Send it (operator, [left, right]) for the first question, and each answer for the next one. In
    the end it answers with (the test's own answer, types of objects that say yes to most, types
    that were seen to say no).
    """
    frame_at, identity, size, row, a_list = sys._getframe, identity_of, len, tuple, list
    asking, to_ask, mixed, judged = yield
    under_way: Any = ()  # a tuple for each comparison: an object may compare while it is asked
    answer: Any = None
    while True:
        got: Any = yield answer
        answer = None
        frame: Any = frame_at(1)
        if identity(frame.f_code) != asking:
            continue
        here = identity(frame)
        frame = None
        mine = [each for each in under_way if each[0] == here]
        if mine:
            ((_, name, kinds, asked, answers),) = mine
            answers = (*answers, got)
        else:
            name, sides = got
            todo, kinds = to_ask(name, sides)
            asked, answers = mixed(todo), ()
        got = todo = sides = mine = None
        under_way = row([each for each in under_way if each[0] != here])
        if size(answers) < size(asked):
            under_way = (*under_way, (here, name, kinds, asked, answers))
            answer = a_list(asked[size(answers)][2:])
        else:
            answer = judged(name, kinds, asked, answers)


def _todo(name: str, sides: Any) -> Any:
    """([(role, number of the object, question, left, right), ...], the objects' types)."""
    parts: Any = "<parts>"
    operators, opposite, met_in, near, many, any_error, size, type_of, tuple_of, close = parts
    left, right = sides
    own = ("own", 0, operators[name], left, right)
    todo: Any = [own]
    met: Any = []
    try:
        met, equal = met_in(name, left, right)
        for n, (value, plain, on_left) in many(met):
            for place, other in many(near(plain)):
                pair = (value, other) if on_left else (other, value)
                todo += [("near" if place < close else "far", n, equal, *pair)]
            if name != "==" or size(met) > 1 or value is not (left if on_left else right):
                pair = (value, plain) if on_left else (plain, value)
                todo += [("agrees", n, equal, *pair)]
    except any_error:  # Its own methods may raise, as they will when they are asked.
        met, todo = [], [own]
    if name in opposite:
        todo += [("opposite", 0, operators[opposite[name]], left, right)]
    return todo, tuple_of([type_of(value) for value, _, _ in met])


def _mixed(todo: Any) -> Any:
    parts: Any = "<parts>"
    random, number, size = parts
    mixed: Any = ()
    while todo:
        mixed = (*mixed, todo.pop(number(random(4), "big") % size(todo)))
    return mixed


def _judged(name: str, kinds: Any, mixed: Any, answers: Any) -> Any:
    """(the own answer, strange types, types that say no), from all answers."""
    parts: Any = "<parts>"
    many, pairs, size = parts
    own: Any = None
    opposite = False
    counted = [[0, 0, 0, 0, None] for _ in kinds]  # near: asked, said yes; all: the same; agrees
    for (role, n, *_), each in pairs(mixed, answers):
        if role == "own":
            own = each
        elif role == "agrees":
            counted[n][4] = each[1]
        elif role != "opposite":
            is_near, said_yes = role == "near", each[1] is True
            add = (is_near, is_near and said_yes, True, said_yes)
            counted[n] = [*[a + b for a, b in pairs(counted[n], add)], counted[n][4]]
        else:
            opposite = each[1]
    strange: Any = []
    no: Any = []
    for n, kind in many(kinds):
        near, near_yes, asked, yes, agrees = counted[n]
        agrees = own[1] if agrees is None else agrees
        both = own[1] and (opposite or (name == "!=" and agrees))
        most = near_yes * 2 > near or yes * 2 > asked
        most = yes == asked if name in ("in", "not in") else most
        if both or (most and yes):
            strange += [kind]
        elif not agrees:
            no += [kind]
    return own, strange, no if size(kinds) == 1 else ()


def _examined(name: str, sides: Any, as_truth: bool) -> Any:
    """(result, types of objects that say yes to most, types that were seen to say no)."""
    parts: Any = "<parts>"
    ask, answered, type_of, a_list = parts
    question = ask((name, sides))
    sides = None
    while type_of(question) is a_list:
        question = ask(answered(question))
    (value, truth, error), strange, no = question
    if error is not None:
        raise error
    return truth if as_truth and truth is not None else value, strange, no


def _answered(question: Any) -> Any:
    """(answer, its truth, error). Nothing stands in this frame while the object is asked."""
    parts: Any = "<parts>"
    truth_of, any_error = parts
    value: Any = None
    truth: Any = False
    try:
        value = question.pop(0)(question.pop(0), question.pop(0))
    except any_error as error:
        return None, False, error
    try:
        truth = truth_of(value)
    except any_error:
        truth = None  # as of an array
    return value, truth, None
