"""Makes records of tests that the tests can not forge, though they share a process with us.

User code may reach every Python object that we hold, so nothing that we hold may be enough:

* The key is inside a keyed hash, the hash is a local variable of a suspended generator, and Python
  offers one way to it, `gi_frame`, which the watcher reports before it is answered.
* The generator looks at its callers. A record is honest only when every frame on the stack runs
  code that existed before the user's did; code is compared by identity, never by its name.
* Records are numbered, so none can be taken away, and the last one says that it is the last.

What remains is reading raw memory (ctypes), which the watcher reports too. judge.py believes
nothing else.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import sys
import types
from collections.abc import Callable, Generator, Iterable
from json.encoder import encode_basestring_ascii
from typing import Any

Tell = Callable[..., None]
MEMORY_FILE = re.compile(r"/proc/[^/]+/(task/[^/]+/)?mem$").search
PROOF_BYTES = 16
CAN_WAIT = frozenset({"called", "report"})  # until the next test begins, or the end


def known_code(functions: Iterable[object]) -> frozenset[int]:
    """The identities of all code behind the functions among the given objects, nested code too."""
    found: set[int] = set()
    todo = [f.__code__ for f in functions if isinstance(f, types.FunctionType)]
    while todo:
        code = todo.pop()
        if id(code) not in found:
            found.add(id(code))
            todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found)


def notary(
    descriptor: int, key: bytes, trusted: frozenset[int]
) -> Generator[None, tuple[str, ...], None]:
    """Send it a tuple of plain strings: it signs them and writes a line to `descriptor`, at once
    or, where that is early enough, with the next one: each write wakes the supervisor.

    Every function that it calls is a local variable and written in C: nothing that user code
    could have replaced runs on top of this frame.
    """
    write, process, frame_at, identity = os.write, os.getpid, sys._getframe, id
    quote, can_wait = encode_basestring_ascii, CAN_WAIT
    keyed = hashlib.blake2b(key=key, digest_size=PROOF_BYTES)
    del key
    owner, number, waiting = process(), 0, b""
    fields = yield
    while True:
        honest = "honest"
        frame = frame_at(1)
        while frame is not None:
            if identity(frame.f_code) not in trusted:
                honest = "forged"
                break
            frame = frame.f_back
        frame = None
        if process() == owner:  # a child that the tests forked stays silent
            parts = [quote(field) for field in (honest, *fields)]
            body = b"[%d,%s]" % (number, ",".join(parts).encode("ascii"))
            proof = keyed.copy()
            proof.update(body)
            waiting += b"%s %s\n" % (proof.hexdigest().encode("ascii"), body)
            number += 1
            try:
                while waiting and fields[0] not in can_wait:
                    waiting = waiting[write(descriptor, waiting) :]
            except OSError:
                pass  # The tests closed it. Then there is no last record, and no pass.
        fields = yield


def watcher(
    guarded: object, tell: Tell, trusted: frozenset[int]
) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook: it can not be taken off, and tells of what could change a verdict."""
    frame_at, identity = sys._getframe, id

    def by_user(through: int) -> bool:
        """Whether user code asked for it, through so many functions of the library at most."""
        frame = frame_at(2)
        for _ in range(through + 1):
            if frame is None:
                return False
            if identity(frame.f_code) not in trusted:
                return True
            frame = frame.f_back
        return False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "object.__getattr__":
            if arguments[0] is guarded:
                tell("tampered", "reached for the channel of the verdict")
        elif event == "object.__setattr__":
            if arguments[1] in ("__code__", "__defaults__", "__kwdefaults__"):
                if by_user(0):
                    tell("tampered", f"replaced {arguments[1]} of a function")
            elif arguments[1] == "f_lineno":
                tell("tampered", "made a frame jump over lines")
        elif event == "gc.get_referents":
            if any(each is guarded for each in arguments[0]):
                tell("tampered", "reached for the channel of the verdict")
        elif event in ("sys.settrace", "sys.setprofile", "sys._current_frames"):
            if by_user(0):
                tell("tampered", f"called {event}")
        elif event == "open":
            if isinstance(arguments[0], str) and MEMORY_FILE(arguments[0]):
                tell("tampered", f"opened {arguments[0]}")
        elif event.startswith("ctypes.") and by_user(2):
            tell("tampered", f"reached into memory with {event}")

    return watch


class Seal:
    """Remembers what builtins, pytest and unittest are, to see whether something was replaced."""

    # A test may put another one there while it runs; pytest's monkeypatch is made for that.
    OFTEN_PATCHED = frozenset(
        {"input", "print", "open", "__import__", "breakpoint", "help", "exit"}
    )
    MODULES = (
        "builtins math operator pytest unittest.case _pytest._code.code _pytest.assertion "
        "_pytest.assertion.rewrite _pytest.assertion.util _pytest.fixtures _pytest.main "
        "_pytest.nodes _pytest.outcomes _pytest.python _pytest.python_api _pytest.raises "
        "_pytest.reports _pytest.runner _pytest.skipping _pytest.unittest pluggy._callers "
        "pluggy._execution pluggy._hooks pluggy._manager"
    ).split()

    def __init__(self) -> None:
        modules = [sys.modules[name] for name in self.MODULES if name in sys.modules]
        self._whole = tuple(_parts(module.__name__, vars(module)) for module in modules)
        near = [m for m in modules if m.__name__ in ("builtins", "pytest", "unittest.case")]
        self._near = tuple(_parts(module.__name__, vars(module), deep=False) for module in near)

    def broken(self, *, everything: bool) -> str:
        """The first name that is not what it was, or nothing."""
        for sealed in self._whole if everything else self._near:
            for where, now, before in sealed:
                for name, value in before:
                    if now.get(name) is not value and name not in self.OFTEN_PATCHED:
                        return f"{where}.{name}"
        return ""


Sealed = tuple[str, Any, tuple[tuple[str, object], ...]]


def _parts(where: str, names: dict[str, Any], deep: bool = True) -> tuple[Sealed, ...]:
    kinds = (
        types.FunctionType,
        types.BuiltinFunctionType,
        type,
        classmethod,
        staticmethod,
        property,
    )
    before = tuple((name, value) for name, value in names.items() if isinstance(value, kinds))
    found: list[Sealed] = [(where, names, before)]
    if deep:
        for name, value in before:
            if isinstance(value, type) and value.__module__ == where and where != "builtins":
                inner = tuple((n, v) for n, v in vars(value).items() if isinstance(v, kinds))
                found.append((f"{where}.{name}", vars(value), inner))
    return tuple(found)


def equals_everything(folder: str) -> str:
    """The name of a class of the user's whose objects equal unrelated values, or nothing.

    Such an object passes every assert. Only classes made after the worker's fork are looked at:
    the collector was frozen before.
    """
    unrelated = ((918_273, -5_501), ("no", "such text"), ([7], [1, 2]))
    for made in gc.get_objects():
        if not isinstance(made, type):
            continue
        equal = vars(made).get("__eq__")
        if not isinstance(equal, types.FunctionType) or not _is_users(equal.__code__, folder):
            continue
        for pair in unrelated:
            try:
                blank = made.__base__.__new__(made)  # type: ignore[union-attr]
                answers = [equal(blank, value) for value in pair]
                if all(a is not NotImplemented and bool(a) for a in answers):
                    return made.__qualname__
            except Exception:  # noqa: BLE001 - an object that was never set up may raise anything
                break
    return ""


def _is_users(code: types.CodeType, folder: str) -> bool:
    name = code.co_filename
    return name.startswith(folder) or not name.startswith((sys.prefix, sys.base_prefix, "/usr"))
