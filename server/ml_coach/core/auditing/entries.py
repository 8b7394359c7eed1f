"""Where functions begin to run, and how to make a function raise that is called."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from ml_coach.core.auditing.mistakes import Edit, Function
from ml_coach.core.auditing.spots import header
from ml_coach.core.project import LineChange, Project
from ml_coach.core.python import syntax

# No handler of `Exception` catches it.
_RAISES = "raise BaseException"


@dataclass(frozen=True, slots=True)
class Entry:
    """The beginning of a function's body: who calls the function runs one of the `lines`. `raises`
    is the change with which it raises instead."""

    lines: range
    raises: LineChange


def entries_of(project: Project, edits: Iterable[Edit]) -> dict[Function, Entry]:
    """The entries of the functions that these mistakes are in."""
    wanted = dict.fromkeys(edit.in_the for edit in edits if edit.in_function)
    known: dict[Function, Entry] = {}
    for file in dict.fromkeys(file for file, _ in wanted):
        source = project.text(file)
        for node in syntax.walk(syntax.parse(source) or ast.Module([], [])):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                known[file, syntax.first_line(node)] = _entry(file, source, node)
    return {function: known[function] for function in wanted if function in known}


def _entry(file: str, source: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Entry:
    begins, *rest = node.body
    runs = rest[0] if rest and ast.get_docstring(node, clean=False) is not None else begins
    number = syntax.first_line(begins)
    line = source.split("\n")[number - 1]
    before = line.encode()[: begins.col_offset].decode("utf-8", "replace")
    # Behind the colon of `def f(): ...` there are only simple statements.
    new = f"{before}{_RAISES}{'; ' if before.strip() else chr(10) + before}{line[len(before) :]}"
    return Entry(header(runs), LineChange(file, number, number, f"{new}\n"))
