"""Compares in place of the tests: an object that equals whatever it is asked about proves nothing.

Every comparison in a test file is compiled as a call of `_compare`. Two plain values (numbers,
texts, containers of these) are compared as Python does it, by code that nobody can replace; those
that a test has to go through are handed on, so that the judge can compare them outside once more.
Where a plain value meets an object, the object's own methods decide. Such an object is also asked
about values close by, in an order that nobody knows (questions.py). One that says yes to most is
named, unless the tests show that it says no as well.
"""

# The functions here look at objects of any kind.
# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pickle import loads
from typing import Any

import pytest

from ml_coach.execution.inside.close_values import NUMBERS
from ml_coach.execution.inside.questions import examiner
from ml_coach.execution.inside.signing import FrozenFunctions, identity_of, known_code
from ml_coach.execution.inside.steady_calls import STEADY
from ml_coach.execution.inside.tampering import LIBRARY
from ml_coach.execution.inside.test_compiler import BEGAN, BOTH, COMPARE, LITERAL, inserted

SCALARS = (int, float, complex, str, bytes, bool, type(None))
# Where it is defined changes with pytest's version.
APPROX_BASE = type(pytest.approx(1)).__mro__[1]
PLAIN = frozenset({*SCALARS, bytearray, list, tuple, dict, set, frozenset, range})
TEXTS = (str, bytes, bytearray)
OPPOSITE = {"<": ">", ">": "<", "<=": ">", ">=": "<"}
ALL = object()
LEAVES_AT_MOST = 50_000
TEXT_AT_MOST = 2000
NOTES_AT_MOST = 500


COMPARING = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")


@dataclass(frozen=True)
class Comparer:
    """`insert` puts the comparing functions into the code of a test file.

    `secret` are the generators that nobody may look into. Send each a pair before a run, of
    identities: the tests' code and the code that records. `notes`, one of them, collects. Send it,
    from the code that records, a test's id before the test, and None after it: that is answered
    with [(place, text of the value), ...]. `ALL` in the end is answered with [(type of objects that
    equal too much, its module, test), ...] without types that the tests define; the code of a test
    file with the names of its module. `codes` are the identities of our own code.
    """

    insert: Callable[[types.CodeType, Mapping[str, bytes]], types.CodeType]
    notes: Generator[Any, Any, Any]
    secret: tuple[Generator[Any, Any, Any], ...]
    codes: frozenset[int]


def comparer() -> Comparer:
    """Made once in the worker; every run has a copy of it."""
    freeze = FrozenFunctions()
    notes, literals = _notes(), _literals()
    next(notes)
    next(literals)
    mro, names_of = (type.__dict__[name].__get__ for name in ("__mro__", "__dict__"))
    every, ask = _iterators(), _operators()
    in_dict = (len, object.__getattribute__, zip, dict, dict.__contains__, dict.__getitem__)
    approx = frozenset(_with_subclasses(APPROX_BASE))
    compared = (COMPARING, any)
    shape = freeze(_shape, type, mro, names_of, PLAIN, APPROX_BASE, approx, compared)
    undecided = freeze(_undecided, shape, every, APPROX_BASE, (*in_dict, LEAVES_AT_MOST))
    containers = {**every, **dict.fromkeys(TEXTS, iter)}
    met_in = freeze(_met_in, ask, undecided, shape, containers, type, mro, names_of, TEXTS)
    examined, questions = examiner(freeze, ask, met_in, shape)
    exact = {**NUMBERS, str: str.__str__}
    text = freeze(_plain_text, type, SCALARS, every, dict, repr, len, TEXT_AT_MOST, shape, exact)
    compare = freeze(_compare, ask, SCALARS, type, notes.send, text, examined)
    both = freeze(_both, compare, Exception)
    began = freeze(_began, notes.send)
    literal = freeze(_literal, literals.send)
    notes.send(frozenset(identity_of(each.__code__) for each in (compare, began)))
    literals.send(identity_of(literal.__code__))
    functions = {COMPARE: compare, BOTH: both, BEGAN: began, LITERAL: literal, **STEADY}

    def insert(code: types.CodeType, hidden: Mapping[str, bytes]) -> types.CodeType:
        literals.send((tuple(hidden), tuple(hidden.values())))
        return inserted(code, functions)

    known = freeze.known | known_code([_notes])
    return Comparer(insert, notes, (notes, questions, literals), frozenset(known))


def _with_subclasses(kind: type) -> list[type]:
    return [kind, *(each for below in kind.__subclasses__() for each in _with_subclasses(below))]


