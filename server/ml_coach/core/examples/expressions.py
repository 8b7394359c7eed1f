"""Pieces of Python in a prompt's text: calls with all arguments given, and closed values."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from typing import cast

from ml_coach.core.python import syntax

ERRORS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_ATTRIBUTE = re.compile(r"\.[A-Za-z_]\w*")
_MATTERS = re.compile(r"\\.|[\"'()\[\]{}\n]", re.DOTALL)
_LONGEST = 1000  # characters between a bracket and the one that closes it
_DEEPEST = 100  # brackets within each other; Python reads no more than 200


@dataclass(frozen=True, slots=True)
class Example:
    """One example as a statement, with what decides between two that contradict each other."""

    statement: str
    call: str
    value: str
    exact: bool  # from a doctest or an assert, not from prose


def call_end(text: str, at: int) -> int | None:
    """Where the call whose parenthesis opens at `at` ends, with `.method()` and `[0]` after it."""
    end = bracket_end(text, at)
    while end is not None and end < len(text):
        if text[end] == "[":
            end = bracket_end(text, end)
        elif attribute := _ATTRIBUTE.match(text, end):
            end = attribute.end()
            if text[end : end + 1] == "(":
                end = bracket_end(text, end)
        else:
            break
    return end


def bracket_end(text: str, at: int) -> int | None:
    """The index after the bracket that closes the one at `at`, None where that is too far."""
    depth, quote = 0, ""
    for match in _MATTERS.finditer(text, at, min(len(text), at + _LONGEST)):
        char = match[0]
        if quote:
            if char in (quote, "\n"):
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
            if depth > _DEEPEST:
                return None
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def closed_value(text: str) -> ast.expr | None:
    """The expression in `text`, if it is closed: literals and operators, no name and no call."""
    tree = syntax.parse(f"({text.strip()}\n)")
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    value = tree.body[0].value
    return value if is_closed(value) else None


def is_closed(value: ast.expr) -> bool:
    allowed = (
        ast.Constant
        | ast.List
        | ast.Tuple
        | ast.Set
        | ast.Dict
        | ast.UnaryOp
        | ast.BinOp
        | ast.operator
        | ast.unaryop
        | ast.expr_context
    )
    return all(
        isinstance(node, allowed) and getattr(node, "value", None) is not Ellipsis
        for node in ast.walk(value)
    )


def _expression(code: str) -> ast.expr | None:
    tree = syntax.parse(code)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    return tree.body[0].value


def is_plain_call(code: str) -> bool:
    value = _expression(code)
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name)


def is_example_call(code: str) -> bool:
    """Whether every argument is given: no name below but those that are called."""
    value = _expression(code)
    return value is not None and is_self_contained(value) and not _has_ellipsis(value)


def _has_ellipsis(value: ast.expr) -> bool:
    return any(isinstance(n, ast.Constant) and n.value is Ellipsis for n in ast.walk(value))


def called(code: str) -> list[str]:
    value = _expression(code)
    nodes = ast.walk(value) if value is not None else ()
    return [n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]


def callee(code: str) -> str:
    """The function that a call is about: the first that is not a builtin."""
    return next((name for name in called(code) if name not in syntax.BUILTINS), "")


def equal(code: str, value: str, exact: bool) -> Example:
    sign = "is" if value == "None" else "=="
    statement = f"assert {code} {sign} {value}"
    # A side that is itself a comparison, or a tuple without brackets, would read as another test.
    meant = normal(f"assert ({code}\n) {sign} ({value}\n)")
    return Example(statement if normal(statement) == meant else meant, code, value, exact)


def nearly(code: str, value: str) -> Example | None:
    """Compares to the precision in which the value is written."""
    if not re.fullmatch(r"[-+]?\d+\.\d+", value):
        return None  # "about 100" does not say how near
    tolerance = 10 ** -len(value.partition(".")[2])
    return Example(f"assert abs({code} - {value}) <= {tolerance:g}", code, value, False)


def compared(code: str, value: str, *, any_order: bool, exact: bool) -> Example | None:
    """`code` compared with `value` as strictly as a statement of it allows, None if it cannot be.

    A fraction is compared up to rounding: as written in prose, with two decimals or more, it may be
    rounded to them or cut off; in code (`exact`) only the last bits may differ. With `any_order`
    the items are compared sorted.
    """
    node = closed_value(value)
    if node is None:
        return None
    if re.search(r"\bnp\.", code):
        if not isinstance(node, ast.List | ast.Tuple | ast.Constant | ast.UnaryOp) or any_order:
            return None
        return Example(f"assert np.allclose({code}, {value})", code, value, False)
    if any_order and isinstance(node, ast.List | ast.Tuple | ast.Set):
        return _sorted(code, value, node)
    inner = [n for n in ast.walk(node) if n is not node and isinstance(n, ast.List)]
    if any_order and any(len(n.elts) > 1 for n in inner):
        return None
    if any_order and isinstance(node, ast.Constant) and isinstance(node.value, str):
        return None  # Its parts may come in another order.
    fractions = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    fractions = [f for f in fractions if isinstance(f, float)]
    if not fractions:
        return equal(code, value, exact)
    parts = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    if not all(_is_number(part) for part in parts):
        # `approx` takes no nested value; what is a sum of powers of two has no rounding.
        is_binary = all((f * 1024).is_integer() for f in fractions)
        return equal(code, value, exact) if is_binary else None
    decimals = [len(d) for d in re.findall(r"\.(\d+)", value)]
    if not exact and re.search(r"\.\d+0(?!\d)|\b\d{2,}0\.0", value):
        return None  # "5.00" may be a text
    exact = exact or code.startswith("round(")
    tolerance = "" if exact or max(decimals, default=0) < 2 else f", abs={10 ** -max(decimals):g}"
    return Example(f"assert {code} == pytest.approx({value}{tolerance})", code, value, exact)


def fairly_compared(example: Example, *, any_order: bool) -> Example | None:
    """`example` as `compared` would have it, where it is a plain comparison with a value."""
    if example.statement != equal(example.call, example.value, example.exact).statement:
        return example
    return compared(example.call, example.value, any_order=any_order, exact=example.exact)


def _is_number(node: ast.expr) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _sorted(code: str, value: str, node: ast.List | ast.Tuple | ast.Set) -> Example | None:
    if any(isinstance(n, ast.Constant) and isinstance(n.value, float) for n in node.elts):
        return None
    if any(isinstance(n, ast.Constant) and n.value is None for n in ast.walk(node)):
        return None
    kinds = {_shape(item) for item in ast.literal_eval(node)}
    if len(kinds) != 1 or (not kinds <= {("int",), ("str",)} and "tuple" not in next(iter(kinds))):
        return None
    items = sorted(ast.literal_eval(node))
    return Example(f"assert sorted({code}) == {items!r}", code, value, False)


def _shape(value: object) -> tuple[str, ...]:
    """The type of a value and, of a tuple, those of its items. One shape can be sorted."""
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return ("tuple", *(type(item).__name__ for item in items))
    return (type(value).__name__,)


def either(code: str, value: str) -> Example | None:
    """A test that a call gives `value` or makes it of an argument of that type; None where no
    argument could become it."""
    call, kind = _expression(code), type(closed_value(value))
    if not isinstance(call, ast.Call) or kind not in (ast.List, ast.Dict, ast.Set):
        return None
    place = next((n for n, a in enumerate(call.args) if type(a) is kind), None)
    if place is None:
        return None
    step = f"given = {ast.unparse(call.args[place])}"
    call.args[place] = ast.Name("given")
    statement = f"{step}\nresult = {ast.unparse(call)}\nassert {value} in (given, result)"
    return Example(statement, code, value, False)


def raises(code: str, error: str, exact: bool) -> Example:
    return Example(f"with pytest.raises({error}):\n    {code}", code, f"raises {error}", exact)


def first_items(code: str, items: str) -> Example:
    """The first items that an endless iterator gives."""
    count = len(ast.literal_eval(items))
    statement = f"from itertools import islice\nassert list(islice({code}, {count})) == {items}"
    return Example(statement, code, items, False)


def printed(code: str, text: str) -> Example:
    """What a call prints, but for the blanks around it."""
    statement = (
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n"
        f"    {code}\nassert out.getvalue().strip() == {text}"
    )
    return Example(statement, code, text, False)


def with_file(example: Example, content: str) -> Example:
    """`example`, whose `path` is a file with this content."""
    steps = (
        "import os, tempfile\npath = os.path.join(tempfile.mkdtemp(), 'data.txt')\n"
        f"with open(path, 'w') as fh:\n    fh.write({content!r})"
    )
    statement, call = f"{steps}\n{example.statement}", f"{steps}\n{example.call}"
    return Example(statement, call, example.value, example.exact)


def answers(code: str, truth: bool) -> Example:
    """A test of a call whose answer is only said to be yes or no."""
    return Example(f"assert {'' if truth else 'not '}{code}", code, str(truth), False)


def is_self_contained(test: ast.expr) -> bool:
    """Whether it calls something and reads no variable that only the prompt's author has."""
    calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
    if not calls:
        return False
    called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    bound = set(syntax.target_names(test))
    free = syntax.loads(test) - called - bound - syntax.BUILTINS - {"math", "asyncio", "np"}
    return not free and bool(called - syntax.BUILTINS)


def sides(test: ast.expr) -> tuple[str, str]:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return ast.unparse(left), ast.unparse(right)
        case _:
            return ast.unparse(test), ""


def from_comparison(code: str, test: ast.Compare) -> Example | None:
    if not is_self_contained(test):
        return None
    return Example(f"assert {code}", *sides(test), True)


def normal(code: str) -> str:
    tree = syntax.parse(code)
    return ast.unparse(tree) if tree is not None else code
