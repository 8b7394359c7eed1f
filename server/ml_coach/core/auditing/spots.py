"""The places of a module where a mistake can be made, each with what is around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ml_coach.core.judging.mutants import sites_under_test
from ml_coach.core.python import syntax

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Spot:
    """A node in its tree: it is `parent.field`, or in that list.

    `unit` is what can be compiled alone: the statement of the module that it is in, or the method
    of a class there, whose name is `class_name` then and else empty. `header` are the lines of the
    innermost statement around it without those of that one's own block. `function` is the qualified
    name around it, empty for the module; the innermost function begins in line `entered`, 0 for
    none.
    `in_function` says that it is in the body of a function, and so does not run at import.
    `in_format` says that it is a piece of an f-string.
    """

    node: ast.AST
    parent: ast.AST
    field: str
    unit: ast.stmt
    class_name: str
    header: range
    function: str
    entered: int
    in_function: bool
    in_format: bool


def spots(tree: ast.Module) -> Iterator[Spot]:
    """The spots of a module, in the order of its text."""
    up = {child: parent for parent in syntax.walk(tree) for child in ast.iter_child_nodes(parent)}
    for site in sites_under_test(tree):
        around = [site.node]
        while (above := up[around[-1]]) is not tree:
            around.append(above)
        if not _is_left_out(around):
            yield _spot(site.node, site.parent, site.field, around)


def _spot(node: ast.AST, parent: ast.AST, field: str, around: list[ast.AST]) -> Spot:
    """`around` is the node and all that it is in, the innermost first."""
    statements = [each for each in around if isinstance(each, ast.stmt)]
    inner = statements[0]
    match statements[-2:]:
        case [ast.FunctionDef() | ast.AsyncFunctionDef() as unit, ast.ClassDef(name=class_name)]:
            pass
        case _:
            unit, class_name = statements[-1], ""
    names = [n.name for n in reversed(around) if isinstance(n, (*_FUNCTIONS, ast.ClassDef))]
    is_piece = any(isinstance(each, ast.JoinedStr) for each in around[1:2])
    return Spot(
        node, parent, field, unit, class_name, header(inner), ".".join(names),
        _entered(around), _runs_later(around), is_piece,
    )  # fmt: skip


def header(statement: ast.stmt) -> range:
    """The lines of a statement without those of its own block."""
    last = statement.end_lineno or statement.lineno
    for block in ("body", "cases", "handlers"):
        for below in getattr(statement, block, [])[:1]:
            first = getattr(below, "lineno", None) or getattr(below, "pattern", below).lineno
            last = min(last, max(statement.lineno, first - 1))
    return range(statement.lineno, last + 1)


def _entered(around: list[ast.AST]) -> int:
    functions = (each for each in around if isinstance(each, _FUNCTIONS))
    return next((syntax.first_line(each) for each in functions), 0)


def _runs_later(around: list[ast.AST]) -> bool:
    """Whether the node is in the body of the outermost function, and not in its defaults."""
    for inner, outer in zip(reversed(around[:-1]), reversed(around), strict=False):
        if isinstance(outer, _FUNCTIONS):
            return inner in outer.body
        if not isinstance(outer, ast.stmt):
            return False
    return False


def _is_left_out(around: list[ast.AST]) -> bool:
    """Names that only tools read, and what only a type checker sees."""
    for each in around:
        match each:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name.startswith("__") and name.endswith("__"):
                    return True
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                return True
            case ast.Import() | ast.ImportFrom() | ast.Assert():
                return True
            case _:
                continue
    return False
