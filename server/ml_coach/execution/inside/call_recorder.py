"""Calls each test and records how that went: the one place where a pass comes from.

Everything here is frozen (`FrozenFunctions` in signing.py) and in one piece: a part of it could be
called alone, and would record what its caller likes. User code runs in frames above this code, and
those may not record calls.
"""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
from __future__ import annotations

import builtins
import gc
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
    identities of the code that may record calls, `profiler` that of the code that is told which
    frames are entered."""

    call: Callable[..., Coroutine[Any, Any, None]]
    call_async: Callable[..., Coroutine[Any, Any, None]]
    codes: frozenset[int]
    profiler: int


@dataclass(frozen=True)
class Watchers:
    """What is asked around each test. `broken` names what has been replaced in Python or pytest,
    `track` is the `send` of a `call_tracker`, `notes` that of `Comparer.notes`, `remembered`
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
    language += (tuple, tuple(vars(builtins)), (all, map, operator.is_, zip))
    collected = (compiled.get, watchers.notes, watchers.remembered, watchers.foreign, gc.freeze)
    instance = (unittest.TestCase, issubclass, vars, vars(builtins), callable)
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
    return CallRecorder(call, call_async, codes, identity_of(on_profile.__code__))


def call_tracker(compiled: Mapping[str, types.CodeType]) -> Generator[Any, Any, Any]:
    """Keeps for each call what it has to know at its end: what stands in a frame can be rewritten
    from another one. It also learns whether a test that is wrapped in something else really ran its
    own code.

    Send it (codes that call tests, the profiler's code) once. Then, from the frame of a call,
    (file, function, module's names, whose code it is or empty, anything) before the test, and None
    after it: that is answered with ((function, first line, `own` or `other`), anything). From the
    profiler send each frame that is entered meanwhile.
    """
    own = _own_code(compiled)
    frame_at, identity, text, row = sys._getframe, identity_of, str, tuple
    under_way: Any = ()
    answer: Any = None
    calling, profiler = yield
    while True:
        got = yield answer
        answer = None
        frame: Any = frame_at(1)
        here, caller = identity(frame), identity(frame.f_code)
        frame = None
        if caller == profiler:
            code = got.f_code
            found: Any = (code.co_name, text(code.co_firstlineno), "own")
            under_way = row([
                (*call[:4], found, call[5])
                if not call[4]
                and code.co_name == call[2]
                and (call[1], identity(code)) in own
                and got.f_globals is call[3]
                else call
                for call in under_way
            ])  # fmt: skip
        elif caller in calling and got is None:
            answer = ("", "0", "other"), ()
            for call in under_way:
                if call[0] == here:
                    answer = call[4] or ("", "0", "other"), call[5]
            under_way = row([call for call in under_way if call[0] != here])
        elif caller in calling:
            under_way = (*under_way, (here, *got))


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
    type_of, identity, text, plain, bound, row, language_names, in_c = language
    every, each, same, pairs = in_c
    code_of, notes, remembered, foreign, hide = collected
    test_case, is_subclass, names_of, python, is_callable = unit
    file = name.partition("::")[0]
    module: Any = notes(code_of(file)) or {}
    code = test.__func__ if type_of(test) is bound else test
    whose: Any = ()
    if type_of(code) is plain and code.__globals__ is module and code.__builtins__ is python:
        code = code.__code__
        if code.co_name == function and (file, identity(code)) in own:
            whose = (code.co_name, text(code.co_firstlineno), "own")
    for replaced in (broken(False), foreign(config)):
        if replaced:
            write(("tampered", f"replaced {replaced}"))
    names, before = remembered(file) or ((), ())
    if not every(each(same, each(module.get, names), before)):
        for bound_name, value in pairs(names, before):
            if module.get(bound_name) is not value and bound_name not in rebinds:
                write(("tampered", f"replaced {bound_name} in the tests"))
    for argument, value in pairs(*(remembered(name) or ((), ()))):
        if argument in values and values[argument] is not value:
            write(("tampered", f"replaced the parameter {argument}"))
    then: Any = ()
    if "monkeypatch" not in values and "mocker" not in values:
        then = (*language_names, *module)
    methods: Any = ((), (), None)
    instance: Any = ()
    if type_of(test) is bound:
        its_class: Any = type_of(test.__self__)
        instance = names_of(test.__self__) if is_subclass(its_class, test_case) else ()
        in_class = names_of(its_class)
        callables = row([n for n in in_class if is_callable(in_class[n])])
        methods = (callables, row(each(in_class.get, callables)), in_class)
    kept: Any = (name, module, then, row(each(module.get, then)), methods, instance)
    notes(name)
    track((file, function, module, whose, kept))
    hide()
    try:
        if not whose:
            profile_threads(on_profile)
            profile(on_profile)
        await run(test, values)
        outcome = "passed"
    except skipped:
        outcome = "skipped"
        raise
    except:
        outcome = "failed"
        raise
    finally:
        # Whoever ran meanwhile may have written into this frame, so all is taken anew.
        again: Any = "<parts>"
        _, write, _, broken, tracers, rebinds, profiling, _, language, collected, _ = again
        profile, profile_threads, on_profile, track = profiling
        every, each, same, pairs = language[-1]
        notes = collected[1]
        if tracers[1]() is on_profile:
            profile(None)
            profile_threads(None)
        whose, (name, module, then, values, methods, instance) = track(None)
        if what := broken(False):
            write(("tampered", f"replaced {what}"))
        if not every(each(same, each(module.get, then), values)):
            for bound_name, value in pairs(then, values):
                if module.get(bound_name) is not value and bound_name not in rebinds:
                    write(("tampered", f"replaced {bound_name} in the tests"))
        callables, before, in_class = methods
        if in_class and not every(each(same, each(in_class.get, callables), before)):
            write(("tampered", "replaced a method of the tests"))
        for bound_name in (*instance, *((in_class if instance else ()) or ())):
            if bound_name[:6] == "assert" and bound_name not in callables:
                write(("tampered", f"replaced {bound_name} of a test case"))
        for tracer in tracers:
            if tracer() is not None:
                write(("tampered", "traced the tests"))
        for where, value in notes(None):
            write(("compared", name, where, value))
        write(("called", name, outcome, *whose))
