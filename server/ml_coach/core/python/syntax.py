"""Reading Python text; `parse` and `complaint` raise nothing, whatever the parser raises."""

from __future__ import annotations

import ast
import builtins
import codeop
import io
import re
import threading
import tokenize
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import cast

# What CPython's parser and compiler raise on text that is not Python: ValueError for NUL and lone
# surrogates, the last three for absurdly deep or long input.
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__"}


_ON_THE_FILE = re.compile(r"#!|#.*(?:coding[:=]|copyright|licen[cs]e)", re.IGNORECASE)

# CPython 3.11 and 3.12 count the depth of the tree they build once for all threads: two that parse
# at a time can fail with a SystemError (gh-106905). A finalizer may parse in its thread's turn.
PARSING = threading.RLock()


@contextmanager
def quietly() -> Generator[None]:
    """Silences the warnings of parsing and compiling, such as those about invalid escapes.

    Python's filters of warnings are shared by all threads, too, so the lock is held meanwhile.
    """
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def module(source: str) -> ast.Module:
    """`ast.parse`, from any thread. Raises one of `NOT_PYTHON`."""
    with PARSING:
        return ast.parse(source)


def expression(source: str) -> ast.expr:
    """The one expression that `source` spells. Raises one of `NOT_PYTHON`."""
    with PARSING:
        return ast.parse(source, mode="eval").body


def parse(source: str) -> ast.Module | None:
    """The module that `source` spells, None where it does not parse."""
    tree = parse_or_fault(source)
    return tree if isinstance(tree, ast.Module) else None


def parse_or_fault(source: str) -> ast.Module | str:
    """The module that `source` spells, or the parser's message where it does not parse."""
    try:
        with quietly():
            return module(source)
    except NOT_PYTHON as error:
        return str(error) or type(error).__name__


def complaint(source: str) -> str:
    """Why `source` does not compile, as one sentence with its line; empty where it does.

    Compiling sees more than parsing: `return` outside a function, a name both global and local.
    """
    try:
        with quietly():
            compile(source, "<reply>", "exec", dont_inherit=True)
    except SyntaxError as error:
        number, lines = error.lineno or 0, source.splitlines()
        where = f"line {number}" if number else "the code"
        text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return f"{where}: {error.msg}" + (f" in `{text[:120]}`" if text else "")
    except NOT_PYTHON as error:
        return f"the code is no Python: {error or type(error).__name__}"
    return ""


def compiles(source: str) -> bool:
    """Whether `source` is Python that compiles."""
    return not complaint(source)


def is_unfinished(text: str) -> bool:
    """Whether `text` is the beginning of an expression that must go on in a further line."""
    try:
        with quietly():
            return codeop.compile_command(text, symbol="eval") is None
    except NOT_PYTHON:
        return False


def unparsed(node: ast.AST) -> str:
    """The text of `node`, empty where it is nested too deeply for `ast.unparse`.

    A sum of a few hundred terms is, although the parser still makes a tree of it.
    """
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below and with `node`, in no order; twice as fast as `ast.walk`."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        for field in node._fields:
            value: object = getattr(node, field, None)
            if isinstance(value, ast.AST):
                # Load, Store and the operators have no fields and hold no names.
                if value._fields:
                    pending.append(value)
            elif isinstance(value, list):
                parts = cast("list[object]", value)
                pending.extend(part for part in parts if isinstance(part, ast.AST))


