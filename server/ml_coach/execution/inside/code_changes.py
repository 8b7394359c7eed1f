"""Puts a changed function into a process that has imported the unchanged one."""

from __future__ import annotations
import __future__

import ast
import gc
import os
import sys
import types
import warnings
from collections.abc import Collection, Iterator
from typing import Any

from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.inside.started_code import Place

Replaced = list[tuple[types.FunctionType, types.CodeType]]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class CodeChanges:
    """The functions of a project's `files`, in the folder `work`, as they are there now. `started`
    is what was called while they were imported: what that left behind may need the change, too."""

    def __init__(self, work: str, files: dict[str, str], started: Collection[Place]) -> None:
        self._work = work
        self._files = files
        self._started = started
        self._read: dict[str, _File] = {}
        self._functions: dict[Place, list[types.FunctionType]] = {}
        gc.unfreeze()  # What somebody froze would not be listed.
        for each in gc.get_objects():
            if type(each) is types.FunctionType and each.__code__.co_filename.startswith(work):
                self._functions.setdefault(_place(each.__code__), []).append(each)
        modules = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
        self._imported = frozenset(file for file in modules if isinstance(file, str))

    def for_trial(self, trial: JsonObject) -> Replaced | None:
        """The functions that a trial's change is in, each with its new code; none where there is
        no change, or the module is not imported yet. None where this does not suffice."""
        change = trial["change"]
        if not change:
            return []
        path = os.path.join(self._work, change["file"])
        if path not in self._imported:
            return []
        if not trial["in_function"]:
            return None
        if path not in self._read:
            self._read[path] = _File(self._files[change["file"]], path)
        name, line, code = self._read[path].changed(**change)
        place = (path, name, line)
        found = self._functions.get(place, [])
        if code is None or place in self._started or not found:
            return None
        fits = all(f.__code__.co_freevars == code.co_freevars for f in found)
        return [(function, code) for function in found] if fits else None


class _File:
    """A module's text, and where its functions are. Texts are bytes as latin-1."""

    def __init__(self, text: str, path: str) -> None:
        source = text.encode("latin-1")
        self._lines = text.split("\n")
        self._path = path
        tree = ast.parse(source)
        self._tops = [(_first(each), each.end_lineno or 0) for each in tree.body]
        self._functions = [*_outermost(tree)]
        names = [n.name for s in tree.body if isinstance(s, ast.ImportFrom)
                 and s.module == "__future__" for n in s.names]  # fmt: skip
        self._flags = __future__.annotations.compiler_flag if "annotations" in names else 0
        self._utf8 = not source.startswith(b"\xef\xbb\xbf")

    def changed(
        self, file: str, first: int, last: int, text: str
    ) -> tuple[str, int, types.CodeType | None]:
        """Name, first line and new code of the function that the change is in."""
        function = next(f for f in self._functions if f[1] <= first <= f[2])
        top, end = next(each for each in self._tops if each[0] <= first <= each[1])
        lines = [*self._lines[top - 1 : first - 1], text.removesuffix("\n")]
        segment = "\n".join([*lines, *self._lines[last:end]])
        source = ("\n" * (top - 1) + segment).encode("latin-1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code: Any = compile(
                    source, self._path, "exec", flags=self._flags, dont_inherit=True
                )
            except (SyntaxError, ValueError):
                return function[0], function[1], None
        wanted = (self._path, function[0], function[1])
        found = (each for each in _inner(code) if _place(each) == wanted)
        return function[0], function[1], next(found, None)


def _place(code: types.CodeType) -> Place:
    return code.co_filename, code.co_name, code.co_firstlineno


def _first(node: Any) -> int:
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])


def _outermost(node: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of the functions that are in no other one."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, _FUNCTIONS):
            yield each.name, _first(each), each.end_lineno or 0
        else:
            yield from _outermost(each)


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _inner(each)
