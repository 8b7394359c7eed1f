"""What the text of a test file says of itself, for both sides: the run and the judge outside.

Imports nothing but the standard library, since it runs inside as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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
ASSERTING = {
    **dict.fromkeys(("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual"), "=="),
    **dict.fromkeys(("assertTupleEqual", "assertSetEqual", "assertSequenceEqual"), "=="),
    **{"assertCountEqual": "==", "assertMultiLineEqual": "==", "assertNotEqual": "!="},
    **{"assertIn": "in", "assertNotIn": "not in", "assertGreater": ">", "assertLess": "<"},
    **{"assertGreaterEqual": ">=", "assertLessEqual": "<="},
}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
CHANGES_NAMES = ("setup_", "globals()", "sys.modules", "setattr")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`VALUE OPERATOR EXPECTED`: `expected` is None where the text of the tests does not say what
    that is. `first` is the first line of the test, `node` is the comparison in its tree."""

    node: ast.Compare | ast.Call
    operator: str
    expected: ast.expr | None
    first: int


def certain_comparisons(tree: ast.Module) -> dict[str, Comparison]:
    """By place, the comparisons that every pass of their test has to go through: in an `assert`, or
    an assert of unittest, directly in the test's body. A place begins with `>` where the value is
    on the right."""
    found: dict[str, Comparison] = {}
    for function in _functions(tree.body):
        if any(isinstance(n, ast.Return | ast.Yield | ast.YieldFrom) for n in ast.walk(function)):
            continue
        first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
        for statement in function.body:
            node = _compared(statement)
            match node:
                case ast.Compare(left=left, ops=[operator], comparators=[right]):
                    name = OPERATORS.get(type(operator), "")
                case ast.Call(func=ast.Attribute(attr=attr), args=[left, right, *_]):
                    name = ASSERTING.get(attr, "") if attr != "assertCountEqual" else ""
                case _:
                    continue
            if not name:
                continue
            where = f"{node.lineno}:{node.col_offset}"
            if is_literal(left) and not is_literal(right) and name in MIRRORED:
                found[f">{where}"] = Comparison(node, MIRRORED[name], left, first)
            else:
                expected = right if is_literal(right) else None
                found[where] = Comparison(node, name, expected, first)
    return found


def _compared(statement: ast.stmt) -> ast.expr | None:
    match statement:
        case ast.Assert(test=ast.Compare() as node):
            return node
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"))) as node):
            plain = not any(isinstance(each, ast.Starred) for each in node.args)
            return node if plain and not node.keywords else None
        case _:
            return None


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
