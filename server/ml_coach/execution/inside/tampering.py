"""Notices what could change a verdict from within, in two ways.

An audit hook sees what Python reports of itself, and a seal remembers what Python and pytest were.
Each writes a record at once, and the judge decides. Harmless uses of the same means are not
reported: looking at frames, collecting garbage, patching `input` for a test.
"""

from __future__ import annotations

import gc
import operator
import os
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_coach.execution.inside.signing import (
    FrozenFunctions,
    WriteRecord,
    identity_of,
    known_code,
)

MEMORY_FILE = re.compile(r"/proc/[^/]+/(task/[^/]+/)?mem$").search
TRACING = (
    "sys.settrace",
    "sys.setprofile",
    "sys._current_frames",
    "sys.monitoring.register_callback",
    "marshal.loads",
)
KINDS = (classmethod, staticmethod, property)
NUMBERS = (bool, int, float)  # In a class, these say how it compares.
WATCHED = frozenset(
    {
        *("object.__getattr__", "object.__setattr__", "gc.get_referents", "open"),
        *("compile", "code.__new__", *TRACING),
    }
)
CODE_PARTS = frozenset({"__code__", "__defaults__", "__kwdefaults__"})
LIBRARY = (sys.prefix, sys.base_prefix, "/usr/lib", "<frozen", os.path.dirname(__file__))


@dataclass(frozen=True)
class Guard:
    """What can be made before the user's code is there.

    `trusted` are the identities of the code that existed then, `known` those of the two functions'
    code. `broken(everything)` names what was replaced since; `user_file(depth, through)` names the
    file of the user's code that a caller acts for.
    """

    trusted: frozenset[int]
    known: frozenset[int]
    broken: Callable[[bool], str]
    user_file: Callable[[int, int], str]


def guard(
    before: frozenset[int] = frozenset(), often_used: Iterable[types.ModuleType] = ()
) -> Guard:
    """Trusts all code there is by now, and `before`. `often_used` are modules that tests need."""
    freeze = FrozenFunctions()
    trusted = before | known_code(gc.get_objects())
    broken = _seal(freeze, often_used)
    frame_at = sys._getframe  # pyright: ignore[reportPrivateUsage]
    user_file = freeze(_user_file, frame_at, identity_of, trusted, LIBRARY)
    return Guard(trusted, frozenset(freeze.known), broken, user_file)


def audit_hook(
    freeze: FrozenFunctions,
    secret: tuple[object, ...],
    write: WriteRecord,
    user_file: Callable[[int, int], str],
    tests: frozenset[str],
) -> Callable[[str, tuple[Any, ...]], None]:
    """A function for `sys.addaudithook`: Python offers no way to remove it. `secret` are the
    generators that nobody may look into, `tests` the names of the test files."""
    opened = freeze(_opened, write, user_file, tests, MEMORY_FILE, isinstance, str)
    language = (isinstance, str, types.ModuleType)
    made = freeze(_made, write, user_file, LIBRARY, CODE_PARTS, *language)
    generators = (type, types.GeneratorType)
    return freeze(_on_audit_event, write, user_file, secret, WATCHED, opened, made, generators)


def _user_file(depth: int, through: int) -> str:
    """The file of the user's code that the frame at `depth` acts for, empty where there is none.

    Up to `through` functions of libraries may lie between. What `linecache` reads does not count:
    it reads the lines that a traceback shows, whoever asked for that.
    """
    parts: Any = "<parts>"
    frame_at, identity, trusted, library = parts
    at = frame_at(depth)
    while at is not None and through >= 0:
        name = at.f_code.co_filename
        if name.endswith("linecache.py"):
            return ""
        if identity(at.f_code) not in trusted and not name.startswith(library):
            return name
        at = at.f_back
        through -= 1
    return ""


def _opened(path: object) -> None:
    parts: Any = "<parts>"
    write, user_file, tests, memory, is_a, text = parts
    if not is_a(path, text):
        return
    name: Any = path
    if memory(name):
        write(("tampered", f"opened {name}"))
    elif name.rpartition("/")[2] in tests:
        by = user_file(3, 3).rpartition("/")[2]
        if by and by not in tests:
            write(("tampered", f"opened the tests, in {by}"))


def _made(event: str, arguments: Any) -> None:
    """Reports code of the user's that replaces other code, that no compiler made, or that claims
    to come from a library."""
    parts: Any = "<parts>"
    write, user_file, library, code_parts, is_a, text, module = parts
    if event == "object.__setattr__":
        if arguments[1] in code_parts and user_file(3, 0):
            write(("tampered", f"replaced {arguments[1]} of a function"))
        if arguments[1] == "__class__" and is_a(arguments[0], module) and user_file(3, 0):
            write(("tampered", "replaced the class of a module"))
        return
    if event == "code.__new__":
        if user_file(3, 0):
            write(("tampered", "made code by hand"))
        return
    for each in arguments:
        if is_a(each, text) and each.startswith(library) and user_file(3, 0):
            write(("tampered", "made code under the name of a library's file"))