def target_names(node: ast.AST) -> Iterator[str]:
    """The plain names that an assignment's target binds."""
    for part in walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def bindings(statement: ast.stmt) -> Iterator[str]:
    """The names that one top-level statement binds in its module, nested blocks included."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case (
                ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp()
            ):
                pass
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    yield (alias.asname or alias.name).split(".", 1)[0]
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case _:
                pending.extend(ast.iter_child_nodes(node))


def top_level(tree: ast.Module) -> frozenset[str]:
    """The names that the module binds at its top level, nested blocks included."""
    return frozenset(name for statement in tree.body for name in bindings(statement))


def loads(node: ast.AST) -> frozenset[str]:
    """Every name that is read anywhere below `node`."""
    return frozenset(
        part.id
        for part in walk(node)
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Store)
    )


def first_line(statement: ast.stmt) -> int:
    """The line, counted from 1, on which a statement begins, its decorators included."""
    if isinstance(statement, Definition) and statement.decorator_list:
        return min(statement.lineno, *(d.lineno for d in statement.decorator_list))
    return statement.lineno


def spans(node: ast.stmt | ast.expr, line: int) -> bool:
    """Whether a node reaches over a line, counted from 1, its decorators included."""
    first = first_line(node) if isinstance(node, ast.stmt) else node.lineno
    return first <= line <= (node.end_lineno or node.lineno)


def function_at(tree: ast.AST, line: int) -> Function | None:
    """The function that begins on a line, counted from 1, with its decorators."""
    functions = (node for node in ast.walk(tree) if isinstance(node, Function))
    return next((node for node in functions if first_line(node) == line), None)


def indentation(source: str) -> str:
    """What the first block is indented by; four spaces where there is none."""
    for statement in module(source).body:
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt) and inner.lineno > statement.lineno:
                return source.split("\n")[inner.lineno - 1][: inner.col_offset]
    return "    "


def is_test(name: str) -> bool:
    """Whether pytest may take what is called so for a test."""
    return name.lower().startswith("test")


def tests(source: str) -> list[Definition]:
    """The top-level test functions and classes of a test file; none where it does not parse."""
    tree = parse(source)
    body = tree.body if tree else ()
    return [node for node in body if isinstance(node, Definition) and is_test(node.name)]


def test_functions(source: str) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """All test functions with their names (`test_x`, `TestA::test_b`); none where it does not
    parse. A class counts whatever it is called: those of unittest have any name."""
    tree = parse(source)
    return list(_test_functions(tree, "")) if tree else []


def _test_functions(
    scope: ast.Module | ast.ClassDef, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in scope.body:
        if isinstance(node, ast.ClassDef):
            yield from _test_functions(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_test(node.name):
            yield prefix + node.name, node


def test_places(source: str) -> dict[str, int]:
    """The line, counted from 1, of the `def` of each test, by names such as `TestA::test_b`."""
    places: dict[str, int] = {}
    for node in tests(source):
        if not isinstance(node, ast.ClassDef):
            places[node.name] = node.lineno
            continue
        methods = (m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef))
        places |= {f"{node.name}::{m.name}": m.lineno for m in methods if is_test(m.name)}
    return places


def last_line(statement: ast.stmt) -> int:
    """The line, counted from 1, on which a statement ends."""
    return statement.end_lineno or statement.lineno


def comments(source: str) -> dict[int, str] | None:
    """Each comment by its line, counted from 1; None where `source` is not Python."""
    if "#" not in source:
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    try:
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    except (tokenize.TokenError, SyntaxError):
        return None


def lines_in_strings(node: ast.AST) -> frozenset[int]:
    """The lines, counted from 1, that begin inside a string: to indent them would change it."""
    inside: set[int] = set()
    for part in walk(node):
        is_string = isinstance(part, ast.JoinedStr) or (
            isinstance(part, ast.Constant) and isinstance(part.value, str | bytes)
        )
        if is_string and isinstance(part, ast.expr) and part.end_lineno:
            inside.update(range(part.lineno + 1, part.end_lineno + 1))
    return frozenset(inside)


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`."""
    return isinstance(statement, ast.If) and "__name__" in loads(statement.test)


def is_docstring(statement: ast.stmt) -> bool:
    """Whether it is a bare string, such as a docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def is_placeholder(statement: ast.stmt) -> bool:
    """Whether a definition is empty and so not finished; a class can have all from its bases."""
    is_derived = isinstance(statement, ast.ClassDef) and bool(statement.bases)
    return is_empty(statement) and not is_derived


def is_empty(statement: ast.stmt) -> bool:
    """Whether a definition has nothing in its body: a docstring, `pass`, `...`, not implemented."""
    if not isinstance(statement, Definition):
        return False
    return all(_is_empty_statement(part) for part in statement.body)


def _is_empty_statement(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
        case _:
            return False


def asked(tree: ast.Module) -> list[Definition]:
    """A stub's definitions without a body; where all have one, all of them."""
    definitions = [s for s in tree.body if isinstance(s, Definition)]
    return [d for d in definitions if _is_open(d)] or definitions


def _is_open(definition: Definition) -> bool:
    if isinstance(definition, ast.ClassDef):
        inner = [s for s in definition.body if isinstance(s, Definition)]
        return any(_is_open(s) for s in inner) or is_empty(definition)
    return is_empty(definition)


def free_names(tree: ast.Module) -> frozenset[str]:
    """Names that are read somewhere and bound nowhere, in any scope: a quick lower bound."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Name():
                (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            case ast.Constant() | ast.Attribute() | ast.Call() | ast.Subscript():
                pass
            case ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias():
                bound.add((node.asname or node.name).split(".", 1)[0])
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                bound.add(name)
            case ast.MatchStar(name=str() as name) | ast.MatchMapping(rest=str() as name):
                bound.add(name)
            case _:
                pass
    return frozenset(read - bound - BUILTINS)


def top_comments(lines: Sequence[str]) -> list[str]:
    """The comments above the first statement, and the blank lines between."""
    return list(takewhile(lambda line: not line.strip() or line.startswith("#"), lines))


def end_of_top(lines: Sequence[str]) -> int:
    """How many of `lines` are comments on the whole file, below which its first import goes.

    Comments that touch the first statement are about that statement, except those that can only be
    about the file, such as a licence.
    """
    top = top_comments(lines)
    end = max((at for at, line in enumerate(top, 1) if not line.strip()), default=0)
    if any(map(_ON_THE_FILE.match, top[end:])):
        return len(top)
    return end if any(line.strip() for line in top[:end]) else 0


def insert_at_top(source: str, tree: ast.Module, piece: str) -> str:
    """`source` with `piece` where imports go: after top comments, docstring, `__future__`."""
    lines = source.split("\n")
    at = top = end_of_top(lines)
    for index, statement in enumerate(tree.body):
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not is_future and not (index == 0 and is_docstring(statement)):
            break
        at = last_line(statement)
    head, rest = lines[:at], lines[at:]
    # Two blank lines before a definition that now follows, as a formatter would.
    gap = ["", ""] if at == top and tree.body and isinstance(tree.body[0], Definition) else []
    return "\n".join([*head, piece, *gap, *rest])
