"""What can be known about Python source without running it: does it compile, what does it bind."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ml_coach.core.python import syntax

LONGEST = 100_000
"""Characters up to which a text is compiled; a longer one would take too long to try readings."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Placed = syntax.Definition | ast.Assign | ast.AnnAssign
"""Statements that have a place in a file by the names that they bind."""


def parsed(source: str) -> ast.Module | None:
    """The tree of a program that compiles, None where it does not (or is too deeply nested)."""
    try:
        with syntax.quietly():
            tree = syntax.module(source)
            # Only the compiler knows that `return` outside of a function is an error.
            compile(tree, "<patched>", "exec", dont_inherit=True)
    except syntax.NOT_PYTHON:
        return None
    return tree


def bound_names(tree: ast.Module) -> frozenset[str]:
    """The names that importing the module binds at its top level."""
    return frozenset(name for statement in tree.body for name in names_of(statement))


def names_with_members(tree: ast.Module | ast.ClassDef) -> set[str]:
    """What a module binds, with the members of its classes as `Class.member`; or a class."""
    members = {
        f"{cls.name}.{name}"
        for cls in tree.body
        if isinstance(cls, ast.ClassDef)
        for name in names_with_members(cls)
    }
    return members.union(*map(keys_of, tree.body))


def keys_of(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds; a property's setter and deleter have names of their own."""
    if isinstance(statement, Function):
        decorators = [d.attr for d in statement.decorator_list if isinstance(d, ast.Attribute)]
        yield ".".join([statement.name, *(d for d in decorators if d in ("setter", "deleter"))])
    else:
        yield from names_of(statement)


def names_of(statement: ast.stmt) -> Iterator[str]:
    """The names that one top-level statement binds, those in `if` and `try` included."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            for alias in statement.names:
                yield (alias.asname or alias.name).partition(".")[0]
        case ast.Assign():
            for target in statement.targets:
                yield from _targets(target)
        case ast.AnnAssign() | ast.AugAssign():
            yield from _targets(statement.target)
        case ast.If() | ast.Try():
            for inner in _blocks(statement):
                yield from names_of(inner)
        case _:
            pass


def _blocks(statement: ast.If | ast.Try) -> Iterator[ast.stmt]:
    yield from statement.body
    if isinstance(statement, ast.Try):
        for handler in statement.handlers:
            yield from handler.body
        yield from statement.finalbody
    yield from statement.orelse


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name():
            yield target.id
        case ast.Tuple() | ast.List():
            for element in target.elts:
                yield from _targets(element)
        case ast.Starred():
            yield from _targets(target.value)
        case _:
            pass


def is_imported(tree: ast.Module, wanted: ast.Import | ast.ImportFrom) -> bool:
    """Whether the module imports all that the statement imports."""
    known = {
        key
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for key in _import_keys(statement)
    }
    return all(key in known for key in _import_keys(wanted))


def _import_keys(statement: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    module = ""
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
    return [(module, alias.name, alias.asname or "") for alias in statement.names]
