"""Whole functions, or a whole file, put into a Python file in the place of what they replace."""

from __future__ import annotations

import ast
from collections.abc import Set
from dataclasses import dataclass
from textwrap import dedent

from ml_coach.core.patches.classes import drops_of_head, has_same_head
from ml_coach.core.patches.gaps import left_out
from ml_coach.core.patches.heads import HEAD, bound_by_heads, kept_of_heads
from ml_coach.core.patches.lines import indent_of, is_comment, line_end, split_lines
from ml_coach.core.patches.whole import is_whole_file, under_top_comments, whole_classes
from ml_coach.core.python import syntax
from ml_coach.core.python.bindings import (
    LONGEST,
    Function,
    Placed,
    is_imported,
    keys_of,
    names_with_members,
    parsed,
)


@dataclass(frozen=True, slots=True)
class NotMerged:
    """Why code could not be put into a file: the end of a sentence that begins with "The code"."""

    reason: str


def merge_code(before: str, code: str) -> str | NotMerged:
    """`before` with the functions, classes, constants and imports of `code` in their places.

    Code that binds every name of the file, in its classes too, is the new file itself. Otherwise
    definitions replace those of the same name, member by member where a class lacks some, a
    method is found in the one class that has it, missing imports go to the others, new
    definitions go beside the ones they came with, and loose calls and asserts, which models add
    to show how it works, are left out. Code that would lose a name of the file is not merged.
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
    original = parsed(before)
    gap = left_out(before, original, code, tree)
    if gap == "in a function":
        return NotMerged("leaves out lines of a function.")
    given = names_with_members(tree)
    if original is None:
        names = bound_by_heads(before) if gap else kept_of_heads(before, tree)
        merged = _replace_broken(before, code, tree, whole=not gap and names <= given)
    else:
        whole = set[str]() if gap else whole_classes(original, tree)
        names = names_with_members(original)
        names = {name for name in names if name in given or name.partition(".")[0] not in whole}
        if not gap and names <= given and is_whole_file(before, original, code, tree):
            merged = under_top_comments(before, code)
        else:
            merged = _merge(before, original, code, tree, whole)
    if isinstance(merged, NotMerged):
        return merged
    end = line_end(before)
    merged = merged.replace("\r\n", "\n").replace("\n", end) if end == "\r\n" else merged
    return _objection(merged, names) or merged


def _objection(merged: str, names: Set[str]) -> NotMerged | None:
    tree = parsed(merged)
    if tree is None:
        return NotMerged("would leave a program that does not compile.")
    lost = ", ".join(sorted(names - names_with_members(tree)))
    return NotMerged(f"would lose {lost}, which it does not replace.") if lost else None


def _replace_broken(before: str, code: str, tree: ast.Module, *, whole: bool) -> str | NotMerged:
    """A file that does not compile has no tree: its definitions are found by their first lines."""
    if whole:
        return under_top_comments(before, code)
    lines = split_lines(before)
    replaced = [statement for statement in tree.body if isinstance(statement, syntax.Definition)]
    for statement in replaced:
        places = [
            at
            for at, line in enumerate(lines)
            if (head := HEAD.match(line)) and not head[1] and head[3] == statement.name
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


def _merge(
    before: str, original: ast.Module, code: str, tree: ast.Module, whole: set[str]
) -> str | NotMerged:
    if "\r" in before.replace("\r\n", ""):
        return NotMerged("can not be placed in a file with lone carriage returns.")
    lines = split_lines(before)
    imports = [
        line
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        and not is_imported(original, statement)
        for line in _source(code, statement)
    ]
    pieces = _pieces(lines, original, code, tree, whole)
    if isinstance(pieces, NotMerged):
        return pieces
    if imports:
        at = _end_of_imports(original, lines)
        pieces.insert(0, (at, at, imports))
    return _assembled(before, lines, pieces)


_Piece = tuple[int, int, list[str]]
"""Lines that take the place of those from the first number to the second (exclusive)."""


def _pieces(
    lines: list[str],
    original: ast.Module | ast.ClassDef,
    code: str,
    new: ast.Module | ast.ClassDef,
    whole: set[str],
) -> list[_Piece] | NotMerged:
    """What puts the definitions in `new` into `original`: both are modules, or both one class.

    The classes in `whole` are replaced, whichever members they lack.
    """
    places = _places(original)
    if isinstance(original, ast.Module):
        inset, gap, bottom = "", ["", ""], _end_of_definitions(original, lines)
    else:
        inset, gap = indent_of(lines[original.body[0].lineno - 1]), [""]
        bottom = _span(original)[1]
    pieces: list[_Piece] = []
    ends: list[int] = []
    waiting: list[str] = []
    for statement in new.body:
        if not isinstance(statement, Placed):
            continue
        old = next((places[key] for key in keys_of(statement) if key in places), None)
        part = _part_of_class(original, old, statement)
        if part and not (isinstance(statement, ast.ClassDef) and statement.name in whole):
            old, shown = part
            first, end = _span(old)
            inner = _pieces(lines, old, code, shown, set())
            head = _head(lines, old, code, shown)
            if isinstance(inner, NotMerged) or isinstance(head, NotMerged):
                return inner if isinstance(inner, NotMerged) else head
            pieces += [(first, first, waiting), *head, *inner]
        elif old is None:
            waiting += [*_source(code, statement, inset), *gap]
            continue
        else:
            first, end = _span(old)
            source = _source(code, statement, indent_of(lines[first]))
            pieces.append((first, end, [*waiting, *source]))
        ends.append(end)
        waiting = []
    if waiting:
        at = max(ends, default=bottom)
        above = gap if at else []
        pieces.append((at, at, [*above, *waiting[: -len(gap)]]))
    return pieces


def _head(
    lines: list[str], old: ast.ClassDef, code: str, new: ast.Module | ast.ClassDef
) -> list[_Piece] | NotMerged:
    """What puts the decorators and bases of a class of which some members are shown in place."""
    if isinstance(new, ast.Module) or has_same_head(old, new):
        return []
    if drops_of_head(old, new):
        return NotMerged(f"has neither all members nor the whole head of class {old.name}.")
    (first, end), source = _head_span(lines, old), code.split("\n")
    start, stop = _head_span(source, new)
    own, inset = indent_of(source[start]), indent_of(lines[first])
    if end <= old.lineno - 1 or stop <= new.lineno - 1:
        return NotMerged(f"changes the head of class {old.name}, which is in one line with it.")
    return [(first, end, [inset + line.removeprefix(own) for line in source[start:stop]])]


def _head_span(lines: list[str], cls: ast.ClassDef) -> tuple[int, int]:
    end = _span(cls.body[0])[0]
    while end and (not lines[end - 1].strip() or is_comment(lines[end - 1])):
        end -= 1
    return _span(cls)[0], end


def _assembled(before: str, lines: list[str], pieces: list[_Piece]) -> str | NotMerged:
    if not pieces:
        return NotMerged("defines nothing that belongs into the file.")
    spans = [(first, end) for first, end, _ in pieces if first < end]
    if len(set(spans)) != len(spans):
        return NotMerged("defines the same name twice.")
    lines = list(lines)
    # From the bottom up, so that the numbers of what is still to come stay true; and of two
    # pieces for one place the later one first, which then is below the other.
    for first, end, source in sorted(pieces[::-1], key=lambda piece: piece[:2], reverse=True):
        lines[first:end] = source
    text = "".join(f"{line}\n" for line in lines)
    return text if before.endswith("\n") or not before else text.removesuffix("\n")


def _places(tree: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    """Each definition and constant by its names; of several with one name, the last counts."""
    return {
        key: statement
        for statement in tree.body
        if isinstance(statement, Placed)
        for key in keys_of(statement)
    }


def _part_of_class(
    original: ast.Module | ast.ClassDef, old: ast.stmt | None, new: ast.stmt
) -> tuple[ast.ClassDef, ast.Module | ast.ClassDef] | None:
    """The class of which `new` is only a part, and the part: some members, or one bare method."""
    if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
        return (old, new) if names_with_members(old) - names_with_members(new) else None
    if old or not isinstance(original, ast.Module) or not isinstance(new, Function):
        return None
    (key,) = keys_of(new)
    classes = [cls for cls in original.body if isinstance(cls, ast.ClassDef)]
    owners = [cls for cls in classes if isinstance(_places(cls).get(key), Function)]
    return (owners[0], ast.Module([new], [])) if len(owners) == 1 else None


def _span(statement: ast.stmt) -> tuple[int, int]:
    """First line from 0, decorators included, and the line after the last."""
    first = statement.lineno
    if isinstance(statement, syntax.Definition):
        first = min([first, *(decorator.lineno for decorator in statement.decorator_list)])
    return first - 1, statement.end_lineno or first


def _source(code: str, statement: ast.stmt, inset: str = "") -> list[str]:
    """The statement's lines, indented by `inset`; what is inside a string stays as it is."""
    first, last = _span(statement)
    lines = code.split("\n")[first:last]
    own = indent_of(lines[0])
    kept = syntax.lines_in_strings(statement)
    return [
        line if number in kept or not line.strip() else inset + line.removeprefix(own)
        for number, line in enumerate(lines, first + 1)
    ]


def _end_of_imports(tree: ast.Module, lines: list[str]) -> int:
    """The line after the imports at the top, or after docstring or comments if there are none."""
    at = syntax.end_of_top(lines)
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
    spans = [
        _span(statement)[1] for statement in tree.body if isinstance(statement, syntax.Definition)
    ]
    return max(spans, default=len(lines))
