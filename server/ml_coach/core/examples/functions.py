"""The functions that a prompt asks for: how many arguments they take, and of which types."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_coach.core.examples import expressions
from ml_coach.core.examples.expressions import Example
from ml_coach.core.python import syntax

_ANNOTATED = {"str": "str", "int": "num", "float": "num", "list": "list", "dict": "dict",
              "tuple": "tuple", "bool": "bool", "List": "list", "Dict": "dict"}  # fmt: skip


@dataclass(slots=True)
class Function:
    """A function that is asked for. `least` and `most` arguments are None where nothing says how
    many; `kinds` holds the types seen of each argument, and under -1 those of results."""

    name: str
    parameters: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    kinds: dict[int, set[str]] = field(default_factory=dict[int, set[str]])


def functions_of(
    names: Sequence[str], signatures: Sequence[str], examples: Sequence[Example]
) -> list[Function]:
    """The functions among `names`, with what signatures and given examples say of arguments."""
    found = {name: Function(name) for name in names if not name[:1].isupper()}
    for text in signatures:
        tree = syntax.parse(f"{text.removeprefix('async ').join(('def ', ''))}: pass")
        if tree and isinstance(tree.body[0], ast.FunctionDef) and tree.body[0].name in found:
            _learn_signature(found[tree.body[0].name], tree.body[0])
    for example in examples:
        _learn_call(found, example.call, example.value)
    return list(found.values())


def _learn_signature(function: Function, definition: ast.FunctionDef) -> None:
    arguments = definition.args
    positional = [*arguments.posonlyargs, *arguments.args]
    function.parameters = tuple(a.arg for a in positional)
    if not arguments.vararg and not arguments.kwonlyargs:
        function.least, function.most = len(positional) - len(arguments.defaults), len(positional)
    for place, said in enumerate([*(a.annotation for a in positional), definition.returns]):
        head = re.match(r"\w+", ast.unparse(said)) if said else None
        if head and head[0] in _ANNOTATED and "|" not in ast.unparse(said or ast.Constant(0)):
            function.kinds[-1 if place == len(positional) else place] = {_ANNOTATED[head[0]]}


def _learn_call(functions: Mapping[str, Function], code: str, value: str) -> None:
    tree = syntax.parse(code)
    for call in ast.walk(tree) if tree else ():
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        function = functions.get(call.func.id)
        if function is None or call.keywords or function.parameters:
            continue
        function.least = min(len(call.args), function.least or len(call.args))
        function.most = max(len(call.args), function.most or 0)
    match tree.body if tree else ():
        case [ast.Expr(ast.Call(func=ast.Name(id=name), args=args))] if name in functions:
            if not value.startswith("raises"):
                for place, argument in enumerate(args):
                    functions[name].kinds.setdefault(place, set()).add(kind_of(argument))
                if result := expressions.closed_value(value):
                    functions[name].kinds.setdefault(-1, set()).add(kind_of(result))
        case _:
            pass


def kind_of(value: ast.expr) -> str:
    """The kind of a literal's type."""
    match value:
        case ast.Constant(value=bool()):
            return "bool"
        case ast.Constant(value=str()):
            return "str"
        case ast.Constant(value=None):
            return "none"
        case ast.Constant() | ast.UnaryOp() | ast.BinOp():
            return "num"
        case _:
            return type(value).__name__.lower()