def _operators() -> dict[str, Callable[[Any, Any], Any]]:
    def within(left: Any, right: Any) -> Any:
        return left in right

    def without(left: Any, right: Any) -> Any:
        return left not in right

    known = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le}
    return {**known, ">": operator.gt, ">=": operator.ge, "in": within, "not in": without}


def _iterators() -> dict[type, Any]:
    """How to go through a container without any method of a subclass."""
    kinds = (list, tuple, set, frozenset, range)
    return {**{kind: kind.__iter__ for kind in kinds}, dict: dict.items}


def _notes() -> Generator[Any, Any, Any]:  # noqa: C901
    """Believes only what `comparing` send from a comparison in the tests' own code. What it keeps
    are tuples: a program may find any object of Python's, and change those that can be changed."""
    frame_at, identity, type_of, row, text = sys._getframe, identity_of, type, tuple, str
    own: Any = frozenset()
    recording: Any = frozenset()
    test, count = "", 0
    seen: Any = ()
    odd: Any = ()
    shown: Any = ()
    modules: Any = ()
    a_set, code_type, plain, slot = frozenset, types.CodeType, types.FunctionType, type(int.__eq__)
    library, at_most = LIBRARY, NOTES_AT_MOST
    mro, names_of, name_of, module_of = (
        type.__dict__[name].__get__ for name in ("__mro__", "__dict__", "__name__", "__module__")
    )
    comparing: Any = yield
    answer: Any = None
    while True:
        got: Any = yield answer
        answer = None
        frame: Any = frame_at(1)
        caller = identity(frame.f_code)
        if type_of(got) is code_type:
            answer = next((names for code, names in modules if code is got), None)
        elif type_of(got) is row and got and type_of(got[0]) is a_set:
            own, recording = (own, recording) if own else got
        elif caller in recording and got is None:
            answer = []
            while seen:
                seen, *first = seen
                answer = [first, *answer]
            test, count = "", 0
        elif caller in recording and got is ALL:
            answer = []
            for kind, where in odd:
                made = [(names_of(each).get("__eq__"), each) for each in mro(kind)]
                made = [(each, base) for each, base in made if each is not None]
                function, base = made[0] if made else (None, kind)
                code = function.__code__ if type_of(function) is plain else None
                is_theirs = code and identity(code) in own
                is_library = type_of(function) is slot
                if code and code.co_filename.startswith(library):
                    is_library = True
                if kind not in shown and not is_theirs:
                    answer += [(name_of(kind), module_of(base) if is_library else "", where)]
        elif caller in recording and type_of(got) is text:
            test = got
        elif caller in comparing and type_of(got) is row and not got:
            if identity(frame.f_back.f_code) in own:
                code, names = frame.f_back.f_code, frame.f_back.f_globals
                modules = (*modules, (code, names))
        elif caller in comparing and type_of(got) is row and test:
            while frame is not None and identity(frame.f_code) not in own:
                frame = frame.f_back
            where, value, strange, no = got
            if frame is not None:
                if where and count < at_most:
                    seen, count = (seen, where, value), count + 1
                for kind in strange:
                    odd = odd if (kind, test) in odd else (*odd, (kind, test))
                for kind in no:
                    shown = shown if kind in shown else (*shown, kind)
        frame = None


def _literals() -> Generator[Any, Any, Any]:
    """Keeps the literals that tests compare with, so that they do not stand in the tests' code.
    Each is made anew for the tests' own code, whenever that asks."""
    frame_at, identity, type_of, row, made_of = sys._getframe, identity_of, type, tuple, loads
    keys: Any = ()
    kept: Any = ()
    own: Any = frozenset()
    a_set = frozenset
    asking: Any = yield
    answer: Any = None
    while True:
        got: Any = yield answer
        answer = None
        frame: Any = frame_at(1)
        if type_of(got) is row and type_of(got[0]) is a_set:
            own = own or got[0]
        elif type_of(got) is row:
            keys, kept = (*keys, *got[0]), (*kept, *got[1])
        elif identity(frame.f_code) == asking and identity(frame.f_back.f_code) in own:
            answer = made_of(kept[keys.index(got)])
        frame = None


def _literal(key: str) -> Any:
    parts: Any = "<parts>"
    return parts[0](key)


def _began() -> None:
    parts: Any = "<parts>"
    parts[0](())


