"""Calls each test and records how that went: the one place where a pass comes from.

Everything here is frozen (`FrozenFunctions` in signing.py) and in one piece: a part of it could be
called alone, and would record what its caller likes. User code runs in frames above this code, and
those may not record calls.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import builtins
import operator
import sys
import threading
import types
import unittest
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ml_coach.execution.inside.signing import FrozenFunctions, WriteRecord, identity_of


@dataclass(frozen=True)
class CallRecorder:
    """`call` and `call_async` take a test's id, the callable, its arguments and its function's
    name. `call` is a coroutine that never waits, so that both are one code. `codes` are the
    identities of the code that may record calls."""

    call: Callable[..., Coroutine[Any, Any, None]]
    call_async: Callable[..., Coroutine[Any, Any, None]]
    codes: frozenset[int]


@dataclass(frozen=True)
class Watchers:
    """What is asked around each test. `broken` names what has been replaced in Python or pytest,
    `track` is the `send` of an `own_code_tracker`, `notes` that of `Comparer.notes`, `remembered`
    that of `collected.memory`. `foreign` names a hook of the user's in what `config` returns."""

    broken: Callable[..., str]
    track: Callable[[Any], Any]
    notes: Callable[[Any], Any]
    remembered: Callable[[Any], Any]
    foreign: Callable[[Any], str]


def call_recorder(
    freeze: FrozenFunctions,
    write: WriteRecord,
    compiled: Mapping[str, types.CodeType],
    watchers: Watchers,
    rebinds: frozenset[str],
) -> CallRecorder:
    """`compiled` maps the test files' names to their code; `rebinds` are the global names that the
    tests themselves bind anew."""
    on_profile = freeze(_on_profile, watchers.track)
    profiling = (sys.setprofile, threading.setprofile, on_profile, watchers.track)
    tracers = (sys.gettrace, sys.getprofile)
    language = (type, identity_of, str, types.FunctionType, types.MethodType)
    language += (dict.fromkeys, tuple(vars(builtins)), (all, map, operator.is_, zip))
    collected = (compiled.get, watchers.notes, watchers.remembered, watchers.foreign)
    instance = (unittest.TestCase, issubclass, vars)
    parts = (
        write,
        _own_code(compiled),
        watchers.broken,
        tracers,
        rebinds,
        profiling,
        pytest.skip.Exception,
        language,
        collected,
        instance,
    )
    call, call_async = freeze(_call, freeze(_run), *parts), freeze(_call, freeze(_await), *parts)
    codes = frozenset(identity_of(each.__code__) for each in (call, call_async))
    return CallRecorder(call, call_async, codes)


def own_code_tracker(compiled: Mapping[str, types.CodeType]) -> Generator[Any, Any, Any]:
    """Learns whether a test that is wrapped in something else really ran its own code.

    Send it (file, function, module's names) before the test, each frame that is entered meanwhile,
    and None after it: that is answered with (function, first line, `own` or `other`).
    """
    own = _own_code(compiled)
    type_of, frame_type, identity, text = type, types.FrameType, identity_of, str
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


def own_code(compiled: Mapping[str, types.CodeType]) -> frozenset[int]:
    """The identities of all code of the test files."""
    return frozenset(identity for _, identity in _own_code(compiled))


def _own_code(compiled: Mapping[str, types.CodeType]) -> frozenset[tuple[str, int]]:
    """(file, identity) of all code of the test files, nested code too."""
    found: set[tuple[str, int]] = set()
    for file, whole in compiled.items():
        todo = [whole]
        while todo:
            code = todo.pop()
            found.add((file, identity_of(code)))
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
    name: str, test: Any, values: Any, function: str, config: Any
) -> None:
    parts: Any = "<parts>"
    run, write, own, broken, tracers, rebinds, profiling, skipped, language, collected, unit = parts
    profile, profile_threads, on_profile, track = profiling
    type_of, identity, text, plain, bound, dict_of, language_names, in_c = language
    every, each, same, pairs = in_c
    code_of, notes, remembered, foreign = collected
    test_case, is_subclass, names_of = unit
    file = name.partition("::")[0]
    module: Any = notes(code_of(file)) or {}
    code = test.__func__ if type_of(test) is bound else test
    whose = ("", "0", "other")
    direct = False
    if type_of(code) is plain and code.__globals__ is module:
        code = code.__code__
        if code.co_name == function and (file, identity(code)) in own:
            whose = (code.co_name, text(code.co_firstlineno), "own")
            direct = True
    for replaced in (broken(False), foreign(config)):
        if replaced:
            write(("tampered", f"replaced {replaced}"))
    names, before = remembered(file) or ((), ())
    if not every(each(same, each(module.get, names), before)):
        for bound_name, value in pairs(names, before):
            if module.get(bound_name) is not value and bound_name not in rebinds:
                write(("tampered", f"replaced {bound_name} in the tests"))
    given: Any = remembered(name) or {}
    for argument, value in given.items():
        if argument in values and values[argument] is not value:
            write(("tampered", f"replaced the parameter {argument}"))
    then: Any = {}
    if "monkeypatch" not in values and "mocker" not in values:
        then = {**dict_of(language_names), **module}
    outcome = "failed"
    notes(name)
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
        if not every(each(same, each(module.get, then), then.values())):
            for bound_name, value in then.items():
                if module.get(bound_name) is not value and bound_name not in rebinds:
                    write(("tampered", f"replaced {bound_name} in the tests"))
        if type_of(test) is bound and is_subclass(type_of(test.__self__), test_case):
            for bound_name in names_of(test.__self__):
                if bound_name[:6] == "assert":
                    write(("tampered", f"replaced {bound_name} of a test case"))
        for tracer in tracers:
            if tracer() is not None:
                write(("tampered", "traced the tests"))
        for where, value in notes(None):
            write(("compared", name, where, value))
        write(("called", name, outcome, *whose))
