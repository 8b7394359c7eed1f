"""Edits for what was forgotten: an argument that is not passed on, an error that is not caught, a
key that may be missing, a further type; and for the wrong variable.

Templates of template-based repair again (Liu, Koyuncu, Kim and Bissyandé 2019: method invocation,
data type, variable; Oh and Oh 2022 for type errors).
A project's whole suite judges them.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from ml_coach.core.judging.mutants import Site, sites_under_test
from ml_coach.core.judging.small_edits import Edit, edits_at
from ml_coach.core.python import syntax
from ml_coach.core.types import Program

_MOST_RENAMED = 60
_ERROR = re.compile(r"^(\w+)\b")
_WHILE_ITERATED = re.compile(r"changed size during iteration|mutated during iteration")
_WIDER = {"list": "tuple", "tuple": "list", "str": "bytes", "bytes": "str", "int": "float"}

Signatures = Mapping[str, tuple[str, ...]]
"""The parameters of functions, and of classes, by their simple names."""


def signatures(sources: Iterable[str]) -> Signatures:
    """Those of all functions in the texts; of equal names the first."""
    found: dict[str, tuple[str, ...]] = {}
    for source in sources:
        tree = syntax.parse(source)
        for node in syntax.walk(tree) if tree else ():
            if isinstance(node, ast.ClassDef):
                for made in node.body:
                    if isinstance(made, syntax.Function) and made.name == "__init__":
                        found[node.name] = _parameters(made)
            elif isinstance(node, syntax.Function):
                found.setdefault(node.name, _parameters(node))
    return found


def _parameters(function: syntax.Function) -> tuple[str, ...]:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return tuple(arg.arg for arg in every if arg.arg not in ("self", "cls"))


def omissions(program: Program, lines: range, known: Signatures) -> Iterator[Edit]:
    """Edits of the function in these lines: arguments passed on, types widened, at last another
    variable. No statement is left out: what then passes is too often wrong
    (Qi, Long, Achour and Rinard 2015)."""
    tree = syntax.parse(program.source)
    function = syntax.function_at(tree, lines.start) if tree else None
    if tree is None or function is None:
        return
    sites = [s for s in sites_under_test(tree) if getattr(s.node, "lineno", 0) in lines]
    own, attributes = _own_names(function), _attributes(tree, function)
    for site in sites:
        if isinstance(call := site.node, ast.Call):
            for name, value in _forgotten(call, known, own, attributes):
                new = ast.Call(call.func, call.args, [*call.keywords, ast.keyword(name, value)])
                source = _with_argument(program.source, call, f"{name}={ast.unparse(value)}")
                yield from edits_at(program, tree, site, [new], source)
            yield from edits_at(program, tree, site, _widened(call))
    renamed = (edit for site in sites for edit in _renamed(program, tree, site, own))
    yield from islice(renamed, _MOST_RENAMED)


def caught(program: Program, line: int, message: str) -> Iterator[Edit]:
    """Edits of what stands around `line`, which an error with this message left: a handler catches
    it as well, a lookup has a default, a loop goes over a copy."""
    tree = syntax.parse(program.source)
    named = _ERROR.match(message)
    error = named[1] if named else ""
    if tree is None or not isinstance(getattr(builtins, error, None), type):
        return
    for node in syntax.walk(tree):
        if not isinstance(node, ast.Try) or not any(syntax.spans(s, line) for s in node.body):
            continue
        for handler in node.handlers:
            if kind := handler.type:
                kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
                new = ast.Tuple([*kinds, ast.Name(error, ast.Load())], ast.Load())
                yield from edits_at(program, tree, Site(kind, handler, "type"), [new])
    copied = bool(_WHILE_ITERATED.search(message))
    for site in sites_under_test(tree):
        node = site.node
        if isinstance(node, ast.expr) and syntax.spans(node, line):
            yield from edits_at(program, tree, site, _with_default(site, error, message))
        elif copied and isinstance(node, ast.For) and syntax.spans(node, line):
            new = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
            yield from edits_at(program, tree, Site(node.iter, node, "iter"), [new])


def _with_default(site: Site, error: str, message: str) -> list[ast.expr]:
    """What may stand at the site, which is read, so that what is missing raises no such error."""
    nothing = ast.Constant(None)
    match error, site.node:
        case "KeyError", ast.Subscript(value=where, slice=key, ctx=ast.Load()):
            return [ast.Call(ast.Attribute(where, "get", ast.Load()), [key], [])]
        case "KeyError", ast.Call(func=ast.Attribute(attr="pop") as pop, args=[key]):
            return [ast.Call(pop, [key, nothing], [])]
        case "StopIteration", ast.Call(func=ast.Name("next") as function, args=[it]):
            return [ast.Call(function, [it, nothing], [])]
        case "ValueError", ast.Call(func=ast.Name("max" | "min") as function, args=[items]):
            values = (ast.Constant(0), nothing) if "empty" in message else ()
            return [ast.Call(function, [items], [ast.keyword("default", v)]) for v in values]
        case "AttributeError", ast.Attribute(value=where, attr=name, ctx=ast.Load()):
            if f"'{name}'" not in message:
                return []
            get = ast.Name("getattr", ast.Load())
            return [ast.Call(get, [where, ast.Constant(name), nothing], [])]
        case "IndexError", ast.Subscript(value=where, slice=ast.Constant(value=0)):
            return [ast.Subscript(where, ast.Slice(None, ast.Constant(1)), ast.Load())]
        case _:
            return []


def _forgotten(
    call: ast.Call, known: Signatures, own: Collection[str], attributes: Collection[str]
) -> Iterator[tuple[str, ast.expr]]:
    """The parameters that the call does not give, with the variable, and the attribute of `self`,
    of that name."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    given = {keyword.arg for keyword in call.keywords}
    if any(isinstance(arg, ast.Starred) for arg in call.args) or None in given:
        return
    for parameter in known.get(name, ())[len(call.args) :]:
        if parameter in given:
            continue
        if parameter in own:
            yield parameter, ast.Name(parameter, ast.Load())
        if parameter in attributes:
            yield parameter, ast.Attribute(ast.Name("self", ast.Load()), parameter, ast.Load())


