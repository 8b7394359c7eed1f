"""Comments in a reply that stand for lines of the user's function that were left out."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import Literal

from ml_coach.core.patches.lines import indent_of, is_comment
from ml_coach.core.python import syntax
from ml_coach.core.python.bindings import Function, Placed, keys_of
from ml_coach.core.sanitizer.elisions import elisions

_NEAR = 500  # lines above a comment in which its class is looked for
_DATA = (
    r"(?:elements?|items?|numbers?|digits?|char(?:acter)?s?|values?|keys?|entries|nodes?|words?"
    r"|list|array|string|text|input|queue|stack|tokens?|letters?|rows?|columns?|cells?|pairs?)"
)
# Broader than what the sanitizer knows, as here it counts only with a loss of statements.
_LEFT_OUT = re.compile(
    r"#[^#]{0,200}(?:\.\.\.|…)"
    r"|#[ \t]{0,8}\(?(?:the )?(?:rest of|remaining|existing|unchanged|same as|as before"
    r"|your (?:existing )?code|previous code|other (?:code|functions|methods))\b"
    r"|#[^#]{0,60}\b(?:loop|body|code|logic|block|function|method)\b[^#]{0,60}"
    r"\b(?:unchanged|as (?:before|is|it is)|the same|omitted)\b",
    re.IGNORECASE,
)
# What a program works on, and a series: 1, 3, 5, ... up to n.
_OF_DATA = re.compile(
    rf"#+\s*(?:the )?(?:remaining|existing|other|rest of the) (?:\w+ )?{_DATA}\s*[.:]?"
    r"|(?!.*\b(?:rest|same|before|unchanged|remaining|existing|keep)\b)"
    r"#[^#]*(?:\d\s*[,+*<=]?\s*(?:\.\.\.|…)|[,+*<=]\s*(?:\.\.\.|…)\s*[\w,+*<=)\]]).*",
    re.IGNORECASE,
)


def left_out(
    before: str, original: ast.Module | None, code: str, tree: ast.Module
) -> Literal["in a function", "beside functions", ""]:
    """Where the code leaves out lines of the file, by its comments; the user's own are none.

    A comment that only may say so counts in a function with fewer statements of some kind than
    the one it replaces, or with none to replace, as nobody knows then what is missing.
    """
    lines = code.split("\n")
    definite = elisions(code)
    if any(_is_in_function(lines, at - 1) for at in definite):
        return "in a function"
    own = {line.strip() for line in before.splitlines() if "#" in line}
    beside = bool(definite)
    for at, text in (syntax.comments(code) or {}).items():
        may_be = _LEFT_OUT.match(text) and not _OF_DATA.fullmatch(text)
        if not may_be or at in definite or lines[at - 1].strip() in own:
            continue
        path = _path(tree, at, len(indent_of(lines[at - 1])))
        if not path or isinstance(path[-1], ast.ClassDef):
            beside = True
            continue
        old = original and _counterpart(original, [next(keys_of(s), "") for s in path])
        if old is None or _kinds(old) - _kinds(path[-1]):
            return "in a function"
    return "beside functions" if beside else ""


def _path(tree: ast.Module, at: int, inset: int) -> list[ast.stmt]:
    """The definition or constant that the comment is in, below the classes around it."""
    path: list[ast.stmt] = []
    owner: ast.Module | ast.ClassDef = tree
    while True:
        last = next((s for s in reversed(owner.body) if s.lineno <= at), None)
        if not isinstance(last, Placed):
            return path
        if at > (last.end_lineno or 0) and inset <= last.col_offset:
            return path
        path.append(last)
        if not isinstance(last, ast.ClassDef):
            return path
        owner = last


def _counterpart(original: ast.Module, path: list[str]) -> ast.stmt | None:
    found: list[ast.stmt] = [s for s in original.body if path[0] in keys_of(s)]
    if not found and len(path) == 1:
        classes = [s for s in original.body if isinstance(s, ast.ClassDef)]
        found = [m for c in classes for m in c.body if path[0] in keys_of(m)]
    for name in path[1:]:
        classes = [s for s in found if isinstance(s, ast.ClassDef)]
        found = [m for c in classes for m in c.body if name in keys_of(m)]
    return found[-1] if found else None


def _kinds(statement: ast.stmt) -> Counter[str]:
    if not isinstance(statement, Function):
        return Counter(type(node).__name__ for node in ast.walk(statement))
    kinds: Counter[str] = Counter()
    for node in ast.walk(statement):
        match node:
            case ast.For() | ast.AsyncFor() | ast.While():
                kinds.update(("loop", "statement"))
            case ast.comprehension():
                kinds["loop"] += 1
            case ast.If() | ast.Match():
                kinds.update(("choice", "statement"))
            case ast.IfExp():
                kinds["choice"] += 1
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass  # a docstring or a place for one
            case ast.Try() | ast.With() | ast.Return() | ast.FunctionDef():
                kinds.update((type(node).__name__, "statement"))
            case ast.stmt():
                kinds["statement"] += 1
            case _:
                pass
    return kinds


def _is_in_function(lines: list[str], at: int) -> bool:
    """Whether the comment is inside of more than a class, whose other members stay anyway."""
    inset = indent_of(lines[at])
    heads = (
        line
        for line in reversed(lines[max(0, at - _NEAR) : at])
        if line.strip() and not is_comment(line) and len(indent_of(line)) < len(inset)
    )
    return bool(inset) and not next(heads, "").lstrip().startswith("class ")
