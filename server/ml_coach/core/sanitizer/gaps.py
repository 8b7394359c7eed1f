"""What a program leaves out, by its structure: bodies that are empty, cut short, or apart."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from ml_coach.core.python import syntax
from ml_coach.core.sanitizer import joining
from ml_coach.core.sanitizer.code import Code


def empty(found: Code, names: Collection[str]) -> str:
    """A definition without code that was asked for, or an open one that the program needs."""
    bases = {
        name
        for statement in found.tree.body
        if isinstance(statement, ast.ClassDef)
        for base in statement.bases
        for name in syntax.loads(base)
    }
    for name, statement in found.definitions.items():
        if name in bases:
            continue  # what derives from it has the code
        if name in names and joining.is_hollow(statement):
            return name
        if isinstance(statement, ast.ClassDef) and name in names and not statement.bases:
            for method in statement.body:
                if _is_open(method, found.source):
                    return f"{name}.{getattr(method, 'name', '')}"
        if isinstance(statement, syntax.Function) and name in syntax.loads(found.tree):
            raises = isinstance(statement.body[-1], ast.Raise) and syntax.is_empty(statement)
            if _is_open(statement, found.source) or (raises and not statement.decorator_list):
                return name
    return ""


def unfinished(found: Code, names: Collection[str]) -> str:
    """A function that leaves out some of its statements.

    It has `...` beside others, or it was asked for, and either it has no effect, or it reads none
    of its parameters, computes nothing, and has a comment between its statements. No word of the
    comment counts, so that its language does not matter.
    """
    if "..." in found.source:
        for node in syntax.walk(found.tree):
            if isinstance(node, syntax.Function) and not syntax.is_empty(node) and _has_dots(node):
                return node.name
    for name, statement in found.definitions.items():
        if (
            name in names
            and isinstance(statement, syntax.Function)
            and not statement.decorator_list
        ):
            if not (syntax.is_empty(statement) or _has_effect(statement)):
                return name
            parameters = {n.arg for n in syntax.walk(statement.args) if isinstance(n, ast.arg)}
            read = syntax.loads(ast.Module(statement.body, []))
            is_idle = bool(parameters) and not parameters & read and not _computes(statement)
            if is_idle and _has_comment(statement, found.source):
                return name
    return ""


def method_apart(found: Code, parts: Sequence[Code], names: Collection[str]) -> str:
    """A function of `self` that stands outside its class, and that nothing reads."""
    methods = {
        ast.dump(method)
        for cls in found.tree.body
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
    }
    read = syntax.loads(found.tree)
    for part in parts if methods else ():
        for s in part.tree.body:
            if not isinstance(s, syntax.Function) or s.name in {*names, *read} or s.decorator_list:
                continue
            if s.args.args and s.args.args[0].arg == "self" and ast.dump(s) not in methods:
                return s.name
    return ""


def _is_open(statement: ast.stmt, source: str) -> bool:
    """Whether it is an empty function that ends in `...`, or that has a comment instead of code;
    a decorator may give it a body."""
    if not isinstance(statement, syntax.Function) or statement.decorator_list:
        return False
    last = statement.body[-1]
    return syntax.is_empty(statement) and (
        _is_dots(last) or (isinstance(last, ast.Pass) and _has_comment(statement, source))
    )


def _has_effect(function: syntax.Function) -> bool:
    """Whether it returns, raises, calls or changes something outside of itself: what ends before
    its `return` does not."""
    for node in (n for statement in function.body for n in syntax.walk(statement)):
        match node:
            case ast.Return() | ast.Yield() | ast.YieldFrom() | ast.Raise() | ast.Assert():
                return True
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Global() | ast.Nonlocal():
                return True
            case ast.Attribute() | ast.Subscript() if not isinstance(node.ctx, ast.Load):
                return True
            case ast.With() | ast.AsyncWith() | ast.While(test=ast.Constant()):
                return True
            case _:
                pass
    return False


def _computes(function: syntax.Function) -> bool:
    """Whether it calls something, other than to begin with an empty list or the like."""
    calls = (n for part in function.body for n in syntax.walk(part) if isinstance(n, ast.Call))
    return any(call.args or isinstance(call.func, ast.Attribute) for call in calls)


def _has_comment(function: syntax.Function, source: str) -> bool:
    """Whether a line between its first statement and its end is only a comment.

    Where it does nothing, its first statement is its signature.
    """
    code = [s.lineno for s in function.body if not _does_nothing(s)]
    begin = min(code, default=function.lineno)
    inside = syntax.lines_in_strings(function)
    lines = source.split("\n")[begin : syntax.last_line(function)]
    return any(
        line.lstrip().startswith("#") and number not in inside
        for number, line in enumerate(lines, begin + 1)
    )


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Return(value=None | ast.Constant(value=None)):
            return True
        case _:
            return _is_idle(statement)


def _is_dots(statement: ast.stmt) -> bool:
    """Whether it is `...`, or assigns or returns it."""
    is_plain = isinstance(statement, ast.Expr | ast.Assign | ast.Return)
    return is_plain and getattr(statement.value, "value", None) is ...


def _has_dots(function: syntax.Function) -> bool:
    """Whether `...` stands beside other statements of a block, or is one branch of an `if`."""
    return any(
        any(map(_is_dots, block))
        and (isinstance(owner, ast.If) or any(not _is_idle(s) for s in block))
        for owner, block in _blocks(function)
    )


def _is_idle(statement: ast.stmt) -> bool:
    return _is_dots(statement) or syntax.is_docstring(statement)


def _blocks(function: syntax.Function) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
    """The blocks of a function that run in it; those of what it defines are not its own."""
    pending: list[ast.AST] = [function]
    while pending:
        node = pending.pop()
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield node, block
        inner = (n for n in ast.iter_child_nodes(node) if not isinstance(n, syntax.Definition))
        pending.extend(n for n in inner if isinstance(n, ast.stmt | ast.ExceptHandler))
