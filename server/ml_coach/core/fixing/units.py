"""The pieces of a project that can be to blame for a failure, and be rewritten one by one."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ml_coach.core.python import syntax

MODULE = "<module>"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Unit:
    """A function with all that is nested in it, or what a class or a module has beside functions.

    `name` is qualified, `first` and `last` are lines from 1, decorators included. `reads` are the
    names and attributes that its code reads, `binds` those that a class or a module assigns.
    """

    file: str
    name: str
    kind: Literal["function", "class", "module"]
    first: int
    last: int
    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """What names it in the project."""
        return self.file, self.name

    @property
    def simple_name(self) -> str:
        """Its name without what holds it."""
        return self.name.rpartition(".")[2]


class FileUnits:
    """The units of one file, and which of them a line belongs to."""

    def __init__(self, file: str, source: str) -> None:
        tree = syntax.parse(source)
        found = list(_of_block(file, tree.body, "", 1)) if tree else []
        self.functions = sorted((u for u in found if u.kind == "function"), key=lambda u: u.first)
        self.others = [u for u in found if u.kind == "class"]
        body = tree.body if tree else []
        last = max(1, source.count("\n") + 1)
        self.module = Unit(file, MODULE, "module", 1, last, frozenset(), bound(body))
        self._firsts = [unit.first for unit in self.functions]

    @property
    def every(self) -> list[Unit]:
        """All units, the module last."""
        return [*self.functions, *self.others, self.module]

    def at(self, line: int) -> Unit:
        """The innermost unit of a line."""
        place = bisect_right(self._firsts, line) - 1
        if place >= 0 and line <= self.functions[place].last:
            return self.functions[place]
        around = [u for u in self.others if u.first <= line <= u.last]
        return max(around, key=lambda u: u.first) if around else self.module


@lru_cache(maxsize=256)
def units_of(file: str, source: str) -> FileUnits:
    """The units of a file with this text. Kept, because each step of a run asks for the same ones,
    and a patch changes one file or a few."""
    return FileUnits(file, source)


def _of_block(file: str, body: list[ast.stmt], outer: str, depth: int) -> Iterator[Unit]:
    for node in body:
        if isinstance(node, _Function):
            yield Unit(
                file, f"{outer}{node.name}", "function", _first(node), _last(node), _read(node)
            )
        elif isinstance(node, ast.ClassDef):
            name = f"{outer}{node.name}"
            yield Unit(
                file, name, "class", _first(node), _last(node), frozenset(), bound(node.body)
            )
            yield from _of_block(file, node.body, f"{name}.", depth + 1)
        else:  # Functions below `if` and `try` are units as well.
            for inner in ("body", "orelse", "finalbody"):
                yield from _of_block(file, getattr(node, inner, []), outer, depth)
            for handler in getattr(node, "handlers", []):
                yield from _of_block(file, handler.body, outer, depth)


def _first(node: _Function | ast.ClassDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _read(node: ast.AST) -> frozenset[str]:
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
    return frozenset(found)


def bound(body: list[ast.stmt]) -> frozenset[str]:
    """The names that plain assignments bind."""
    found: set[str] = set()
    for node in body:
        targets: list[ast.expr] = []
        match node:
            case ast.Assign(targets=assigned):
                targets = assigned
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                targets = [target]
            case ast.If() | ast.Try() | ast.With():
                for inner in ("body", "orelse", "finalbody"):
                    found |= bound(getattr(node, inner, []))
            case _:
                pass
        found |= {name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)}
    return frozenset(found)
