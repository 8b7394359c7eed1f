"""Calls made from a signature's type hints, for programs that no test calls with literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ml_coach.core.python import syntax

MOST_CALLS = 8

_SCALARS = {
    "int": ("3", "0", "10", "1", "-2"),
    "float": ("2.5", "0.0", "10.0", "-1.5"),
    "bool": ("True", "False"),
    "str": ("'abc'", "''", "'Hello World'", "'a'", "'racecar 12'"),
    "bytes": ("b'abc'", "b''"),
    "Any": ("3", "'abc'", "[]", "None"),
    "None": ("None",),
}
_LISTS = ("list", "List", "Sequence", "Iterable", "Collection", "MutableSequence")
_SETS = ("set", "Set", "frozenset", "FrozenSet")
_DICTS = ("dict", "Dict", "Mapping", "MutableMapping")


def typed_calls(signatures: Sequence[str]) -> tuple[str, ...]:
    """Calls such as `f([3], 'abc')` for each signature whose arguments all have known types;
    none for the others. `signatures` are written as `f(xs: list[int], s: str) -> bool`."""
    return tuple(call for signature in signatures for call in _calls(signature))


def _calls(signature: str) -> Iterator[str]:
    tree = syntax.parse(f"def {signature}: ...")
    if tree is None:
        return
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    arguments = definition.args
    needed = [*arguments.posonlyargs, *arguments.args]
    needed = needed[: len(needed) - len(arguments.defaults)]
    values = [_values(argument.annotation) for argument in needed]
    if not values or not all(values) or any(d is None for d in arguments.kw_defaults):
        return
    found = (
        # Arguments move at different paces, so that their values meet in many ways.
        [row[(turn + turn // len(row) * index) % len(row)] for index, row in enumerate(values)]
        for turn in range(MOST_CALLS)
    )
    yield from dict.fromkeys(f"{definition.name}({', '.join(call)})" for call in found)


def _values(annotation: ast.expr | None) -> tuple[str, ...]:
    """Expressions of that type, plain ones first; none where the type is not known."""
    match annotation:
        case ast.Constant(value=None):
            return ("None",)
        case ast.Constant(value=str(quoted)):
            return _values(_parsed(quoted))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _SCALARS.get(name) or _container(name, [_SCALARS["int"]])
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _values(left) + _values(right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            of = [_values(part) for part in parts if not _is_ellipsis(part)]
            if name in ("Optional", "Union"):
                rest = ("None",) if name == "Optional" else ()
                return tuple(value for values in of for value in values) + rest
            return _container(name, of) if of and all(of) else ()
        case _:
            return ()


def _container(name: str, of: Sequence[Sequence[str]]) -> tuple[str, ...]:
    first, last = of[0], of[-1]
    rows = (list(first[:3]), [first[0]], [*first[1:3], first[0], first[0]])
    if name in _LISTS:
        return (*(f"[{', '.join(row)}]" for row in rows), "[]")
    if name in _SETS:
        return (*(f"{{{', '.join(row)}}}" for row in rows), "set()")
    if name in _DICTS:
        pairs = [f"{key}: {value}" for key, value in zip(first, last, strict=False)]
        return (f"{{{', '.join(pairs[:2])}}}", f"{{{pairs[0]}}}", "{}")
    if name in ("tuple", "Tuple"):
        if len(of) > 1:
            return tuple(f"({', '.join(row)})" for row in zip(*of, strict=False))
        return tuple(f"({', '.join(row)},)" for row in rows)
    return ()


def _parsed(text: str) -> ast.expr | None:
    try:
        return syntax.expression(text)
    except (SyntaxError, ValueError):
        return None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
