"""Calls each test and records how that went: the one place where a pass comes from.

Everything here is frozen (`FrozenFunctions` in signing.py) and in one piece: a part of it could be
called alone, and would record what its caller likes. User code runs in frames above this code, and
those may not record calls.
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

from ml_coach.execution.inside.signing import FrozenFunctions, WriteRecord


@dataclass(frozen=True)
class CallRecorder:
    """`call` and `call_async` take a test's id, the callable, its arguments, its function's name
    and the names of its module. `call` is a coroutine that never waits, so that both are one code.
    `codes` are the identities of the code that may record calls."""

    call: Callable[..., Coroutine[Any, Any, None]]
    call_async: Callable[..., Coroutine[Any, Any, None]]
    codes: frozenset[int]


def call_recorder(
    freeze: FrozenFunctions,
    write: WriteRecord,
    broken: Callable[..., str],
    compiled: Mapping[str, types.CodeType],
    track: Callable[[Any], Any],
    rebinds: frozenset[str],
) -> CallRecorder:
    """`broken` names what has been replaced in Python or pytest. `compiled` maps the test files'
    names to their code, `track` is the `send` of an `own_code_tracker`, and `rebinds` are the
    global names that the tests themselves bind anew."""
    on_profile = freeze(_on_profile, track)
    profiling = (sys.setprofile, threading.setprofile, on_profile, track)
    tracers = (sys.gettrace, sys.getprofile)
    language = (type, id, str, types.FunctionType, types.MethodType)
    language += (dict.fromkeys, tuple(vars(builtins)))
    parts = (
        write,
        _own_code(compiled),
        broken,
        tracers,
        rebinds,
        profiling,
        pytest.skip.Exception,
        language,
    )
    call, call_async = freeze(_call, freeze(_run), *parts), freeze(_call, freeze(_await), *parts)
    return CallRecorder(call, call_async, frozenset({id(call.__code__), id(call_async.__code__)}))


def own_code_tracker(compiled: Mapping[str, types.CodeType]) -> Generator[Any, Any, Any]:
    """Learns whether a test that is wrapped in something else really ran its own code.

    Send it (file, function, module's names) before the test, each frame that is entered meanwhile,
    and None after it: that is answered with (function, first line, `own` or `other`).
    """
    own = _own_code(compiled)
    type_of, frame_type, identity, text = type, types.FrameType, id, str
    file, function, module, found, answer = "", "", None, ("", "0", "other"), None
    while True:
        got = yield answer
        answer = None
        if type_of(got) is frame_type:
            code = got.f_code
            known = code.co_name == function and (file, identity(code)) in own
            if known and got.f_globals is module:
                found = (function, text(code.co_firstlineno), "own")
        elif got is None:
            answer = found
        else:
            file, function, module = got
            found = ("", "0", "other")


def _own_code(compiled: Mapping[str, types.CodeType]) -> frozenset[tuple[str, int]]:
    """(file, identity) of all code of the test files, nested code too."""
    found: set[tuple[str, int]] = set()
    for file, whole in compiled.items():
        todo = [whole]
        while todo:
            code = todo.pop()
            found.add((file, id(code)))
            todo += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return frozenset(found)


def _on_profile(frame: Any, event: str, argument: object) -> None:
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
    run, write, own, broken, tracers, rebinds, profiling, skipped, language = parts
    profile, profile_threads, on_profile, track = profiling
    type_of, identity, text, plain, bound, dict_of, language_names = language
    file = name.partition("::")[0]
    code = test.__func__ if type_of(test) is bound else test
    whose = ("", "0", "other")
    direct = False
    if type_of(code) is plain and code.__globals__ is module:
        code = code.__code__
        if code.co_name == function and (file, identity(code)) in own:
            whose = (code.co_name, text(code.co_firstlineno), "own")
            direct = True
    if what := broken(False):
        write(("tampered", f"replaced {what}"))
    names = []
    if "monkeypatch" not in values and "mocker" not in values:
        names = [*{**dict_of(language_names), **module}.items()]
    outcome = "failed"
    try:
        if not direct:
            track((file, function, module))
            profile_threads(on_profile)
            profile(on_profile)
        await run(test, values)
        outcome = "passed"
    except skipped:
        outcome = "skipped"
        raise
    finally:
        if not direct:
            profile(None)
            profile_threads(None)
            whose = track(None)
        if what := broken(False):
            write(("tampered", f"replaced {what}"))
        for bound_name, value in names:
            if module.get(bound_name) is not value and bound_name not in rebinds:
                write(("tampered", f"replaced {bound_name} in the tests"))
        for tracer in tracers:
            if tracer() is not None:
                write(("tampered", "traced the tests"))
        write(("called", name, outcome, *whose))
