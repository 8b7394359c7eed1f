"""What the text of a test file says of itself, for both sides: the run and the judge outside.

Imports nothing but the standard library, since it runs inside as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef
OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
CHANGES_NAMES = ("setup_", "globals()", "sys.modules", "setattr")


def place(node: ast.Compare) -> str:
    """The name of a comparison: where it begins in its file."""
    return f"{node.lineno}:{node.col_offset}"


def certain_comparisons(tree: ast.Module) -> dict[str, tuple[ast.Compare, int]]:
    """By place, the comparisons with a literal that every pass of their test has to go through, and
    the first line of that test: `assert VALUE == LITERAL`, directly in the test's body."""
    found: dict[str, tuple[ast.Compare, int]] = {}
    for function in _functions(tree.body):
        if any(isinstance(n, ast.Return | ast.Yield | ast.YieldFrom) for n in ast.walk(function)):
            continue
        for node in function.body:
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                compare = node.test
                known = len(compare.ops) == 1 and type(compare.ops[0]) in OPERATORS
                if known and is_literal(compare.comparators[0]):
                    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
                    found[place(compare)] = compare, first
    return found


def literal(node: ast.expr) -> Any:
    """The value of a literal. Raises `ValueError` for another expression."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("not a literal") from None


def is_literal(node: ast.expr) -> bool:
    """Whether the expression is a plain value, written out."""
    try:
        literal(node)
    except ValueError:
        return False
    return True


def names_bound_once(source: str) -> dict[str, str]:
    """How the module's names are bound that its text binds at one place only: `def`, `class`,
    `import MODULE`, `from MODULE NAME`, or `value`."""
    tree = ast.parse(source)
    found: dict[str, str] = {}
    again: set[str] = set()
    for node in _statements(tree.body):
        for name, how in _bound(node):
            again |= {name} & found.keys()
            found[name] = how
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            again |= set(node.names)
    values = not any(word in source for word in CHANGES_NAMES)
    return {n: how for n, how in found.items() if n not in again and (values or how != "value")}


def _functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body)
        elif isinstance(node, ast.FunctionDef):
            marked = all("pytest.mark" in ast.unparse(each) for each in node.decorator_list)
            if marked and node.name.startswith("test"):
                yield node


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if not isinstance(node, Definition | ast.ClassDef):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _bound(node: ast.stmt) -> Iterator[tuple[str, str]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, "value" if node.decorator_list else "def"
        case ast.ClassDef():
            yield node.name, "value" if node.decorator_list else "class"
        case ast.Import():
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or module, f"import {module}"
        case ast.ImportFrom(level=0, module=str(module)):
            for alias in node.names:
                yield alias.asname or alias.name, f"from {module} {alias.name}"
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.With():
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    yield inner.id, "value"
        case _:
            pass


def all_names_bound(source: str) -> list[str] | None:
    """Every name that the module's text binds, None where it binds names that are not written."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import() | ast.ImportFrom():
                if any(alias.name == "*" for alias in node.names):
                    return None
                found |= {a.asname or a.name.split(".")[0] for a in node.names}
            case _:
                pass
    return None if any(word in source for word in CHANGES_NAMES) else sorted(found)


def plain_functions(source: str) -> dict[str, int]:
    """The line of each function of a module that nothing in its text replaces or decorates."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    if any(word in source for word in CHANGES_NAMES):
        return {}
    once = {name for name, how in names_bound_once(source).items() if how == "def"}
    functions = (n for n in _statements(tree.body) if isinstance(n, Definition))
    return {n.name: n.lineno for n in functions if n.name in once}
