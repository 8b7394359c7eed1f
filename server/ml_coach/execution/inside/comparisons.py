"""Compares in place of the tests: an object that equals whatever it is asked about proves nothing.

Every comparison in a test file is compiled as a call of `_compare`. Two plain values (numbers,
texts, containers of these) are compared as Python does it, by code that nobody can replace; those
that a test has to go through are handed on, so that the judge can compare them outside once more.
Where a plain value meets an object, the object's own methods decide. Such an object is also asked
about values close by, before and after the test's own question, in an order that nobody knows. One
that says yes to most of them is named, unless the tests show that it says no as well.
"""

# The functions here look at objects of any kind.
# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
from __future__ import annotations

import operator
import os
import sys
import types
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

from ml_coach.execution.inside.signing import FrozenFunctions, identity_of, known_code
from ml_coach.execution.inside.test_compiler import BEGAN, BOTH, COMPARE, inserted

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


@dataclass(frozen=True)
class Comparer:
    """`insert` puts the comparing functions into the code of a test file. `notes` collects: send it
    the identities of the tests' code before a run, a test's id before the test, and None after it:
    that is answered with [(place, text of the value), ...]. `ALL` in the end is answered with
    [(type of objects that equal too much, its module, test), ...] without types that the tests
    define; the code of
    a test file with the names of its module. `codes` are the identities
    of our own code."""

    insert: Callable[[types.CodeType], types.CodeType]
    notes: Generator[Any, Any, Any]
    codes: frozenset[int]


def comparer() -> Comparer:
    """Made once in the worker; every run has a copy of it."""
    freeze = FrozenFunctions()
    codes: set[int] = set()
    notes = _notes(codes)
    next(notes)
    mro, names_of = (type.__dict__[name].__get__ for name in ("__mro__", "__dict__"))
    every, ask = _iterators(), _operators()
    in_dict = (len, object.__getattribute__, zip, dict, dict.__contains__, dict.__getitem__)
    approx = frozenset(_with_subclasses(APPROX_BASE))
    shape = freeze(_shape, type, mro, names_of, PLAIN, APPROX_BASE, approx)
    undecided = freeze(_undecided, shape, every, APPROX_BASE, (*in_dict, LEAVES_AT_MOST))
    near = freeze(_near, shape, list, tuple, dict, set, frozenset, (int, float, complex))
    containers = {**every, **dict.fromkeys(TEXTS, iter)}
    met_in = freeze(_met_in, ask, undecided, shape, containers, type, mro, names_of, TEXTS)
    says_yes = freeze(_says_yes, bool, Exception)
    examined = freeze(_examined, ask, OPPOSITE, met_in, near, says_yes, os.urandom, type, len)
    text = freeze(_plain_text, type, SCALARS, every, dict, repr, len, TEXT_AT_MOST)
    compare = freeze(_compare, ask, SCALARS, type, notes.send, text, examined)
    both = freeze(_both, compare, Exception)
    began = freeze(_began, notes.send)
    codes |= {identity_of(compare.__code__), identity_of(began.__code__)}
    functions = {COMPARE: compare, BOTH: both, BEGAN: began}
    known = freeze.known | known_code([_notes])
    return Comparer(lambda code: inserted(code, functions), notes, frozenset(known))


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


def _notes(callers: set[int]) -> Generator[Any, Any, Any]:  # noqa: C901
    """Believes only what `callers` send from a comparison in the tests' own code."""
    frame_at, identity, type_of, row, text = sys._getframe, identity_of, type, tuple, str
    own: Any = frozenset()
    test = ""
    seen: dict[str, str] = {}
    odd: dict[type, dict[str, bool]] = {}
    shown: set[type] = set()
    modules: dict[int, Any] = {}
    code_type, plain = types.CodeType, types.FunctionType
    mro, names_of, name_of, module_of = (
        type.__dict__[name].__get__ for name in ("__mro__", "__dict__", "__name__", "__module__")
    )
    answer: Any = None
    while True:
        got: Any = yield answer
        answer = None
        if type_of(got) is frozenset:
            own = own or got
        elif got is None:
            answer, seen, test = [*seen.items()], {}, ""
        elif got is ALL:
            answer = []
            for kind, tests in odd.items():
                made = [names_of(each).get("__eq__") for each in mro(kind)]
                codes = [identity(each.__code__) for each in made if type_of(each) is plain]
                if kind not in shown and not (codes and codes[0] in own):
                    answer += [(name_of(kind), module_of(kind), test) for test in tests]
        elif type_of(got) is text:
            test = got
        elif type_of(got) is code_type:
            answer = modules.get(identity(got))
        elif type_of(got) is row and not got:
            frame: Any = frame_at(1)
            if identity(frame.f_code) in callers and identity(frame.f_back.f_code) in own:
                modules.setdefault(identity(frame.f_back.f_code), frame.f_back.f_globals)
            frame = None
        elif type_of(got) is row:
            frame = frame_at(1)
            if identity(frame.f_code) in callers and test:
                while frame is not None and identity(frame.f_code) not in own:
                    frame = frame.f_back
                where, value, strange, no = got
                if frame is not None:
                    if where and len(seen) < NOTES_AT_MOST:
                        seen[where] = value
                    for kind in strange:
                        odd.setdefault(kind, {})[test] = True
                    shown.update(no)
            frame = None


