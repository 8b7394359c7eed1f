"""Edits for what nobody thought of: what is empty, None, false or of another type, and a parameter
that is ignored.

They are templates of template-based repair (Liu, Koyuncu, Kim and Bissyandé 2019: null checker,
range checker, missed return, mutated condition, mutated literal; of types Oh and Oh 2022). Where a
statement raises, it is left out when what it works on is empty or missing; where truth is asked
for, only None or a missing key is refused. A project's whole suite judges them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ml_coach.core.judging.mutants import Site, sites_under_test
from ml_coach.core.judging.small_edits import Edit, edits_at, inserted
from ml_coach.core.python import syntax
from ml_coach.core.types import Program

_MOST_NAMES = 4
# What a function may give for what is empty; the likeliest first.
_VALUES = ("0", "''", "[]", "{}", "False", "True")
# What is wrong with an argument: the narrowest that the tests allow is taken.
_WRONG = ("{0} < 0", "{0} is not None and {0} < 0", "{0} <= 0", "{0} is None", "not {0}")
_MISSED = re.compile(
    r"DID NOT RAISE <class '(?:builtins\.)?(\w+)'>"
    r"|(\w+(?:Error|Exception)) not raised"
)
_TEXT = re.compile(r"(?:match=|RaisesRegex\(\s*[\w.]+,\s*)r?(['\"])([^\\\n]+?)\1")
# What a value is made into where its type is the wrong one.
_CASTS = (
    (re.compile(r"has no len\(\)|is not subscriptable|is not reversible"), "list"),
    (re.compile(r"can only concatenate str|expected str instance|must be str, not"), "str"),
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def guards(program: Program, line: int, message: str) -> Iterator[Edit]:
    """Edits that keep the statement at `line`, which raises an error with this message, from what
    is empty or None."""
    tree = syntax.parse(program.source)
    around = _around(tree, line) if tree else []
    function = next((node for node in reversed(around) if isinstance(node, _Function)), None)
    if tree is None or function is None or not isinstance(statement := around[-1], ast.stmt):
        return
    inside = around[around.index(function) + 1 : -1]
    in_loop = any(isinstance(node, _LOOPS) for node in inside)
    empty = "{} is None" if "NoneType" in message else "not {}"
    for name in _worked_on(statement, function)[:_MOST_NAMES]:
        for answer in _answers(function, name, in_loop=in_loop):
            yield from inserted(program, statement, f"if {empty.format(name)}:", answer)
        yield from _defaulted(program, tree, statement, name)
        for said, cast in _CASTS:
            if said.search(message) and "NoneType" not in message and "." not in name:
                yield from inserted(program, statement, f"{name} = {cast}({name})")


def truths(program: Program, lines: range) -> Iterator[Edit]:
    """Edits that ask for None, or for a key, where truth is asked for in these lines."""
    tree = syntax.parse(program.source)
    for site in sites_under_test(tree) if tree else ():
        node = site.node
        is_default = isinstance(node, ast.BoolOp)  # `x or 1` where x may be 0
        is_operand = site.field == "values" and isinstance(site.parent, ast.BoolOp)
        is_asked = site.field in ("test", "ifs", "operand") or is_operand or is_default
        if not is_asked or getattr(node, "lineno", 0) not in lines:
            continue
        if isinstance(site.parent, ast.UnaryOp) and not isinstance(site.parent.op, ast.Not):
            continue
        match node:
            case ast.Call(func=ast.Attribute(value=where, attr="get"), args=[key]):
                news: list[ast.expr] = [_compared(key, ast.In(), where), _present(node)]
            case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
                news = [_present(node)]
            case ast.BoolOp(op=ast.Or(), values=[first, second]):
                news = [ast.IfExp(_present(first), first, second)]
            case _:
                continue
        if tree:
            yield from edits_at(program, tree, site, news)


def refusals(program: Program, lines: range, message: str, test: str) -> Iterator[Edit]:
    """Edits that have a function refuse an argument, where a test misses an error; with the text
    that the test's code wants to be in the error."""
    wanted = _TEXT.search(test)
    missed = next((one or other for one, other in _MISSED.findall(message)), "")
    tree = syntax.parse(program.source) if missed else None
    for function in ast.walk(tree) if tree else ():
        if not isinstance(function, _Function) or function.lineno not in lines:
            continue
        start = next((s for s in function.body if not syntax.is_docstring(s)), function.body[-1])
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        for name in [a.arg for a in arguments if a.arg not in ("self", "cls")]:
            for wrong in _WRONG:
                text = wanted[2] if wanted else f"{name} is wrong"
                refuses = f"raise {missed}({text!r})"
                yield from inserted(program, start, f"if {wrong.format(name)}:", refuses)


def ignored(program: Program, lines: range) -> Iterator[Edit]:
    """Edits that take a parameter, which its function does not read, in the place of a value."""
    tree = syntax.parse(program.source)
    for function in ast.walk(tree) if tree else ():
        if not isinstance(function, _Function) or function.lineno not in lines:
            continue
        read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        own = [a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)]
        unread = [name for name in own if name not in read and name not in ("self", "cls")]
        body = ast.Module(function.body, [])
        for site in sites_under_test(body) if unread else ():
            if isinstance(site.node, ast.Constant) and not isinstance(site.parent, ast.JoinedStr):
                news = [ast.Name(name, ast.Load()) for name in unread]
                if tree:
                    yield from edits_at(program, tree, site, news)


def _present(node: ast.expr) -> ast.expr:
    return _compared(node, ast.IsNot(), ast.Constant(None))


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [op], [right])


def _around(tree: ast.Module, line: int) -> list[ast.AST]:
    """The nodes with statements that `line` lies in, the outermost first, and its statement."""
    found: list[ast.AST] = []
    body: list[ast.stmt] = tree.body
    while statement := next(
        (s for s in body if syntax.first_line(s) <= line <= (s.end_lineno or s.lineno)), None
    ):
        found.append(statement)
        inner = [s for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)]
        inner += [
            s for h in getattr(statement, "handlers", []) for s in ast.iter_child_nodes(h)
            if isinstance(s, ast.stmt)
        ]  # fmt: skip
        body = inner
    return found


def _worked_on(statement: ast.stmt, function: _Function) -> list[str]:
    """The variables of the function, and the attributes of its object, that a statement reads."""
    own = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    own |= {
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    heads = [n for n in ast.iter_child_nodes(statement) if not isinstance(n, ast.stmt)]
    called = {id(n.func) for head in heads for n in ast.walk(head) if isinstance(n, ast.Call)}
    found: dict[str, None] = {}
    for node in (n for head in heads for n in ast.walk(head) if id(n) not in called):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in own and name != "self":
                found[name] = None
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Load()):
                found[f"self.{name}"] = None
            case _:
                pass
    return [*found]


def _answers(function: _Function, name: str, *, in_loop: bool) -> list[str]:
    """What may be done instead."""
    skipped = ["continue"] if in_loop else []
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function)):
        return [*skipped, "return"]
    return [*skipped, "return", f"return {name}", *(f"return {value}" for value in _VALUES)]


def _defaulted(
    program: Program, tree: ast.Module, statement: ast.stmt, name: str
) -> Iterator[Edit]:
    """A default in the place of a value that is computed of `name`."""
    if not isinstance(statement, ast.Assign):
        return
    site = Site(statement.value, statement, "value")
    values = [syntax.expression(value) for value in ("0", "None", "''", "[]")]
    news = [ast.IfExp(syntax.expression(name), statement.value, value) for value in values]
    yield from edits_at(program, tree, site, news)
