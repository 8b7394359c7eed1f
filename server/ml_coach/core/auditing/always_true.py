"""Asserts that hold whatever the program does, and tests that assert nothing: seen in their text.

One mechanism: the truth of an expression is worked out from its form, and an assert of something
that is always true cannot fail. What depends on any value of the program is unknown, and said
nothing about.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from ml_coach.core.auditing.report import Doubt
from ml_coach.core.python import syntax

_Function = ast.FunctionDef | ast.AsyncFunctionDef
# A call whose last name begins so can fail a test: unittest's, pytest's, mocks', a project's own.
_JUDGES = (
    "assert", "check", "verify", "expect", "fail", "raises", "warns", "deprecated_call",
    "ensure", "should", "must", "validate", "match",
)  # fmt: skip
_ALWAYS_EQUAL = (ast.Eq, ast.LtE, ast.GtE, ast.Is)
_NEVER_EQUAL = (ast.NotEq, ast.Lt, ast.Gt, ast.IsNot)
_CATCHES_ASSERTS = frozenset({"AssertionError", "Exception", "BaseException"})
# Of unittest.mock: asked for as attributes they are true, and called without an assert they tell.
_MOCK_CLAIMS = ("assert_", "called_")


def doubts_in(source: str) -> dict[str, tuple[Doubt, ...]]:
    """The places that cannot fail, by the names of the test functions (`TestA::test_b`)."""
    tree = syntax.parse(source)
    functions = syntax.test_functions(source)
    if tree is None:
        return {}
    helpers = {f.name: f for f in syntax.walk(tree) if isinstance(f, _Function)}
    return {name: tuple(_doubts(test, helpers)) for name, test in functions}


def _doubts(test: _Function, helpers: Mapping[str, _Function]) -> Iterator[Doubt]:
    found = sorted(_places(test), key=lambda doubt: doubt.line)
    yield from found
    if not found and not _judges(test, helpers, {test.name}):
        yield Doubt(test.lineno, "nothing is asserted: it fails only where something raises")


def _places(test: _Function) -> Iterator[Doubt]:
    for node in syntax.walk(test):
        match node:
            case ast.Assert(test=claim) if truth(claim):
                yield Doubt(node.lineno, f"{_why(claim)}, so this assert is always true")
            case ast.Expr(value=ast.Compare() as compared):
                yield Doubt(node.lineno, f"`{_text(compared)}` is compared and not asserted")
            case ast.Expr(value=ast.Attribute(attr=name)) if name.startswith("assert"):
                yield Doubt(node.lineno, f"`{_text(node.value)}` is not called")
            case ast.Try(body=body, handlers=handlers):
                inner = (node for each in body for node in syntax.walk(each))
                asserts = [node for node in inner if isinstance(node, ast.Assert)]
                if asserts and any(_swallows(handler) for handler in handlers):
                    yield Doubt(asserts[0].lineno, "the `except` below swallows this assert")
            case _:
                continue


def truth(node: ast.expr) -> bool | None:  # noqa: C901 - one case per form
    """What an expression is in an `if`, as far as its form tells; None where that depends on a
    value."""
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return None if any(isinstance(part, ast.Starred) for part in parts) else bool(parts)
        case ast.Dict(keys=keys):
            return None if None in keys else bool(keys)
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.Constant) and part.value for part in parts) or None
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = truth(operand)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            found = [truth(value) for value in values]
            decides = isinstance(op, ast.Or)
            return decides if decides in found else None if None in found else not decides
        case ast.Compare():
            return _compared(node)
        case ast.Attribute(attr=name):
            return True if name.startswith(_MOCK_CLAIMS) else None
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id="object")]):
            return True
        case _:
            return None


def _compared(node: ast.Compare) -> bool | None:
    """Of a value with itself, of constants, and of a size with a bound that every size keeps."""
    left, op, right = node.left, node.ops[0], node.comparators[0]
    if len(node.ops) > 1:
        return None
    if _is_plain(left) and ast.dump(left) == ast.dump(right):
        is_equal = isinstance(op, _ALWAYS_EQUAL)
        return True if is_equal else False if isinstance(op, _NEVER_EQUAL) else None
    match left, op, right:
        case ast.Call(func=ast.Name(id="len")), ast.GtE(), ast.Constant(value=0):
            return True
        case _:
            return None


def _is_plain(node: ast.expr) -> bool:
    """Whether to read it twice gives the same: no call, nothing that may be a property's work."""
    allowed = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.expr_context, ast.Tuple)
    return all(isinstance(each, allowed) for each in syntax.walk(node))


def _why(claim: ast.expr) -> str:
    match claim:
        case ast.Tuple():
            return "a tuple is true, and its message is a part of it"
        case ast.Compare(left=left) if _is_plain(left):
            return f"`{_text(left)}` is compared with itself"
        case ast.Attribute():
            return f"`{_text(claim)}` is not called"
        case _:
            return f"`{_text(claim)}` depends on nothing"


def _text(node: ast.expr) -> str:
    text = syntax.unparsed(node)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _swallows(handler: ast.ExceptHandler) -> bool:
    named = handler.type
    each = named.elts if isinstance(named, ast.Tuple) else [named] if named else []
    names = {part.id for part in each if isinstance(part, ast.Name)}
    if named is not None and not names & _CATCHES_ASSERTS:
        return False
    leaves = any(isinstance(n, ast.Raise | ast.Assert) for n in syntax.walk(handler))
    return not leaves and not any(_judging_call(n) for n in syntax.walk(handler))


def _judges(function: _Function, helpers: Mapping[str, _Function], seen: set[str]) -> bool:
    """Whether something in the function, or in one of the same file that it calls, can fail."""
    for node in syntax.walk(function):
        if isinstance(node, ast.Assert | ast.Raise) or _judging_call(node):
            return True
        if isinstance(node, ast.Call) and (name := _called(node)) in helpers and name not in seen:
            seen.add(name)
            if _judges(helpers[name], helpers, seen):
                return True
    return False


def _judging_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node).lstrip("_").lower().startswith(_JUDGES)


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
