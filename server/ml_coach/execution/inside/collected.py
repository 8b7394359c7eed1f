"""Remembers what was collected before any test ran: modules, their names, parameters, plugins.

A program can reach the objects of pytest. What it changes there after this moment is noticed when
the next test begins, and what it changed before, where the text of the tests says otherwise.
"""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
from __future__ import annotations

import builtins
import gc
import operator
import sys
import types
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import pytest

from ml_coach.execution.inside.signing import FrozenFunctions, WriteRecord, identity_of

Names = tuple[tuple[str, ...], tuple[object, ...]]
ABSENT = None


def memory() -> Generator[Any, Any, Any]:
    """Send it a dict once, by test or file, and keys afterwards. It keeps what the first dict held
    as tuples, which nobody can change, and answers whether there was none before."""
    keys: Any = ()
    kept: Any = ()
    kind, a_dict, row = type, dict, tuple
    answer: Any = None
    is_first = True
    while True:
        got: Any = yield answer
        if kind(got) is a_dict:
            answer, is_first = is_first, False
            if answer:
                keys, kept = row(got), row(got.values())
        else:
            answer = kept[keys.index(got)] if got in keys else None


def collected(
    items: Iterable[pytest.Item],
    names: Mapping[str, Mapping[str, Any]],
    modules: Mapping[str, dict[str, Any]],
    own: frozenset[int],
) -> tuple[dict[str, Any], str]:
    """What to remember, by file and by test ((name or parameter, ...), (value, ...)), and the name
    of what is not as the tests' text says. `names` are those of test_text.py, by file;
    `modules` are the dicts in which the test files were run."""
    found: dict[str, Any] = {}
    wrong = ""
    for file, listed in names.items():
        module = modules.get(file)
        if module is not None:
            found[file], replaced = _names(module, listed, own)
            wrong = wrong or replaced
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            direct = _direct(item)
            found[item.nodeid] = tuple(direct), tuple(item.callspec.params[n] for n in direct)
    return found, wrong


def _names(module: dict[str, Any], listed: Mapping[str, Any], own: frozenset[int]) -> Any:
    once, bound = listed["once"], listed["bound"]
    wrong = ""
    for name, how in once.items():
        if name in module and not _is_as_written(module[name], how, module, own):
            wrong = wrong or name
    kept: dict[str, object] = {name: module[name] for name in once if name in module}
    if bound is not None:
        hidden = [name for name in vars(builtins) if name not in bound and name[0] != "_"]
        wrong = wrong or next((name for name in hidden if name in module), "")
        kept.update(dict.fromkeys(hidden, ABSENT))
    return (tuple(kept), tuple(kept.values())), wrong


def _is_as_written(value: Any, how: str, module: dict[str, Any], own: frozenset[int]) -> bool:
    kind, *words = how.split(" ")
    match kind:
        case "def":
            is_plain = type(value) is types.FunctionType
            return is_plain and identity_of(value.__code__) in own and value.__globals__ is module
        case "import":
            return value is sys.modules.get(words[0], value)
        case "from":
            source = sys.modules.get(words[0])
            if source is None or not callable(value):
                return True
            return value is vars(source).get(words[1], value)
        case _:
            return True


def _direct(item: pytest.Function) -> list[str]:
    """The parameters that no fixture changes on their way."""
    fixtures = item._fixtureinfo.name2fixturedefs
    return [
        name
        for name in item.callspec.params
        if name not in fixtures or "direct_param" in fixtures[name][-1].func.__name__
    ]


def replaced_function(functions: Mapping[str, Mapping[str, int]], work: str) -> str:
    """The name of a function in the run's own modules that is not the one in the module's text.
    `functions` maps files to the lines of their functions."""
    inside = f"{work}/"
    for module in [*sys.modules.values()]:
        file: object = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.startswith(inside):
            continue
        for name, line in functions.get(file.removeprefix(inside), {}).items():
            code = getattr(vars(module).get(name), "__code__", None)
            if name in vars(module) and (code is None or code.co_firstlineno != line):
                return f"{module.__name__}.{name}"
    return ""


def source_keeper(texts: Mapping[str, str], trusted: frozenset[int]) -> Generator[Any, Any, Any]:
    """Keeps the texts of the test files from the program. Send it a path to have the lines, which
    only code that was there before the user's can do."""
    frame_at, identity = sys._getframe, identity_of
    paths, kept = tuple(texts), tuple(texts.values())
    del texts
    answer: Any = None
    while True:
        got = yield answer
        known = identity(frame_at(1).f_code) in trusted and got in paths
        answer = kept[paths.index(got)].splitlines(keepends=True) if known else None


def hook_watcher(trusted: frozenset[int]) -> Generator[Any, Any, Any]:
    """Send it pytest's configuration to learn the name of a hook there that calls code which was
    not there before the user's; empty where there is none.

    It remembers the functions that it has found to be ours, with all that they refer to. While
    these stay the same, their code is not looked at one by one, which takes long.
    """
    identity, type_of, any_error, size, same = identity_of, type, Exception, len, operator.is_
    names_of: Any = vars
    every: Any = all
    each: Any = map
    referents = gc.get_referents
    function_of: Any = operator.attrgetter("function")
    plain, bound = types.FunctionType, types.MethodType
    known: Any = ()
    functions: Any = ()
    parts: Any = ()
    name: Any = ""
    answer: Any = ""
    while True:
        config: Any = yield answer
        answer, name = "", "the configuration"
        try:
            hooks: Any = [*names_of(config.pluginmanager.hook).items()]
            found: Any = []
            for name, caller in hooks:  # noqa: B007 - an error is answered with the name
                found += each(function_of, caller.get_hookimpls())
            now = referents(*functions)
            unchanged: bool = size(found) == size(known) and every(each(same, found, known))
            if unchanged and size(now) == size(parts) and every(each(same, now, parts)):
                continue
            for name, caller in hooks:
                for implementation in caller.get_hookimpls():
                    if identity(implementation.function.__code__) not in trusted:
                        answer = answer or name
            behind: Any = [f.__func__ if type_of(f) is bound else f for f in found]
            if not answer and every(type_of(f) is plain for f in behind):
                known, functions, parts = found, behind, referents(*behind)
        except any_error:
            answer = name


def registrar(
    freeze: FrozenFunctions, write: WriteRecord, remember: Callable[[Any], Any]
) -> Callable[[dict[str, Any], str], None]:
    """A function that remembers what was collected, and tells where it is not as it should be."""
    return freeze(_register, write, remember)


def _register(what: dict[str, Any], wrong: str) -> None:
    parts: Any = "<parts>"
    write, remember = parts
    if wrong:
        write(("tampered", f"replaced {wrong} in the tests"))
    if not remember(what):
        write(("tampered", "collected the tests a second time"))