def _began() -> None:
    parts: Any = "<parts>"
    parts[0](())


def _compare(name: str, where: str, left: Any, right: Any) -> Any:
    parts: Any = "<parts>"
    operators, scalars, type_of, send, plain_text, examined = parts
    if type_of(left) in scalars and type_of(right) in scalars:
        result = operators[name](left, right)
        strange = ordinary = ()
    else:
        result, strange, ordinary = examined(name, left, right)
    if where or strange or ordinary:
        send((where, plain_text(left) if where else "", strange, ordinary))
    return result


def _both(name: str, where: str, left: Any, right: Any) -> tuple[Any, Any]:
    parts: Any = "<parts>"
    try:
        parts[0](name, where, left, right)
    except parts[1]:
        pass  # unittest asks once more, and reports it.
    return left, right


def _shape(value: Any) -> Any:
    """The plain type whose equality an object has; `ApproxBase` for pytest.approx; None where the
    object decides by itself, and `object` where it equals only itself."""
    parts: Any = "<parts>"
    type_of, mro, names_of, plain, approx, approxes = parts
    kind = type_of(value)
    if kind in plain:
        return kind
    if kind in approxes or kind is approx:
        return approx
    for base in mro(kind):
        if "__eq__" in names_of(base):
            return base if base in plain or base is mro(kind)[-1] else None
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


def _near(value: Any) -> Any:
    """Values of the same kind that an object which equals `value` has no reason to equal."""
    parts: Any = "<parts>"
    shape, a_list, a_tuple, a_dict, a_set, frozen, numbers = parts
    kind: Any = shape(value)
    if value is None:
        return [0, "no such text", 918_273]
    if kind.__name__ == "bool":
        return [not value]
    if kind in numbers:
        return [value + 1, value - 1, value + 7, value * 3 + 918_273, -value - 5]
    if kind.__name__ == "str":
        return [value + "?", "?" + value, "no such text", value * 2 + "x"]
    if kind.__name__ in ("bytes", "bytearray"):
        return [value + b"?", b"?" + value, b"no such text"]
    if kind is a_list:
        return [[*a_list.__iter__(value), 918_273], [918_273], [None, *a_list.__iter__(value)]]
    if kind is a_tuple:
        return [(*a_tuple.__iter__(value), 918_273), (918_273,), (None, *value)]
    if kind is a_dict:
        return [{**value, 918_273: 1}, {918_273: 0}, {"no such text": value}]
    if kind is a_set or kind is frozen:
        return [{*value, 918_273}, {918_273}, {"no such text"}]
    return [918_273, "no such text"]


def _says_yes(question: Any, left: Any, right: Any) -> bool:
    parts: Any = "<parts>"
    truth, any_error = parts
    try:
        return truth(question(left, right))
    except any_error:
        return False


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


def _examined(name: str, left: Any, right: Any) -> Any:
    """(result, types of objects that say yes to most, types that were seen to say no)."""
    parts: Any = "<parts>"
    operators, opposite, met_in, near, says_yes, random, type_of, size = parts
    question = operators[name]
    met, equal = met_in(name, left, right)
    close = [near(plain) for _, plain, _ in met]
    count = 0
    for values in close:
        count += size(values)
    turn = random(1)[0] % (count + 1)
    result = question(left, right) if turn == 0 else None
    strange: Any = []
    no: Any = []
    for value, plain, on_left in met:
        values, yes, nearest = close.pop(0), 0, 0
        for other in values:
            yes += says_yes(equal, value, other) if on_left else says_yes(equal, other, value)
            nearest = yes if other is values[:2][-1] else nearest
            turn -= 1
            if turn == 0:
                result = question(left, right)
        agrees = says_yes(equal, value, plain) if on_left else says_yes(equal, plain, value)
        both = name == "!=" and agrees and says_yes(question, left, right)
        if name in opposite:
            both = says_yes(question, left, right) and says_yes(opposite[name], left, right)
        is_in = name in ("in", "not in")
        most = yes == size(values) if is_in else nearest == 2 or yes * 2 > size(values)
        if both or (most and yes):
            strange += [type_of(value)]
        elif not agrees:
            no += [type_of(value)]
    return result, strange, no if size(met) == 1 else ()


def _plain_text(value: Any) -> str:
    """The `repr` of a value that is made of plain types alone, empty for any other."""
    parts: Any = "<parts>"
    type_of, scalars, every, a_dict, text, size, at_most = parts
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
