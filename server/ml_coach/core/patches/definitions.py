"""Whole functions, or a whole file, put into a Python file in the place of what they replace."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from textwrap import dedent, indent

from ml_coach.core.patches.lines import line_end, split_lines
from ml_coach.core.patches.python import LONGEST, bound_names, names_of, parsed

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_LEFT_OUT = re.compile(
    r"#[^#]{0,200}(?:\.\.\.|…)"
    r"|#[ \t]{0,8}\(?(?:the )?(?:rest of|remaining|existing|unchanged|same as|as before"
    r"|your (?:existing )?code|previous code|other (?:code|functions))\b",
    re.IGNORECASE,
)
_HEAD = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NotMerged:
    """Why code could not be put into a file: the end of a sentence that begins with "The code"."""

    reason: str


def merge_code(before: str, code: str) -> str | NotMerged:
    """`before` with the functions, classes, constants and imports of `code` in their places.

    Code that binds every name of the file at its top level is the new file itself. Otherwise
    definitions replace those of the same name, a method is found in the one class that has it,
    missing imports go to the others, new definitions go beside the ones they came with, and
    loose calls and asserts, which models add to show how it works, are left out.
    """
    if max(len(before), len(code)) > LONGEST:
        return NotMerged("is too long to be compared with the file.")
    code = code.replace("\r\n", "\n")
    tree = parsed(code)
    if tree is None:
        code = dedent(code)
        tree = parsed(code)
    if tree is None:
        return NotMerged("does not compile.")
    if not tree.body:
        return NotMerged("holds no statement.")
    elided = [at for at, line in enumerate(split_lines(code), 1) if _LEFT_OUT.search(line)]
    if any(_inside_definition(tree, at) for at in elided):
        return NotMerged("leaves out lines of a function.")
    original = parsed(before)
    if original is None:
        merged = _replace_broken(before, code, tree, whole=not elided)
    elif not elided and _is_whole_file(original, tree):
        merged = code
    else:
        merged = _merge(before, original, code, tree)
    if isinstance(merged, NotMerged):
        return merged
    end = line_end(before)
    merged = merged.replace("\r\n", "\n").replace("\n", end) if end == "\r\n" else merged
    if parsed(merged) is None:
        return NotMerged("would leave a program that does not compile.")
    return merged


def _inside_definition(tree: ast.Module, line: int) -> bool:
    return any(
        isinstance(statement, _Definition)
        and statement.lineno <= line <= (statement.end_lineno or 0)
        for statement in tree.body
    )


def _is_whole_file(original: ast.Module, tree: ast.Module) -> bool:
    loose = any(not list(names_of(statement)) for statement in original.body)
    loose_too = any(not list(names_of(statement)) for statement in tree.body)
    return bound_names(original) <= bound_names(tree) and (loose_too or not loose)


def _replace_broken(before: str, code: str, tree: ast.Module, *, whole: bool) -> str | NotMerged:
    """A file that does not compile has no tree: its definitions are found by their first lines."""
    heads = list(_HEAD.finditer(before))
    names = {head[1] for head in heads}
    if whole and names <= bound_names(tree):
        return code
    lines = split_lines(before)
    replaced = [statement for statement in tree.body if isinstance(statement, _Definition)]
    for statement in replaced:
        places = [
            at
            for at, line in enumerate(lines)
            if (head := _HEAD.match(line)) and head[1] == statement.name
        ]
        if len(places) != 1:
            return NotMerged(f"defines {statement.name}, which has no one place in the file.")
        first = last = places[0]
        while first and lines[first - 1].startswith("@"):
            first -= 1
        last += 1
        while last < len(lines) and (not lines[last].strip() or lines[last][:1] in " \t)]}"):
            last += 1
        while not lines[last - 1].strip():
            last -= 1
        lines[first:last] = _source(code, statement)
    return "".join(f"{line}\n" for line in lines) if replaced else NotMerged("defines nothing.")


def _merge(before: str, original: ast.Module, code: str, tree: ast.Module) -> str | NotMerged:
    if "\r" in before.replace("\r\n", ""):
        return NotMerged("can not be placed in a file with lone carriage returns.")
    lines = split_lines(before)
    places = _places(original)
    pieces: list[_Piece] = []
    imports: list[str] = []
    waiting: list[str] = []
    for statement in tree.body:
        source = _source(code, statement)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports += [] if _imported(original, statement) else source
        elif isinstance(statement, _Definition | ast.Assign | ast.AnnAssign):
            names = [*names_of(statement)]
            place = next((places[name] for name in names if name in places), None)
            place = place or _method_place(original, statement)
            if place is None:
                waiting += [*source, "", ""]
                continue
            head = lines[place[0]]
            inset = head[: len(head) - len(head.lstrip())]
            source = split_lines(indent("\n".join(source), inset))
            pieces.append((*place, [*waiting, *source]))
            waiting = []
    if waiting:
        at = max((end for _, end, _ in pieces), default=_end_of_definitions(original, lines))
        pieces.append((at, at, ["", "", *waiting[:-2]] if at else waiting[:-2]))
    if imports:
        at = _end_of_imports(original)
        pieces.append((at, at, imports))
    return _assembled(before, lines, pieces)


_Piece = tuple[int, int, list[str]]
"""Lines that take the place of those from the first number to the second (exclusive)."""


def _assembled(before: str, lines: list[str], pieces: list[_Piece]) -> str | NotMerged:
    if not pieces:
        return NotMerged("defines nothing that belongs into the file.")
    spans = [(first, end) for first, end, _ in pieces if first < end]
    if len(set(spans)) != len(spans):
        return NotMerged("defines the same name twice.")
    lines = list(lines)
    # From the bottom up, so that the numbers of what is still to come stay true.
    for first, end, source in sorted(pieces, key=lambda piece: piece[:2], reverse=True):
        lines[first:end] = source
    text = "".join(f"{line}\n" for line in lines)
    return text if before.endswith("\n") or not before else text.removesuffix("\n")


def _places(tree: ast.Module) -> dict[str, tuple[int, int]]:
    """The lines of each definition and constant; of several with one name, the last counts."""
    return {
        name: _span(statement)
        for statement in tree.body
        if isinstance(statement, _Definition | ast.Assign | ast.AnnAssign)
        for name in names_of(statement)
    }


def _method_place(tree: ast.Module, statement: ast.stmt) -> tuple[int, int] | None:
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    found = [
        _span(method)
        for cls in tree.body
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and method.name == statement.name
    ]
    return found[0] if len(found) == 1 else None


def _span(statement: ast.stmt) -> tuple[int, int]:
    """First line from 0, decorators included, and the line after the last."""
    first = statement.lineno
    if isinstance(statement, _Definition):
        first = min([first, *(decorator.lineno for decorator in statement.decorator_list)])
    return first - 1, statement.end_lineno or first


def _source(code: str, statement: ast.stmt) -> list[str]:
    first, last = _span(statement)
    return code.split("\n")[first:last]


def _imported(tree: ast.Module, wanted: ast.Import | ast.ImportFrom) -> bool:
    known = {
        key
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for key in _import_keys(statement)
    }
    return all(key in known for key in _import_keys(wanted))


def _import_keys(statement: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    module = ""
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
    return [(module, alias.name, alias.asname or "") for alias in statement.names]


def _end_of_imports(tree: ast.Module) -> int:
    """The line after the imports at the top, or after the docstring where there are none."""
    at = 0
    for index, statement in enumerate(tree.body):
        docstring = (
            index == 0
            and isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
        )
        if not docstring and not isinstance(statement, ast.Import | ast.ImportFrom):
            break
        at = _span(statement)[1]
    return at


def _end_of_definitions(tree: ast.Module, lines: list[str]) -> int:
    spans = [_span(statement)[1] for statement in tree.body if isinstance(statement, _Definition)]
    return max(spans, default=len(lines))
