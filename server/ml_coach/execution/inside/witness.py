"""Calls each test and tells how that went: the one place where a pass comes from.

All of it is fixed (`Fixing`, notary.py) and in one piece: a part could be called alone, and tell
what its caller likes. What belongs to the user runs in a frame that is no witness.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import builtins
import sys
import threading
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ml_coach.execution.inside.notary import Fixing, Tell


@dataclass(frozen=True)
class Witness:
    """`call` and `call_async` take a test's id, the callable, its arguments, its function's name
    and the names of its module. `call` is a coroutine that never waits, so that both are one code.
    `codes` are the identities of what may tell of calls."""

    call: Callable[..., Coroutine[Any, Any, None]]
    call_async: Callable[..., Coroutine[Any, Any, None]]
    codes: frozenset[int]


def witness(
    fix: Fixing,
    tell: Tell,
    broken: Callable[..., str],
    compiled: Mapping[str, types.CodeType],
    learn: Callable[[Any], Any],
    rebinds: frozenset[str],
) -> Witness:
    """`compiled` maps the test files' names to their code, `learn` talks to the follower, and
    `rebinds` are the global names that the tests themselves bind anew."""
    seen = fix(_seen, learn)
    follow = (sys.setprofile, threading.setprofile, seen, learn)
    tracers = (sys.gettrace, sys.getprofile)
    language = (type, id, str, types.FunctionType, types.MethodType)
    language += (dict.fromkeys, tuple(vars(builtins)))
    parts = (
        tell,
        _own(compiled),
        broken,
        tracers,
        rebinds,
        follow,
        pytest.skip.Exception,
        language,
    )
    call, call_async = fix(_call, fix(_run), *parts), fix(_call, fix(_await), *parts)
    return Witness(call, call_async, frozenset({id(call.__code__), id(call_async.__code__)}))


def follower(compiled: Mapping[str, types.CodeType]) -> Generator[Any, Any, Any]:
    """Learns whether a test that something is wrapped around really ran its own code."""
    own = _own(compiled)
    kind_of, frame_type, identity, text = type, types.FrameType, id, str
    file, function, module, found, answer = "", "", None, ("", "0", "other"), None
    while True:
        got = yield answer
        answer = None
        if kind_of(got) is frame_type:
            code = got.f_code
            known = code.co_name == function and (file, identity(code)) in own
            if known and got.f_globals is module:
                found = (function, text(code.co_firstlineno), "own")
        elif got is None:
            answer = found
        else:
            file, function, module = got
            found = ("", "0", "other")


def _own(compiled: Mapping[str, types.CodeType]) -> frozenset[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for file, whole in compiled.items():
        todo = [whole]
        while todo:
            code = todo.pop()
            found.add((file, id(code)))
            todo += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return frozenset(found)


def _seen(frame: Any, event: str, argument: object) -> None:
    parts: Any = "<parts>"
    if event == "call":
        parts[0](frame)


async def _run(test: Any, values: Any) -> None:
    test(**values)


async def _await(test: Any, values: Any) -> None:
    await test(**values)


async def _call(  # noqa: C901
    name: str, test: Any, values: Any, function: str, module: Any
) -> None:
    parts: Any = "<parts>"
    run, tell, own, broken, tracers, rebinds, follow, skipped, language = parts
    profile, profile_threads, seen, learn = follow
    kind_of, identity, text, plain, bound, absent, language_names = language
    file = name.partition("::")[0]
    code = test.__func__ if kind_of(test) is bound else test
    whose = ("", "0", "other")
    direct = False
    if kind_of(code) is plain and code.__globals__ is module:
        code = code.__code__
        if code.co_name == function and (file, identity(code)) in own:
            whose = (code.co_name, text(code.co_firstlineno), "own")
            direct = True
    if what := broken(False):
        tell(("tampered", f"replaced {what}"))
    names = []
    if "monkeypatch" not in values and "mocker" not in values:
        names = [*{**absent(language_names), **module}.items()]
    how = "failed"
    try:
        if not direct:
            learn((file, function, module))
            profile_threads(seen)
            profile(seen)
        await run(test, values)
        how = "passed"
    except skipped:
        how = "skipped"
        raise
    finally:
        if not direct:
            profile(None)
            profile_threads(None)
            whose = learn(None)
        if what := broken(False):
            tell(("tampered", f"replaced {what}"))
        for bound_name, value in names:
            if module.get(bound_name) is not value and bound_name not in rebinds:
                tell(("tampered", f"replaced {bound_name} in the tests"))
        for tracer in tracers:
            if tracer() is not None:
                tell(("tampered", "traced the tests"))
        tell(("called", name, how, *whose))
