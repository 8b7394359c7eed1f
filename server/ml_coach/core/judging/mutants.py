"""Small deliberate mistakes in a program: what a test must be able to notice to be worth anything.

The operators are the classic ones of mutation testing (DeMillo, Lipton and Sayward 1978; the set of
mutmut and cosmic-ray): comparison, arithmetic, logic, constants, conditions, return values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from ml_coach.core.python import syntax
from ml_coach.core.types import Program

MOST_MUTANTS = 24

Comparison = type[ast.cmpop]
BOUNDARIES: dict[Comparison, Comparison] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
OPPOSITES: dict[Comparison, Comparison] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPARISONS = BOUNDARIES | OPPOSITES
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """A node of a tree, and where it hangs: `parent.field`, or the item `index` of that list."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None = None

    def put(self, node: ast.AST) -> None:
        """Puts `node` into the tree at this site."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(
    program: Program, most: int = MOST_MUTANTS, *, runs_main: bool = False
) -> tuple[Program, ...]:
    """At most `most` programs, each one mistake away from `program`, spread over its whole text.

    Deterministic. Code under `if __name__ == "__main__"` is left alone unless the tests run it,
    which `runs_main` says. Empty for a program that does not parse or is nested too deeply for
    `ast.unparse`.
    """
    tree = syntax.parse(program.source)
    if tree is None:
        return ()
    sites = sites_under_test(tree, runs_main=runs_main)
    mistakes = [(site, new) for site in sites for new in _mistakes(site.node)]
    step = max(1, len(mistakes) // most)
    found: dict[str, Program] = {}
    for site, new in mistakes[::step][:most]:
        site.put(new)
        try:
            source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        except RecursionError:  # A few hundred terms are too deep a tree.
            return ()
        site.put(site.node)
        found[source] = replace(program, source=source)
    return tuple(found.values())


def sites_under_test(
    tree: ast.Module, but: type[ast.stmt] | tuple[()] = (), *, runs_main: bool = False
) -> Iterator[Site]:
    """The nodes whose change a test can notice: all but annotations, decorators, docstrings, the
    main guard, unless the tests run it, and statements of the types `but`."""
    pending = [Site(s, tree, "body", i) for i, s in enumerate(tree.body)][::-1]
    while pending:
        site = pending.pop()
        node = site.node
        if isinstance(node, but):
            continue
        if isinstance(node, ast.stmt) and syntax.is_docstring(node):
            continue
        if isinstance(node, ast.stmt) and syntax.is_main_guard(node) and not runs_main:
            continue
        yield site
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            if isinstance(value, ast.AST):
                pending.append(Site(value, node, name))
            elif isinstance(value, list):
                parts = enumerate(cast("list[object]", value))
                below = [Site(p, node, name, i) for i, p in parts if isinstance(p, ast.AST)]
                pending.extend(below[::-1])


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of `node` with some fields replaced; what is below it is shared."""
    return type(node)(**(dict(ast.iter_fields(node)) | fields))


def _mistakes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand instead of `node`."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield changed(node, ops=[COMPARISONS[type(op)]()])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield changed(node, op=ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            yield changed(node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not()):
            yield ast.UnaryOp(ast.Not(), node)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(f"{value}x")
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr()):
            yield changed(node, value=ast.Constant(None))
        case _:
            return