def _on_audit_event(event: str, arguments: Any) -> None:  # noqa: C901
    parts: Any = "<parts>"
    write, user_file, secret, watched, opened, made, (type_of, generator) = parts
    if event == "object.__getattr__" and type_of(arguments[0]) is not generator:
        return  # Our own checks look at code all the time.
    if event not in watched:
        if event.startswith("ctypes.") and user_file(2, 2):
            write(("tampered", f"reached into memory with {event}"))
    elif event == "open":
        opened(arguments[0])
    elif event in ("object.__getattr__", "gc.get_referents"):
        for each in arguments[:1] if event == "object.__getattr__" else arguments[0]:
            for one in secret if type_of(each) is generator else ():
                if each is one:
                    write(("tampered", "reached for the channel of the verdict"))
    elif event in ("compile", "code.__new__", "object.__setattr__"):
        made(event, arguments)
    elif user_file(2, 0):
        write(("tampered", f"called {event}"))


# A test may replace these while it runs; pytest's monkeypatch is made for that.
OFTEN_PATCHED = frozenset({"input", "print", "open", "__import__", "breakpoint", "help", "exit"})
SEALED = "builtins math operator unittest.case"
SEALED_PACKAGES = ("pytest", "_pytest", "pluggy")
# What tests use by name, and what stands behind it.
NEAR = frozenset(
    {
        *("builtins", "math", "operator", "pytest", "unittest.case", "_pytest.approx"),
        *("_pytest.outcomes", "_pytest.python_api", "_pytest.raises", "_pytest.recwarn"),
    }
)

# Tests compare with the help of these; a program has no reason to replace what is in them.
SEALED_SHALLOW = "collections contextlib copy functools itertools json re statistics"


def _seal(freeze: FrozenFunctions, often_used: Iterable[types.ModuleType]) -> Callable[[bool], str]:
    """Remembers what the language, pytest and unittest are. The function that it returns names the
    first thing that has changed: among everything, or only among what tests use by name."""
    modules = [
        module
        for name, module in sys.modules.items()
        if name in SEALED.split() or name.partition(".")[0] in SEALED_PACKAGES
    ]
    whole = [part for m in (*modules, *often_used) for part in _parts(m, deep=True)]
    whole += [_sealed(name, vars(sys.modules[name])) for name in SEALED_SHALLOW.split()]
    near = [part for m in modules if m.__name__ in NEAR for part in _parts(m, deep=True)]
    known = tuple((name, module) for name, module in sys.modules.items() if "." not in name)
    by_name = (tuple(name for name, _ in known), tuple(module for _, module in known))
    in_c = (all, map, operator.is_, zip, Exception)
    return freeze(_broken, tuple(whole), tuple(near), by_name, sys.modules.get, in_c)


def _broken(everything: bool) -> str:
    parts: Any = "<parts>"
    whole, near, (known, before), module_of, (every, each, same, pairs, any_error) = parts
    # Thousands of names are compared around each test, so nothing is run for one by one, and what
    # is not compared is not touched: a run has to copy each page of memory that it touches.
    for where, now, names, taken_from, values in whole if everything else near:
        try:
            is_as_it_was = every(each(same, taken_from(now), values))
        except any_error:
            is_as_it_was = False
        if not is_as_it_was:
            for name, value in pairs(names, values):
                if now.get(name) is not value:
                    return f"{where}.{name}"
    if everything and not every(each(same, each(module_of, known, before), before)):
        for name, module in pairs(known, before):
            if module_of(name, module) is not module:
                return f"the module {name}"
    return ""


# (its name, its names now, the names that may not change, what takes their values, the values)
Sealed = tuple[str, Mapping[str, object], tuple[str, ...], Callable[..., Any], tuple[object, ...]]


def _parts(module: types.ModuleType, *, deep: bool) -> tuple[Sealed, ...]:
    where = module.__name__
    found = [_sealed(where, vars(module))]
    for name, value in vars(module).items() if deep and where != "builtins" else ():
        if isinstance(value, type) and value.__module__ == where:
            found.append(_sealed(f"{where}.{name}", vars(value)))
    return tuple(found)


def _sealed(where: str, names: Mapping[str, object]) -> Sealed:
    is_class = isinstance(names, types.MappingProxyType)
    before = {
        name: value
        for name, value in names.items()
        if (_is_behaviour(value) or (is_class and type(value) in NUMBERS))
        and name not in OFTEN_PATCHED
    }
    watched = ("__doc__", *before, "__doc__")  # What takes one name alone gives no tuple.
    return where, names, watched, operator.itemgetter(*watched), tuple(map(names.get, watched))


def _is_behaviour(value: object) -> bool:
    return callable(value) or isinstance(value, KINDS)
