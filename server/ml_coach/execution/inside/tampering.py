"""Notices what could change a verdict from within: an audit hook, a seal, and a look at equality.

Each tells the notary, at once, and the judge decides. Harmless uses of the same means stay
unmentioned: looking at frames, collecting garbage, patching `input` for a test.
"""

from __future__ import annotations

import gc
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, cast

from ml_coach.execution.inside.notary import Tell

MEMORY_FILE = re.compile(r"/proc/[^/]+/(task/[^/]+/)?mem$").search
TRACING = (
    "sys.settrace",
    "sys.setprofile",
    "sys._current_frames",
    "sys.monitoring.register_callback",
    "marshal.loads",
)
KINDS: tuple[type, ...] = (
    types.FunctionType,
    types.BuiltinFunctionType,
    type,
    classmethod,
    staticmethod,
    property,
)
AuditHook = Callable[[str, tuple[Any, ...]], None]


class Watcher:
    """An audit hook: Python offers no way to take it off. `channel` is the notary's generator."""

    __slots__ = ("_channel", "_checks", "_frame_at", "_library", "_tell", "_trusted")

    def __init__(self, channel: object, tell: Tell, trusted: frozenset[int]) -> None:
        self._channel = channel
        self._tell = tell
        self._trusted = trusted
        self._library = (sys.prefix, sys.base_prefix, "/usr/lib", "<frozen")
        self._frame_at = sys._getframe  # pyright: ignore[reportPrivateUsage]
        self._checks: Mapping[str, AuditHook] = types.MappingProxyType(
            {
                "object.__getattr__": self._attribute_read,
                "object.__setattr__": self._attribute_written,
                "gc.get_referents": self._contents_read,
                "open": self._opened,
                "compile": self._named,
                "code.__new__": self._named,
                **dict.fromkeys(TRACING, self._traced),
            }
        )

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        check = self._checks.get(event)
        if check is not None:
            check(event, arguments)
        elif event.startswith("ctypes.") and self._by_user(2, frame=2):
            self._tell("tampered", f"reached into memory with {event}")

    def _by_user(self, through: int = 0, frame: int = 3) -> bool:
        """Whether user code asked for it, through so many functions of the library at most."""
        at: types.FrameType | None = self._frame_at(frame)
        for _ in range(through + 1):
            if at is None:
                return False
            code = at.f_code
            if id(code) not in self._trusted and not code.co_filename.startswith(self._library):
                return True
            at = at.f_back
        return False

    def _attribute_read(self, _: str, arguments: tuple[Any, ...]) -> None:
        if arguments[0] is self._channel:
            self._tell("tampered", "reached for the channel of the verdict")

    def _attribute_written(self, _: str, arguments: tuple[Any, ...]) -> None:
        replaced = arguments[1]
        if replaced in ("__code__", "__defaults__", "__kwdefaults__") and self._by_user():
            self._tell("tampered", f"replaced {replaced} of a function")

    def _contents_read(self, _: str, arguments: tuple[Any, ...]) -> None:
        if any(each is self._channel or each is self for each in arguments[0]):
            self._tell("tampered", "reached for the channel of the verdict")

    def _opened(self, _: str, arguments: tuple[Any, ...]) -> None:
        if isinstance(arguments[0], str) and MEMORY_FILE(arguments[0]):
            self._tell("tampered", f"opened {arguments[0]}")

    def _named(self, _: str, arguments: tuple[Any, ...]) -> None:
        """Code of the user's that says it comes from a library."""
        named = (each for each in arguments if isinstance(each, str))
        if any(name.startswith(self._library) for name in named) and self._by_user():
            self._tell("tampered", "made code under the name of a library's file")

    def _traced(self, event: str, _: tuple[Any, ...]) -> None:
        if self._by_user():
            self._tell("tampered", f"called {event}")


class Seal:
    """Remembers what the language, pytest and unittest are, to see what was replaced since."""

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
    )
    NEAR = frozenset({"builtins", "pytest", "unittest.case"})  # what tests use by name

    def __init__(self) -> None:
        modules = [sys.modules[name] for name in self.MODULES.split() if name in sys.modules]
        self._whole = tuple(part for m in modules for part in _parts(m, deep=True))
        near = [module for module in modules if module.__name__ in self.NEAR]
        self._near = tuple(part for m in near for part in _parts(m, deep=False))

    def broken(self, *, everything: bool) -> str:
        """The first name that is not what it was, or nothing."""
        for where, now, before in self._whole if everything else self._near:
            for name, value in before:
                if now.get(name) is not value and name not in self.OFTEN_PATCHED:
                    return f"{where}.{name}"
        return ""


Sealed = tuple[str, Mapping[str, object], tuple[tuple[str, object], ...]]


def _parts(module: types.ModuleType, *, deep: bool) -> tuple[Sealed, ...]:
    where = module.__name__
    found = [_sealed(where, vars(module))]
    for name, value in vars(module).items() if deep and where != "builtins" else ():
        if isinstance(value, type) and value.__module__ == where:
            found.append(_sealed(f"{where}.{name}", vars(value)))
    return tuple(found)


def _sealed(where: str, names: Mapping[str, object]) -> Sealed:
    before = tuple((name, value) for name, value in names.items() if isinstance(value, KINDS))
    return where, names, before


def equals_everything(folder: str) -> str:
    """The name of a class of the user's whose objects equal unrelated values, or nothing.

    Such an object passes every assert. Only classes made after the worker's fork are looked at:
    the collector was frozen before.
    """
    unrelated = ((918_273, -5_501), ("no", "such text"), ([7], [1, 2]))
    for made in gc.get_objects():
        equal = vars(made).get("__eq__") if isinstance(made, type) else None
        if not isinstance(equal, types.FunctionType) or not _is_users(equal.__code__, folder):
            continue
        for pair in unrelated:
            try:
                blank: Any = cast(Any, made.__base__).__new__(made)
                answers = [equal(blank, value) for value in pair]
                if all(answer is not NotImplemented and bool(answer) for answer in answers):
                    return made.__qualname__
            except Exception:  # noqa: BLE001 - an object that was never set up may raise anything
                break
    return ""


def _is_users(code: types.CodeType, folder: str) -> bool:
    name = code.co_filename
    return name.startswith(folder) or not name.startswith((sys.prefix, sys.base_prefix, "/usr"))