def _compare(name: str, where: str, left: Any, right: Any) -> Any:
    parts: Any = "<parts>"
    operators, scalars, type_of, send, plain_text, examined = parts
    written = plain_text(right if where[:1] == ">" else left) if where else ""
    if type_of(left) in scalars and type_of(right) in scalars:
        result = operators[name](left, right)
        strange = ordinary = ()
    else:
        sides = [left, right]
        left = right = None  # An object that looks at this frame must not see what it is asked.
        result, strange, ordinary = examined(name, sides, where != "")
    if where or strange or ordinary:
        send((where, written, strange, ordinary))
    return result


def _both(name: str, where: str, left: Any, right: Any) -> tuple[Any, Any]:
    parts: Any = "<parts>"
    try:
        parts[0](name, where, left, right)
    except parts[1]:
        pass  # unittest asks once more, and reports it.
    return left, right


def _shape(value: Any) -> Any:
    """The plain type whose comparisons an object has; `ApproxBase` for pytest.approx; None where
    the object decides by itself, and `object` where it equals only itself."""
    parts: Any = "<parts>"
    type_of, mro, names_of, plain, approx, approxes, (comparing, some) = parts
    kind = type_of(value)
    if kind in plain:
        return kind
    if kind in approxes or kind is approx:
        return approx
    for base in mro(kind):
        if base in plain or base is mro(kind)[-1]:
            return base
        if some([name in names_of(base) for name in comparing]):
            return None
    return None


def _undecided(left: Any, right: Any) -> Any:  # noqa: C901
    """[(object, plain value, whether the object stands on the left), ...]: where these meet."""
    parts: Any = "<parts>"
    shape, iterators, approx, (size, attribute, pair, a_dict, has, get, at_most) = parts
    todo = [(left, right)]
    found: Any = []
    while todo and at_most:
        at_most -= 1
        a, b = todo.pop()
        ka: Any = shape(a)
        kb: Any = shape(b)
        if kb is approx:
            b = attribute(b, "expected")
            kb = shape(b)
        ka = None if ka is approx else ka
        if ka is a_dict and kb is a_dict:
            for one, other in ((a, b), (b, a)):
                for key, value in a_dict.items(one):
                    if shape(key) is None:
                        todo += [(key, each) for each in a_dict.keys(other)]
                    elif one is a and has(other, key):
                        todo += [(value, get(other, key))]
        elif ka in iterators and kb in iterators:
            first, second = [*iterators[ka](a)], [*iterators[kb](b)]
            if ka.__name__ in ("list", "tuple"):
                todo += pair(first, second) if size(first) == size(second) else ()
            else:
                todo += [(x, y) for x in first if shape(x) is None for y in second]
                todo += [(x, y) for x in first for y in second if shape(y) is None]
        elif ka is None and (b is None or (kb is not None and kb.__name__ != "object")):
            found += [(a, b, True)]
        elif kb is None and (a is None or (ka is not None and ka.__name__ != "object")):
            found += [(b, a, False)]
    return found


def _met_in(name: str, left: Any, right: Any) -> Any:
    """What `_undecided` finds in the operands of a comparison, and how to ask such an object."""
    parts: Any = "<parts>"
    operators, undecided, shape, every, type_of, mro, names_of, texts = parts
    if name not in ("in", "not in"):
        return undecided(left, right), operators["=="]
    own = [base for base in mro(type_of(right)) if "__contains__" in names_of(base)]
    if own and own[0] not in every:
        value: Any = shape(left)
        asks = left is None or (value is not None and value.__name__ != "object")
        return [(right, left, False)] if asks else [], operators["in"]
    met: Any = []
    if own and own[0] not in texts:
        for each in [*every[own[0]](right)][:1000]:
            met += undecided(each, left)
    return met, operators["=="]


def _plain_text(value: Any) -> str:
    """The `repr` of a value that is made of plain types alone, empty for any other."""
    parts: Any = "<parts>"
    type_of, scalars, every, a_dict, text, size, at_most, shape, exact = parts
    kind: Any = type_of(value)
    if kind not in scalars and kind not in every:  # An enum's member is written as its number.
        kind = shape(value)
        value = exact[kind](value) if kind in exact else value
    todo, left = [value], at_most
    while todo and left:
        left -= 1
        each = todo.pop()
        kind = type_of(each)
        if kind is a_dict:
            todo += [*each.keys(), *each.values()]
        elif kind in every:
            todo += each
        elif kind not in scalars:
            return ""
    written = text(value) if left else ""
    return written if size(written) <= at_most else ""
