"""What tests call by the names of the language and its library, whatever these names say by then.

A program can bind `all` or `math.isclose` to something else for the moment in which a test looks it
up, and put it back. So the tests' code holds the functions themselves, as they were before any code
of the user's, unless its text shows that the tests replace such functions on purpose.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from ml_coach.execution.inside.tampering import OFTEN_PATCHED

MODULES = (
    *("collections", "copy", "functools", "itertools", "json", "math", "operator", "pytest", "re"),
    "statistics",
)
PATCHES = (b"patch", b"builtins", b"mocker", b"setattr", b"globals()", b"sys.modules", b"reload")


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(builtins).items():
        if callable(value) and name not in OFTEN_PATCHED:
            yield name, value
    for module in MODULES:
        for name, value in vars(importlib.import_module(module)).items():
            if callable(value) and not name.startswith("_"):
                yield f"{module}.{name}", value


# What stands in compiled test files where each function will be, by its name.
_KNOWN = dict(_functions())
_PLACES = {name: f"<{name} {secrets.token_hex(8)}>" for name in _KNOWN}
STEADY = {place: _KNOWN[name] for name, place in _PLACES.items()}


def steady_calls(tree: ast.Module, source: bytes) -> ast.Module:
    """The tree of a test file with this text, its calls of known functions by their places."""
    if any(word in source for word in PATCHES):
        return tree
    return _Calls(ast.parse(source)).visit(tree)


class _Calls(ast.NodeTransformer):
    def __init__(self, written: ast.Module) -> None:
        modules, bound = _imported(written), _bound(written)
        self._places = {
            name: place
            for name, place in _PLACES.items()
            if "*" not in bound
            and name.partition(".")[0] not in bound
            and ("." not in name or name.partition(".")[0] in modules)
        }

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        match node.func:
            case ast.Name(id=name):
                pass
            case ast.Attribute(value=ast.Name(id=module), attr=attr):
                name = f"{module}.{attr}"
            case _:
                return node
        if place := self._places.get(name):
            node.func = ast.copy_location(ast.Constant(place), node.func)
        return node


def _imported(tree: ast.Module) -> set[str]:
    """The modules that the file imports under their own names."""
    imports = [node for node in tree.body if isinstance(node, ast.Import)]
    return {a.name for node in imports for a in node.names if a.asname in (None, a.name)}


def _bound(tree: ast.Module) -> set[str]:
    """The names that the file binds anywhere, but for modules imported under their own names."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case (
                ast.ClassDef(name=name)
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchMapping(rest=str(name)):
                found.add(name)
            case ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name for alias in names}
            case ast.Import(names=names):
                found |= {a.asname for a in names if a.asname and a.asname != a.name}
            case _:
                pass
    return found