def _with_argument(source: str, call: ast.Call, text: str) -> str:
    """`source` with one more argument behind the last one, or ahead of the closing parenthesis."""
    last = max(
        [*call.args, *(keyword.value for keyword in call.keywords)],
        key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0),
        default=None,
    )
    end = last or call
    lines = source.encode().splitlines(keepends=True)
    at, column = (end.end_lineno or 1) - 1, (end.end_col_offset or 0) - (last is None)
    inserted = (f", {text}" if last else text).encode()
    lines[at] = lines[at][:column] + inserted + lines[at][column:]
    return b"".join(lines).decode()


def _widened(call: ast.Call) -> Iterator[ast.expr]:
    match call:
        case ast.Call(func=ast.Name("isinstance"), args=[value, ast.Name(kind)]) if kind in _WIDER:
            both: list[ast.expr] = [ast.Name(kind, ast.Load()), ast.Name(_WIDER[kind], ast.Load())]
            yield ast.Call(call.func, [value, ast.Tuple(both, ast.Load())], [])
        case _:
            return


def _renamed(program: Program, tree: ast.Module, site: Site, own: Sequence[str]) -> Iterator[Edit]:
    """Another variable of the function in the place of the one that is read."""
    node = site.node
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and site.field != "func":
        others = [name for name in own if name != node.id] if node.id in own else []
        yield from edits_at(program, tree, site, [ast.Name(name, ast.Load()) for name in others])


def _own_names(function: syntax.Function) -> list[str]:
    """The function's parameters and variables."""
    nodes = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
    stored = [n.id for n in nodes if isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys([*_parameters(function), *stored]))


def _attributes(tree: ast.Module, function: syntax.Function) -> frozenset[str]:
    """What the module reads or sets of `self`, for a method."""
    first = next(iter(function.args.args), None)
    if first is None or first.arg != "self":
        return frozenset()
    every = (n for n in syntax.walk(tree) if isinstance(n, ast.Attribute))
    return frozenset(
        n.attr for n in every if isinstance(n.value, ast.Name) and n.value.id == "self"
    )
